#!/usr/bin/env python3
"""From the JSON of `benches/bridge_against_peers.py` to plots and to the section of docs/benchmarks.md.

    benches/plot.py bridge-against-peers.json [--docs docs/benchmarks.md] [--images docs/images]

The section stands between two comments, which are put at the file's end when they are not there yet;
the rest of the file stays as it is. The plots are SVG written by hand: no library.
"""

import argparse
import json
import math
import os
import pathlib
from xml.sax.saxutils import escape

from peers import table

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- bridge-against-peers: begin -->", "<!-- bridge-against-peers: end -->"
HEAD = """## The bridge against its peers

Made by `benches/bridge_against_peers.py` and `benches/plot.py`: the same static server behind each, the
same load, in turn, in one run. Every ratio is of pairs from the same round. Lengths in the plots are
logarithmic.
"""
# (file, title, field of the medians, unit, pinned or not; both are drawn where it is None)
PLOTS = [
    ("round-trip", "Round trip of a 1 KiB echo, p50 (shorter is better)", "p50_us", "µs", None),
    ("requests", "Requests a second, 16 clients at once (longer is better)", "per_second", "/s", None),
    ("set-up", "Session set-up, p50 (shorter is better)", "setup_us", "µs", False),
    ("large", "One 8 MiB message and its echo (shorter is better)", "large_us", "µs", False),
    ("memory", "Resident when idle (shorter is better)", "idle_kib", "KiB", False),
]
WIDTH, LEFT, RIGHT, TOP, ROW, BAR = 860, 330, 110, 58, 34, 11
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 15px }
.value { font-size: 11px } .grid { stroke: #ddd } .peer { fill: #9aa7b5 } .limit { fill: #d8c48a } .ours { fill: #2f7dd1 }
.pinned { opacity: .6 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } }
"""


def spoken(value, unit):
    """A value with a unit that suits its size."""
    if unit == "µs" and value >= 10_000:
        value, unit = value / 1000, "ms"
    elif unit == "KiB" and value >= 1000:
        value, unit = value / 1024, "MiB"
    digits = 1 if unit != "/s" and value < 100 and value != int(value) else 0
    return f"{value:,.{digits}f}{'' if unit == '/s' else ' '}{unit}"


def bars_of(result, field, pinned):
    """One entry for each contender and wire that has a value: (label, class, {pinned: value})."""
    found = {}
    wires = {}
    for row in result["rows"]:
        wires.setdefault(row["peer"], set()).add(row["wire"])
    for row in result["rows"]:
        value = row["median"][field]
        if not value or (pinned is not None and row["pinned"] != pinned):
            continue
        ours = row["ours"] or row["peer"].startswith("ours-")
        kind = "ours" if ours else "limit" if "(limit)" in row["title"] else "peer"
        label = f"{row['title']}: {row['wire']}" if len(wires[row["peer"]]) > 1 else row["title"]
        found.setdefault((row["peer"], row["wire"]), (label, kind, {}))[2][row["pinned"]] = value
    return list(found.values())


def svg(title, bars, unit):
    values = [value for _, _, by_pin in bars for value in by_pin.values()]
    low = 10 ** math.floor(math.log10(min(values)) - 0.01)
    high = max(values) * 1.1
    span = math.log10(high) - math.log10(low)
    height = TOP + ROW * len(bars) + 26

    def across(value):
        return (math.log10(value) - math.log10(low)) / span * (WIDTH - LEFT - RIGHT)

    both = len({pin for _, _, by_pin in bars for pin in by_pin}) > 1
    note = "  Upper bar: scheduler free; lower: all on one core" if both else ""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="12" y="22">{escape(title)}</text>',
        f'<text class="value" x="12" y="40">{escape(note.strip())}</text>' if note else "",
    ]
    power = low
    while power <= high:
        x = LEFT + across(power)
        out.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 22}"/>')
        out.append(f'<text class="value" x="{x:.1f}" y="{height - 8}" text-anchor="middle">{spoken(power, unit)}</text>')
        power *= 10
    for number, (label, kind, by_pin) in enumerate(bars):
        y = TOP + number * ROW
        out.append(f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(label)}</text>')
        for place, pin in enumerate(sorted(by_pin)):
            value, top = by_pin[pin], y + place * (BAR + 1) + (0 if both else 5)
            names = f"{kind} pinned" if pin else kind
            out.append(f'<rect class="{names}" x="{LEFT}" y="{top}" width="{max(across(value), 1):.1f}" height="{BAR}"/>')
            out.append(f'<text class="value" x="{LEFT + across(value) + 5:.1f}" y="{top + BAR - 1}">'
                       f"{escape(spoken(value, unit))}</text>")
    return "\n".join([line for line in out if line] + ["</svg>", ""])


def section(result, images, docs):
    """Writes the plots; the section's text."""
    images.mkdir(parents=True, exist_ok=True)
    shown = []
    for name, title, field, unit, pinned in PLOTS:
        bars = bars_of(result, field, pinned)
        if bars:
            path = images / f"bridge-{name}.svg"
            path.write_text(svg(title, bars, unit), encoding="utf-8")
            shown.append(f"![{title}]({os.path.relpath(path, docs.parent)})")
    return "\n".join([BEGIN, HEAD, table.markdown(result), "", *shown, END])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--images", type=pathlib.Path, default=ROOT / "docs" / "images")
    args = parser.parse_args()
    result = json.loads(args.result.read_text(encoding="utf-8"))
    if result["settings"]["quick"] and args.docs == ROOT / "docs" / "benchmarks.md":
        raise SystemExit("a --quick run is no measurement: give --docs and --images another place")
    text = args.docs.read_text(encoding="utf-8") if args.docs.exists() else ""
    fresh = section(result, args.images, args.docs)
    before, begin, rest = text.partition(BEGIN)
    if begin:
        _, end, after = rest.partition(END)
        if not end:
            raise SystemExit(f"{args.docs}: {BEGIN} without {END}")
    else:
        before, after = (text.rstrip("\n") + "\n\n" if text else ""), "\n"
    args.docs.write_text(before + fresh + after, encoding="utf-8")


if __name__ == "__main__":
    main()
