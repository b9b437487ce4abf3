//! Env files mean what they mean to `docker run`, and what is in them is said nowhere.

use super::docker::{container, docker, id_of, variables};
use super::rig::Rig;

#[test]
fn secrets_of_the_env_file_are_in_no_output_plan_or_label() {
    const SECRET: &str = "sk-0123456789-never-shown";
    let rig = Rig::new("secret");
    rig.write(".env", &format!("OPENAI_API_KEY={SECRET}\nOPENROUTER_API_KEY=\"{SECRET}\"\n"));
    let mut said = String::new();
    for args in [
        &["up", "--dry-run", "-v"][..],
        &["up", "--dry-run", "--format", "json"],
        &["up", "-v"],
        &["up", "--format", "json"],
        &["status"],
        &["status", "--format", "json"],
        &["config"],
        &["config", "--format", "json"],
        &["verify", "-v"],
        &["verify", "--format", "json"],
        &["logs"],
        &["build", "-v"],
        &["down", "--dry-run", "--format", "json"],
    ] {
        said.push_str(&rig.run(args).ok().all());
    }
    assert!(!said.contains(SECRET), "{said}");
    let bridge = container(&rig.bridge());
    assert!(!bridge["Config"]["Labels"].to_string().contains(SECRET));
    assert!(!bridge["Args"].to_string().contains(SECRET) && !bridge["Path"].to_string().contains(SECRET));
    let image =
        super::docker::inspect("image", bridge["Image"].as_str().expect("an image")).expect("an image");
    assert!(!image.to_string().contains(SECRET));
    // The server has to have it.
    assert!(variables(&rig.bridge()).contains(&format!("OPENAI_API_KEY={SECRET}")));

    // A failure does not say it either.
    rig.write("mcpo.yaml", "app:\n  image: localhost:1/nobody/has-this:1\n");
    let failed = rig.run(&["up", "full-stack", "-v"]).ended(1);
    assert!(!failed.all().contains(SECRET), "{}", failed.all());
}

#[test]
fn a_changed_secret_replaces_the_container_without_saying_it() {
    let rig = Rig::new("rotated");
    rig.write(".env", "OPENAI_API_KEY=first-value\n");
    rig.up();
    let first = id_of(&rig.bridge());
    rig.write(".env", "OPENAI_API_KEY=second-value\n");
    let up = rig.up();
    assert_ne!(id_of(&rig.bridge()), first);
    assert!(!up.all().contains("first-value") && !up.all().contains("second-value"), "{}", up.all());
}

#[test]
fn an_env_file_means_what_it_means_to_docker_run() {
    let mut rig = Rig::new("env-file");
    rig.write(
        ".env",
        "# a comment\n\nPLAIN=value\nEMPTY=\nQUOTED=\"with quotes\"\nSINGLE='single'\nSPACES=  kept  \n\
         EQUALS=a=b=c\nHASH=not # a comment\nDOLLAR=${HOME} $HOME\n  INDENTED=yes\nTWICE=1\nTWICE=2\n\
         UNICODE=ü\nBACKSLASH=a\\nb\nFROM_OUTSIDE\nNOT_SET_ANYWHERE\n",
    );
    rig.set("FROM_OUTSIDE", "inherited");
    rig.up();
    let by_docker = rig.named("by-docker");
    rig.owns_container(&by_docker);
    let image = rig.image("plain", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n");
    let mut run = std::process::Command::new("docker");
    run.current_dir(rig.folder()).env("FROM_OUTSIDE", "inherited");
    run.args(["create", "--name", &by_docker, "--env-file", ".env", &image]);
    super::docker::run(&mut run, "").ok();

    let theirs: Vec<String> =
        variables(&by_docker).into_iter().filter(|variable| !variable.starts_with("PATH=")).collect();
    let of_file = |variable: &String| {
        let name = variable.split('=').next().unwrap_or_default();
        name != "PATH" && !name.starts_with("MCPO_") && !name.starts_with("MCP_BRIDGE_")
    };
    let ours: Vec<String> = variables(&rig.bridge()).into_iter().filter(of_file).collect();
    // Where a name is there twice the last one holds, for the engine as for a process.
    let last = |variables: Vec<String>| {
        let pairs = variables.into_iter().filter_map(|variable| {
            variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        pairs.collect::<std::collections::BTreeMap<_, _>>()
    };
    assert_eq!(last(ours), last(theirs));
    docker(&["rm", "-f", &by_docker]).ok();
}

#[test]
fn a_server_that_prints_its_key_when_it_fails_is_quoted_without_it() {
    const SECRET: &str = "sk-0123456789-never-shown";
    let mut rig = Rig::new("indiscreet");
    let server = rig.image(
        "server",
        &format!("FROM scratch\nCOPY contained-fixture /server\nENTRYPOINT [\"/server\", \"die\", \"3\", \"bad key {SECRET}\"]\n"),
    );
    rig.use_image(&server, "status");
    rig.write(".env", &format!("MCP_SERVER_KEY=\"{SECRET}\"\n"));
    let failed = rig.run(&["up"]).ended(1);
    assert!(!failed.all().contains(SECRET), "{}", failed.all());
    assert!(failed.all().contains("bad key [secret]"), "{}", failed.all());
    // Its log says it as well, also once it is to have another.
    for key in [SECRET, "sk-another"] {
        rig.write(".env", &format!("MCP_SERVER_KEY={key}\n"));
        for format in ["human", "json"] {
            let logs = rig.run(&["logs", "--format", format]).ok();
            assert!(!logs.all().contains(SECRET) && logs.out.contains("bad key [secret]"), "{}", logs.all());
        }
    }
}
