//! One call of one model through an OpenAI-compatible chat-completions API.
//!
//! The key goes into one header and nowhere else: what comes back is cleared of it before anybody
//! sees it, redirects are not followed, and no error carries a URL.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, redirect};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::settings::Settings;
use crate::model::Secret;

/// The longest answer that is read from a provider.
const MAX_RESPONSE: usize = 8 << 20;
/// The most of a provider's own error message that is passed on, in characters.
const MAX_REASON: usize = 300;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a model is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Adapter {
    OpenRouter,
    OpenAi,
}

impl Adapter {
    /// In order of preference.
    pub(super) const ALL: [Self; 2] = [Self::OpenRouter, Self::OpenAi];

    /// The name in the status.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenRouter => "gemini_pro",
            Self::OpenAi => "o3_architect",
        }
    }

    /// The variable that holds the key.
    pub(super) fn key_variable(self) -> &'static str {
        match self {
            Self::OpenRouter => "OPENROUTER_API_KEY",
            Self::OpenAi => "OPENAI_API_KEY",
        }
    }

    pub(super) fn key(self, settings: &Settings) -> Option<&Secret> {
        match self {
            Self::OpenRouter => settings.openrouter_key.as_ref(),
            Self::OpenAi => settings.openai_key.as_ref(),
        }
    }

    fn base_url(self) -> &'static str {
        match self {
            Self::OpenRouter => "https://openrouter.ai/api/v1",
            Self::OpenAi => "https://api.openai.com/v1",
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::OpenRouter => "google/gemini-2.5-pro-preview",
            Self::OpenAi => "o3",
        }
    }
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    #[error("the connection to the model cannot be prepared: {0}")]
    Setup(String),
    #[error("the model's provider cannot be reached: {0}")]
    Unreachable(String),
    #[error("the model did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the provider refused the key in {0} (HTTP {1})")]
    KeyRefused(&'static str, u16),
    #[error("the provider answered HTTP {status}{reason}")]
    Refused { status: u16, reason: String },
    #[error("the provider's answer is longer than {MAX_RESPONSE} bytes")]
    TooLong,
    #[error("the provider's answer cannot be read: {0}")]
    Unreadable(&'static str),
}

impl ProviderError {
    /// One word for the status and for programs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Setup(_) => "setup",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::KeyRefused(..) => "key_refused",
            Self::Refused { .. } => "provider_error",
            Self::TooLong | Self::Unreadable(_) => "bad_answer",
        }
    }
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Completion {
    pub(super) text: String,
    /// The model as the provider names it.
    pub(super) model: String,
    /// US dollars, where the provider tells them.
    pub(super) cost: Option<f64>,
    pub(super) tokens_in: Option<u64>,
    pub(super) tokens_out: Option<u64>,
}

/// The one model that tasks go to.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) adapter: Adapter,
    pub(super) model: String,
    key: Secret,
    url: String,
    timeout: Duration,
    /// Built at the first call, so that starting the server costs nothing.
    client: OnceCell<Client>,
}

impl Provider {
    /// The preferred adapter among those that have a key; none without any.
    pub(super) fn choose(settings: &Settings) -> Option<Self> {
        let (adapter, key) =
            Adapter::ALL.into_iter().find_map(|adapter| Some((adapter, adapter.key(settings)?)))?;
        let base = settings.base_url.as_deref().unwrap_or(adapter.base_url());
        Some(Self {
            adapter,
            model: settings.model.clone().unwrap_or_else(|| adapter.model().to_owned()),
            key: key.clone(),
            url: format!("{base}/chat/completions"),
            timeout: settings.timeout,
            client: OnceCell::new(),
        })
    }

