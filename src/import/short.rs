//! The short forms that compose files and `docker run` share.

use super::paths::is_host_path;
use super::service::{Mount, MountKind, Port};

/// The most ports that one range stands for.
pub(super) const MAX_RANGE: u16 = 100;

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, each port one number or a range.
pub(super) fn ports(text: &str) -> Option<Vec<Port>> {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, container) = text.rsplit_once(':').map_or((None, text), |(rest, port)| (Some(rest), port));
    let (address, host) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            None if rest.contains('.') => (Some(rest), None),
            None => (None, Some(rest)),
            Some((address, host)) => {
                (Some(address.trim_start_matches('[').trim_end_matches(']')), Some(host))
            }
        },
    };
    long_ports(container, host.filter(|host| !host.is_empty()), address, protocol)
}

/// The same in its four parts.
pub(super) fn long_ports(
    container: &str,
    host: Option<&str>,
    address: Option<&str>,
    protocol: &str,
) -> Option<Vec<Port>> {
    let (first, last) = range(container)?;
    let start = match host {
        None => None,
        Some(host) => match range(host)? {
            (low, high) if high - low == last - first => Some(low),
            // One port of a range that is free: which one is not known.
            _ if last == first => None,
            _ => return None,
        },
    };
    let port = |offset: u16| Port {
        address: address.filter(|address| !address.is_empty()).map(str::to_owned),
        host: start.map(|start| start + offset),
        container: first + offset,
        not_tcp: !protocol.eq_ignore_ascii_case("tcp"),
    };
    Some((0..=last - first).map(port).collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last && last - first < MAX_RANGE).then_some((first, last))
}

/// `[SOURCE:]TARGET[:OPTIONS]`.
pub(super) fn mount(text: &str) -> Option<Mount> {
    // The colon behind a drive's letter is none of ours.
    let drive = if is_host_path(text) && !text.starts_with(['.', '/', '~']) { 2 } else { 0 };
    let Some(at) = text[drive..].find(':').map(|at| at + drive) else {
        return target(text).map(|target| Mount { kind: MountKind::Anonymous, target });
    };
    let (source, rest) = (&text[..at], &text[at + 1..]);
    let path = rest.split(':').next().unwrap_or(rest);
    if source.is_empty() {
        return None;
    }
    let kind = if is_host_path(source) { MountKind::Host } else { MountKind::Volume };
    Some(Mount { kind: kind(source.to_owned()), target: target(path)? })
}

/// A path in a container without a slash at its end.
pub(super) fn target(text: &str) -> Option<String> {
    text.starts_with('/').then(|| match text.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    })
}

/// `PATH[:OPTIONS]`.
pub(super) fn tmpfs(text: &str) -> Option<(String, String)> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    Some((target(path)?, options.to_owned()))
}

/// `--mount type=…,source=…,target=…`.
pub(super) fn long_mount(text: &str) -> Option<(Mount, String)> {
    let (mut kind, mut source, mut path, mut options) = ("volume", None, None, Vec::new());
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name.trim() {
            "type" => kind = value,
            "source" | "src" => source = Some(value.to_owned()),
            "target" | "destination" | "dst" => path = Some(value),
            "tmpfs-size" => options.push(format!("size={value}")),
            "tmpfs-mode" => options.push(format!("mode={value}")),
            _ => {}
        }
    }
    let kind = match (kind, source) {
        ("bind", Some(source)) => MountKind::Host(source),
        ("volume", Some(source)) if !source.is_empty() => MountKind::Volume(source),
        ("volume", _) => MountKind::Anonymous,
        (other, _) => MountKind::Other(other.to_owned()),
    };
    Some((Mount { kind, target: target(path?)? }, options.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Address, the host's port, the container's port.
    type Row = (Option<String>, Option<u16>, u16);

    fn port(text: &str) -> Option<Vec<Row>> {
        ports(text).map(|ports| ports.into_iter().map(|p| (p.address, p.host, p.container)).collect())
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(port("80"), Some(vec![(None, None, 80)]));
        assert_eq!(port("8080:80/tcp"), Some(vec![(None, Some(8080), 80)]));
        assert_eq!(port("127.0.0.1:8080:80"), Some(vec![(some("127.0.0.1"), Some(8080), 80)]));
        assert_eq!(port("127.0.0.1::80"), Some(vec![(some("127.0.0.1"), None, 80)]));
        assert_eq!(port("[::1]:8080:80"), Some(vec![(some("::1"), Some(8080), 80)]));
        assert_eq!(port("3000-3001:80-81"), Some(vec![(None, Some(3000), 80), (None, Some(3001), 81)]));
        for wrong in ["", "x", "0:1", "1-2:1-3", "70000", "1:2:3:x", "1-65535:1-65535"] {
            assert_eq!(port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mounts_are_read_as_docker_reads_them() {
        let read = |text: &str| mount(text).map(|mount| (mount.kind, mount.target));
        let host = |text: &str| MountKind::Host(text.to_owned());
        assert_eq!(read("./logs:/app/logs:ro"), Some((host("./logs"), "/app/logs".to_owned())));
        assert_eq!(read("data:/d/"), Some((MountKind::Volume("data".to_owned()), "/d".to_owned())));
        assert_eq!(read("/only"), Some((MountKind::Anonymous, "/only".to_owned())));
        assert_eq!(read("C:\\x:/x"), Some((host("C:\\x"), "/x".to_owned())));
        assert_eq!(read("x:y"), None);
    }
}
