"""Figures as text for a terminal."""

import statistics

from .load import LOADS

FOOTNOTES = """\
req/s is the median of the rounds, with the lowest and the highest; p50, p99 and p99.9 are medians of the rounds' percentiles, in ms.
cores: used by the three servers together. noise: percent of the machine that others took, the worst round; above 5 it is doubtful.
ratio: quorate's throughput to etcd's, and its p99 to etcd's.
All nodes and the load generator share this machine's cores. The leader is asked in both clusters, each connection (each call, of etcd)
waiting for its answer before it asks again. quorate: wrk, HTTP/1.1, random keys, 100,000 of them. etcd: h2load, gRPC; it repeats one
body, and so writes or reads the same key, or the same 100, all the time; calls share at most four connections, with which etcd
answers most."""


def median(values):
    return statistics.median(values) if values else None


def _row(runs):
    good = [run for run in runs if not run.bad]
    row = {name: getattr(runs[0], name) for name in ("system", "load", "connections")} | {"rounds": len(runs), "bad": len(runs) - len(good)}
    for name in ("per_s", "p50_ms", "p99_ms", "p999_ms", "cores"):
        values = [getattr(run, name) for run in good]
        row[name] = median(values)
        row[name + "_min"], row[name + "_max"] = min(values, default=None), max(values, default=None)
    row["noise_percent"] = max(run.noise_percent for run in runs)
    return row


def summarize(runs):
    """A row for each system, load and number of connections, in the order in which they were run first; quorate's with its ratios."""
    groups = {}
    for run in runs:
        groups.setdefault((run.load, run.connections), {}).setdefault(run.system, []).append(run)
    rows = []
    for systems in groups.values():
        of = {name: _row(systems[name]) for name in sorted(systems, reverse=True)}  # quorate before etcd
        ours, theirs = of["quorate"], of.get("etcd")
        if theirs and ours["per_s"] and theirs["per_s"]:
            ours["ratio"] = ours["per_s"] / theirs["per_s"]
            ours["p99_ratio"] = ours["p99_ms"] / theirs["p99_ms"]
        rows += of.values()
    return rows


def align(rows, left=()):
    """Columns as wide as they must be; those of the numbers in `left` are words."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) if column in left else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths)))
        yield "  ".join(cells).rstrip()


def _number(value, form):
    return format(value, form) if value is not None else "-"


def _figures(row):
    spread = f"{_number(row['per_s_min'], ',.0f')}..{_number(row['per_s_max'], ',.0f')}"
    times = [_number(row[name], ",.2f") for name in ("p50_ms", "p99_ms", "p999_ms")]
    return [_number(row["per_s"], ",.0f"), spread, *times, _number(row["cores"], ".2f"), f"{row['noise_percent']} %"]


HEADINGS = ["req/s", "lowest..highest", "p50", "p99", "p99.9", "cores", "noise"]


def loads(rows, seconds, rounds):
    cells = [["load", "conns", "system", *HEADINGS, "ratio", "p99 ratio", ""]]
    for row in rows:
        ratios = [f"{row[name]:.2f}" if name in row else "" for name in ("ratio", "p99_ratio")]
        bad = f"{row['bad']} bad" if row["bad"] else ""
        cells.append([LOADS[row["load"]].text, str(row["connections"]), row["system"], *_figures(row), *ratios, bad])
    return "\n".join([f"loads: {rounds} rounds of {seconds} s", *align(cells, left=(0, 2, 12)), "", FOOTNOTES])


def print_states(title, runs):
    """Runs of (system, state), two states each: the second against the first."""
    rows, figures = {key: _row(all_) for key, all_ in runs.items()}, {"runs": [vars(run) for all_ in runs.values() for run in all_]}
    cells = [["system", "", *HEADINGS, "ratio", "p99 ratio"]]
    first = {}
    for (system, state), row in rows.items():
        before = first.setdefault(system, row)
        ratios = ["", ""]
        if before is not row and before["per_s"] and row["per_s"]:
            row["ratio"], row["p99_ratio"] = row["per_s"] / before["per_s"], row["p99_ms"] / before["p99_ms"]
            ratios = [f"{row['ratio']:.2f}", f"{row['p99_ratio']:.2f}"]
        cells.append([system, state, *_figures(row), *ratios])
    print("\n".join([title, *align(cells, left=(0, 1))]))
    return figures | {"summary": [row | {"state": state} for (_, state), row in rows.items()]}


def spread(values, unit):
    return f"{median(values):.3f} {unit} ({min(values):.3f} to {max(values):.3f}, {len(values)} times)"


def lines(pairs):
    """Name and value, indented under a title."""
    return "\n".join("  " + line for line in align([list(pair) for pair in pairs], left=(0, 1)))


FATES = {
    "good": "acknowledged", "refused": "refused (5xx)", "other": "others", "not_sent": "not sent, all slots being taken",
    "lost": "lost with connections whose clients gave up", "unanswered": "waiting at the end",
}  # fmt: skip


def overload(of):
    fates = [("", f"{of[name]:>11,} {text}") for name, text in FATES.items() if of[name]]
    resident = [(f"resident, {when}", "  ".join(f"{each:,.0f} MB" for each in all_)) for when, all_ in of["memory_mb"].items()]
    normal = "not in time" if of["normal_after_s"] is None else f"{of['normal_after_s']:.2f} s after the load has ended"
    return lines([
        ("offered", f"{of['offered_per_s']:,.0f} PUT/s, {of['offered']:,} in all, of which"),
        *fates,
        ("goodput", f"{of['good_per_s']:,.0f} PUT/s, {of['goodput_share']:.0%} of what it can take; {of['written']:,} were written"),
        ("answers", f"99 % within {of['p99_ms']} ms, refusals included"),
        ("cores", f"{of['cores']:.2f}; noise {of['noise_percent']} %"),
        ("elections", str(of["elections"])),
        *resident,
        ("back to normal", normal),
        ("64 connections after it", f"{of['put256_after_per_s']:,.0f} PUT/s"),
    ])  # fmt: skip
