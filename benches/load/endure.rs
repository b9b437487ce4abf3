//! How long and how many: idle clients, connections that come and go, servers that crash.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::args::Args;
use crate::measure::{Tally, greeted, within};
use crate::message::Verdict;
use crate::session::Session;

/// Idle clients that connect at the same time.
const AT_ONCE: usize = 64;
/// Idle clients that are asked at the end whether they still live.
const ASKED: usize = 100;
/// The longest wait for the news that a server crashed.
const NEWS: Duration = Duration::from_secs(10);

/// Connects, says so in a line of its own, holds, and then asks some whether they still work.
pub(crate) async fn idle(args: &Args) -> io::Result<Value> {
    let mut tally = Tally::default();
    let mut sessions = Vec::with_capacity(args.clients);
    let begun = Instant::now();
    let numbers: Vec<usize> = (0..args.clients).collect();
    for some in numbers.chunks(AT_ONCE) {
        let opened = some.iter().map(|client| within(args.patience(), resting(args, *client)));
        for session in join_all(opened).await {
            match session {
                Ok(session) => sessions.push(session),
                Err(error) => tally.fail(&error),
            }
        }
    }
    let held = json!({"event": "held", "opened": sessions.len(), "seconds": begun.elapsed().as_secs_f64()});
    crate::say(&held)?;
    let limit = args.seconds.map_or(args.patience(), Duration::from_secs_f64);
    // Whichever comes first: the time, or the end of stdin.
    let _ = timeout(limit, tokio::io::stdin().read_to_end(&mut Vec::new())).await;
    let opened = sessions.len();
    let step = (opened / ASKED).max(1);
    let (mut asked, mut alive) = (0, 0);
    for session in sessions.iter_mut().step_by(step) {
        asked += 1;
        let answer = within(NEWS, async {
            if !args.greet {
                session.greet().await?;
            }
            session.call().await
        });
        match answer.await {
            Ok(Verdict::Right) => alive += 1,
            Ok(verdict) => tally.judge(verdict),
            Err(error) => tally.fail(&error),
        }
    }
    let mut report = json!({"clients": args.clients, "opened": opened, "asked": asked, "alive": alive});
    tally.report(&mut report);
    Ok(report)
}

/// A client that is about to fall idle.
async fn resting(args: &Args, client: usize) -> io::Result<Session> {
    let mut session = Session::open(args, client).await?;
    if args.greet {
        session.greet().await?;
        session.call().await?;
    }
    Ok(session)
}

/// Sessions that come, call once and go.
pub(crate) async fn churn(args: &Args) -> io::Result<Value> {
    let each = args.times(10_000).div_ceil(args.clients.max(1));
    let begun = Instant::now();
    let visitors = (0..args.clients).map(|visitor| async move {
        let mut tally = Tally::default();
        for round in 0..each {
            let begun = Instant::now();
            let visit = within(args.patience(), async {
                let mut session = greeted(args, visitor * each + round).await?;
                let verdict = session.call().await?;
                session.close().await;
                Ok(verdict)
            });
            match visit.await {
                Ok(verdict) => {
                    tally.times.add(begun.elapsed());
                    tally.judge(verdict);
                }
                Err(error) => tally.fail(&error),
            }
        }
        tally
    });
    let mut tally = Tally::default();
    for visitor in join_all(visitors).await {
        tally.add(visitor);
    }
    let mut report = json!({"cycles": each * args.clients, "seconds": begun.elapsed().as_secs_f64()});
    tally.report(&mut report);
    Ok(report)
}

/// Calls that kill their server. Whoever made them must hear of it within [`NEWS`], by an error or by
/// the connection's end; the bystander must notice nothing; whoever comes next must be served.
pub(crate) async fn crash(args: &Args) -> io::Result<Value> {
    let crashes = args.times(1000);
    let begun = Instant::now();
    let mut bystander = within(args.patience(), greeted(args, crashes)).await?;
    let (mut answered, mut lied, mut closed, mut silent) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut victims = Tally::default();
    let mut noticed = Tally::default();
    for crash in 0..crashes {
        match within(args.patience(), greeted(args, crash)).await {
            Ok(mut session) => {
                match timeout(NEWS, session.ask(&args.crash, &json!({}))).await {
                    Ok(Ok(answer)) if answer.is_success() => lied += 1,
                    Ok(Ok(_)) => answered += 1,
                    Ok(Err(_)) => closed += 1,
                    Err(_) => silent += 1,
                }
                // The session may have ended already.
                let _ = timeout(NEWS, session.close()).await;
            }
            Err(error) => victims.fail(&error),
        }
        let call = Instant::now();
        match within(NEWS, bystander.call()).await {
            Ok(verdict) => {
                noticed.times.add(call.elapsed());
                noticed.judge(verdict);
            }
            Err(error) => {
                noticed.fail(&error);
                // It may be the bystander's own server that died.
                if let Ok(session) = within(args.patience(), greeted(args, crash)).await {
                    bystander = session;
                }
            }
        }
    }
    noticed.wrong += bystander.strays;
    let mut report = json!({
        "crashes": crashes, "answered": answered, "lied": lied, "closed": closed, "silent": silent,
        "not_served": victims.errors, "seconds": begun.elapsed().as_secs_f64(),
    });
    noticed.report(&mut report["bystander"]);
    Ok(report)
}
