//! What the tools do. Knows no protocol: arguments in, JSON out.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use tracing::{info, warn};

use super::ledger::Ledger;
use super::provider::{Adapter, Completion, Provider, ProviderError};
use super::settings::Settings;

/// The tool that tells how the server is doing.
pub(super) const STATUS: &str = "get_orchestrator_status";
/// The tool that hands a task to the model.
pub(super) const ORCHESTRATE: &str = "orchestrate_task";
/// The strategies that are offered, the default first.
pub(super) const STRATEGIES: [&str; 1] = ["external_enhancement"];
/// The longest name or value of the caller's that an error repeats, in characters.
const MAX_ECHO: usize = 64;

const SYSTEM: &str = "You are a second opinion for another assistant. Answer the task directly and \
    completely. Say what you are unsure of.";

/// A tool's answer: the same JSON for every dialect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) is_error: bool,
}

/// A tool that is not offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown tool {0:?}; this server offers {STATUS} and {ORCHESTRATE}")]
pub(super) struct UnknownTool(String);

/// Why a task was not done.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error("{0}")]
    Arguments(String),
    #[error(
        "no model is configured: {} and {} are both missing; set one of them, for instance in the file given to --env-file",
        Adapter::OpenRouter.key_variable(),
        Adapter::OpenAi.key_variable()
    )]
    MissingKey,
    #[error("the daily limit of ${limit} is reached: ${spent:.4} are spent since midnight UTC")]
    DailyLimit { limit: f64, spent: f64 },
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl TaskError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Arguments(_) => "invalid_arguments",
            Self::MissingKey => "missing_key",
            Self::DailyLimit { .. } => "daily_limit",
            Self::Provider(error) => error.kind(),
        }
    }
}

/// The tools and what they share.
#[derive(Debug)]
pub(super) struct Tools {
    settings: Settings,
    provider: Option<Provider>,
    ledger: Ledger,
}

impl Tools {
    pub(super) fn new(settings: Settings) -> Self {
        Self { provider: Provider::choose(&settings), settings, ledger: Ledger::open() }
    }

    /// Calls a tool; `arguments` is an object, or null for none.
    pub(super) async fn call(&self, tool: &str, arguments: &Value) -> Result<Answer, UnknownTool> {
        let started = Instant::now();
        let answer = match tool {
            STATUS => Answer { value: self.status(), is_error: false },
            ORCHESTRATE => self.orchestrate(arguments, started).await,
            other => return Err(UnknownTool(other.chars().take(MAX_ECHO).collect())),
        };
        let failure = answer.value.pointer("/error/kind").and_then(Value::as_str).unwrap_or("none");
        info!(tool, ms = started.elapsed().as_millis(), failure, "answered");
        Ok(answer)
    }

    fn status(&self) -> Value {
        let book = self.ledger.copy();
        let available: Vec<&str> =
            Adapter::ALL.iter().filter(|a| a.key(&self.settings).is_some()).map(|a| a.name()).collect();
        let adapters: serde_json::Map<String, Value> = Adapter::ALL
            .iter()
            .map(|adapter| {
                let status = match (adapter.key(&self.settings), book.last.get(adapter)) {
                    (None, _) => format!("missing {}", adapter.key_variable()),
                    (Some(_), None) => "configured".to_owned(),
                    (Some(_), Some(Ok(()))) => "healthy".to_owned(),
                    (Some(_), Some(Err(kind))) => format!("failing: {kind}"),
                };
                (adapter.name().to_owned(), Value::String(status))
            })
            .collect();
        json!({
            "status": "active",
            "runtime_seconds": seconds(self.ledger.runtime()),
            "request_count": book.requests,
            "total_cost": dollars(book.total_cost),
            "requests_without_cost": book.unpriced,
            "models_available": available,
            "model": self.provider.as_ref().map(|provider| provider.model.as_str()),
            "strategies": STRATEGIES,
            "default_strategy": STRATEGIES[0],
            "config": {
                "max_cost_per_request": self.settings.max_cost_per_request,
                "daily_limit": self.settings.daily_limit,
            },
            "adapter_status": adapters,
        })
    }

    async fn orchestrate(&self, arguments: &Value, started: Instant) -> Answer {
        match self.task(arguments).await {
            Ok((strategy, done)) => Answer {
                value: json!({
                    "strategy": strategy,
                    "model": done.model,
                    "response": done.text,
                    "cost": done.cost,
                    "usage": {"input_tokens": done.tokens_in, "output_tokens": done.tokens_out},
                    "duration_seconds": seconds(started.elapsed()),
                }),
                is_error: false,
            },
            Err(error) => Answer { value: error_value(error.kind(), &error.to_string()), is_error: true },
        }
    }

    async fn task(&self, arguments: &Value) -> Result<(&'static str, Completion), TaskError> {
        let task = Task::read(arguments)?;
        let provider = self.provider.as_ref().ok_or(TaskError::MissingKey)?;
        if let Some(limit) = self.settings.daily_limit {
            let spent = self.ledger.spent_on_day(SystemTime::now());
            if spent >= limit {
                return Err(TaskError::DailyLimit { limit, spent });
            }
        }
        self.ledger.accept();
        let done = provider.complete(SYSTEM, &task.prompt).await.inspect_err(|error| {
            self.ledger.failed(provider.adapter, error.kind());
        })?;
        self.ledger.answered(provider.adapter, done.cost, SystemTime::now());
        if let (Some(cost), Some(max)) = (done.cost, self.settings.max_cost_per_request)
            && cost > max
        {
            warn!(cost, max, "a task cost more than ORCHESTRATOR_MAX_COST_PER_REQUEST");
        }
        Ok((task.strategy, done))
    }
}

