"""Where a leader's time goes under load: the stacks that perf has seen, as shares and as a flame graph (SVG)."""

import collections
import re
import subprocess
import zlib
from xml.sax.saxutils import escape

from . import process, table
from .plot import INK, PAPER

RECORD_HZ = 499
STACK_BYTES = 8192  # of each sample: unwound from the debug information, since libraries keep no frame pointers
WARM_UP_S = 1
WIDTH, ROW, HEAD = 1200, 17, 64
SHARE_MIN = 0.004  # narrower boxes are left out
CONNECTIONS = 64
KERNEL_FROM = 1 << 63
# By the first of these that is on a stack, from the system call inwards.
WORK = {
    "write to sockets": "tcp_sendmsg",
    "read from sockets": "tcp_recvmsg",
    "write and sync the log": "do_fsync|vfs_write|__x64_sys_pwrite64",
    "wait for events": "do_epoll_wait",
    "wake and wait for threads": "do_futex|eventfd",
}


def short(symbol):
    """A function's name without its arguments, those of templates too."""
    name = symbol.replace("(anonymous namespace)::", "").replace("quorate::", "")
    while (less := re.sub(r"<[^<>]*>", "", name)) != name:
        name = less
    return re.sub(r"\(.*", "", name).rpartition(" ")[2] or symbol


def stacks(script):
    """[(in kernel, name), ...] from the outermost call inwards, and how often it was seen."""
    seen = collections.Counter()
    for sample in script.split("\n\n"):
        frames = []
        for line in sample.splitlines():
            frame = re.fullmatch(r"\s*([0-9a-f]+) (.*) \((.*)\)", line)
            if not frame or set(frame[1]) == {"f"}:  # where the unwinding ends
                continue
            library = frame[3].rpartition("/")[2].partition(".so")[0]
            frames.append((int(frame[1], 16) >= KERNEL_FROM, library if frame[2] == "[unknown]" else short(frame[2])))
        if frames:
            seen[tuple(reversed(frames))] += 1
    return seen


def work_of(stack):
    names = [name for is_kernel, name in stack if is_kernel]
    for work, pattern in WORK.items():
        if any(re.match(pattern, name) for name in names):
            return work
    return "the rest of the kernel" if names else "the program itself"


class Box:
    def __init__(self):
        self.count = 0
        self.inner = {}

    def add(self, stack, count):
        self.count += count
        if stack:
            self.inner.setdefault(stack[0], Box()).add(stack[1:], count)

    def depth(self, least):
        return 1 + max((box.depth(least) for box in self.inner.values() if box.count >= least), default=0)


def _draw(box, frame, x, level, scale, bottom, least, total):
    width, y = box.count * scale, bottom - (level + 1) * ROW
    is_kernel, name = frame
    light = 58 + zlib.crc32(name.encode()) % 14
    colour = f"hsl({205 if is_kernel else 28},45%,{light}%)"
    title = escape(f"{name}: {100 * box.count / total:.1f} %")
    yield f'<g><title>{title}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" fill="{colour}"/>'
    if letters := int(width / 6.2):
        text = name if len(name) <= letters else name[: letters - 1] + "…" if letters > 3 else ""
        yield f'<text x="{x + 3:.1f}" y="{y + 12}" font-size="10.5">{escape(text)}</text>'
    yield "</g>"
    for inner, below in sorted(box.inner.items(), key=lambda item: item[0][1]):
        if below.count >= least:
            yield from _draw(below, inner, x, level + 1, scale, bottom, least, total)
        x += below.count * scale


def svg(seen, title):
    root = Box()
    for stack, count in seen.items():
        root.add(stack, count)
    least = SHARE_MIN * root.count
    bottom = HEAD + root.depth(least) * ROW + 8
    scale = (WIDTH - 20) / max(root.count, 1)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 8}" viewBox="0 0 {WIDTH} {bottom + 8}"'
        f' font-family="monospace" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{bottom + 8}" fill="{PAPER}"/>',
        f'<text x="10" y="24" font-size="15" font-family="sans-serif" font-weight="600">{escape(title)}</text>',
        '<text x="10" y="44" font-size="12" font-family="sans-serif">width: share of processor time; blue: the kernel; orange: the program'
        " and its libraries</text>",
        *_draw(root, (False, "all"), 10, 0, scale, bottom, least, root.count),
        "</svg>",
    ]) + "\n"  # fmt: skip


def record(bench, cluster, kind):
    data, seconds = bench.folder / "perf.data", bench.options.seconds
    pid = cluster.pids()[cluster.leader()]
    command = ["perf", "record", "-q", "-F", RECORD_HZ, "--call-graph", f"dwarf,{STACK_BYTES}", "-o", data, "-p", pid, "--", "sleep", seconds]
    with open(bench.folder / "perf.out", "w") as output:
        perf = process.start(command, output)
        try:
            run = bench.run(cluster, kind, CONNECTIONS, 1, seconds=seconds + WARM_UP_S)
            process.wait(perf, seconds + 30, "perf record")
        finally:
            process.end(perf)
    script = subprocess.run(["perf", "script", "--no-inline", "-F", "ip,sym,dso", "-i", data], capture_output=True, text=True, timeout=300)
    return run, stacks(script.stdout)


def run_profile(bench):
    """where the leader's time goes under PUT 256 B with 64 connections, by perf (--flame draws it)"""
    with bench.quorate() as cluster:
        run, seen = record(bench, cluster, "put256")
    total = sum(seen.values())
    if total == 0:
        raise process.Failed("perf has seen nothing: may this user profile (sysctl kernel.perf_event_paranoid)?")
    shares = collections.Counter()
    for stack, count in seen.items():
        shares[work_of(stack)] += count
    print(f"profile: {run_profile.__doc__}: {run.per_s:,.0f} PUT/s while it was looked at")
    print(table.lines((work, f"{100 * count / total:.1f} %") for work, count in shares.most_common()))
    if bench.options.flame:
        with open(bench.options.flame, "w") as file:
            file.write(svg(seen, f"The leader's thread and its disk's, PUT of 256 B, {CONNECTIONS} connections"))
    return {"per_s": run.per_s, "samples": total, "shares": {work: count / total for work, count in shares.items()}}
