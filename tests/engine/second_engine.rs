//! A second engine, which has a small disk, a network and mounts to itself, and does as it is told.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::docker::{PATIENCE, Ran, docker, run, within};
use super::rig::Rig;

/// Starts the engine in a folder, fills and empties its disk, kills and starts it again as it is told, and ends
/// it when nobody is left to tell it anything. What it mounts nobody else sees, and it goes with the last process.
const SUPERVISOR: &str = r#"
set -eu
PATH=$PATH:/usr/sbin:/sbin
folder=$1 group=$2
command -v dockerd >&2
mkdir -p "$folder/data" "$folder/exec"
mount -t tmpfs -o size=64m tmpfs "$folder/data"
mount -t tmpfs -o size=16m tmpfs "$folder/exec"
start() {
  setpriv --pdeathsig KILL dockerd --host "unix://$folder/docker.sock" --group "$group" \
    --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/exec/docker.pid" \
    --bridge none --iptables=false </dev/null >&2 &
  engine=$!
}
start
while read -r word; do
  case $word in
    fill)
      free=$(df --output=avail --block-size=1024 "$folder/data" | tail -n 1)
      head -c "$((free - 1024))k" /dev/zero >"$folder/data/filler"
      ;;
    empty) rm "$folder/data/filler" ;;
    kill)
      kill -KILL "$engine"
      wait "$engine" || true
      # Its containerd dies with it, and is taken for alive until somebody has waited for it.
      rm -f "$folder/exec/docker.pid" "$folder/docker.sock" "$folder/exec/containerd/containerd.pid"
      ;;
    start) start ;;
  esac
  echo "$word"
done
kill "$engine"
wait "$engine" || true
rm -f "$folder/docker.sock"
umount "$folder/data" "$folder/exec"
rmdir "$folder/data" "$folder/exec"
"#;

/// The second engine.
pub(crate) struct Engine {
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl Engine {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a file");
        let mut command = as_root("unshare");
        command.args(["--net", "--mount", "sh", "-c", SUPERVISOR, "sh"]).arg(folder.path());
        command.arg(rustix::process::getegid().as_raw().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut supervisor = command.spawn().expect("unshare");
        let (orders, answers) = (supervisor.stdin.take(), supervisor.stdout.take().expect("a pipe"));
        let mut engine = Self { supervisor, orders, answers: BufReader::new(answers).lines(), folder };
        engine.await_answer();
        engine
    }

    /// Waits until it answers.
    #[track_caller]
    pub(crate) fn await_answer(&mut self) {
        let answers = within(PATIENCE, || {
            let ended = self.supervisor.try_wait().expect("a state");
            assert!(
                ended.is_none(),
                "a second engine did not start, as root, in a network and mounts of its own: {}",
                self.log()
            );
            self.docker(&["version"]).code == Some(0)
        });
        assert!(answers, "the second engine does not answer: {}", self.log());
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn docker(&self, args: &[&str]) -> Ran {
        docker(&[&["--host", &self.host()], args].concat())
    }

    /// Has something done to its disk.
    #[track_caller]
    pub(crate) fn order(&mut self, word: &str) {
        writeln!(self.orders.as_mut().expect("a pipe"), "{word}").expect("an order");
        let answer = self.answers.next().and_then(Result::ok);
        assert_eq!(answer.as_deref(), Some(word), "{}", self.log());
    }

    #[track_caller]
    pub(crate) fn mcpo(&self, rig: &Rig, args: &[&str]) -> Ran {
        run(rig.command(args).env("DOCKER_HOST", self.host()), "")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.orders = None;
        let ended = within(PATIENCE, || self.supervisor.try_wait().is_ok_and(|state| state.is_some()));
        assert!(ended || std::thread::panicking(), "the second engine does not end: {}", self.log());
    }
}

/// A program with the rights that a second engine takes.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let allowed = run(Command::new("sudo").args(["-n", "true"]), "");
    assert_eq!(
        allowed.code,
        Some(0),
        "a second engine needs root, or a sudo that does not ask: {}",
        allowed.err
    );
    let mut command = Command::new("sudo");
    command.args(["-n", "--", program]);
    command
}
