"""Latency against throughput as an SVG: a panel for each load, a point for each number of connections."""

import math
from xml.sax.saxutils import escape

from .load import LOADS

WIDTH, HEIGHT = 480, 300  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 40, 46  # of its margins
COLUMNS = 2
HEAD = 62  # above the panels
INK, FAINT, PAPER = "#3a3f47", "#dfe3e8", "#ffffff"
COLOURS = {"quorate": "#3b7ea1", "etcd": "#c08552"}
PERCENTILES = {"p50_ms": ("p50", ""), "p99_ms": ("p99", "5 4")}  # name, dashes


def _text(x, y, words, size=12, anchor="start", colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(words)}</text>'


def _line(x1, y1, x2, y2, colour, width=1.0, dashes=""):
    dashes = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{dashes}/>'


def _step(most, marks=5):
    """A round distance between marks: 1, 2 or 5 times a power of ten."""
    rough = most / marks
    power = 10 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _short(number):
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"


class Panel:
    def __init__(self, left, top, rows):
        self.left, self.top = left + LEFT, top + TOP
        self.width, self.height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        self.rows = rows
        times = [max(row[name], 0.001) for row in rows for name in PERCENTILES]
        self.low, self.high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
        self.high = max(self.high, self.low + 1)
        self.step = _step(max(row["per_s"] for row in rows))
        self.most = self.step * math.ceil(1.04 * max(row["per_s"] for row in rows) / self.step)

    def x(self, per_s):
        return self.left + self.width * per_s / self.most

    def y(self, ms):
        return self.top + self.height * (self.high - math.log10(max(ms, 0.001))) / (self.high - self.low)

    def axes(self):
        bottom, right = self.top + self.height, self.left + self.width
        yield _text(self.left, self.top - 12, LOADS[self.rows[0]["load"]].text, 14, more=' font-weight="600"')
        for power in range(self.low, self.high + 1):
            yield _line(self.left, self.y(10**power), right, self.y(10**power), FAINT)
            yield _text(self.left - 8, self.y(10**power) + 4, f"{10.0**power:g}", 11, "end")
        for mark in range(round(self.most / self.step) + 1):
            x = self.x(mark * self.step)
            yield _line(x, self.top, x, bottom, FAINT)
            yield _text(x, bottom + 16, _short(mark * self.step), 11, "middle")
        yield _text(self.left + self.width / 2, bottom + 34, "requests per second", 11, "middle")
        middle = self.top + self.height / 2
        yield _text(self.left - 44, middle, "latency, ms", 11, "middle", more=f' transform="rotate(-90 {self.left - 44:.1f} {middle:.1f})"')

    def curve(self, rows, name, colour, label_below):
        points = [(self.x(row["per_s"]), self.y(row[name])) for row in rows]
        for (x1, y1), (x2, y2) in zip(points, points[1:]):
            yield _line(x1, y1, x2, y2, colour, 1.8, PERCENTILES[name][1])
        for (x, y), row in zip(points, rows):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}" stroke="{PAPER}"/>'
            if name == "p99_ms":
                yield _text(x, y + (14 if label_below else -7), str(row["connections"]), 10, "middle", colour)

    def draw(self):
        yield from self.axes()
        for system, colour in COLOURS.items():
            rows = sorted((row for row in self.rows if row["system"] == system), key=lambda row: row["connections"])
            for name in PERCENTILES:
                yield from self.curve(rows, name, colour, label_below=system == "quorate")


def _legend(systems):
    x = LEFT
    for system in systems:
        for name, dashes in PERCENTILES.values():
            yield _line(x, 46, x + 30, 46, COLOURS[system], 1.8, dashes)
            yield _text(x + 36, 50, f"{system} {name}", 12)
            x += 130
    yield _text(x, 50, "numbers: connections (etcd: calls in flight)", 12)


def svg(rows):
    rows = [row for row in rows if row["per_s"]]
    by_load = {}
    for row in rows:
        by_load.setdefault(row["load"], []).append(row)
    columns = min(COLUMNS, max(1, len(by_load)))
    width, height = max(columns * WIDTH, 900), HEAD + HEIGHT * math.ceil(len(by_load) / columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        _text(LEFT, 26, "Latency against throughput, three nodes on one machine", 16, more=' font-weight="600"'),
        *_legend([system for system in COLOURS if any(row["system"] == system for row in rows)]),
    ]
    for number, of_load in enumerate(by_load.values()):
        parts += Panel(number % columns * WIDTH, HEAD + number // columns * HEIGHT, of_load).draw()
    return "\n".join([*parts, "</svg>"]) + "\n"
