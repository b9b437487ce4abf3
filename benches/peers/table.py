"""The result as Markdown, for the terminal and for docs/benchmarks.md."""


def micros(value):
    if value is None:
        return "–"
    if value < 100:
        return f"{value:.1f} µs"
    return f"{value:,.0f} µs" if value < 10_000 else f"{value / 1000:,.1f} ms"


def plain(value):
    return "–" if value is None else f"{value:,.0f}"


def mebibytes(kib):
    return "–" if not kib else f"{kib / 1024:.1f} MiB"


def troubles(row):
    said = []
    if row["unsupported"]:
        return f"not measured: {short(row['unsupported'])}"
    if row.get("not_started"):
        return f"not measured: {short(row['not_started'])}"
    if row["wrong"]:
        said.append(f"{row['wrong']:,} wrong answers")
    said += [f"{mode}: {short(error)}" for mode, error in row["errors"].items() if error]
    left = sum(found.get("processes_left", 0) for found in row["rounds"])
    if left:
        said.append(f"left {left:,} processes")
    return "; ".join(said)


def short(words, length=90):
    words = " ".join(str(words).replace("|", "/").split())
    return words if len(words) <= length else words[: length - 1] + "…"


def measured(result, pinned):
    lines = [
        "| | wire | session set-up | round trip p50 | p99 | requests/s | one 8 MiB message | idle memory | trouble |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in result["rows"]:
        if row["pinned"] != pinned:
            continue
        middle = row["median"]
        cells = [
            row["title"], row["wire"], micros(middle["setup_us"]), micros(middle["p50_us"]), micros(middle["p99_us"]),
            plain(middle["per_second"]), micros(middle["large_us"]), mebibytes(middle["idle_kib"]), troubles(row),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def goals(result):
    lines = ["| goal | scheduler | reached | bound | met |", "| --- | --- | ---: | ---: | --- |"]
    for goal in result["goals"]:
        of = goal["of"]
        spread = f" ({min(of):g} to {max(of):g})" if len(of) > 1 else ""
        reached = "not measured" if goal["value"] is None else f"{goal['value']:g}{spread}"
        met = {True: "yes", False: "no", None: "–"}[goal["met"]]
        where = "one core" if goal["pinned"] else "free"
        lines.append(f"| {goal['goal']} | {where} | {reached} | {goal['bound']} | {met} |")
    return lines


def versions(result):
    named = [f"{name} {version}" for found in result["versions"].values() for name, version in found.items()]
    lines = ["Installed: " + ", ".join(dict.fromkeys(named)) + "."] if named else []
    lines += [f"Could not be installed: {name}: {short(why, 200)}." for name, why in result["missing"].items()]
    return lines


def markdown(result):
    machine, settings = result["machine"], result["settings"]
    lines = [
        f"{machine['cores']} cores, {machine['cpu']}, Linux {machine['kernel']}, {machine['date']}; medians of "
        f"{settings['rounds']} rounds; 1 KiB echo; {settings['clients']} clients at once for {settings['storm']:g} s; "
        f"load average at the start {machine['load_at_start']:.1f}.",
    ]
    for pinned, title in ((False, "Scheduler free:"), (True, "All pinned to one core:")):
        if any(row["pinned"] == pinned for row in result["rows"]):
            lines += ["", title, "", *measured(result, pinned)]
    return "\n".join([*lines, "", *goals(result), "", *versions(result)])
