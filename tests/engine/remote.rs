//! An engine that is another machine's, as far as `mcpo-deploy` can tell: it is behind a TCP port.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use super::docker::container;
use super::rig::Rig;

/// The engine's socket on this machine.
pub(crate) fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").ok();
    let socket = host.as_deref().and_then(|host| host.strip_prefix("unix://"));
    socket.unwrap_or("/var/run/docker.sock").to_owned()
}

/// A port that leads to the engine's socket.
pub(crate) fn proxy() -> u16 {
    proxy_to(&socket())
}

/// A port that leads to a socket.
pub(crate) fn proxy_to(path: &str) -> u16 {
    let path = path.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let engine = UnixStream::connect(&path).expect("the engine's socket");
            forward(client, engine);
        }
    });
    port
}

/// Both directions, each closed by itself: an attached client's end of input is half a close.
fn forward(client: TcpStream, engine: UnixStream) {
    let (mut from_client, mut to_client) = (client.try_clone().expect("a socket"), client);
    let (mut from_engine, mut to_engine) = (engine.try_clone().expect("a socket"), engine);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_engine, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
}

/// Brings a deployment up on an engine elsewhere, proves it and takes it down.
#[track_caller]
pub(crate) fn up_verify_down(rig: &Rig, host: &str) {
    let up = rig.up();
    assert!(up.out.contains(host) && up.out.contains("0 failed"), "{}", up.all());
    assert_eq!(container(&rig.bridge())["State"]["Running"], true);
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    // The wires are asked inside the container: its ports are another machine's.
    for wire in ["stdio", "websocket", "rest"] {
        let checks = report["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["id"] == wire).expect("a check");
        assert_eq!(check["outcome"], "pass", "{check}");
    }
    rig.run(&["down", "--volumes"]).ok();
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}

#[test]
fn a_remote_engine_is_brought_up_and_proved_from_inside_the_container() {
    let mut rig = Rig::new("remote");
    let host = format!("tcp://127.0.0.1:{}", proxy());
    rig.set("DOCKER_HOST", &host);
    up_verify_down(&rig, &host);
}

#[test]
fn a_folder_of_this_machine_s_is_refused_on_a_remote_engine() {
    let mut rig = Rig::new("remote-folder");
    rig.write("mcpo.yaml", "logs:\n  folder: ./logs\n");
    rig.set("DOCKER_HOST", &format!("tcp://127.0.0.1:{}", proxy()));
    let refused = rig.run(&["up"]).ended(64);
    assert!(refused.err.contains("logs.folder"), "{}", refused.err);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}
