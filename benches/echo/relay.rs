//! The least that a program between a client and a container can do, over the engine's socket on this machine: one
//! thread each way that reads and writes, and nothing else; a frame's head is cut off in the belief that each read
//! is one frame. `relay CONTAINER` attaches, and starts the container with the Docker CLI.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio, exit};

/// A frame's head on the engine's stream.
const HEAD: usize = 8;

fn main() -> io::Result<()> {
    let container = std::env::args().nth(1).ok_or_else(|| io::Error::other("which container?"))?;
    let mut engine = UnixStream::connect("/var/run/docker.sock")?;
    write!(
        engine,
        "POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut buffer = vec![0; 64 * 1024];
    let count = engine.read(&mut buffer)?;
    if !buffer[..count].starts_with(b"HTTP/1.1 101") {
        return Err(io::Error::other(String::from_utf8_lossy(&buffer[..count]).into_owned()));
    }
    if !Command::new("docker").args(["start", &container]).stdout(Stdio::null()).status()?.success() {
        exit(1);
    }
    let mut way_in = engine.try_clone()?;
    std::thread::spawn(move || {
        let mut client = io::stdin().lock();
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            if way_in.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
        let _ = way_in.shutdown(std::net::Shutdown::Write);
    });
    let mut client = io::stdout().lock();
    loop {
        match engine.read(&mut buffer)? {
            0 => return Ok(()),
            count => {
                client.write_all(&buffer[HEAD.min(count)..count])?;
                client.flush()?;
            }
        }
    }
}