/// An error as every dialect shows it.
pub(super) fn error_value(kind: &str, message: &str) -> Value {
    json!({"error": {"kind": kind, "message": message}})
}

/// To a millionth: sums of fractions would show their rounding otherwise.
fn dollars(amount: f64) -> f64 {
    (amount * 1e6).round() / 1e6
}

/// To the millisecond.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

struct Task {
    strategy: &'static str,
    prompt: String,
}

impl Task {
    fn read(arguments: &Value) -> Result<Self, TaskError> {
        let wrong = |message: String| Err(TaskError::Arguments(message));
        let Some(description) = arguments.get("description").and_then(Value::as_str) else {
            return wrong(format!("{ORCHESTRATE} needs a `description`, a text"));
        };
        if description.trim().is_empty() {
            return wrong("the `description` is empty".to_owned());
        }
        let strategy = match arguments.get("strategy") {
            None | Some(Value::Null) => STRATEGIES[0],
            Some(Value::String(asked)) => {
                let Some(offered) = STRATEGIES.iter().find(|offered| *offered == asked) else {
                    let asked: String = asked.chars().take(MAX_ECHO).collect();
                    let offered = STRATEGIES.join(", ");
                    return wrong(format!("unknown strategy {asked:?}; this server offers {offered}"));
                };
                offered
            }
            Some(_) => return wrong("`strategy` must be a text".to_owned()),
        };
        let prompt = match arguments.get("context") {
            None | Some(Value::Null) => description.to_owned(),
            Some(Value::String(context)) => format!("{description}\n\nContext:\n{context}"),
            Some(context @ Value::Object(_)) => format!("{description}\n\nContext:\n{context}"),
            Some(_) => return wrong("`context` must be a text or an object".to_owned()),
        };
        Ok(Self { strategy, prompt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    fn tools(pairs: &[(&str, &str)]) -> Tools {
        let env = Env::from_pairs(pairs.iter().copied(), "/nowhere".into());
        Tools::new(Settings::from_env(&env).expect("valid"))
    }

    async fn failure(tools: &Tools, arguments: Value) -> (String, String) {
        let answer = tools.call(ORCHESTRATE, &arguments).await.expect("offered");
        assert!(answer.is_error, "{answer:?}");
        let text = |name| answer.value["error"][name].as_str().expect("a text").to_owned();
        (text("kind"), text("message"))
    }

    #[tokio::test]
    async fn a_status_without_keys_names_them_and_claims_nothing() {
        let status = tools(&[]).call(STATUS, &Value::Null).await.expect("offered").value;
        assert_eq!(status["status"], "active");
        assert_eq!(status["models_available"], json!([]));
        assert_eq!(
            status["adapter_status"],
            json!({"gemini_pro": "missing OPENROUTER_API_KEY", "o3_architect": "missing OPENAI_API_KEY"})
        );
        assert_eq!(status["config"], json!({"max_cost_per_request": null, "daily_limit": null}));
    }

    #[tokio::test]
    async fn a_status_with_a_key_reports_the_configured_model_and_limits() {
        let pairs = [("OPENAI_API_KEY", "k"), ("ORCHESTRATOR_DAILY_LIMIT", "2.5")];
        let status = tools(&pairs).call(STATUS, &json!({})).await.expect("offered").value;
        assert_eq!((&status["models_available"], &status["model"]), (&json!(["o3_architect"]), &json!("o3")));
        assert_eq!(status["adapter_status"]["o3_architect"], "configured");
        assert_eq!(status["config"]["daily_limit"], 2.5);
    }

    #[tokio::test]
    async fn a_task_without_any_key_names_both() {
        let (kind, message) = failure(&tools(&[]), json!({"description": "x"})).await;
        assert_eq!(kind, "missing_key");
        assert!(message.contains("OPENROUTER_API_KEY") && message.contains("OPENAI_API_KEY"), "{message}");
    }

    #[tokio::test]
    async fn arguments_that_make_no_task_are_told_apart() {
        let tools = tools(&[]);
        for (arguments, said) in [
            (json!({}), "needs a `description`"),
            (Value::Null, "needs a `description`"),
            (json!({"description": 5}), "needs a `description`"),
            (json!({"description": " "}), "is empty"),
            (json!({"description": "x", "strategy": "max_quality_council"}), "offers external_enhancement"),
            (json!({"description": "x", "strategy": 1}), "`strategy` must be a text"),
            (json!({"description": "x", "context": [1]}), "`context` must be"),
        ] {
            let (kind, message) = failure(&tools, arguments.clone()).await;
            assert_eq!(kind, "invalid_arguments", "{arguments}");
            assert!(message.contains(said), "{arguments}: {message}");
        }
    }

    #[tokio::test]
    async fn a_daily_limit_that_is_reached_refuses_before_anything_is_sent() {
        let (kind, _) = failure(
            &tools(&[("OPENAI_API_KEY", "k"), ("ORCHESTRATOR_DAILY_LIMIT", "0")]),
            json!({"description": "x"}),
        )
        .await;
        assert_eq!(kind, "daily_limit");
    }

    #[tokio::test]
    async fn an_unknown_tool_is_named_in_part_however_long_its_name() {
        let error = tools(&[]).call(&"x".repeat(1 << 20), &Value::Null).await.expect_err("unknown");
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn context_joins_the_prompt_as_text_or_as_json() {
        let prompt = |context: Value| {
            let arguments = json!({"description": "d", "context": context});
            Task::read(&arguments).map(|task| task.prompt).ok()
        };
        assert_eq!(prompt(json!("c")).as_deref(), Some("d\n\nContext:\nc"));
        assert_eq!(prompt(json!({"a": 1})).as_deref(), Some("d\n\nContext:\n{\"a\":1}"));
        assert_eq!(prompt(Value::Null).as_deref(), Some("d"));
    }
}
