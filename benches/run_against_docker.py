#!/usr/bin/env python3
"""A stdio server in a container for one client: `mcpo-deploy run` against `docker run` with the same
options, in turn, on the same engine; and against the engine's own attached stream, which both speak.

    cargo build --release --bins
    cargo build --release --no-default-features --features bridge --example echo-stdio --example relay
    benches/run_against_docker.py --programs FOLDER --examples FOLDER [--runs 20] [--pin]

Prints, as medians and ratios of pairs: process start to the first answer (also of the engine alone, from its
first request to its first byte from the server: the limit of whoever asks it), a round trip beyond the raw
stream (also of a relay that does nothing but read and write: the limit of a program in between), resident
memory when idle and after 64 MiB in both directions, and the orphans that fifty runs leave that were killed
at any moment, after one more run.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import shlex
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

PROJECT = "bench-run"
IMAGE = "bench-run-echo:latest"
LINE = b'{"method": "echo", "params": {"text": "0123456789012345678901234567890123456789"}}\n'
FILTER = f"label=io.mcpo-deploy.project={PROJECT}"


def output(argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


class Server:
    """A stdio server that a program stands for."""

    def __init__(self, argv, cwd):
        self.begun = time.monotonic()
        self.child = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)

    def ask(self, line=LINE):
        self.child.stdin.write(line)
        answer = b""
        while not answer.endswith(b"\n"):
            piece = self.child.stdout.read(65536)
            if not piece:
                raise SystemExit("the server ended before it answered")
            answer += piece
        return answer

    def end(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(60)


def attached(name):
    """The engine's connection to a container's streams."""
    stream = socket.socket(socket.AF_UNIX)
    stream.connect("/var/run/docker.sock")
    path = f"/v1.41/containers/{name}/attach?stream=1&stdin=1&stdout=1"
    stream.sendall(f"POST {path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
    head = stream.recv(65536)
    assert head.startswith(b"HTTP/1.1 101"), head
    return stream


class Raw:
    """The attached stream of a container, as the engine has it."""

    def __init__(self, create, cwd):
        self.name = output(create, cwd=cwd).strip()
        self.socket = attached(self.name)
        output(["docker", "start", self.name])

    def ask(self, line=LINE):
        self.socket.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self.socket.recv(65536)
        return answer

    def end(self):
        self.socket.close()
        subprocess.run(["docker", "rm", "-f", self.name], capture_output=True)


def post(path, body=None):
    """One request to the engine, and its answer."""
    connection = http.client.HTTPConnection("engine")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/var/run/docker.sock")
    connection.request("POST", path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, text
    connection.close()
    return json.loads(text) if text else None


def engine_alone(body):
    """A container that is known in full, created, attached to, started and asked, without any program."""
    begun = time.monotonic()
    name = post("/v1.41/containers/create", body)["Id"]
    stream = attached(name)
    post(f"/v1.41/containers/{name}/start")
    stream.sendall(LINE)
    stream.recv(65536)
    took = time.monotonic() - begun
    stream.close()
    subprocess.run(["docker", "wait", name], capture_output=True)
    return took * 1000


def whole(create, cwd):
    """What the engine is asked for by a `docker create`, as its API takes it."""
    name = output(create, cwd=cwd).strip()
    [found] = json.loads(output(["docker", "inspect", name]))
    output(["docker", "rm", name])
    networks = {network: {} for network in found["NetworkSettings"]["Networks"]}
    return {**found["Config"], "HostConfig": found["HostConfig"], "NetworkingConfig": {"EndpointsConfig": networks}}


def first_answer(argv, cwd):
    server = Server(argv, cwd)
    server.ask()
    took = time.monotonic() - server.begun
    server.end()
    return took * 1000


def between(ones, others):
    """The median of pairs' ratios, and where nine of ten medians lie of as many pairs drawn from these."""
    ratios = [one / other for one, other in zip(ones, others)]
    drawn = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(2000))
    return f"{statistics.median(ratios):.3f} ({drawn[100]:.3f} to {drawn[1899]:.3f})"


def trips(server, count):
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        server.ask()
        times.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(times)


