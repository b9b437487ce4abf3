"""Chromium without a screen, by the WebDriver protocol. Nothing but Python's own library."""

import contextlib
import json
import re
import subprocess
import tempfile
import time
import urllib.request

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
  --disable-background-networking --disable-component-update --disable-sync --window-size=900,1000""".split()
PATIENCE = 20


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

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments, kind="sync"):
        return self.ask("POST", f"/execute/{kind}", {"script": script, "args": arguments})

    def until(self, script, condition):
        """What a script returns once it is as wanted, or what it is in the end."""
        deadline = time.monotonic() + PATIENCE
        while not condition(seen := self.run(script)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return seen


@contextlib.contextmanager
def opened():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromedriver", "--port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
            try:
                browser = Browser(driver, profile)
                yield browser
                browser.ask("DELETE", "")
            finally:
                driver.terminate()
