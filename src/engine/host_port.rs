//! Who on this machine holds a port, by `/proc` (proc(5): `net/tcp`, `net/tcp6`, `PID/fd`).

use std::fs;
use std::net::{IpAddr, TcpListener};

/// The process that listens on `port`, as `NAME (pid N)`; a port that is held by somebody whom
/// this user may not see is `another process`. `None` where it is free.
#[must_use]
pub fn holder_of(address: IpAddr, port: u16) -> Option<String> {
    // Where there is no right to bind, or no such address, the engine will say.
    let error = TcpListener::bind((address, port)).err()?;
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return None;
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<String> = tables.into_iter().flat_map(|table| listeners(table, port)).collect();
    let holder = inodes.iter().find_map(|inode| process_with(inode));
    Some(holder.unwrap_or_else(|| "another process".to_owned()))
}

/// The first port after `port` that nobody holds.
#[must_use]
pub fn free_port(address: IpAddr, port: u16) -> Option<u16> {
    (port.saturating_add(1)..=u16::MAX).find(|&candidate| TcpListener::bind((address, candidate)).is_ok())
}

/// The inodes of the sockets that listen on `port`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).unwrap_or_default();
    let suffix = format!(":{port:04X}");
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
            listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

fn process_with(inode: &str) -> Option<String> {
    let target = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = descriptors
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.as_os_str() == target.as_str()));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_holds_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let holder = holder_of(address.ip(), address.port()).expect("a holder");
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        let port = address.port();
        drop(listener);
        assert_eq!(holder_of(address.ip(), port), None);
    }
}
