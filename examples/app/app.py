"""A page that asks the MCP orchestrator through the bridge and shows what it answers.

    python app.py                serves http://127.0.0.1:8080
    python app.py healthcheck    exits 0 where that one answers, else 1

MCP_ORCHESTRATOR_URL names the bridge, as mcpo-deploy sets it: its host is asked over REST, on port
5000 or where MCP_ORCHESTRATOR_REST_URL says. HOST and PORT are where to listen. A browser reaches it
as localhost, by an address, or by a name in ALLOW_HOST (several with commas).
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from html import escape
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socket import SHUT_RDWR, socket
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BRIDGE = urlsplit(os.environ.get("MCP_ORCHESTRATOR_URL") or "ws://127.0.0.1:8765")
REST = urlsplit(os.environ.get("MCP_ORCHESTRATOR_REST_URL") or "/mcp")
REST_AT = (REST.hostname or BRIDGE.hostname or "", REST.port or 5000)
HOST, PORT = os.environ.get("HOST") or "127.0.0.1", int(os.environ.get("PORT") or 8080)
NAMES = {"localhost", *os.environ.get("ALLOW_HOST", "").lower().split(",")} - {""}

MAX_QUESTION = 4000  # characters
MAX_BODY = 64 * 1024  # bytes: the longest question, each of its bytes written as %XX
MAX_DRAIN = 1024 * 1024  # bytes of a longer body that are read, so that its sender hears the refusal
MAX_ANSWER = 1024 * 1024  # bytes
MAX_CALLS = 8  # at a time; each is a server process behind the bridge
MAX_CONNECTIONS = 64  # at a time
CLIENT_SECONDS = 10.0  # for a whole request to come, and again for the answer to go
STATUS_SECONDS = 10.0
CALL_SECONDS = 150.0  # more than the bridge gives a call, so that its own words come first

calls = threading.BoundedSemaphore(MAX_CALLS)
connections = threading.BoundedSemaphore(MAX_CONNECTIONS)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STYLE = """\
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
main { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin: 0; }
label, textarea { display: block; width: 100%; box-sizing: border-box; }
textarea, button { font: inherit; padding: .5rem; margin: .25rem 0 .75rem; }
button { padding: .5rem 1.5rem; }
.status { opacity: .8; overflow-wrap: anywhere; }
.answer, .problem { border-left: .25rem solid #2a7; padding: .25rem 1rem; margin: 1.5rem 0; }
.problem { border-color: #c33; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ask the orchestrator</title>
<link rel="stylesheet" href="/style.css">
<main>
<h1>Ask the orchestrator</h1>
{outcome}<form method="post" action="/">
<label for="question">Your question</label>
<textarea id="question" name="question" rows="5" maxlength="{longest}" required>
{question}</textarea>
<button>Ask</button>
</form>
</main>
</html>
"""
SECTION = '<section class="{kind}"><h2>{title}</h2><p class="text" dir="auto">{text}</p></section>\n'


class Refusal(Exception):
    """What is answered in place of what was asked for: a status, and words for a person."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def page(outcome: str = "", question: str = "") -> str:
    """The page; `outcome` is HTML, `question` is text."""
    return PAGE.format(outcome=outcome, question=escape(question), longest=MAX_QUESTION)


def section(kind: str, title: str, text: str) -> str:
    return SECTION.format(kind=kind, title=escape(title), text=escape(text))


def cut_after(seconds: float, connection: socket) -> threading.Timer:
    """Ends a connection unless it is cancelled: a socket's own timeout begins anew with each byte."""

    def cut() -> None:
        with suppress(OSError):
            connection.shutdown(SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    return timer


def call(tool: str, params: dict[str, Any], seconds: float) -> Any:
    """Calls a tool through the bridge and returns its result."""
    connection = HTTPConnection(*REST_AT, timeout=seconds)
    deadline, status = None, 0
    end = time.monotonic() + seconds
    if not calls.acquire(blocking=False):
        raise Refusal(503, f"{MAX_CALLS} questions are being answered already. Try again in a moment.")
    try:
        connection.connect()
        deadline = cut_after(end - time.monotonic(), connection.sock)
        body = json.dumps({"method": tool, "params": params})
        connection.request("POST", REST.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        status, answer = response.status, response.read(MAX_ANSWER + 1)
        if len(answer) > MAX_ANSWER:
            raise Refusal(502, f"The answer is longer than {MAX_ANSWER} bytes.")
        result = json.loads(answer)
    except (OSError, HTTPException) as error:
        if time.monotonic() >= end:
            raise Refusal(504, f"The bridge did not answer within {seconds:.0f} seconds.") from error
        where = "{}:{}".format(*REST_AT)
        raise Refusal(502, f"The bridge at {where} cannot be asked: {error or type(error).__name__}.") from error
    except (ValueError, RecursionError) as error:
        if time.monotonic() >= end:
            raise Refusal(504, f"The answer was not complete within {seconds:.0f} seconds.") from error
        raise Refusal(502, f"The bridge answered with status {status} and something that is no JSON.") from error
    finally:
        if deadline:
            deadline.cancel()
        connection.close()
        calls.release()
    if status != 200 or isinstance(result, dict) and result.get("error"):
        raise Refusal(502, reason(status, result))
    return result


def reason(status: int, problem: Any) -> str:
    """Why a call failed: the bridge's words (RFC 9457), then the tool's own, then what would help."""
    problem = problem if isinstance(problem, dict) else {"result": problem}
    said = problem.get("result", problem.get("error"))
    for key in ("error", "message"):
        said = said.get(key, said) if isinstance(said, dict) else said
    if said is not None and not isinstance(said, str):
        said = json.dumps(said, ensure_ascii=False)
    words = [text for text in (problem.get("detail"), said) if isinstance(text, str) and text]
    hint = problem.get("hint")
    text = ": ".join(words) or f"The bridge answered with status {status}."
    return f"{text}\n{hint}" if isinstance(hint, str) else text


def status_line() -> str:
    """How the orchestrator is, in one line."""
    try:
        status = call("get_orchestrator_status", {}, STATUS_SECONDS)
    except Refusal as refusal:
        return f"How the orchestrator is, is not known: {refusal}"
    if not isinstance(status, dict):
        return f"The orchestrator says: {status}"
    adapters = status.get("adapter_status")
    told = adapters.items() if isinstance(adapters, dict) else []
    return "; ".join([f"The orchestrator is {status.get('status')}", *(f"{name}: {state}" for name, state in told)])


class Handler(BaseHTTPRequestHandler):
    """One request; the connection ends with it."""

    timeout = CLIENT_SECONDS
    server_version, sys_version = "mcpo-example-app", ""
    path, status, raw_requestline = "", 0, b""

    def setup(self) -> None:
        self.began = time.monotonic()
        super().setup()
        self.arriving = cut_after(CLIENT_SECONDS, self.connection)

    def finish(self) -> None:
        self.arriving.cancel()
        super().finish()
        if self.raw_requestline:
            path = ascii(self.path.partition("?")[0][:80])
            taken = (time.monotonic() - self.began) * 1000
            log(f"{self.client_address[0]} {self.command or '-'} {path} {self.status or '-'} {taken:.0f} ms")

    def handle_any(self) -> None:
        try:
            body = self.body()
            self.arriving.cancel()
            self.admit()
            routes = ROUTES.get(self.path.partition("?")[0])
            if routes is None:
                raise Refusal(404, "There is no such page here.")
            route = routes.get("GET" if self.command == "HEAD" else self.command)
            if route is None:
                raise Refusal(405, f"This page is not there for {self.command}.")
            route(self, body)
        except Refusal as refusal:
            self.refuse(refusal)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def body(self) -> bytes:
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or self.command == "POST" and not lengths:
            raise Refusal(411, "The request does not say how long it is.")
        if not lengths:
            return b""
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise Refusal(400, "The request's length is no number.")
        length = int(lengths[0][:18])
        if length > MAX_BODY:
            left = min(length, MAX_DRAIN)
            while left > 0 and (some := self.rfile.read(min(left, MAX_BODY))):
                left -= len(some)
            raise Refusal(413, f"A request may have {MAX_BODY} bytes.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise Refusal(408, "The request broke off.")
        return body

    def admit(self) -> None:
        """Turns away what a page of another site's sends, and a name that somebody points at us."""
        hosts, origins = self.headers.get_all("Host", []), self.headers.get_all("Origin", [])
        try:
            name = urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
            foreign = any(urlsplit(origin).netloc.lower() != hosts[0].lower() for origin in origins)
        except (ValueError, IndexError):
            name = None
        if name is None:
            raise Refusal(400, "The request does not name one host.")
        if name not in NAMES and not is_address(name):
            raise Refusal(403, f"{name} is no name of this page's. If it is, set ALLOW_HOST.")
        elsewhere = self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        if self.command not in ("GET", "HEAD") and (foreign or elsewhere):
            raise Refusal(403, "The question was sent by a page of another site.")

    def show(self, _: bytes) -> None:
        self.send(200, page(f'<p class="status">{escape(status_line()[:1000])}</p>\n'))

    def ask(self, body: bytes) -> None:
        if self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Refusal(415, "A question comes from the form.")
        try:
            fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=8)
        except ValueError as error:
            raise Refusal(400, "That is not the form's.") from error
        question = "\n".join(fields.get("question", [])).replace("\r\n", "\n").strip()
        try:
            if not question:
                raise Refusal(400, "The question is empty.")
            if len(question) > MAX_QUESTION:
                raise Refusal(400, f"A question may have {MAX_QUESTION} characters; this one has {len(question)}.")
            result = call("orchestrate_task", {"description": question}, CALL_SECONDS)
        except Refusal as refusal:
            return self.refuse(refusal, question)
        answer = result.get("response") if isinstance(result, dict) else result
        if not isinstance(answer, str):
            answer = json.dumps(result, ensure_ascii=False, indent=2)
        self.send(200, page(section("answer", "Answer", answer), question))

    def style(self, _: bytes) -> None:
        self.send(200, STYLE, "text/css")

    def health(self, _: bytes) -> None:
        self.send(200, "ok\n", "text/plain")

    def refuse(self, refusal: Refusal, question: str = "") -> None:
        self.send(refusal.status, page(section("problem", "No answer", str(refusal)), question))

    def send(self, status: int, text: str, kind: str = "text/html") -> None:
        data = text.encode(errors="replace")
        self.status = status
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status == 405:
            self.send_header("Allow", ", ".join(ROUTES.get(self.path.partition("?")[0], {})))
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_error(self, code: int, message: Any = None, explain: Any = None) -> None:
        """What the library refuses before it is ours: no HTTP, headers that are too long, and the like."""
        self.refuse(Refusal(405 if code == 501 else code, "This is no request that can be answered."))

    def log_message(self, *_: Any) -> None:
        """Nothing: each request is logged in its end."""


ROUTES = {
    "/": {"GET": Handler.show, "POST": Handler.ask},
    "/style.css": {"GET": Handler.style},
    "/healthz": {"GET": Handler.health},
}


class Server(ThreadingHTTPServer):
    request_queue_size = MAX_CONNECTIONS

    def server_bind(self) -> None:
        # The library's own asks the network for this machine's name.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            connections.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # One that leaves before the answer is nobody's fault.
        if not isinstance(error, OSError):
            log(f"{client_address[0]} failed: {error!r}")


def is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def healthcheck() -> int:
    connection = HTTPConnection("127.0.0.1" if HOST == "0.0.0.0" else HOST, PORT, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, HTTPException) as error:
        log(f"it does not answer: {error}")
        return 1


def main() -> int:
    if sys.argv[1:] == ["healthcheck"]:
        return healthcheck()
    if sys.argv[1:]:
        log("usage: app.py [healthcheck]")
        return 64
    # At once: there is nothing to be written down, and a question may take minutes to be answered.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    with Server((HOST, PORT), Handler) as server:
        log("listening on http://{}:{}".format(*server.server_address))
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
