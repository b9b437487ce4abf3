//! The token that a request shows (RFC 6750). Where it stood, it is taken away: nothing that comes
//! after can pass it on, or log it.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::problem::Problem;
use super::entries::TOKEN_MAX;

/// What stands before the token among a WebSocket's subprotocols: a page's script can set those,
/// and no header. It is never agreed to, so never sent back.
const SUBPROTOCOL: &str = "bearer.";

/// The token of a request; it is in no query, wherever else somebody may look for one.
pub(crate) fn take(parts: &mut Parts) -> Result<Option<String>, Problem> {
    let header = in_header(&parts.headers);
    parts.headers.remove(header::AUTHORIZATION);
    let offered = in_subprotocols(&mut parts.headers);
    let shown = match (header?, offered?) {
        (Some(_), Some(_)) => Err(bad("the request shows a token in its header and among its subprotocols"))?,
        (header, offered) => header.or(offered),
    };
    Ok(shown.filter(|token| !token.is_empty() && token.len() <= TOKEN_MAX))
}

/// Whether the query looks as if somebody had put a token into it.
pub(crate) fn is_in_query(parts: &Parts) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    names.map(str::to_ascii_lowercase).any(|name| name.ends_with("token") || name == "bearer")
}

fn in_header(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let one = value.to_str().ok().filter(|_| values.next().is_none());
    let one = one.ok_or_else(|| bad("the request's authorization is not one plain value"))?;
    let bearer = one.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(bearer.map(|(_, token)| token.trim().to_owned()))
}

fn in_subprotocols(headers: &mut HeaderMap) -> Result<Option<String>, Problem> {
    let name = header::SEC_WEBSOCKET_PROTOCOL;
    let (mut tokens, mut others) = (Vec::new(), Vec::new());
    for value in headers.get_all(&name) {
        let value = value.to_str().map_err(|_| bad("the subprotocols are not plain text"))?;
        for offer in value.split(',').map(str::trim) {
            match offer.strip_prefix(SUBPROTOCOL) {
                Some(token) => tokens.push(token.to_owned()),
                None => others.push(offer.to_owned()),
            }
        }
    }
    if !tokens.is_empty() {
        headers.remove(&name);
        if let Ok(others) = HeaderValue::from_str(&others.join(", ")) {
            headers.insert(name, others);
        }
    }
    match tokens.len() {
        0 | 1 => Ok(tokens.pop()),
        _ => Err(bad("the request shows more than one token")),
    }
}

fn bad(detail: &str) -> Problem {
    let challenge = "Bearer error=\"invalid_request\"";
    Problem::new(StatusCode::BAD_REQUEST, detail).header(header::WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        request.into_parts().0
    }

    fn taken(headers: &[(&'static str, &str)]) -> Result<Option<String>, u16> {
        take(&mut parts(headers)).map_err(|problem| problem.status())
    }

    #[test]
    fn a_token_is_taken_from_the_header_and_from_the_subprotocols() {
        for value in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(taken(&[("authorization", value)]), Ok(Some("abc".into())), "{value}");
        }
        for value in ["mcp, bearer.abc", "bearer.abc,mcp"] {
            let mut parts = parts(&[("sec-websocket-protocol", value)]);
            assert_eq!(take(&mut parts).ok().flatten().as_deref(), Some("abc"), "{value}");
            assert_eq!(parts.headers["sec-websocket-protocol"], "mcp");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let long = format!("Bearer {}", "x".repeat(TOKEN_MAX + 1));
        for value in ["Basic YTpi", "Bearer", "Bearer ", "abc", "", long.as_str()] {
            assert_eq!(taken(&[("authorization", value)]), Ok(None), "{value}");
        }
        assert_eq!(taken(&[("sec-websocket-protocol", "mcp, bearer")]), Ok(None));
        assert_eq!(taken(&[]), Ok(None));
    }

    #[test]
    fn two_tokens_are_one_too_many() {
        for headers in [
            [("authorization", "Bearer a"), ("authorization", "Bearer a")],
            [("authorization", "Bearer a"), ("sec-websocket-protocol", "bearer.a")],
            [("sec-websocket-protocol", "bearer.a"), ("sec-websocket-protocol", "mcp,bearer.b")],
        ] {
            assert_eq!(taken(&headers), Err(400), "{headers:?}");
        }
    }

    #[test]
    fn whatever_was_shown_is_gone_afterwards() {
        let mut parts = parts(&[("authorization", "Bearer a"), ("sec-websocket-protocol", "bearer.a")]);
        assert!(take(&mut parts).is_err());
        assert!(!format!("{:?}", parts.headers).contains("earer"), "{:?}", parts.headers);
    }

    #[test]
    fn a_token_in_the_query_is_noticed() {
        for (uri, there) in [("/ws?access_token=a", true), ("/ws?x=1&Token=a", true), ("/ws?x=token", false)]
        {
            let parts = Request::get(uri).body(()).expect("a request").into_parts().0;
            assert_eq!(is_in_query(&parts), there, "{uri}");
        }
    }
}
