//! Servers that go wrong while others work: what their client is told, what the others notice
//! (nothing), and what is left (nothing).

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;

use mcpo_deploy::wire::http::{self, Limits};

use super::program::{Serving, client, end, program, serve};
use super::{Bridge, Client, PATIENCE, children_of, closed, gone, hear, of_fixture, pid, say, send, until};

/// Says its process id, then goes wrong in the way that it is told, or echoes.
const SCRIPT: &str = r#"
echo $$
while read -r line; do
    case "$line" in
        close) exec >&-; exec sleep 600 ;;
        half) printf '{"half'; exit 0 ;;
        flood) head -c 30000000 /dev/zero | tr '\0' e >&2; echo flooded ;;
        lines) yes "$$" | head -c 20000000 >&2; echo flooded ;;
        ?*) echo "$line" ;;
    esac
done
"#;

/// A bridge of its own process, with a client whom nothing is to reach.
struct Rig {
    serving: Serving,
    bystander: Client,
    descriptors: usize,
}

impl Rig {
    async fn start() -> Self {
        let args = ["--listen", "127.0.0.1:0", "--stop-grace", "400ms", "--", "sh", "-c", SCRIPT];
        let mut serving = serve(program().args(args), 1).await;
        serving.read_on();
        let mut bystander = client(serving.addrs[0]).await;
        pid(&mut bystander).await;
        let descriptors = descriptors(&serving);
        Self { serving, bystander, descriptors }
    }

    async fn victim(&self) -> (Client, u32) {
        let mut victim = client(self.serving.addrs[0]).await;
        let server = pid(&mut victim).await;
        (victim, server)
    }

    /// The bystander's server answers as if nothing had happened.
    async fn others_notice_nothing(&mut self) {
        for text in ["one", "two"] {
            say(&mut self.bystander, text).await;
            assert_eq!(hear(&mut self.bystander).await, text);
        }
    }

    /// Nothing is left of the victim's server, and then nothing of the bystander's.
    async fn leaves_nothing(mut self, server: u32) {
        self.others_notice_nothing().await;
        gone(server).await;
        let (serving, descriptors) = (&self.serving, self.descriptors);
        until("its descriptors are closed", || self::descriptors(serving) <= descriptors).await;
        drop(self.bystander);
        let id = serving.id();
        until("only the guardian is left", || {
            children_of(id).iter().all(|(_, line)| line.contains("guardian"))
        })
        .await;
        assert_eq!(end(self.serving, Signal::TERM).await, Some(0));
    }
}

fn descriptors(serving: &Serving) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", serving.id())).expect("a running program").count()
}

#[tokio::test]
async fn a_server_that_is_killed_closes_its_client_with_the_signal() {
    let mut rig = Rig::start().await;
    let (mut victim, server) = rig.victim().await;
    send(server, Signal::KILL);
    let (code, reason) = closed(&mut victim).await;
    assert!(code == 1011 && reason.contains("signal: 9"), "{code} {reason}");
    rig.others_notice_nothing().await;
    rig.leaves_nothing(server).await;
}

#[tokio::test]
async fn a_server_that_is_stopped_goes_with_its_client() {
    let mut rig = Rig::start().await;
    let (mut victim, server) = rig.victim().await;
    send(server, Signal::STOP);
    say(&mut victim, "is anybody there").await;
    rig.others_notice_nothing().await;
    drop(victim);
    rig.leaves_nothing(server).await;
}

#[tokio::test]
async fn a_server_that_closes_its_output_only_is_ended() {
    let rig = Rig::start().await;
    let (mut victim, server) = rig.victim().await;
    say(&mut victim, "close").await;
    assert_eq!(closed(&mut victim).await, (1011, "the server closed its output".into()));
    rig.leaves_nothing(server).await;
}

#[tokio::test]
async fn half_a_line_at_the_end_is_passed_on() {
    let rig = Rig::start().await;
    let (mut victim, server) = rig.victim().await;
    say(&mut victim, "half").await;
    assert_eq!(hear(&mut victim).await, "{\"half");
    assert_eq!(closed(&mut victim).await, (1011, "the server ended with exit status: 0".into()));
    rig.leaves_nothing(server).await;
}

#[tokio::test]
async fn floods_of_stderr_hold_up_neither_their_server_nor_others() {
    let mut rig = Rig::start().await;
    let (mut victim, server) = rig.victim().await;
    for flood in ["flood", "lines"] {
        say(&mut victim, flood).await;
        rig.others_notice_nothing().await;
        assert_eq!(hear(&mut victim).await, "flooded");
    }
    drop(victim);
    rig.leaves_nothing(server).await;
}

#[tokio::test]
async fn a_call_whose_server_dies_is_told_at_once_and_calls_beside_it_are_answered() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let call = async |tool: &str| {
        let (host, body) = (bridge.addr.to_string(), json!({"method": tool}).to_string());
        let limits = Limits { deadline: PATIENCE, body: 1 << 16 };
        http::post_json(bridge.addr, "/mcp", &host, body, limits).await.expect("an answer").status
    };
    let tools = ["status", "crash"].repeat(10);
    let answers = join_all(tools.iter().map(|tool| call(tool))).await;
    assert_eq!(answers, [200, 502].repeat(10));
    bridge.finish().await;
    until("nothing is left", || children_of(std::process::id()).is_empty()).await;
}