def resident(pid, key="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise SystemExit("no such process")


def through(server, total):
    """So many bytes in and out again."""
    line = b'{"method": "echo", "params": {"text": "' + b"x" * 65536 + b'"}}\n'
    count = total // len(line)

    def write():
        for _ in range(count):
            view = memoryview(line)
            while view:
                view = view[server.child.stdin.write(view):]

    writer = threading.Thread(target=write)
    writer.start()
    lines = 0
    while lines < count:
        lines += server.child.stdout.read(1 << 20).count(b"\n")
    writer.join()


def left():
    return output(["docker", "ps", "-aq", "--filter", FILTER]).split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True, help="where echo-stdio and relay are")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--pin", action="store_true", help="everything but the engine on one processor")
    options = parser.parse_args()
    if options.pin:
        os.sched_setaffinity(0, {0})
    program = str(options.programs.resolve() / "mcpo-deploy")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        context = folder / "image"
        context.mkdir()
        (context / "server").write_bytes((options.examples / "echo-stdio").read_bytes())
        (context / "server").chmod(0o755)
        (context / "Dockerfile").write_text('FROM scratch\nCOPY server /server\nENTRYPOINT ["/server"]\n')
        output(["docker", "build", "-q", "-t", IMAGE, str(context)])
        (folder / "mcpo.yaml").write_text(f"project: {PROJECT}\norchestrator:\n  image: {IMAGE}\n  status_tool: echo\n")
        (folder / ".env").write_text("")
        ours = [program, "run"]
        subprocess.run(ours, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        line = output([program, "--quiet", "render", "run"], cwd=folder)
        theirs = shlex.split(line[line.index("docker run") :].replace("\\\n", " "))
        random.seed(1)
        create = ["docker", "create", *theirs[2:]]
        body = whole(create, folder)
        mine, their, alone = [], [], []
        begin = [(mine, lambda: first_answer(ours, folder)), (their, lambda: first_answer(theirs, folder)), (alone, lambda: engine_alone(body))]
        for _ in range(options.runs):
            # Whoever comes second meets an engine that still clears up.
            for times, start in random.sample(begin, len(begin)):
                times.append(start())
        print(
            f"start to the first answer: ours {statistics.median(mine):.0f} ms, docker run {statistics.median(their):.0f} ms, "
            f"ratio {between(mine, their)}; the engine alone {statistics.median(alone):.0f} ms, ratio {between(alone, their)}"
        )

        names = ("ours", "relay", "docker run")
        beyond, bases = {name: [] for name in names}, []
        for _ in range(5):
            raw = Raw(create, folder)
            held = output(create, cwd=folder).strip()
            relay = [str(options.examples.resolve() / "relay"), held]
            servers = {name: Server(argv, folder) for name, argv in zip(names, (ours, relay, theirs))}
            times = {server: [] for server in (raw, *servers.values())}
            for server in times:
                trips(server, 200)
            for _ in range(10):
                for server in random.sample(list(times), len(times)):
                    times[server].append(trips(server, 200))
            base = statistics.median(times[raw])
            bases.append(base)
            for name, server in servers.items():
                beyond[name].append(statistics.median(times[server]) - base)
            idle = {name: resident(server.child.pid) for name, server in servers.items()}
            for server in times:
                server.end()
            subprocess.run(["docker", "rm", "-f", held], capture_output=True)
        each = ", ".join(f"{name} {statistics.median(times):.1f} µs" for name, times in beyond.items())
        print(f"round trip beyond the raw stream ({statistics.median(bases):.0f} µs): {each}")
        print(f"resident when idle: ours {idle['ours']:.1f} MiB, docker run {idle['docker run']:.1f} MiB")

        run = Server(ours, folder)
        run.ask()
        before = resident(run.child.pid)
        through(run, 64 << 20)
        print(f"64 MiB in both directions: {before:.1f} MiB before, {resident(run.child.pid):.1f} MiB after, {resident(run.child.pid, 'VmHWM'):.1f} MiB at most")
        run.end()

        for _ in range(50):
            server = Server(ours, folder)
            time.sleep(random.uniform(0, 0.5))
            server.child.send_signal(signal.SIGKILL)
            server.child.wait()
        after = len(left())
        subprocess.run(ours, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        print(f"{after} containers after 50 SIGKILLs, {len(left())} after one more run")
        subprocess.run([program, "down", "--volumes"], cwd=folder, capture_output=True, check=True)
        subprocess.run(["docker", "rmi", "-f", IMAGE], capture_output=True)


if __name__ == "__main__":
    main()
