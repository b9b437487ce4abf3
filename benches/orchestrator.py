#!/usr/bin/env python3
"""The orchestrator program: from exec to the first status answer, and its memory when idle.

    benches/orchestrator.py PROGRAM [RUNS]
"""

import statistics
import subprocess
import sys
import time

REQUEST = b'{"method": "get_orchestrator_status", "params": {}}\n'


def once(program):
    """Milliseconds to the answer, and kibibytes resident once it is idle."""
    begun = time.perf_counter()
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    server.stdin.write(REQUEST)
    server.stdin.flush()
    answer = server.stdout.readline()
    took = (time.perf_counter() - begun) * 1000
    assert b'"status"' in answer, answer
    with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    server.stdin.close()
    server.wait(timeout=10)
    return took, resident


def main():
    program, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200
    once(program)
    took, resident = zip(*(once(program) for _ in range(runs)))
    print(f"exec to first status  median {statistics.median(took):.2f} ms  p95 {sorted(took)[int(runs * 0.95)]:.2f} ms")
    print(f"resident when idle    median {statistics.median(resident) / 1024:.1f} MiB  max {max(resident) / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
