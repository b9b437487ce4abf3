//! The process that ends a bridge's servers where the bridge cannot: when it was killed.
//!
//! It is this program once more, waiting for the end of its input. The bridge holds the other end and
//! says nothing, so that the end comes with the bridge's own, however that comes. Why not the kernel's
//! own signal at a parent's death: docs/adr/0006.

use std::convert::Infallible;
use std::io::{self, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::mark::Family;

/// The task of `mcp-bridge` that is this process.
pub(super) const TASK: &str = "guardian";
/// The program that runs, wherever its file is now.
const OURSELVES: &str = "/proc/self/exe";
/// Between a guardian that ended and the next.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks for what is left.
const LOOK: Duration = Duration::from_millis(10);
/// For everything to go. Only what the kernel holds takes longer.
const SWEEP: Duration = Duration::from_secs(10);

/// Sees to it that there is a guardian, for as long as it is polled. Dropped, it ends the guardian:
/// whoever comes to an end in good order has ended the servers.
pub(super) async fn keep(family: &Family) -> Infallible {
    // The kernel itself ends everything with the first process of a container.
    if std::process::id() == 1 {
        return std::future::pending().await;
    }
    loop {
        match start(family) {
            Ok(mut guardian) => {
                family.set_guard(guardian.id());
                // Waiting would close it, and that is what it takes for our end.
                let _input = guardian.stdin.take();
                // Whoever reaped it, it has ended.
                let _ = guardian.wait().await;
                tracing::warn!("the process that guards the servers has ended; starting another");
            }
            Err(error) => tracing::warn!(
                "nobody would end the servers if this process were killed: {OURSELVES}: {error}"
            ),
        }
        sleep(PAUSE).await;
    }
}

/// Out of our process group, so that a signal to that does not end it first.
fn start(family: &Family) -> io::Result<Child> {
    Command::new(OURSELVES)
        .args([TASK, family.text()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The guardian's own life: waits for the bridge's end, then kills what it left. The error says that
/// `family` is none.
pub fn run(family: &str) -> Result<(), String> {
    let family = Family::read(family).ok_or("this task is the bridge's own")?;
    let mut nothing = [0; 16];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut nothing) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let deadline = Instant::now() + SWEEP;
    // One that is just being started shows its mark a moment later: two looks have to find nothing.
    let mut nothing_found = 0;
    while nothing_found < 2 && Instant::now() < deadline {
        nothing_found = if family.kill() { 0 } else { nothing_found + 1 };
        std::thread::sleep(LOOK);
    }
    Ok(())
}
