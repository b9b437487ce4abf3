use super::super::Interpreter;
use super::super::rig::{answer, of_client, say, tell};
use super::*;

const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"instructions":"Do.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"resultType":"complete","ttlMs":1,"cacheScope":"public"}"#;
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c"}}"#;

/// A session whose client can be asked for elicitation.
fn begun() -> Interpreter {
    let mut to = Interpreter::Stateless(Box::new(ToStateless::new(DISCOVERED.to_owned())));
    let acts = of_client(
        &mut to,
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"c"}}}"#,
    );
    let expected = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"serverInfo":{"name":"s","version":"1"},"instructions":"Do."}}"#;
    assert_eq!(acts, [answer("0", expected)]);
    to
}

fn call(to: &mut Interpreter, id: &str) -> Vec<Act> {
    of_client(to, &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t"}}}}"#))
}

fn hear_server(to: &mut Interpreter, line: &str) -> Vec<Act> {
    to.hear_server(line.to_owned())
}

#[test]
fn what_a_handshake_said_once_is_said_in_each_request_and_the_answer_is_of_the_older_era() {
    let mut to = begun();
    let told = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t",{META}}}}}"#);
    assert_eq!(call(&mut to, "\"a\""), [tell(&told)]);
    let said = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[1e999],"resultType":"complete","ttlMs":0}}"#;
    let expected = r#"{"jsonrpc":"2.0","id":"a","result":{"content":[1e999]}}"#;
    assert_eq!(hear_server(&mut to, said), [answer("\"a\"", expected)]);
    assert_eq!(hear_server(&mut to, said), [], "an answer to nobody");
}

#[test]
fn a_ping_is_answered_and_a_level_is_said_from_then_on() {
    let mut to = begun();
    let ping = of_client(&mut to, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    assert_eq!(ping, [answer("1", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)]);
    let level = |level: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{{"level":"{level}"}}}}"#)
    };
    assert!(
        matches!(&of_client(&mut to, &level("loud"))[..], [Act::Answer { text, .. }] if text.contains("-32602"))
    );
    of_client(&mut to, &level("warning"));
    let [Act::Tell(line)] = &call(&mut to, "3")[..] else { panic!("not passed on") };
    assert!(line.contains(r#""io.modelcontextprotocol/logLevel":"warning""#), "{line}");
}

#[test]
fn what_the_server_needs_is_asked_between_two_rounds() {
    let mut to = begun();
    call(&mut to, "7");
    let required = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"A?"}},"b":{"method":"elicitation/create","params":{"message":"B?"}}},"requestState":"s \u00e9"}}"#;
    let ask = |id: u32, words: &str| {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":"mcp-bridge-{id}","method":"elicitation/create","params":{{"message":"{words}"}}}}"#
        );
        say(Some("7"), &text)
    };
    assert_eq!(hear_server(&mut to, required), [ask(2, "A?"), ask(3, "B?")]);
    let answered = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"mcp-bridge-{id}","result":{{"action":"accept","content":{{"n": {id}.0}}}}}}"#
        )
    };
    assert_eq!(of_client(&mut to, &answered(3)), []);
    assert_eq!(of_client(&mut to, &answered(9)), [], "nobody asked");
    let told = format!(
        r#"{{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{{"name":"t",{META},"inputResponses":{{"a":{{"action":"accept","content":{{"n": 2.0}}}},"b":{{"action":"accept","content":{{"n": 3.0}}}}}},"requestState":"s \u00e9"}}}}"#
    );
    assert_eq!(of_client(&mut to, &answered(2)), [tell(&told)]);
    let done = r#"{"jsonrpc":"2.0","id":4,"result":{"resultType":"complete"}}"#;
    assert_eq!(hear_server(&mut to, done), [answer("7", r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)]);
}

#[test]
fn a_question_s_parameters_stay_as_they_stand_and_what_are_none_is_left_out() {
    let mut to = begun();
    call(&mut to, "7");
    let required = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"n": 1e999}},"b":{"method":"elicitation/create","params":7}}}}"#;
    let asked = [
        r#"{"jsonrpc":"2.0","id":"mcp-bridge-2","method":"elicitation/create","params":{"n": 1e999}}"#,
        r#"{"jsonrpc":"2.0","id":"mcp-bridge-3","method":"elicitation/create"}"#,
    ];
    assert_eq!(hear_server(&mut to, required), asked.map(|text| say(Some("7"), text)));
    call(&mut to, "8");
    let unreadable = r#"{"jsonrpc":"2.0","id":4,"result":{"resultType":"input_required","inputRequests":7}}"#;
    let acts = hear_server(&mut to, unreadable);
    assert!(matches!(&acts[..], [Act::Answer { text, .. }] if text.contains("cannot be read")), "{acts:?}");
}

