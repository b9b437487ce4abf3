//! The table of cases was made by `docker create --env-file` (CLI 28.2.2) and `docker inspect`.

use std::path::PathBuf;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::*;

fn env() -> Env {
    Env::from_pairs([("X_SET", "fromenv"), ("X_EMPTY", "")], PathBuf::from("/"))
}

fn read(bytes: &[u8]) -> Result<Vec<String>, Vec<(usize, String)>> {
    match parse(bytes, &env()) {
        Ok(parsed) => {
            Ok(parsed.variables.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect())
        }
        Err(faults) => Err(faults.into_iter().map(|fault| (fault.line, fault.message)).collect()),
    }
}

#[test]
fn env_files_mean_what_docker_says_they_mean() {
    let cases: [(&[u8], &[&str]); 21] = [
        (b"A=1\nB=2", &["A=1", "B=2"]),
        (b"A=1\nA=2\n", &["A=2"]),
        (b"\xef\xbb\xbfA=1\n", &["A=1"]),
        (b"B=1\n\xef\xbb\xbfA=1\n", &["B=1", "\u{feff}A=1"]),
        (b"A=\"q\"\n", &["A=\"q\""]),
        (b"A='q' # c \n", &["A='q' # c "]),
        (b"  \t A=1 \n", &["A=1 "]),
        (b"\xc2\xa0A=1\n", &["A=1"]),
        (b"#c\n  # c\n\nA=1", &["A=1"]),
        (b"A=1\r\nB=2\r\n", &["A=1", "B=2"]),
        (b"A=1\r\r\n", &["A=1\r"]),
        (b"\r\nA=1\n", &["A=1"]),
        (b"A\r\n", &[]),
        (b"X_SET\nX_EMPTY\nX_UNSET\n", &["X_EMPTY=", "X_SET=fromenv"]),
        (b"A=\n", &["A="]),
        (b"A=a=b\n", &["A=a=b"]),
        (b"A=$HOME ${X}\n", &["A=$HOME ${X}"]),
        (b"A.b-c=1\n1=2\n", &["1=2", "A.b-c=1"]),
        (b"A\x0bB=1\n", &["A\u{b}B=1"]),
        (b"", &[]),
        (b"A=1\nX_SET=\n", &["A=1", "X_SET="]),
    ];
    for (file, variables) in cases {
        let variables: Vec<String> = variables.iter().map(|variable| (*variable).to_owned()).collect();
        assert_eq!(read(file), Ok(variables));
    }
}

#[test]
fn what_docker_refuses_is_refused_with_its_line_and_without_its_text() {
    let space = "the name of the variable contains a space or tab; write NAME=value";
    let cases: [(&[u8], usize, &str); 9] = [
        (b"\n=x\n", 2, "there is no name before the `=`"),
        (b"A B=1\n", 1, space),
        (b"A =1\n", 1, space),
        (b"A\tB\n", 1, space),
        (b"X_SET \n", 1, space),
        (
            b"export A=1\n",
            1,
            "the name of the variable contains a space or tab (`export` belongs to shells); write NAME=value",
        ),
        (b"A=x\xff\n", 1, "the line is not UTF-8"),
        (b"A=1\n#\xff\n", 2, "the line is not UTF-8"),
        // Docker takes it, and the container then does not start.
        (b"A=1\0b\n", 1, "the line contains a NUL character, which no variable can hold"),
    ];
    for (file, line, message) in cases {
        assert_eq!(read(file), Err(vec![(line, message.to_owned())]));
    }
}

#[test]
fn all_bad_lines_are_told_at_once() {
    assert_eq!(read(b"=a\nA=1\nB C=2\n").map_err(|faults| faults.len()), Err(2));
}

#[test]
fn a_line_may_be_as_long_as_dockers_scanner_takes() {
    let line = |length: usize| [b"A=".as_slice(), &b"x".repeat(length - 2)].concat();
    assert!(read(&line(MAX_LINE)).is_ok());
    assert!(read(&[line(MAX_LINE), b"\n".to_vec()].concat()).is_ok());
    assert!(read(&line(MAX_LINE + 1)).is_err());
}

#[test]
fn quotes_and_duplicates_are_remarked_by_name_and_never_by_value() {
    let parsed = parse(b"A=\"sk-1\"\nB='sk-2' \nA=sk-3\nsk-4.x='sk-5'\nC=\"\n", &env()).expect("good");
    let remarks: Vec<_> = parsed.remarks.iter().map(|r| (r.line, r.message.as_str())).collect();
    let quotes = |name: &str| {
        format!("the value of {name} is in quotes, and Docker keeps them as a part of it; remove them")
    };
    assert_eq!(
        remarks,
        [
            (1, quotes("`A`").as_str()),
            (2, quotes("`B`").as_str()),
            (3, "`A` is set twice; this line, the later one, counts"),
            (4, quotes("this variable").as_str()),
        ]
    );
}

#[test]
fn a_required_variable_that_is_empty_or_nowhere_is_missing() {
    let layer = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect()
    };
    let required = ["A", "B", "C", "D"].map(str::to_owned);
    let (file, environment) = (layer(&[("A", "1"), ("B", "")]), layer(&[("C", "1"), ("D", " ")]));
    assert_eq!(missing(&required, &file, &environment).collect::<Vec<_>>(), ["B", "D"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_panic_or_repeat_a_secret(
        before in any::<Vec<u8>>(),
        joint in "[ =\t'\"#\0\r\n]{0,3}",
        after in any::<Vec<u8>>(),
    ) {
        let file = [before.as_slice(), b"\nsk-SECRET", joint.as_bytes(), b"sk-SECRET\n", &after].concat();
        let said = match parse(&file, &env()) {
            Ok(parsed) => format!("{:?}", parsed.remarks),
            Err(faults) => format!("{faults:?}"),
        };
        assert!(!said.contains("SECRET"), "{said}");
    }
}
