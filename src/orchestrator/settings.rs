//! What the environment says, checked: all problems at once, and no value of a secret in any.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use tracing::level_filters::LevelFilter;

use crate::diagnostic::{Diagnostic, Exit};
use crate::env::Env;
use crate::model::{Bytes, Secret};

/// Where the image keeps its logs; used where nothing else is said and it exists.
const LOG_FOLDER: &str = "/app/logs";
/// The smallest log file that makes sense: a few lines.
const MIN_LOG_SIZE: Bytes = Bytes(4 << 10);
/// The most log files that a folder may be told to keep.
const MAX_LOG_FILES: usize = 1000;
/// The longest that a task may be allowed to take.
const MAX_TIMEOUT: Duration = Duration::from_hours(1);

/// Everything that the server is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The key for `OpenRouter`.
    pub openrouter_key: Option<Secret>,
    /// The key for `OpenAI`.
    pub openai_key: Option<Secret>,
    /// The API to call instead of the provider's own, without a trailing slash.
    pub base_url: Option<String>,
    /// The model to call instead of the provider's default.
    pub model: Option<String>,
    /// How long a task may take.
    pub timeout: Duration,
    /// US dollars that one task should not exceed.
    pub max_cost_per_request: Option<f64>,
    /// US dollars after which a process takes no further task on the same UTC day.
    pub daily_limit: Option<f64>,
    /// Where logs go.
    pub logs: LogSettings,
}

/// Where logs go, and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The folder of the log files; none means stderr only.
    pub folder: Option<PathBuf>,
    /// One file's size.
    pub max_size: Bytes,
    /// How many files the folder keeps, over all processes that share it.
    pub max_files: usize,
    /// How old a file may become.
    pub max_age: Duration,
    /// What is logged on stderr. Warnings by default: many hosts never read it, and a full pipe
    /// would stop the server.
    pub stderr_level: LevelFilter,
    /// What is logged in files.
    pub file_level: LevelFilter,
}

/// Everything that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings(pub Vec<String>);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n       "))
    }
}

impl std::error::Error for InvalidSettings {}

impl Diagnostic for InvalidSettings {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        Some("every variable is described by mcp-orchestrator --help".to_owned())
    }
}

impl Settings {
    /// Reads every variable, and reports all that are wrong.
    pub fn from_env(env: &Env) -> Result<Self, InvalidSettings> {
        let mut problems = Vec::new();
        let mut read = Reader { env, problems: &mut problems };
        let level = read.parsed("MCPO_LOG_LEVEL", level, "must be error, warn, info or debug");
        let settings = Self {
            openrouter_key: env.get("OPENROUTER_API_KEY").map(Secret::new),
            openai_key: env.get("OPENAI_API_KEY").map(Secret::new),
            base_url: read.base_url("ORCHESTRATOR_BASE_URL"),
            model: env.get("ORCHESTRATOR_MODEL").map(str::to_owned),
            timeout: read
                .parsed("ORCHESTRATOR_TIMEOUT", timeout, "must be a number of seconds from 1 to 3600")
                .unwrap_or(Duration::from_mins(2)),
            max_cost_per_request: read.parsed("ORCHESTRATOR_MAX_COST_PER_REQUEST", dollars, DOLLARS),
            daily_limit: read.parsed("ORCHESTRATOR_DAILY_LIMIT", dollars, DOLLARS),
            logs: LogSettings {
                folder: log_folder(env),
                max_size: read
                    .parsed("MCPO_LOG_MAX_SIZE", log_size, "must be a size of at least 4k, such as 10m")
                    .unwrap_or(Bytes(10 << 20)),
                max_files: read
                    .parsed("MCPO_LOG_MAX_FILES", log_files, "must be a number from 1 to 1000")
                    .unwrap_or(10),
                max_age: read
                    .parsed("MCPO_LOG_MAX_AGE", age, "must be an age such as 30m, 12h or 7d")
                    .unwrap_or(Duration::from_hours(7 * 24)),
                stderr_level: level.unwrap_or(LevelFilter::WARN),
                file_level: level.unwrap_or(LevelFilter::INFO),
            },
        };
        if problems.is_empty() { Ok(settings) } else { Err(InvalidSettings(problems)) }
    }

    /// Whether the key would travel unencrypted to another machine.
    pub(super) fn exposes_key(&self) -> bool {
        let url = self.base_url.as_deref().and_then(|base| Url::parse(base).ok());
        url.filter(|url| url.scheme() == "http").is_some_and(|url| {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
            host != "localhost" && !is_loopback
        })
    }
}

const DOLLARS: &str = "must be an amount in US dollars, such as 2.50";

