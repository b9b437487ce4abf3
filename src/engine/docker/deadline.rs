//! Waiting for what an engine streams. Its answers have a deadline of their own; what follows one has
//! none, and an engine that is stuck neither sends it nor ends it.

use std::time::Duration;

use crate::engine::error::{EngineError, Reason};

/// What a program prints that we run in a container. The longest asks two wires, a minute each.
pub(super) const EXEC: Duration = Duration::from_mins(3);
/// An archive of a path in a container, or its beginning.
pub(super) const ARCHIVE: Duration = Duration::from_secs(20);

/// Waits for `streamed` and no longer than `limit`; `what` is what fails then, as in `cannot …`.
pub(super) async fn within<T>(
    limit: Duration,
    what: &str,
    streamed: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let late = |_| EngineError::Failed {
        what: what.to_owned(),
        reason: Reason(format!("the engine began an answer and did not end it within {limit:?}")),
    };
    tokio::time::timeout(limit, streamed).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_never_ends_is_given_up_and_told() {
        let never = std::future::pending::<Result<(), EngineError>>();
        let error = within(Duration::from_millis(1), "look at /app", never).await.expect_err("an error");
        let why = error.source().map(ToString::to_string);
        assert_eq!(error.to_string(), "cannot look at /app");
        assert_eq!(why.as_deref(), Some("the engine began an answer and did not end it within 1ms"));
    }

    #[tokio::test]
    async fn what_comes_in_time_is_passed_on() {
        let done = within(ARCHIVE, "look", async { Ok(7) }).await;
        assert_eq!(done.expect("an answer"), 7);
    }
}