#[test]
fn of_what_was_asked_nothing_is_kept_once_the_server_has_gone_on_without_it() {
    let mut to = begun();
    let required = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create"}}}}"#;
    for last in [r#""result":{}"#, r#""error":{"code":1,"message":"no"}"#] {
        call(&mut to, "7");
        let Interpreter::Stateless(inner) = &to else { panic!("another") };
        let id = inner.next;
        hear_server(&mut to, &required.replace("\"id\":1", &format!("\"id\":{id}")));
        let acts = hear_server(&mut to, &format!(r#"{{"jsonrpc":"2.0","id":{id},{last}}}"#));
        assert!(matches!(&acts[..], [Act::Answer { .. }]), "{acts:?}");
        let Interpreter::Stateless(inner) = &to else { panic!("another") };
        assert!(inner.asked.is_empty(), "{:?}", inner.asked);
    }
}

#[test]
fn a_client_that_refuses_or_cannot_be_asked_gets_an_error_and_a_server_may_not_ask_for_ever() {
    let mut to = begun();
    let required = |id: u64, method: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","inputRequests":{{"a":{{"method":"{method}"}}}}}}}}"#
        )
    };
    call(&mut to, "1");
    let acts = hear_server(&mut to, &required(1, "sampling/createMessage"));
    assert!(matches!(&acts[..], [Act::Answer { text, .. }] if text.contains("has no sampling")), "{acts:?}");
    call(&mut to, "2");
    hear_server(&mut to, &required(2, "elicitation/create"));
    let refused = r#"{"jsonrpc":"2.0","id":"mcp-bridge-3","error":{"code":-1,"message":"no"}}"#;
    let expected = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"no"}}"#;
    assert_eq!(of_client(&mut to, refused), [answer("2", expected)]);
    assert!(to.open().is_empty());
    let mut acts = call(&mut to, "3");
    let mut rounds = 0;
    while let [Act::Tell(line)] = &acts[..] {
        let id = Members::read(line).and_then(|line| line.value::<u64>("id")).expect("an id");
        let again = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","requestState":"s"}}}}"#
        );
        acts = hear_server(&mut to, &again);
        rounds += 1;
    }
    assert_eq!(rounds, ROUNDS + 1);
    assert!(matches!(&acts[..], [Act::Answer { text, .. }] if text.contains("did not answer")), "{acts:?}");
}

#[test]
fn changes_are_listened_for_and_told_in_the_older_era_s_words() {
    let mut to = begun();
    let acts = of_client(&mut to, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let told = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},{META}}}}}"#
    );
    assert_eq!(acts, [tell(&told)]);
    let of = |method: &str, rest: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":1}}{rest}}}}}"#
        )
    };
    assert_eq!(hear_server(&mut to, &of("subscriptions/acknowledged", r#","notifications":{}"#)), []);
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    assert_eq!(hear_server(&mut to, &of("tools/list_changed", "")), [say(None, changed)]);
    assert_eq!(hear_server(&mut to, &of("tools/list_changed", "").replace(":1}", ":9}")), [], "another's");
}

#[test]
fn a_resource_is_subscribed_to_once_the_server_has_agreed() {
    let mut to = begun();
    let ask = |id: u32, method: &str, uri: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"resources/{method}","params":{{"uri":"{uri}"}}}}"#)
    };
    let agreed = |id: u32, uris: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{{"resourceSubscriptions":[{uris}]}}}}}}"#
        )
    };
    let done = |id: &str| answer(id, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    assert_eq!(of_client(&mut to, &ask(5, "subscribe", "x:a")).len(), 1);
    assert_eq!(to.open(), [Key::of("5")]);
    assert_eq!(hear_server(&mut to, &agreed(1, "\"x:a\"")), [done("5")]);
    assert_eq!(of_client(&mut to, &ask(6, "subscribe", "x:a")), [done("6")], "once is enough");
    of_client(&mut to, &ask(7, "subscribe", "x:b"));
    let acts = hear_server(&mut to, &agreed(2, ""));
    assert!(
        matches!(&acts[..], [Act::Tell(_), Act::Answer { text, .. }] if text.contains("-32602")),
        "{acts:?}"
    );
    let acts = of_client(&mut to, &ask(8, "unsubscribe", "x:a"));
    assert!(matches!(&acts[..], [Act::Tell(line), _] if line.contains(r#""requestId":1,"#)), "{acts:?}");
    assert_eq!(acts[1], done("8"));
}

#[test]
fn cancellations_and_errors_speak_of_the_requests_as_each_side_knows_them() {
    let mut to = begun();
    call(&mut to, "\"x\"");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}"#;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"the client cancelled it"}}"#;
    assert_eq!(of_client(&mut to, cancel), [tell(told), Act::Close(Key::of("\"x\""))]);
    of_client(&mut to, r#"{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"x:a"}}"#);
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no","data":{"uri":"x:a"}}}"#;
    let expected = r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32002,"message":"no","data":{"uri":"x:a"}}}"#;
    assert_eq!(hear_server(&mut to, error), [answer("3", expected)]);
    let asks = r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage"}"#;
    assert!(matches!(&hear_server(&mut to, asks)[..], [Act::Tell(line)] if line.contains("-32601")));
}