struct Reader<'a> {
    env: &'a Env,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn parsed<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>, rule: &str) -> Option<T> {
        let text = self.env.get(key)?;
        let value = parse(text.trim());
        if value.is_none() {
            self.problems.push(format!("{key} {rule}, not {text:?}"));
        }
        value
    }

    /// The value is never shown: an address may carry a password.
    fn base_url(&mut self, key: &str) -> Option<String> {
        let text = self.env.get(key)?;
        let rule = match Url::parse(text.trim()) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "must not carry a user or password; the key belongs in a variable of its own"
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "must be a base URL without query or fragment"
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                return Some(url.as_str().trim_end_matches('/').to_owned());
            }
            _ => "must be an http or https URL, such as https://llm.example.org/v1",
        };
        self.problems.push(format!("{key} {rule}"));
        None
    }
}

fn log_folder(env: &Env) -> Option<PathBuf> {
    if let Some(folder) = env.get("MCPO_LOG_DIR") {
        return Some(env.folder.join(folder));
    }
    Some(Path::new(LOG_FOLDER)).filter(|folder| folder.is_dir()).map(Path::to_path_buf)
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        _ => None,
    }
}

fn timeout(text: &str) -> Option<Duration> {
    let timeout = Duration::from_secs(text.parse().ok()?);
    (!timeout.is_zero() && timeout <= MAX_TIMEOUT).then_some(timeout)
}

fn dollars(text: &str) -> Option<f64> {
    text.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount >= 0.0)
}

fn log_size(text: &str) -> Option<Bytes> {
    text.parse().ok().filter(|size| *size >= MIN_LOG_SIZE)
}

fn log_files(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| (1..=MAX_LOG_FILES).contains(count))
}

fn age(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let age = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (age > 0).then_some(Duration::from_secs(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
        Settings::from_env(&Env::from_pairs(pairs.iter().copied(), PathBuf::from("/nowhere")))
    }

    #[test]
    fn an_empty_environment_gives_the_documented_defaults() {
        let settings = read(&[]).expect("valid");
        assert!(settings.openrouter_key.is_none() && settings.daily_limit.is_none());
        assert_eq!(settings.timeout, Duration::from_mins(2));
        assert_eq!((settings.logs.max_size, settings.logs.max_files), (Bytes(10 << 20), 10));
        assert_eq!(settings.logs.max_age, Duration::from_hours(168));
    }

    #[test]
    fn all_problems_come_at_once_and_each_names_its_variable() {
        let keys = [
            ("ORCHESTRATOR_TIMEOUT", "0"),
            ("ORCHESTRATOR_DAILY_LIMIT", "NaN"),
            ("ORCHESTRATOR_MAX_COST_PER_REQUEST", "-1"),
            ("ORCHESTRATOR_BASE_URL", "ftp://x"),
            ("MCPO_LOG_MAX_SIZE", "1k"),
            ("MCPO_LOG_MAX_FILES", "0"),
            ("MCPO_LOG_MAX_AGE", "1w"),
            ("MCPO_LOG_LEVEL", "loud"),
        ];
        let InvalidSettings(problems) = read(&keys).expect_err("invalid");
        assert_eq!(problems.len(), keys.len(), "{problems:?}");
        for (key, _) in keys {
            assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key}: {problems:?}");
        }
    }

    #[test]
    fn a_base_url_with_a_password_is_refused_without_showing_it() {
        let error = read(&[("ORCHESTRATOR_BASE_URL", "https://me:hunter2@x/v1")]).expect_err("refused");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_base_url_loses_its_trailing_slash() {
        let settings = read(&[("ORCHESTRATOR_BASE_URL", "http://127.0.0.1:8000/v1/")]).expect("valid");
        assert_eq!(settings.base_url.as_deref(), Some("http://127.0.0.1:8000/v1"));
    }

    #[test]
    fn an_unencrypted_base_url_exposes_the_key_unless_it_is_this_machine() {
        for (base, exposed) in [
            ("http://llm.lan/v1", true),
            ("http://10.0.0.1:8000", true),
            ("https://llm.lan/v1", false),
            ("http://localhost:8000", false),
            ("http://127.0.0.1:8000", false),
            ("http://[::1]:8000", false),
        ] {
            let settings = read(&[("ORCHESTRATOR_BASE_URL", base)]).expect("valid");
            assert_eq!(settings.exposes_key(), exposed, "{base}");
        }
    }

    #[test]
    fn ages_are_a_number_and_a_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("30m", 1800), ("5s", 5)] {
            assert_eq!(age(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "d", "0d", "-1d", "1.5h", "99999999999999999999d"] {
            assert_eq!(age(text), None, "{text}");
        }
    }

    #[test]
    fn keys_never_show() {
        let settings = read(&[("OPENROUTER_API_KEY", "sk-or-1"), ("OPENAI_API_KEY", "sk-2")]).expect("valid");
        assert!(!format!("{settings:?}").contains("sk-"), "{settings:?}");
    }
}