    /// Sends one system and one user message.
    pub(super) async fn complete(&self, system: &str, user: &str) -> Result<Completion, ProviderError> {
        let client = self.client.get_or_try_init(async || build_client(self.timeout)).await?;
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        });
        if self.adapter == Adapter::OpenRouter {
            // OpenRouter tells the cost only where it is asked to.
            body["usage"] = json!({"include": true});
        }
        let request = client.post(&self.url).bearer_auth(self.key.expose()).json(&body);
        let response = request.send().await.map_err(|error| self.failure(error))?;
        let status = response.status();
        let body = self.read(response).await?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        if !status.is_success() {
            return Err(self.refusal(status, answer.as_ref()));
        }
        let answer = answer.ok_or(ProviderError::Unreadable("it is not JSON"))?;
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.refusal(status, Some(&answer)));
        }
        self.completion(&answer)
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(error))? {
            if body.len() + chunk.len() > MAX_RESPONSE {
                return Err(ProviderError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn completion(&self, answer: &Value) -> Result<Completion, ProviderError> {
        let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
        let text = text.ok_or(ProviderError::Unreadable("it holds no text"))?;
        let model = answer.get("model").and_then(Value::as_str).unwrap_or(&self.model);
        let count = |name| answer.get("usage")?.get(name)?.as_u64();
        let cost = answer.pointer("/usage/cost").and_then(Value::as_f64);
        Ok(Completion {
            text: self.without_key(text),
            model: self.without_key(model),
            cost: cost.filter(|cost| cost.is_finite() && *cost >= 0.0),
            tokens_in: count("prompt_tokens"),
            tokens_out: count("completion_tokens"),
        })
    }

    fn refusal(&self, status: StatusCode, answer: Option<&Value>) -> ProviderError {
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // Providers quote parts of the key here, so their words are not passed on.
            return ProviderError::KeyRefused(self.adapter.key_variable(), status.as_u16());
        }
        let said = answer.and_then(|answer| answer.pointer("/error/message")?.as_str());
        let reason = said.map(|said| {
            let clean = self.without_key(said).replace(char::is_control, " ");
            format!(": {}", clean.chars().take(MAX_REASON).collect::<String>())
        });
        ProviderError::Refused { status: status.as_u16(), reason: reason.unwrap_or_default() }
    }

    fn failure(&self, error: reqwest::Error) -> ProviderError {
        if error.is_timeout() {
            return ProviderError::Timeout(if error.is_connect() { CONNECT_TIMEOUT } else { self.timeout });
        }
        let error = error.without_url();
        ProviderError::Unreachable(self.without_key(&chain(&error)))
    }

    fn without_key(&self, text: &str) -> String {
        text.replace(self.key.expose(), "[secret]")
    }
}

/// An error's message and those of its sources, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}

/// The roots are compiled in, and every other provider of defaults is bypassed: the image holds no
/// file but the program.
fn build_client(timeout: Duration) -> Result<Client, ProviderError> {
    let setup = |error: &dyn Error| ProviderError::Setup(chain(error));
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("mcp-orchestrator/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .build()
        .map_err(|error| setup(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    fn provider(pairs: &[(&str, &str)]) -> Option<Provider> {
        let env = Env::from_pairs(pairs.iter().copied(), "/nowhere".into());
        Provider::choose(&Settings::from_env(&env).expect("valid"))
    }

    #[test]
    fn openrouter_comes_first_and_openai_where_it_has_no_key() {
        let both = provider(&[("OPENROUTER_API_KEY", "a"), ("OPENAI_API_KEY", "b")]).expect("a key");
        assert_eq!(both.model, "google/gemini-2.5-pro-preview");
        assert_eq!(both.url, "https://openrouter.ai/api/v1/chat/completions");
        let openai = provider(&[("OPENROUTER_API_KEY", ""), ("OPENAI_API_KEY", "b")]).expect("a key");
        assert_eq!((openai.adapter, openai.model.as_str()), (Adapter::OpenAi, "o3"));
        assert!(provider(&[("ORCHESTRATOR_MODEL", "x")]).is_none());
    }

    #[test]
    fn a_refused_key_is_named_by_its_variable_and_the_providers_words_are_dropped() {
        let provider = provider(&[("OPENAI_API_KEY", "sk-123456")]).expect("a key");
        let answer = json!({"error": {"message": "Incorrect API key provided: sk-1***56"}});
        let error = provider.refusal(StatusCode::UNAUTHORIZED, Some(&answer)).to_string();
        assert_eq!(error, "the provider refused the key in OPENAI_API_KEY (HTTP 401)");
    }

    #[test]
    fn a_providers_reason_is_cut_and_cleared_of_the_key_and_of_control_characters() {
        let provider = provider(&[("OPENAI_API_KEY", "sk-123456")]).expect("a key");
        let said = format!("no credit for sk-123456\n{}", "x".repeat(1000));
        let answer = json!({"error": {"message": said}});
        let error = provider.refusal(StatusCode::PAYMENT_REQUIRED, Some(&answer)).to_string();
        assert!(error.starts_with("the provider answered HTTP 402: no credit for [secret] xx"), "{error}");
        assert!(error.len() < 400, "{}", error.len());
    }

    #[test]
    fn a_cost_that_is_no_amount_counts_as_untold() {
        let provider = provider(&[("OPENROUTER_API_KEY", "k")]).expect("a key");
        for (cost, expected) in [(json!(0.5), Some(0.5)), (json!(-1), None), (json!("1"), None)] {
            let answer = json!({"choices": [{"message": {"content": "x"}}], "usage": {"cost": cost}});
            assert_eq!(provider.completion(&answer).expect("readable").cost, expected);
        }
    }

    #[test]
    fn the_client_is_built_without_any_file_or_default_provider() {
        assert!(build_client(Duration::from_secs(1)).is_ok());
    }
}
