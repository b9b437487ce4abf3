#!/usr/bin/env python3
"""The bridge against its peers, on the same work, in one run.

Installs the peers from their registries into a scratch folder, puts the same static server behind
each, and measures all of them in turn, several times over, each time in another order, both with the
scheduler free and with everything pinned to one core. Prints a table of medians and the ratios of
pairs from the same round; writes everything as JSON, from which `benches/plot.py` makes the plots and
the tables of docs/benchmarks.md. A peer that cannot be installed or started is listed with the reason.

    benches/bridge_against_peers.py [--bridge PATH] [--scratch FOLDER] [--rounds 9] [--quick]
                                    [--only NAME,NAME] [--out result.json]

The guide's two programs listen on 0.0.0.0:8765 and :5000, as they are written there; everything else
listens on a free port. All that is started is ended, by its process number.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from peers import goals, table
from peers.catalogue import CONTENDERS, World
from peers.install import Missing, Scratch
from peers.process import Peer

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target" / f"{platform.machine()}-unknown-linux-gnu" / "release"
CLIENTS = 16
LARGE = 8 * 1024 * 1024
LONGEST_MEASURE = 300
# What each measurement is of: runs, calls, seconds, large messages. Many short rounds rather than a few long ones:
# what neighbours take of a machine changes from minute to minute.
FULL = {"setup": 30, "sequential": 800, "storm": 1.5, "large": 1}
QUICK = {"setup": 10, "sequential": 300, "storm": 1.0, "large": 1}


class Bench:
    """The settings and the programs of one run."""

    def __init__(self, args):
        self.sizes = QUICK if args.quick else FULL
        self.load = PROGRAMS / "examples" / "load"
        self.world = World(
            scratch=Scratch(args.scratch),
            bridge=pathlib.Path(args.bridge).resolve(),
            options=args.option,
            limit=PROGRAMS / "examples" / "echo-http",
            relay=PROGRAMS / "examples" / "echo-ws",
            server=PROGRAMS / "examples" / "echo-stdio",
        )
        # The last core, which has the least to do with interrupts.
        self.core = max(os.sched_getaffinity(0))

    def prefix(self, pinned):
        return ["taskset", "-c", str(self.core)] if pinned else []

    def measure(self, mode, wire, peer, pinned, *options):
        """The load generator's report; `failed` in it when there is none."""
        where = wire.arguments(peer.port) if peer else ["--wire", "pipe"]
        behind = [] if peer else ["--", str(self.world.server)]
        argv = [*self.prefix(pinned), self.load, mode, *where, *options, *behind]
        try:
            done = subprocess.run(
                list(map(str, argv)), capture_output=True, text=True, timeout=LONGEST_MEASURE, check=False)
            return json.loads(done.stdout.splitlines()[-1])
        except (subprocess.TimeoutExpired, IndexError, json.JSONDecodeError) as error:
            return {"failed": str(error)}

    def round(self, wire, peer, pinned, only_setup):
        """Everything about one wire of one peer, once."""
        sizes = self.sizes
        setup = self.measure("setup", wire, peer, pinned, "--requests", sizes["setup"])
        if only_setup:
            return {"setup": setup}
        found = {
            "setup": setup,
            "sequential": self.measure("sequential", wire, peer, pinned, "--requests", sizes["sequential"]),
            "storm": self.measure(
                "storm", wire, peer, pinned, "--clients", CLIENTS, "--seconds", sizes["storm"], "--patience", 20),
        }
        if not pinned:
            found["large"] = self.measure(
                "large", wire, peer, pinned, "--bytes", LARGE, "--requests", sizes["large"], "--patience", 20)
        return found

    def works(self, wire, peer):
        """None, or why the wire does not work there. A port may open before what is behind it."""
        for attempt in range(4):
            probed = self.measure("probe", wire, peer, False, "--patience", 10)
            if probed.get("works"):
                return None
            time.sleep(0.25 * 2**attempt)
        return probed.get("why") or probed.get("failed") or "no answer"


def one_turn(bench, contender, start, number, pinned, rows, log):
    """One contender, one round, with the scheduler free or pinned."""
    load_before = os.getloadavg()[0]
    peer = start(log, bench.prefix(pinned)) if start else None
    try:
        idle = None
        for wire in contender.wires:
            row = rows[contender.name, wire.kind, pinned]
            if row["unsupported"]:
                continue
            row["unsupported"] = bench.works(wire, peer)
            if peer and idle is None:
                # After the first answer, since some load half of themselves only then.
                idle = peer.memory(bench.world.server)
            if row["unsupported"]:
                continue
            found = bench.round(wire, peer, pinned, contender.only_setup)
            found["round"], found["load_before"] = number, load_before
            found["idle_kib"] = idle
            row["rounds"].append(found)
    finally:
        if peer:
            leftover = peer.end()
            for wire in contender.wires:
                for found in rows[contender.name, wire.kind, pinned]["rounds"][-1:]:
                    found["processes_left"] = leftover


