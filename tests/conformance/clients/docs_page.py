"""Opens the page that is beside an endpoint in Chromium without a screen, by the WebDriver protocol, tries
it, and says what it saw. Nothing but Python's own library."""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
  --disable-background-networking --disable-component-update --disable-sync --window-size=900,1000""".split()
PATIENCE = 20

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


class Browser:
    def __init__(self, driver, profile):
        lines = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
        port = next(line.group(1) for line in lines if line)
        self.base = f"http://127.0.0.1:{port}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script, *arguments, kind="sync"):
        return self.ask("POST", f"/execute/{kind}", {"script": script, "args": arguments})

    def call(self, tool):
        seen = self.run(CALL, tool, kind="async")
        seen["status"] = seen["status"].split(",")[0]
        return seen


def look(browser, url):
    browser.ask("POST", "/url", {"url": urllib.parse.urljoin(url, "/docs")})
    deadline = time.monotonic() + PATIENCE
    while "tools" not in browser.run(SCRIPTS["state"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = {name: browser.run(script) for name, script in SCRIPTS.items() if name != "markup"}
    seen["called"] = browser.call(0)
    seen["called"]["answer"] = json.loads(seen["called"]["answer"])
    seen["second"] = browser.call(1)
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


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            browser = Browser(driver, profile)
            print(json.dumps(look(browser, sys.argv[1])))
            browser.ask("DELETE", "")
        finally:
            driver.terminate()
