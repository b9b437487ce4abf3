"""Opens the example's page in Chromium, connects to a bridge that lets its origin in and to one that does not,
calls a tool, and says what it saw. Then the same from a page of the second bridge's own.

websocket_page.py PAGE ALLOWING REFUSING, the last two as http://HOST:PORT/mcp."""

import json
import sys
import urllib.parse

from browser import opened

STATE = "return document.getElementById('state').textContent"
TOOLS = "return [...document.getElementById('tool').options].map((option) => option.value)"
ANSWER = "const answer = document.getElementById('answer'); return answer.hidden ? null : answer.textContent"
CONNECT = """
document.getElementById('bridge').value = arguments[0];
document.getElementById('door').requestSubmit();
"""
CALL = """
document.getElementById('tool').value = arguments[0];
document.getElementById('arguments').value = arguments[1];
document.getElementById('call').requestSubmit();
"""
# What any page sees of a WebSocket, in the order in which it comes.
EVENTS = """
const [bridge, protocols, done] = arguments;
const seen = [];
const socket = new WebSocket(bridge, protocols);
for (const kind of ['open', 'error', 'close']) {
  socket.addEventListener(kind, (event) => {
    seen.push(kind === 'close' ? [kind, event.code, event.reason] : [kind]);
    if (kind === 'open') socket.close(1000);
    if (kind === 'close') done(seen);
  });
}
"""
# Longer than JavaScript's numbers, of several scripts, and laid out on lines.
ARGUMENTS = '{"n": 9007199254740993,\n "m": [18446744073709551615], "text": "žluť 漢字 😀 \\u2028 \\n"}'


def endpoint(url):
    return urllib.parse.urlsplit(url)._replace(scheme="ws", path="/ws").geturl()


def look(browser, page, allowing, refusing):
    browser.open(page)
    seen = {"before": browser.run(STATE), "events": {}}
    for name, url in [("allowed", allowing), ("refused", refusing)]:
        browser.run(CONNECT, endpoint(url))
        seen[name] = browser.until(STATE, lambda state: state.startswith(("connected", "closed")))
        for protocols in [["mcp"], []]:
            events = browser.run(EVENTS, endpoint(url), protocols, kind="async")
            seen["events"].setdefault(name, []).append(events)
        if name == "allowed":
            seen["tools"] = browser.run(TOOLS)
            browser.run(CALL, "echo", ARGUMENTS)
            seen["answer"] = browser.until(ANSWER, bool)
    # A page that the bridge itself serves, and that says nothing of where its scripts may connect to.
    browser.open(urllib.parse.urljoin(refusing, "/healthz"))
    seen["events"]["own"] = [browser.run(EVENTS, endpoint(refusing), ["mcp"], kind="async")]
    return seen


with opened() as browser:
    print(json.dumps(look(browser, *sys.argv[1:])))
