"""A peer's process: started, waited for, looked at and ended, by its number and those below it."""

import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

LONGEST_START = 60
LONGEST_END = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stat(pid):
    """(parent, session, start time) of a process, or None when it is gone or a zombie."""
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] == "Z" else (int(words[1]), int(words[3]), int(words[19]))


def below(pid):
    """The processes below `pid`, by number, with their start times; not itself. Those whose parent is
    gone are found by the session, which `pid` leads."""
    known = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            found = stat(int(entry))
            if found:
                known[int(entry)] = found
    found, border = set(), {one for one, (_, session, _) in known.items() if session == pid} | {pid}
    while border:
        found |= border
        border = {one for one, (parent, _, _) in known.items() if parent in border} - found
    return {one: known[one][2] for one in found - {pid}}


def resident(pid, field="VmRSS"):
    """KiB, or 0 when it is gone; `VmHWM` is the most that it ever was."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def proportional(pid):
    """KiB, where each page counts by the part of it that is this process's; 0 when it is gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def is_program(pid, program):
    try:
        return os.path.samefile(os.readlink(f"/proc/{pid}/exe"), program)
    except OSError:
        return False


class Peer:
    """A running peer. Use it in a `with`."""

    def __init__(self, argv, port, log, environment=None, prefix=()):
        if is_open(port):
            raise RuntimeError(f"port {port} is taken by somebody else")
        self.port, self.log = port, pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                [*prefix, *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self.process.pid
        try:
            self.wait_until_open()
        except BaseException:
            self.end()
            raise

    def wait_until_open(self):
        deadline = time.monotonic() + LONGEST_START
        while not is_open(self.port):
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"port {self.port} did not open: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self):
        return " / ".join(self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])

    def memory(self, server):
        """KiB of the peer and what it started, apart from the servers that it bridges. What several of
        its processes share counts once."""
        pids = [self.pid, *below(self.pid)]
        return sum(proportional(pid) for pid in pids if not is_program(pid, server))

    def end(self):
        """SIGTERM; what is left of it and of what it started after some seconds is killed. How many
        processes that were."""
        everything = below(self.pid)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(LONGEST_END)
            except subprocess.TimeoutExpired:
                everything.update(below(self.pid))
                self.process.kill()
                self.process.wait()
        everything.update(below(self.pid))
        deadline = time.monotonic() + LONGEST_END
        while left := {pid: began for pid, began in everything.items() if (stat(pid) or (0, 0, None))[2] == began}:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return len(left)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def one_line(argv):
    """For peers that hand the server's command to a shell."""
    return shlex.join(map(str, argv))
