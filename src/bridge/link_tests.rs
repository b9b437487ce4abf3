use super::*;

fn shared(speech: Speech) -> Shared {
    let shared = Shared::new(Arc::default(), None);
    *shared.speech.lock().expect("nobody panicked") = speech;
    shared
}

fn result(text: &str) -> Answer {
    Answer::Rpc(Outcome::Result(text.to_owned()))
}

fn call(shared: &Shared, id: u64, token: Option<&str>) -> Arc<Mailbox> {
    let mailbox = Mailbox::new(4);
    let call = Call { mailbox: Arc::clone(&mailbox), token: token.map(str::to_owned) };
    shared.calls().open.insert(id, call);
    mailbox
}

fn aside(mailbox: &Mailbox) -> Aside {
    match mailbox.take() {
        Some(Said::Aside(aside)) => aside,
        other => panic!("{other:?}"),
    }
}

fn answered(mailbox: &Mailbox) -> Answer {
    match mailbox.take() {
        Some(Said::Answer(Ok(answer))) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_reach_whoever_asked_in_whatever_order_they_come() {
    let shared = shared(Speech::Rpc);
    let (one, two) = (call(&shared, 1, None), call(&shared, 2, None));
    assert_eq!(shared.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"n": 1e999}}"#), None);
    assert_eq!(shared.hear(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#), None);
    assert_eq!(shared.hear(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#), None);
    assert_eq!(answered(&two), result(r#"{"n": 1e999}"#));
    assert!(one.take().is_none(), "an id is a number here, not the text of one");
    shared.hear(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#);
    assert_eq!(answered(&one), Answer::Rpc(Outcome::Error(r#"{"code":1}"#.to_owned())));
}

#[test]
fn progress_reaches_its_call_under_the_client_s_own_token() {
    let shared = shared(Speech::Rpc);
    let (one, two) = (call(&shared, 1, Some("\"mine\"")), call(&shared, 2, None));
    for token in ["1", "2", "3", "\"mine\"", "null"] {
        let params = format!(r#"{{"progressToken":{token},"progress":0.5}}"#);
        shared.hear(&notification_line(PROGRESS, Some(&params)));
    }
    let params = Some(r#"{"progressToken":"mine","progress":0.5}"#.to_owned());
    assert_eq!(aside(&one), Aside::Notification { method: PROGRESS.to_owned(), params });
    assert!(one.take().is_none() && two.take().is_none());
}

#[test]
fn what_names_no_request_belongs_to_the_only_call_and_to_nobody_while_there_are_several() {
    let shared = shared(Speech::Rpc);
    let one = call(&shared, 1, None);
    let log = notification_line("notifications/message", Some("{}"));
    let question = request_line("\"q\"", "elicitation/create", Some("{}"));
    assert_eq!((shared.hear(&log), shared.hear(&question)), (None, None));
    assert!(matches!(aside(&one), Aside::Notification { .. }));
    assert!(matches!(aside(&one), Aside::Request { id, .. } if id == "\"q\""));
    let two = call(&shared, 2, None);
    assert_eq!(shared.hear(&log), None);
    let refusal = shared.hear(&question).expect("a refusal");
    assert!(refusal.starts_with(br#"{"jsonrpc":"2.0","id":"q","error":{"code":-32601"#), "{refusal:?}");
    assert!(one.take().is_none() && two.take().is_none());
    let pong = shared.hear(&request_line(5, "ping", None)).expect("an answer");
    assert_eq!(&pong[..], b"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n");
}

#[test]
fn a_line_of_json_answers_the_one_call_of_the_bare_dialect() {
    let shared = shared(Speech::Bare);
    let one = call(&shared, 1, None);
    shared.hear("starting…");
    assert!(one.take().is_none());
    shared.hear(r#"{"status": "active"}"#);
    assert_eq!(answered(&one), Answer::Bare(r#"{"status": "active"}"#.to_owned()));
}

#[test]
fn while_nothing_is_known_an_object_answers_and_to_json_rpc_noise_never_does() {
    let unknown = shared(Speech::Unknown);
    let probe = call(&unknown, 1, None);
    unknown.hear("7");
    assert!(probe.take().is_none());
    unknown.hear(r#"{"error": "unknown method"}"#);
    assert!(matches!(answered(&probe), Answer::Bare(_)));
    let known = shared(Speech::Rpc);
    let asked = call(&known, 1, None);
    known.hear(r#"{"level": "info"}"#);
    assert!(asked.take().is_none());
}

#[test]
fn a_progress_token_is_exchanged_where_it_stands() {
    let given = r#"{"name":"x","_meta":{"a":1.0,"progressToken":"t"}}"#;
    let (params, token) = with_token(Some(given), 9);
    assert_eq!(params.as_deref(), Some(r#"{"name":"x","_meta":{"a":1.0,"progressToken":9}}"#));
    assert_eq!(token.as_deref(), Some("\"t\""));
    let (params, token) = with_token(Some(r#"{"_meta":{"progress\u0054oken":5}}"#), 9);
    let expected = (Some(r#"{"_meta":{"progressToken":9}}"#), Some("5"));
    assert_eq!((params.as_deref(), token.as_deref()), expected, "however it is spelt");
    for other in [r#"{"progressToken": 1 }"#, r#"{"_meta":{}}"#, r#"{"a":"progressToken"}"#] {
        assert_eq!(with_token(Some(other), 9), (Some(other.into()), None));
    }
}
