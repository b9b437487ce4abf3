//! How fast: session set-up, round trips, many clients at once, a large message.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::args::Args;
use crate::message::Verdict;
use crate::session::Session;
use crate::stats::Times;

/// Between two sessions, so that the end of one does not weigh on the start of the next.
const PAUSE: Duration = Duration::from_millis(10);
/// Calls before what is timed.
const WARM_UP: usize = 50;

/// What happened to some clients.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) times: Times,
    pub(crate) wrong: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    pub(crate) fn fail(&mut self, why: &impl ToString) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| why.to_string());
    }

    pub(crate) fn judge(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Right => {}
            Verdict::Wrong => self.wrong += 1,
            Verdict::Refused(with) => self.fail(&format!("no echo, but: {with}")),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.times.append(other.times);
        self.wrong += other.wrong;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    pub(crate) fn report(self, report: &mut Value) {
        report["times"] = self.times.report();
        report["wrong"] = json!(self.wrong);
        report["errors"] = json!(self.errors);
        report["first_error"] = json!(self.first_error);
    }
}

/// Connected and greeted.
pub(crate) async fn greeted(args: &Args, client: usize) -> io::Result<Session> {
    let mut session = Session::open(args, client).await?;
    session.greet().await?;
    Ok(session)
}

/// `limit`'s passing as an error.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(io::Error::other(format!("no end within {limit:?}"))))
}

/// Whether the wire works here: the echo comes back, under the id of its request.
pub(crate) async fn probe(args: &Args) -> io::Result<Value> {
    let looked = within(args.patience(), async {
        let mut session = greeted(args, 0).await?;
        let looked = session.look().await?;
        session.close().await;
        Ok(looked)
    });
    Ok(match looked.await {
        Err(error) => json!({"works": false, "why": error.to_string()}),
        Ok((Verdict::Right, id, answer)) => {
            let found = answer.message()["id"].as_u64();
            match id {
                Some(id) if found != Some(id) => {
                    json!({"works": false, "why": format!("the answer to id {id} has id {found:?}")})
                }
                _ => json!({"works": true}),
            }
        }
        Ok((Verdict::Refused(with), ..)) => json!({"works": false, "why": format!("no echo, but: {with}")}),
        Ok((Verdict::Wrong, ..)) => json!({"works": false, "why": "the echo is not what was sent"}),
    })
}

/// From nothing to the answer to `initialize`; on wires without one, to the first call's answer.
pub(crate) async fn setup(args: &Args) -> io::Result<Value> {
    let mut tally = Tally::default();
    let runs = args.times(100);
    let work = async {
        for run in 0..=runs {
            let begun = Instant::now();
            match first_answer(args, run).await {
                // The first one finds everything cold.
                Ok(session) => {
                    if run > 0 {
                        tally.times.add(begun.elapsed());
                    }
                    session.close().await;
                }
                Err(error) => tally.fail(&error),
            }
            sleep(PAUSE).await;
        }
        Ok(())
    };
    let ended = within(args.patience(), work).await;
    if let Err(error) = ended {
        tally.fail(&error);
    }
    let mut report = json!({});
    tally.report(&mut report);
    Ok(report)
}

async fn first_answer(args: &Args, client: usize) -> io::Result<Session> {
    let mut session = greeted(args, client).await?;
    if !session.has_handshake() && session.call().await? != Verdict::Right {
        return Err(io::Error::other("the first answer is not the echo"));
    }
    Ok(session)
}

/// One client, one call after the other.
pub(crate) async fn sequential(args: &Args) -> io::Result<Value> {
    let runs = args.times(2000);
    let mut tally = Tally { times: Times::with_room(runs), ..Tally::default() };
    let begun = Instant::now();
    let work = async {
        let mut session = greeted(args, 0).await?;
        for _ in 0..WARM_UP.min(runs) {
            session.call().await?;
        }
        for _ in 0..runs {
            let begun = Instant::now();
            let verdict = session.call().await?;
            tally.times.add(begun.elapsed());
            tally.judge(verdict);
        }
        tally.wrong += session.strays;
        session.close().await;
        Ok(())
    };
    let ended = within(args.patience(), work).await;
    if let Err(error) = ended {
        tally.fail(&error);
    }
    let mut report = json!({"bytes": args.bytes, "seconds": begun.elapsed().as_secs_f64()});
    tally.report(&mut report);
    Ok(report)
}

/// Many clients, each with one call at a time, all sessions open before the clock starts.
pub(crate) async fn storm(args: &Args) -> io::Result<Value> {
    let opened =
        join_all((0..args.clients).map(|client| within(args.patience(), greeted(args, client)))).await;
    let mut tally = Tally::default();
    let mut sessions = Vec::new();
    for session in opened {
        match session {
            Ok(session) => sessions.push(session),
            Err(error) => tally.fail(&error),
        }
    }
    let working = sessions.len();
    let share = args.requests.map_or(usize::MAX, |all| all.div_ceil(working.max(1)));
    let length = args.seconds.map_or(Duration::MAX, Duration::from_secs_f64);
    if share == usize::MAX && length == Duration::MAX {
        return Err(io::Error::other("a storm needs --seconds or --requests"));
    }
    let begun = Instant::now();
    let patience = args.patience().saturating_add(if share == usize::MAX { length } else { Duration::ZERO });
    let clients = sessions.into_iter().map(|session| client(session, begun, length, share, patience));
    for done in join_all(clients).await {
        tally.add(done);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let right = tally.times.count();
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let rate = (right as f64 / seconds).round();
    let mut report = json!({
        "clients": working, "seconds": seconds, "requests": right, "per_second": rate, "bytes": args.bytes,
    });
    tally.report(&mut report);
    Ok(report)
}

/// Only right answers are counted and timed. A client whose connection fails stops.
async fn client(
    mut session: Session,
    begun: Instant,
    length: Duration,
    share: usize,
    patience: Duration,
) -> Tally {
    let mut tally = Tally::default();
    let work = async {
        let mut now = Instant::now();
        for _ in 0..share {
            if now.duration_since(begun) >= length {
                break;
            }
            let verdict = session.call().await?;
            let then = std::mem::replace(&mut now, Instant::now());
            if verdict == Verdict::Right {
                tally.times.add(now - then);
            }
            tally.judge(verdict);
        }
        Ok(())
    };
    let ended = within(patience, work).await;
    if let Err(error) = ended {
        tally.fail(&error);
    }
    tally.wrong += session.strays;
    // Not waited for longer than for an answer.
    let _ = timeout(Duration::from_secs(5), session.close()).await;
    tally
}

/// One message of --bytes after the other, each on a session of its own: a peer that breaks over one
/// says so for each.
pub(crate) async fn large(args: &Args) -> io::Result<Value> {
    let mut tally = Tally::default();
    for run in 0..args.times(5) {
        let work = async {
            let mut session = greeted(args, run).await?;
            let begun = Instant::now();
            let verdict = session.call().await?;
            let took = begun.elapsed();
            session.close().await;
            Ok((verdict, took))
        };
        match within(args.patience(), work).await {
            Ok((verdict, took)) => {
                if verdict == Verdict::Right {
                    tally.times.add(took);
                }
                tally.judge(verdict);
            }
            Err(error) => tally.fail(&error),
        }
    }
    let mut report = json!({"bytes": args.bytes});
    tally.report(&mut report);
    Ok(report)
}
