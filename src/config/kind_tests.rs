use super::*;

const SIZE: Kind = Kind::Size { min: 6 << 20 };
const SPAN: Kind = Kind::Duration { min: 1, max: 86_400 };

#[test]
fn a_good_value_is_kept_in_one_spelling() {
    for (kind, text, read) in [
        (SIZE, "2048M", "2g"),
        (Kind::Limit(&SIZE), "unlimited", "unlimited"),
        (Kind::Cpus, "2.0", "2"),
        (SPAN, "1m30s", "1m30s"),
        (Kind::Number { min: 1, max: 65_535 }, "08765", "8765"),
        (Kind::Word(Word::Capability), "CAP_NET_RAW", "NET_RAW"),
        (Kind::Image, "python", "python:latest"),
        (Kind::User, "1000", "1000:1000"),
        (Kind::Origin, "http://localhost:3000", "http://localhost:3000"),
        (Kind::Origin, "https://[::1]:8443", "https://[::1]:8443"),
        (Kind::ContainerPath, "/app/logs", "/app/logs"),
        (Kind::InnerPath, "./docker/Dockerfile", "./docker/Dockerfile"),
        (Kind::Value, "", ""),
    ] {
        assert_eq!(kind.check(text).as_deref(), Ok(read), "{text}");
    }
}

#[test]
fn a_bad_value_is_refused_with_what_it_must_be() {
    for (kind, text, message) in [
        (SIZE, "0", "must be at least 6 MiB, not 0"),
        (Kind::Limit(&SIZE), "lots", "must be a size, such as 512m or 2g, not lots; or write `unlimited`"),
        (Kind::Flag, "yes", "must be true or false, not yes"),
        (Kind::Cpus, "0", "must be at least 0.01, not 0"),
        (SPAN, "5", "must be a span of time, such as 30s, 5m or 2h, not 5"),
        (SPAN, "0s", "must be at least 1s, not 0s"),
        (SPAN, "99h", "must be at most 1d, not 99h"),
        (Kind::Number { min: 1, max: 9 }, "+1", "must be a whole number from 1 to 9, not +1"),
        (Kind::Network, "host", "must not be host: it would give the isolation of the network away"),
        (Kind::Text, "", "must be text on one line, not \"\""),
    ] {
        let fault = kind.check(text).map_err(|fault| fault.message);
        assert_eq!(fault, Err(message.to_owned()), "{text}");
    }
    for (kind, texts) in [
        (Kind::ContainerPath, ["/", "tmp", "/a/../b", "/a//b", "/a/", "/a:b", "/a,b"].as_slice()),
        (Kind::InnerPath, &["/Dockerfile", "../Dockerfile", "", "a//b"]),
        (Kind::Origin, &["*", "example.com", "https://x/y", "https://", "https://x:0", "null"]),
        (Kind::Host, &["http://x", "x/y", "x:y", "", "[::1"]),
        (Kind::Variable, &["1A", "A-B", "A B", "", "A=B"]),
        (SPAN, &["", "s", "1y", "1.5s", "-1s", "18446744073709551615d"]),
        (Kind::Value, &["a\0b"]),
        (Kind::MountOptions, &["size=1m;rm", "a b"]),
    ] {
        for text in texts {
            assert!(kind.check(text).is_err(), "{kind:?} {text}");
        }
    }
}

#[test]
fn a_misspelt_capability_is_answered_with_the_nearest() {
    let fault = Kind::Word(Word::Capability).check("NET_BIND_SERVCE");
    assert_eq!(fault.map_err(|fault| fault.suggestion), Err(Some("NET_BIND_SERVICE".to_owned())));
}

#[test]
fn a_long_or_strange_value_is_cut_and_quoted() {
    assert_eq!(shown("a b\n"), "\"a b\\n\"");
    assert_eq!(shown(&"x".repeat(100)), format!("{}…", "x".repeat(60)));
    assert!(Kind::Image.check(&"x".repeat(MAX_TEXT + 1)).is_err());
}