def prepare(bench, contenders):
    """How each is started, and why some cannot be."""
    starts, missing = {}, {}
    for contender in contenders:
        print(f"installing  {contender.title}", file=sys.stderr)
        try:
            starts[contender.name] = contender.prepare(bench.world) if contender.prepare else None
        except Missing as error:
            missing[contender.name] = str(error)
    return starts, missing


def run(bench, contenders, rounds, pins):
    starts, missing = prepare(bench, contenders)
    rows = {
        (contender.name, wire.kind, pinned): {
            "peer": contender.name, "title": contender.title, "wire": wire.kind, "pinned": pinned,
            "ours": contender.ours, "unsupported": missing.get(contender.name), "rounds": [],
        }
        for contender in contenders for wire in contender.wires for pinned in pins
    }
    present = [contender for contender in contenders if contender.name not in missing]
    with tempfile.TemporaryDirectory() as logs:
        for number in range(rounds):
            # Another one begins in each round, so that no one always follows the same one.
            first = number * len(present) // max(rounds, 1)
            for pinned in pins:
                for contender in present[first:] + present[:first]:
                    where = "one core" if pinned else "free"
                    print(f"round {number + 1}  {where:8}  {contender.title}", file=sys.stderr)
                    try:
                        log = pathlib.Path(logs) / contender.name
                        one_turn(bench, contender, starts[contender.name], number, pinned, rows, log)
                    except (RuntimeError, OSError) as error:
                        for wire in contender.wires:
                            row = rows[contender.name, wire.kind, pinned]
                            row.setdefault("failures", []).append(str(error))
                            if not row["rounds"] and not row["unsupported"]:
                                row["not_started"] = str(error)
    return list(rows.values()), missing


def median_of(row, *path):
    """The median over the rounds that have a value there."""
    values = []
    for found in row["rounds"]:
        for key in path:
            found = (found or {}).get(key)
        if found is not None:
            values.append(found)
    return statistics.median(values) if values else None


def summarise(row):
    row["median"] = {
        "setup_us": median_of(row, "setup", "times", "p50_us"),
        "p50_us": median_of(row, "sequential", "times", "p50_us"),
        "p95_us": median_of(row, "sequential", "times", "p95_us"),
        "p99_us": median_of(row, "sequential", "times", "p99_us"),
        "per_second": median_of(row, "storm", "per_second"),
        "storm_p99_us": median_of(row, "storm", "times", "p99_us"),
        "large_us": median_of(row, "large", "times", "p50_us"),
        "idle_kib": median_of(row, "idle_kib"),
    }
    modes = ("setup", "sequential", "storm", "large")
    row["wrong"] = sum((found.get(mode) or {}).get("wrong", 0) for found in row["rounds"] for mode in modes)
    row["errors"] = {
        mode: next((found[mode].get("first_error") or found[mode].get("failed") for found in row["rounds"]
                    if mode in found and (found[mode].get("first_error") or found[mode].get("failed"))), None)
        for mode in modes
    }


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    return {
        "cores": len(os.sched_getaffinity(0)), "cpu": model, "kernel": platform.release(),
        "date": datetime.date.today().isoformat(), "load_at_start": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bridge", default=PROGRAMS / "mcp-bridge", help="our program")
    parser.add_argument("--option", action="append", default=[], help="a further word for our program; repeat")
    parser.add_argument("--scratch", default=pathlib.Path(tempfile.gettempdir()) / "bridge-peers",
                        help="where the peers are installed; kept from run to run")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="shorter measurements, to see that all works")
    parser.add_argument("--only", help="names, with commas; all are " + ", ".join(c.name for c in CONTENDERS))
    parser.add_argument("--pins", choices=["free", "pinned", "both"], default="both")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--out", default="bridge-against-peers.json")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else None
    contenders = [one for one in CONTENDERS if names is None or one.name in names]
    if not args.no_build:
        subprocess.run(["cargo", "build", "--release", "--locked", "--no-default-features", "--features", "bridge",
                        "--bin", "mcp-bridge", "--example", "load", "--example", "echo-stdio",
                        "--example", "echo-http", "--example", "echo-ws"], cwd=ROOT, check=True)
    # Room for many connections, for the peers too.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    described = machine()
    bench = Bench(args)
    pins = {"free": [False], "pinned": [True], "both": [False, True]}[args.pins]
    rows, missing = run(bench, contenders, args.rounds, pins)
    for row in rows:
        summarise(row)
    result = {
        "machine": described, "versions": bench.world.scratch.versions, "missing": missing,
        "settings": {**bench.sizes, "clients": CLIENTS, "large_bytes": LARGE, "rounds": args.rounds,
                     "quick": args.quick, "our_options": args.option},
        "rows": rows, "goals": goals.judge(rows),
    }
    pathlib.Path(args.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table.markdown(result))
    print(f"\nall of it: {args.out}")


if __name__ == "__main__":
    # Peers end with us when we are told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
