//! What may be a secret: better one too many than one too few.

/// Words in the names of variables and options that hold secrets.
const NAMES: [&str; 20] = [
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "AUTH",
    "AUTHORIZATION",
    "PRIVATE",
    "COOKIE",
    "BEARER",
    "SIGNATURE",
    "PAT",
    "DSN",
    "WEBHOOK",
];

/// Whether a variable, or an option, of this name holds a secret: better one too many than one too few.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| {
        NAMES.contains(&word)
            || ["APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "WEBHOOK"]
                .iter()
                .any(|end| word.ends_with(end) || word.starts_with(end))
            || (word.len() > 5 && word.ends_with("KEY"))
    })
}

/// What the keys of well-known services start with.
const PREFIXES: [&str; 20] = [
    "sk-",
    "sk_",
    "pk_live",
    "rk_live",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "hf_",
];

/// A run of letters and digits as long as this is no word.
const LONG_RUN: usize = 20;

/// Whether a value looks like the key of a service, a password in an address, or a private key.
#[must_use]
pub fn is_known_secret(value: &str) -> bool {
    let starts =
        |text: &str| PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() > prefix.len() + 3);
    value
        .split(|c: char| {
            c.is_whitespace() || matches!(c, '=' | ':' | ',' | '"' | '\'' | '/' | '@' | '?' | '&' | ';')
        })
        .any(starts)
        || value.contains("-----BEGIN")
        || has_password(value)
        || value.to_ascii_lowercase().contains("bearer ")
}

/// Whether a value may be a secret, whatever its name.
#[must_use]
pub fn is_secret_value(value: &str) -> bool {
    is_known_secret(value)
        || value.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
            run.len() >= LONG_RUN
                && run.bytes().any(|b| b.is_ascii_digit())
                && run.bytes().any(|b| b.is_ascii_alphabetic())
        })
}

/// An address with a user and a password: `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = &rest[..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len())];
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    }) || query(value)
        || value.contains(';') && value.split(';').any(is_named)
}

/// A parameter of an address that holds a secret: `?api_key=…`.
fn query(value: &str) -> bool {
    let Some((_, query)) = value.split_once('?') else { return false };
    query.split('&').any(is_named)
}

/// `NAME=VALUE`, where the name is a secret's.
fn is_named(part: &str) -> bool {
    part.split_once('=').is_some_and(|(name, value)| !value.is_empty() && is_secret_name(name))
}

/// The position, from 1, of the first argument that may be a secret.
#[must_use]
pub fn secret_argument(arguments: &[String]) -> Option<usize> {
    let option = |text: &str| text.strip_prefix('-').map(|name| name.trim_start_matches('-').to_owned());
    let secret = |at: usize| {
        let text = &arguments[at];
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let named = !value.is_empty() && is_secret_name(name);
        let follows = at > 0 && !text.starts_with('-') && {
            option(&arguments[at - 1]).is_some_and(|name| !name.contains('=') && is_secret_name(&name))
        };
        named || follows || is_secret_value(text)
    };
    (0..arguments.len()).find(|at| secret(*at)).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_passwords_and_tokens_are_known_by_their_look() {
        for value in [
            "sk-proj-abcdef",
            "ghp_abcdefgh",
            "postgresql://me:pw@db/x",
            "Authorization: Bearer abc",
            "0123456789abcdef0123456789abcdef",
            "https://x.org/?api_key=1234",
            "x=AKIAABCDEFGH",
            "Server=db;Password=hunter2",
        ] {
            assert!(is_secret_value(value), "{value}");
        }
        for value in [
            "info",
            "postgresql://db:5432/x",
            "/app/data",
            "gpt-4o-mini-2024-07-18",
            "true",
            "a@b.org",
            "python -m src.mcp_server",
        ] {
            assert!(!is_secret_value(value), "{value}");
        }
    }

    #[test]
    fn an_argument_is_secret_by_itself_or_by_the_option_before_it() {
        let position = |text: &str| secret_argument(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(position("serve --port 1 --token abc"), Some(5));
        assert_eq!(position("serve --api-key=abc"), Some(2));
        assert_eq!(position("serve --transport stdio"), None);
    }

    #[test]
    fn secrets_are_known_by_the_words_in_a_name() {
        for name in [
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "DB_PASSWORD",
            "PGPASSWORD",
            "--api-key",
            "AWS_SECRET_ACCESS_KEY",
            "apikey",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PGPASSWD", "SLACK_WEBHOOK"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["LOG_LEVEL", "LANG", "PYTHONPATH", "AUTHOR", "KEYBOARD", "COMPASS"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
