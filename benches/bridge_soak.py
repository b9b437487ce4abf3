#!/usr/bin/env python3
"""Whether the bridge stays as it is: memory, descriptors and processes over many requests, connections
and crashes of its servers, whether it refuses a message without end, and what each idle client costs.

    benches/bridge_soak.py [--bridge PATH] [--wires ws,rest] [--requests 1000000] [--cycles 10000]
                           [--crashes 1000] [--flood BYTES] [--idle 10000] [--sessions 200]
                           [--limit 1800] [--out soak.json]

Everything is on 127.0.0.1. Each part has a bridge of its own and ends after --limit seconds at the
latest. While the load runs the bridge is looked at several times a second; `growth` compares the last
tenth of the part with its second tenth, once all is warm. Exits 1 when a part fails or the memory grows
by more than --bound per cent.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from peers.catalogue import Wire
from peers.process import Peer, below, descriptors, free_port, resident

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target" / f"{platform.machine()}-unknown-linux-gnu" / "release"
PATHS = {"ws": "/", "tool": "/tools"}
EVERY = 0.2
MOST_SERVERS = 1024
# After the load: what ends late may end, before what is left is counted.
SETTLE = 10


class Watch(threading.Thread):
    """Looks at one process until it is told to stop."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.samples, self.over = pid, [], threading.Event()

    def run(self):
        begun = time.monotonic()
        while True:
            self.samples.append((time.monotonic() - begun, resident(self.pid), descriptors(self.pid)))
            if self.over.wait(EVERY):
                return

    def report(self):
        self.over.set()
        self.join()
        kib = [sample[1] for sample in self.samples]
        if len(kib) < 20:
            return {"samples": len(kib), "max_kib": max(kib, default=None)}
        tenth = len(kib) // 10
        early, late = statistics.median(kib[tenth:2 * tenth]), statistics.median(kib[-tenth:])
        thin = self.samples[:: max(len(kib) // 200, 1)]
        return {
            "samples": len(kib), "early_kib": early, "late_kib": late, "max_kib": max(kib),
            "growth_percent": round((late / early - 1) * 100, 2) if early else None,
            "max_descriptors": max(sample[2] for sample in self.samples),
            "series": [[round(at, 1), rss, fds] for at, rss, fds in thin],
        }


def servers(pid):
    """The processes below a bridge, without its guardian, which it has from beginning to end."""
    def guards(one):
        try:
            return b"\0guardian\0" in pathlib.Path(f"/proc/{one}/cmdline").read_bytes()
        except OSError:
            return False
    return [one for one in below(pid) if not guards(one)]


class Soak:
    def __init__(self, args):
        self.args, self.load = args, PROGRAMS / "examples" / "load"
        self.server = PROGRAMS / "examples" / "echo-stdio"

    def bridge(self, log, clients):
        port = free_port()
        # Clients by the thousand do nothing, and have no servers; files are for them.
        children = min(clients + 16, MOST_SERVERS)
        return Peer([self.args.bridge, "--listen", f"127.0.0.1:{port}", "--max-connections", clients + 16,
                     "--max-children", children,
                     # Servers without clients are to be gone when we look for what is left.
                     "--server-idle", "2s", "--session-idle", "6s", "--log", "error", *self.args.option, "--", self.server], port, log)

    def command(self, mode, kind, port, options):
        wire = Wire(kind, PATHS.get(kind, "/mcp")).arguments(port)
        return list(map(str, [self.load, mode, *wire, *options]))

    def part(self, name, mode, kind, clients, *options):
        """One bridge, one load, watched; what was seen."""
        with tempfile.TemporaryDirectory() as folder, self.bridge(pathlib.Path(folder) / "log", clients) as bridge:
            probe = subprocess.run(self.command("probe", kind, bridge.port, ["--patience", 10]),
                                   capture_output=True, text=True, timeout=60, check=False)
            found = {"part": name, "wire": kind}
            why = json.loads(probe.stdout.splitlines()[-1] if probe.stdout else "{}")
            if not why.get("works"):
                return {**found, "unsupported": why.get("why") or probe.stderr[-200:]}
            # The probe's server may still be ending.
            deadline = time.monotonic() + SETTLE
            while servers(bridge.pid) and time.monotonic() < deadline:
                time.sleep(EVERY)
            found["before_kib"] = resident(bridge.pid)
            found["before_descriptors"] = descriptors(bridge.pid)
            watch = Watch(bridge.pid)
            watch.start()
            work = self.idle if mode == "idle" else self.plain
            found["load"] = work(self.command(mode, kind, bridge.port, options), bridge, found)
            found["memory"] = watch.report()
            found.update(self.settled(bridge, found))
            found["peak_kib"] = resident(bridge.pid, "VmHWM")
            found["processes_left"] = bridge.end()
            found["ended_with"] = bridge.process.returncode
        return found

    def plain(self, argv, _bridge, _found):
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=self.args.limit, check=False)
            return json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            return {"failed": f"not done within {self.args.limit} s"}
        except (IndexError, json.JSONDecodeError):
            return {"failed": done.stderr[-300:] or "the load said nothing"}

    def idle(self, argv, bridge, found):
        """Clients that do nothing: what they cost while they are held."""
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            limit = threading.Timer(self.args.limit, load.kill)
            limit.start()
            try:
                held = json.loads(load.stdout.readline() or "{}")
                time.sleep(2)
                opened = held.get("opened") or 0
                found["held"] = {**held, "kib": resident(bridge.pid), "processes": len(servers(bridge.pid))}
                if opened:
                    each = (found["held"]["kib"] - found["before_kib"]) / opened
                    found["held"]["kib_each"] = round(each, 2)
                # The end of its stdin lets it go on.
                load.stdin.close()
                lines = load.stdout.read().splitlines()
                return json.loads(lines[-1]) if lines else {"failed": f"not done within {self.args.limit} s"}
            finally:
                limit.cancel()

    @staticmethod
    def settled(bridge, found):
        """What is left once nobody asks any more; waited for, since servers may end late."""
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline:
            if descriptors(bridge.pid) <= found["before_descriptors"] and not servers(bridge.pid):
                break
            time.sleep(EVERY)
        return {"after_kib": resident(bridge.pid), "after_descriptors": descriptors(bridge.pid),
                "after_processes": len(servers(bridge.pid))}

    def all(self):
        args = self.args
        for kind in args.wires.split(","):
            patience = ("--patience", args.limit)
            if args.requests:
                yield self.part("requests", "storm", kind, 16, "--clients", 16, "--requests", args.requests, *patience)
            if args.cycles:
                yield self.part("connections", "churn", kind, 16, "--clients", 16, "--requests", args.cycles,
                                "--patience", 30)
            if args.crashes:
                yield self.part("crashes", "crash", kind, 16, "--requests", args.crashes, "--patience", 30)
            if args.flood:
                yield self.part("flood", "flood", kind, 16, "--bytes", args.flood, "--patience", 120)
            if args.idle:
                yield self.part("idle", "idle", kind, args.idle, "--clients", args.idle, *patience)
            if args.sessions:
                yield self.part("sessions", "idle", kind, args.sessions, "--clients", args.sessions, "--greet", *patience)

    def verdict(self, found):
        """What is wrong with a part."""
        if "unsupported" in found:
            return [f"does not work at all: {found['unsupported']}"]
        wrong = []
        load = found.get("load", {})
        if load.get("failed"):
            wrong.append(load["failed"])
        if load.get("errors") or load.get("wrong"):
            wrong.append(f"{load['errors']} errors, {load['wrong']} wrong answers: {load.get('first_error')}")
        bystander = load.get("bystander", {})
        if load.get("lied"):
            wrong.append(f"{load['lied']} crashes were answered as successes")
        if load.get("mode") == "flood" and not load.get("refused"):
            wrong.append("the flood was not refused")
        if bystander.get("errors") or load.get("silent") or load.get("not_served"):
            wrong.append(f"crashes: {bystander.get('errors')} seen by the bystander, {load.get('silent')} not told, "
                         f"{load.get('not_served')} not served")
        growth = found.get("memory", {}).get("growth_percent")
        # Memory that is asked for while clients arrive is no growth over time.
        if growth is not None and growth > self.args.bound and found["part"] not in ("idle", "sessions"):
            wrong.append(f"memory grew by {growth} %")
        if found.get("after_processes") or found.get("processes_left"):
            wrong.append(f"{found['after_processes']} servers outlive their clients")
        if found.get("after_descriptors", 0) > found.get("before_descriptors", 0):
            wrong.append(f"{found['after_descriptors']} descriptors, {found['before_descriptors']} before")
        return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bridge", default=PROGRAMS / "mcp-bridge")
    parser.add_argument("--option", action="append", default=[], help="a further word for the bridge; repeat")
    parser.add_argument("--wires", default="ws", help="with commas: ws, legacy, stateless, modern, rest, tool")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--crashes", type=int, default=1000)
    parser.add_argument("--flood", type=int, default=1 << 30, help="bytes of one message; 0 leaves it out")
    parser.add_argument("--idle", type=int, default=0, help="clients that connect and do nothing")
    parser.add_argument("--sessions", type=int, default=200, help="clients that fall idle after a call")
    parser.add_argument("--limit", type=int, default=1800, help="seconds for each part")
    parser.add_argument("--bound", type=float, default=5.0, help="per cent that the memory may grow")
    parser.add_argument("--out", default="bridge-soak.json")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soak, parts, good = Soak(args), [], True
    for found in soak.all():
        found["wrong"] = soak.verdict(found)
        good = good and not found["wrong"]
        parts.append(found)
        brief = {key: value for key, value in found.items() if key not in ("memory", "load")}
        memory = {key: value for key, value in found.get("memory", {}).items() if key != "series"}
        print(json.dumps({**brief, "memory": memory, "load": found.get("load")}), flush=True)
        pathlib.Path(args.out).write_text(json.dumps({"load_average": os.getloadavg()[0], "parts": parts}, indent=1)
                                          + "\n", encoding="utf-8")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
