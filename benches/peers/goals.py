"""What the bridge is meant to reach against its peers, from pairs of the same round."""

import statistics


def values(row, path):
    """Of the rounds that have a value there, by number."""
    known = {}
    for found in row["rounds"]:
        number = found["round"]
        for key in path:
            found = (found or {}).get(key)
        if found:
            known[number] = found
    return known


TRIP = ("sequential", "times", "p50_us")
RATE = ("storm", "per_second")
SETUP = ("setup", "times", "p50_us")
LARGE = ("large", "times", "p50_us")

# (what, our wire, other's name and wire, where the value is, how they are compared, bound)
PAIRS = [
    ("WebSocket round trip, of the guide's bridge", "ws", ("guide-ws", "ws"), TRIP, "ratio", "<=", 0.45),
    ("WebSocket requests/s, of the guide's bridge", "ws", ("guide-ws", "ws"), RATE, "ratio", ">=", 3),
    ("WebSocket requests/s, of a bare relay", "ws", ("relay", "ws"), RATE, "ratio", ">=", 0.75),
    ("WebSocket session set-up beyond spawning by hand, µs", "ws", ("pipe", "pipe"), SETUP, "difference", "<=", 150),
    ("WebSocket session set-up beyond a bare relay's, which spawns too, µs", "ws", ("relay", "ws"), SETUP, "difference", "<=", 150),
    ("One 8 MiB message by WebSocket, of the raw pipe", "ws", ("pipe", "pipe"), LARGE, "ratio", "<=", 2),
    ("REST requests/s, of mcpo", "rest", ("mcpo", "tool"), RATE, "ratio", ">=", 20),
    ("REST on the tool's path, requests/s, of mcpo", "tool", ("mcpo", "tool"), RATE, "ratio", ">=", 20),
    *[goal for era in ("legacy", "modern") for goal in (
        (f"Streamable HTTP ({era}) round trip, of mcp-proxy (Rust)", era, ("mcp-proxy-rust", "legacy"),
         TRIP, "ratio", "<=", 0.45),
        (f"Streamable HTTP ({era}) requests/s, of mcp-proxy (Rust)", era, ("mcp-proxy-rust", "legacy"),
         RATE, "ratio", ">=", 3),
        # A request of the newer era is longer, for a limit too; the older era's is like a plain one.
        (f"Streamable HTTP ({era}) requests/s, of the bare axum echo", era,
         ("axum", "modern" if era == "modern" else "stateless"), RATE, "ratio", ">=", 0.75),
        (f"Streamable HTTP ({era}) requests/s, of the bare axum echo with a server for each call", era,
         ("axum-alone", "modern" if era == "modern" else "stateless"), RATE, "ratio", ">=", 0.75),
        (f"Streamable HTTP ({era}) requests/s, of supergateway", era,
         ("supergateway-stateful", "legacy") if era == "legacy" else ("supergateway-stateless", "stateless"),
         RATE, "ratio", ">=", 25),
    )],
]
# Where only one core counts.
PINNED_PAIRS = [
    ("WebSocket round trip beyond the raw pipe, µs", "ws", ("pipe", "pipe"), TRIP, "difference", "<=", 30),
]
# What a connection and its first answer take a bare echo is in every set-up.
FLOOR = ("axum", "stateless")
IDLE_KIB = 6 * 1024
WARM_US = 200
NOTHING = {"rounds": []}


def judge(rows):
    """`[{"goal", "pinned", "value", "of": […], "bound", "met"}]`; a value of None could not be had."""
    known = {(row["peer"], row["wire"], row["pinned"]): row for row in rows}
    found = []
    for pinned in sorted({row["pinned"] for row in rows}):
        for what, wire, other, path, how, sign, bound in PAIRS + (PINNED_PAIRS if pinned else []):
            ours, theirs = known.get(("ours", wire, pinned)), known.get((*other, pinned))
            if ours is None or theirs is None or (path == LARGE and pinned):
                continue
            our, their = values(ours, path), values(theirs, path)
            pairs = [(our[number], their[number]) for number in sorted(our.keys() & their.keys())]
            of = [round(one / other if how == "ratio" else one - other, 3) for one, other in pairs]
            found.append(verdict(what, pinned, of, sign, bound))
        floor = values(known.get((*FLOOR, pinned), NOTHING), SETUP)
        if warm := known.get(("ours-warm", "ws", pinned)):
            spare = values(warm, SETUP)
            of = [round(value, 1) for value in spare.values()]
            found.append(verdict("WebSocket session set-up with a spare, in all, µs", pinned, of, "<=", WARM_US))
            of = [round(spare[number] - floor[number], 1) for number in sorted(spare.keys() & floor.keys())]
            found.append(verdict("WebSocket session set-up with a spare, beyond a bare echo's set-up, µs", pinned, of, "<=", WARM_US))
    idle = [found["idle_kib"] for row in rows if row["ours"] and not row["pinned"] for found in row["rounds"]]
    found.append(verdict("resident when idle, KiB", False, [kib for kib in idle if kib], "<=", IDLE_KIB))
    return found


def verdict(what, pinned, of, sign, bound):
    middle = round(statistics.median(of), 3) if of else None
    met = None if middle is None else (middle <= bound if sign == "<=" else middle >= bound)
    return {"goal": what, "pinned": pinned, "value": middle, "of": of, "bound": f"{sign} {bound}", "met": met}
