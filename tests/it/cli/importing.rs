//! `import`, as a person and as a program call it.

use super::place::Place;

const COMPOSE: &str = include_str!("../import/files/guide-full-stack.yml");
const LINE: &str = "docker run -i -v $(pwd)/logs:/app/logs -e TOKEN=hunter2 --cap-add NET_RAW acme/mcp-x:1\n";

fn files(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(&place.folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_written_once_and_replaced_only_by_force_with_a_backup() {
    let place = Place::new().file("compose.yml", COMPOSE);
    let ran = place.run(&["import", "compose.yml"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("import", place.filtered(&ran.all()));
    let path = place.folder.join("mcpo.yaml");
    let written = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, "project: mine\n").expect("a file");
    insta::assert_snapshot!("import_again", place.fail_on("", &["import", "compose.yml"]).await);
    assert_eq!(files(&place), ["compose.yml", "mcpo.yaml"]);
    let ran = place.run(&["import", "compose.yml", "--force"]).await;
    assert_eq!((ran.code, std::fs::read_to_string(&path).expect("a file")), (0, written));
    let names = files(&place);
    assert_eq!(names, ["compose.yml", "mcpo.yaml", "mcpo.yaml.bak"]);
    let backup = std::fs::read_to_string(place.folder.join("mcpo.yaml.bak")).expect("a file");
    assert_eq!(backup, "project: mine\n");
}

#[tokio::test]
async fn a_file_by_its_other_name_is_replaced_there_so_that_there_are_never_two() {
    let place = Place::new().file("compose.yml", COMPOSE).file("mcpo.yml", "project: mine\n");
    assert_eq!(place.run(&["import", "compose.yml"]).await.code, 64);
    assert_eq!(place.run(&["import", "compose.yml", "--force"]).await.code, 0);
    assert_eq!(files(&place), ["compose.yml", "mcpo.yml", "mcpo.yml.bak"]);
}

#[tokio::test]
async fn what_is_printed_is_the_file_alone_and_a_program_gets_all_of_it() {
    let place = Place::new().file("line.txt", LINE);
    let ran = place.run(&["import", "line.txt", "-o", "-"]).await;
    insta::assert_snapshot!(
        "import_printed",
        place.filtered(&format!("{}\n---\n{}", ran.stdout, ran.stderr))
    );
    let ran = place.run(&["import", "line.txt", "-o", "sub", "--format", "json"]).await;
    assert_eq!((ran.code, ran.json()["file"].as_str()), (0, Some("sub/mcpo.yaml")));
    for key in ["gaps", "kept_weaker", "not_taken_over"] {
        assert!(ran.json()[key].as_array().is_some_and(|list| !list.is_empty()), "{key}");
    }
    assert!(!ran.all().contains("hunter2"));
    let text = std::fs::read_to_string(place.folder.join("sub/mcpo.yaml")).expect("a file");
    assert!(text.contains("folder: ../logs\n"), "{text}");
    let ran = place.run_on("", &["config", "-f", "sub/mcpo.yaml"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_place_and_nothing_is_written() {
    let place = Place::new().file("notes.txt", "hello\n").file("broken.yml", "services:\n  a: *nobody\n");
    for (name, file) in [("neither", "notes.txt"), ("broken", "broken.yml"), ("missing", "none.yml")] {
        insta::assert_snapshot!(format!("import_{name}"), place.fail_on("", &["import", file]).await);
    }
    std::fs::write(place.folder.join("bytes.yml"), b"services:\n\xff").expect("a file");
    insta::assert_snapshot!("import_bytes", place.fail_on("", &["import", "bytes.yml"]).await);
    assert_eq!(files(&place), ["broken.yml", "bytes.yml", "notes.txt"]);
}
