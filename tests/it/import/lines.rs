//! Run lines, as people paste them.

use super::{problems, read, resolved, told};
use mcpo_deploy::config::{LogPlace, Network, Seccomp};

#[test]
fn lines_of_readmes_are_read_as_docker_reads_them() {
    let lines = [
        ("database", "$ docker run -i --rm acme/mcp-postgres postgresql://host.docker.internal:5432/mydb"),
        (
            "forge",
            "docker run -i --rm -e FORGE_PERSONAL_ACCESS_TOKEN=ghp_0123456789abcdef -e FORGE_HOST forge/mcp-server:1.2",
        ),
        (
            "files",
            "docker run -i --rm --mount type=bind,src=/home/me/Desktop,dst=/projects/Desktop --mount \"type=tmpfs,dst=/run\" acme/mcp-files /projects",
        ),
        (
            "browser",
            "sudo docker run -it --init --ipc=host --security-opt seccomp=unconfined --cap-add SYS_ADMIN -p 8931:8931 acme/mcp-browser:v1 --headless",
        ),
        (
            "podman",
            "podman --log-level info run -di --name memory -v mem:/app/dist -u 0 -m=512m --cpus=.5 acme/mcp-memory",
        ),
        (
            "piped",
            "echo '{}' | docker run --rm -i --env-file .env mcp-orchestrator:latest python -m src.mcp_server > out",
        ),
        ("token", "docker run -i acme/mcp-chat --token abcdef --team x"),
    ];
    for (name, line) in lines {
        let imported = read(line).expect(name);
        assert_eq!(problems(&imported), [""; 0], "{name}");
        let told = told(&imported);
        for secret in ["ghp_0123", "abcdef"] {
            assert!(!told.contains(secret), "{told}");
        }
        insta::assert_snapshot!(format!("line_{name}"), told);
    }
}

#[test]
fn options_are_taken_in_every_spelling() {
    let line = "docker container run --read-only=true -eA=1 -e B=2 --env=C=3 -p=127.0.0.1:8080:80 -itm512m \\\n  \
                --network private-net --security-opt=no-new-privileges --pids-limit 99 \\\n  \
                -v \"$(pwd)/my logs:/srv/logs\" \\ \n --cpus '1.5' img:1 run \"two words\" 'it''s $HOME'";
    let stack = resolved(&read(line).expect("a line")).stack;
    assert_eq!(stack.orchestrator.image.as_str(), "img:1");
    assert_eq!(stack.orchestrator.command, ["run", "two words", "its $HOME"]);
    assert_eq!(stack.orchestrator.environment.len(), 3);
    assert_eq!(stack.hardening.memory.map(|bytes| bytes.to_string()).as_deref(), Some("512m"));
    assert_eq!(
        (stack.hardening.pids, stack.hardening.cpus.map(|cpus| cpus.0)),
        (Some(99), Some(1_500_000_000))
    );
    assert_eq!(stack.hardening.network, Network::Existing("private-net".to_owned()));
    assert_eq!(stack.logs.place, LogPlace::Folder("/demo/my logs".into()));
    assert_eq!((stack.logs.mount.as_str(), stack.hardening.seccomp), ("/srv/logs", Seccomp::Default));
}

#[test]
fn options_that_nobody_knows_are_named_and_do_not_swallow_the_image() {
    let imported =
        read("docker run --frobnicate --wibble=1 --wobble 7 --shm-size 1g -Z mcp/x").expect("a line");
    assert_eq!(resolved(&imported).stack.orchestrator.image.as_str(), "mcp/x:latest");
    let left: Vec<&str> = imported.not_taken_over.iter().map(|note| note.what.as_str()).collect();
    let options = ["--frobnicate", "--wibble", "--wobble", "--shm-size", "-Z"];
    assert_eq!(left, options.map(|option| format!("docker run {option}")));
}

#[test]
fn several_lines_are_several_services() {
    let text = "# first\ndocker run -d --name bridge -p 9000:8765 my/mcp-bridge\n\ndocker run -i \\\n  my/mcp-thing\ndocker run redis\n";
    let imported = read(text).expect("lines");
    let stack = resolved(&imported).stack;
    assert_eq!(
        (stack.orchestrator.image.as_str(), stack.bridge.websocket_port),
        ("my/mcp-thing:latest", 9000)
    );
    assert!(imported.not_taken_over.iter().any(|note| note.what == "docker run (3)" && note.line == 6));
}

#[test]
fn the_home_and_the_current_folder_are_known_in_paths_of_the_host_s_and_nowhere_else() {
    let line = "docker run -i -v $HOME/l:/app/logs --env-file $PWD/keys.env -e \"CFG=$HOME/x\" -e S=$PWD/k acme/mcp:1 --dir $HOME";
    let imported = read(line).expect("a line");
    assert!(imported.text.contains("folder: \"~/l\"\n"), "{}", imported.text);
    assert!(imported.text.contains("env_file: ./keys.env\n"), "{}", imported.text);
    for lost in ["CFG", "S:", "command"] {
        assert!(!imported.text.contains(lost), "{lost}: {}", imported.text);
    }
    let notes: Vec<String> =
        imported.not_taken_over.iter().map(|note| format!("{}: {}", note.what, note.why)).collect();
    insta::assert_snapshot!(notes.join("\n"));
}
