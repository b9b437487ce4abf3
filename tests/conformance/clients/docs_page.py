"""Opens the page that is beside an endpoint in Chromium, tries it, and says what it saw."""

import json
import sys
import urllib.parse

from browser import opened

SCRIPTS = {
    "state": "return document.getElementById('state').textContent",
    "title": "return document.title",
    "made": "return {images: document.images.length, scripts: document.scripts.length}",
    "first": "return document.querySelector('details.tool > summary').textContent",
    "kept": "return [localStorage.length, sessionStorage.length, document.cookie]",
    # The policy holds even where the page's own code would not.
    "markup": "try { document.body.innerHTML = '<b>x</b>'; return 'made' } catch { return 'refused' }",
}
CALL = """
const tool = document.querySelectorAll('details.tool')[arguments[0]];
const done = arguments[1];
tool.addEventListener('toggle', () => {
  const field = tool.querySelector('form textarea');
  field.value = tool.querySelector('label .name').textContent;
  const answer = tool.querySelector('pre');
  new MutationObserver(() => {
    if (!answer.hidden) done({ status: tool.querySelector('form p').textContent, answer: answer.textContent });
  }).observe(answer, { attributes: true });
  tool.querySelector('button.main').click();
}, { once: true });
tool.open = true;
"""
ELSEWHERE = """
const done = arguments[1];
fetch(arguments[0], { mode: 'no-cors' }).then(() => done('fetched'), () => done('refused'));
"""


def call(browser, tool):
    seen = browser.run(CALL, tool, kind="async")
    seen["status"] = seen["status"].split(",")[0]
    return seen


def look(browser, url):
    browser.open(urllib.parse.urljoin(url, "/docs"))
    browser.until(SCRIPTS["state"], lambda state: "tools" in state)
    seen = {name: browser.run(script) for name, script in SCRIPTS.items() if name != "markup"}
    seen["called"] = call(browser, 0)
    seen["called"]["answer"] = json.loads(seen["called"]["answer"])
    seen["second"] = call(browser, 1)
    del seen["second"]["answer"]
    seen["made"] = browser.run(SCRIPTS["made"])
    seen["title"] = browser.run(SCRIPTS["title"])
    # The browser itself notes an answer that is no success.
    said = [line["message"] for line in browser.ask("POST", "/se/log", {"type": "browser"})]
    seen["complaints"] = [line for line in said if "status of 422" not in line]
    seen["markup"] = browser.run(SCRIPTS["markup"])
    other = urllib.parse.urlsplit(url)._replace(netloc=f"localhost:{urllib.parse.urlsplit(url).port}").geturl()
    seen["elsewhere"] = browser.run(ELSEWHERE, urllib.parse.urljoin(other, "/healthz"), kind="async")
    return seen


with opened() as browser:
    print(json.dumps(look(browser, sys.argv[1])))
