"""Who is measured, how each is started, and on which wires it can be reached."""

import dataclasses
import json
import os
import pathlib
import time
import typing
import urllib.request

from .process import Peer, free_port, one_line

HERE = pathlib.Path(__file__).resolve().parent
OURS = ("ws", "legacy", "modern", "rest", "tool")
# As many servers as there are clients at once.
ALONE = 16
# More than the sessions that are set up in one measurement, since a spare is replaced only after a while.
SPARES = 64


@dataclasses.dataclass
class Wire:
    """One way to reach a peer."""

    kind: str
    path: str = "/mcp"
    tool: str = "echo"

    def arguments(self, port):
        scheme = "ws" if self.kind == "ws" else "http"
        return ["--wire", self.kind, "--url", f"{scheme}://127.0.0.1:{port}{self.path}", "--tool", self.tool]


@dataclasses.dataclass
class Contender:
    """A peer, a limit, or our own bridge. `prepare` installs it and gives back a function that
    starts it: `start(log, prefix)`, a `Peer`. Without one it is the pipe."""

    name: str
    title: str
    wires: list
    prepare: typing.Callable = None
    ours: bool = False
    # Only how long a session takes to set up is measured.
    only_setup: bool = False


@dataclasses.dataclass
class World:
    """What every contender is started with."""

    scratch: object
    bridge: pathlib.Path
    options: list
    limit: pathlib.Path
    relay: pathlib.Path
    server: pathlib.Path


def on_port(command, environment=None, port=None):
    """`start` of a command that is made from the port."""

    def start(log, prefix):
        chosen = port or free_port()
        return Peer(command(chosen), chosen, log, environment, prefix)

    return start


def ours(world):
    return on_port(lambda port: [
        world.bridge, "--listen", f"127.0.0.1:{port}", "--log", "warn", *world.options, "--", world.server,
    ])


def ours_warm(world):
    start = on_port(lambda port: [
        world.bridge, "--listen", f"127.0.0.1:{port}", "--log", "warn", "--warm", SPARES,
        "--max-children", 3 * SPARES, *world.options, "--", world.server,
    ])

    def stocked(log, prefix):
        peer = start(log, prefix)
        deadline = time.monotonic() + 60
        while True:
            with urllib.request.urlopen(f"http://127.0.0.1:{peer.port}/healthz", timeout=10) as answer:
                if json.load(answer)["children"] >= SPARES:
                    return peer
            if time.monotonic() > deadline:
                peer.end()
                raise RuntimeError("the spares did not start within a minute")
            time.sleep(0.1)

    return stocked


def limit(world):
    return on_port(lambda port: [world.limit, f"127.0.0.1:{port}", world.server])


def limit_alone(world):
    return on_port(lambda port: [world.limit, f"127.0.0.1:{port}", "--alone", ALONE, world.server])


def relay(world):
    return on_port(lambda port: [world.relay, f"127.0.0.1:{port}", world.server])


def stand_ins(world):
    """The guide's programs name what they spawn: `python` and `docker`. Both are the server here, so
    that not a letter of the guide is changed. It takes no notice of its arguments."""
    folder = world.scratch.folder / "stand-ins"
    folder.mkdir(exist_ok=True)
    for name in ("python", "docker"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(world.server)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def guide_bridge(world):
    python = world.scratch.python("guide-bridge", "websockets") / "python3"
    return on_port(lambda _: [python, HERE / "guide_bridge.py"], stand_ins(world), 8765)


def guide_rest(world):
    python = world.scratch.python("guide-rest", "flask") / "python3"
    return on_port(lambda _: [python, HERE / "guide_rest.py"], stand_ins(world), 5000)


def supergateway(*options):
    def prepare(world):
        node, script = world.scratch.supergateway()
        server = one_line([world.server])
        return on_port(lambda port: [
            node, script, "--stdio", server, "--port", port, "--logLevel", "none", *options,
        ])

    return prepare


def mcp_proxy(*options):
    def prepare(world):
        program = world.scratch.python("mcp-proxy", "mcp-proxy") / "mcp-proxy"
        return on_port(lambda port: [
            program, "--host", "127.0.0.1", "--port", port, "--log-level", "ERROR", *options, "--", world.server,
        ])

    return prepare


def mcpo(world):
    # Its own bounds are too wide: 0.0.20 does not start with version 2 of the SDK, nor with a FastAPI
    # that refuses arguments which it does not know.
    program = world.scratch.python("mcpo", "mcpo", "mcp<2", "fastapi<0.130") / "mcpo"
    return on_port(lambda port: [
        program, "--host", "127.0.0.1", "--port", port, "--log-level", "ERROR", "--", world.server,
    ])


def mcp_proxy_rust(world):
    """As it is installed by default, which is without the protocol of 2026-07-28."""
    program = world.scratch.mcp_proxy_rust()
    settings = world.scratch.folder / "mcp-proxy-rust.toml"

    def command(port):
        settings.write_text(
            f'[proxy]\nname = "measured"\nseparator = "/"\n[proxy.listen]\nhost = "127.0.0.1"\nport = {port}\n'
            f'[[backends]]\nname = "it"\ntransport = "stdio"\ncommand = "{world.server}"\n',
            encoding="utf-8",
        )
        return [program, "--config", settings]

    return on_port(command, {"RUST_LOG": "error"})


CONTENDERS = [
    Contender("pipe", "raw pipe, no bridge (limit)", [Wire("pipe")]),
    Contender("axum", "bare axum echo (limit)", [Wire("stateless"), Wire("modern")], limit),
    Contender("axum-alone", "axum echo, one server a call (limit)", [Wire("stateless"), Wire("modern")],
              limit_alone),
    Contender("relay", "bare WebSocket relay, one server a connection (limit)", [Wire("ws", "/")], relay),
    Contender("ours", "mcp-bridge", [Wire(kind, {"ws": "/", "tool": "/tools"}.get(kind, "/mcp")) for kind in OURS],
              ours, ours=True),
    Contender("ours-warm", "mcp-bridge, a spare for each session", [Wire("ws", "/")], ours_warm, only_setup=True),
    Contender("guide-ws", "guide's WebSocket bridge (Python)", [Wire("ws", "/")], guide_bridge),
    Contender("guide-rest", "guide's Flask wrapper", [Wire("rest")], guide_rest),
    Contender("supergateway-ws", "supergateway 4, WebSocket", [Wire("ws", "/message")],
              supergateway("--outputTransport", "ws")),
    Contender("supergateway-stateful", "supergateway 4, Streamable HTTP, stateful", [Wire("legacy")],
              supergateway("--outputTransport", "streamableHttp", "--stateful")),
    Contender("supergateway-stateless", "supergateway 4, Streamable HTTP, stateless", [Wire("stateless")],
              supergateway("--outputTransport", "streamableHttp")),
    Contender("mcp-proxy", "mcp-proxy (Python)", [Wire("legacy")], mcp_proxy()),
    Contender("mcp-proxy-stateless", "mcp-proxy (Python), stateless", [Wire("stateless")],
              mcp_proxy("--stateless")),
    Contender("mcp-proxy-rust", "mcp-proxy 0.6 (Rust)",
              [Wire("legacy", "/", "it/echo"), Wire("modern", "/", "it/echo")], mcp_proxy_rust),
    Contender("mcpo", "mcpo", [Wire("tool", "")], mcpo),
]
