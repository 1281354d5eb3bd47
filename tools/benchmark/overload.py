"""More than a cluster can take: an open loop of writes at ten times its capacity."""

import contextlib
import json
import pathlib
import sys
import threading
import time

from . import machine, process, table
from .cluster import NODES

OPEN_LOOP = pathlib.Path(__file__).with_name("openloop.py")
CONNECTIONS = 600  # fewer than a node takes from one address, so that it can still be asked how it is
TIMES = 10
# How many writes a connection carries at once. 32: together more than a node has under way, so that it has to refuse some. No bound:
# whatever is due is sent behind what waits already, and clients give up all of it when the oldest has waited too long.
SLOTS = {"patient": 32, "hanging_up": 1_000_000}
WAYS = {"patient": "that wait, 32 writes each at most", "hanging_up": "that send all that is due, and hang up after 2 s"}
PROBES = 20  # writes one after the other: so many in a row as fast as before are "back to normal"
NORMAL_SECONDS_MAX = 60


class Memory:
    """The nodes' resident memory, looked at ten times a second: before, at most, and after."""

    def __init__(self, cluster):
        self.pids = cluster.pids()
        self.before = self.now()
        self.most = self.before
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def now(self):
        return [machine.memory_mb(pid) for pid in self.pids]

    def _watch(self):
        while not self.is_over.wait(0.1):
            with contextlib.suppress(OSError):  # a node has ended; who uses it finds that out
                self.most = list(map(max, self.most, self.now()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def offer(cluster, slots, per_second, seconds):
    """An open loop from two processes, against the leader; what became of the writes."""
    port, halves = cluster.ports[cluster.leader()], []
    with contextlib.ExitStack() as stack:
        for half in range(2):
            output = stack.enter_context(open(cluster.folder / f"openloop{half}.out", "w+"))
            words = [port, CONNECTIONS // 2, slots, round(per_second / 2), round(seconds), half]
            started = process.start([sys.executable, "-B", OPEN_LOOP, *words], output)
            stack.callback(process.end, started)
            halves.append((started, output))
        told = []
        for started, output in halves:
            process.wait(started, seconds + 30, "the open loop")
            output.seek(0)
            told.append(json.loads(output.read()))
    total = {name: sum(half[name] for half in told) for name in ("offered", "good", "refused", "other", "lost", "not_sent", "unanswered")}
    took = max(half["seconds"] for half in told)
    times = sorted((int(ms), count) for half in told for ms, count in half["times_ms"].items())
    return total | {"offered_per_s": total["offered"] / took, "good_per_s": total["good"] / took, "p99_ms": weighted(times, 0.99)}


def weighted(times, share):
    """The percentile of (value, how often), in their order."""
    left = share * sum(count for _, count in times)
    for value, count in times:
        left -= count
        if left <= 0:
            return value
    return None


def capacity(bench, cluster):
    """The most writes that it acknowledges in a second: of closed loops, then of open ones as long as more are when more are offered."""
    closed = most = max(bench.run(cluster, "put256", connections, 1).per_s for connections in (64, 256))
    for times in (1, 2, 4, 8):
        good = offer(cluster, SLOTS["patient"], times * closed, max(2, bench.options.seconds // 2))["good_per_s"]
        bench.say(f"quorate  an open loop at {times * closed:,.0f}/s: {good:,.0f}/s acknowledged")
        if times > 1 and good < 1.05 * most:
            return max(most, good)
        most = max(most, good)
    return most


def term(cluster):
    return max(status.term for status in map(cluster.status, NODES) if status)


def probe(cluster):
    """Milliseconds of one write, by whoever leads; None: it was not acknowledged within a second."""
    leader = cluster.find_leader()
    began = time.monotonic()
    if leader is None or not cluster.write(leader):
        return None
    return (time.monotonic() - began) * 1000


def back_to_normal(cluster, slowest_ms):
    """Seconds until the first of PROBES writes in a row that were as fast as before; None: not in time."""
    began = time.monotonic()
    first, good = began, 0
    while time.monotonic() - began < NORMAL_SECONDS_MAX:
        at = time.monotonic()
        took = probe(cluster)
        if took is None or took > slowest_ms:
            good = 0
            continue
        first, good = (at, 1) if good == 0 else (first, good + 1)
        if good == PROBES:
            return first - began
    return None


def overload(bench, cluster, slots, most):
    usual = [each for each in (probe(cluster) for _ in range(10 * PROBES)) if each is not None]
    before, term_before, seconds = cluster.now().revision, term(cluster), 2 * bench.options.seconds
    meter = machine.Meter(cluster.pids)
    with Memory(cluster) as memory:
        told = offer(cluster, slots, TIMES * most, seconds)
        cluster.check_alive()
        processor, noise = meter.done()
        normal = back_to_normal(cluster, max(usual, default=0))
    written = cluster.now().revision - before
    after = bench.run(cluster, "put256", 64, 1)
    if normal is None:
        bench.fail(f"overload: not back to normal within {NORMAL_SECONDS_MAX} s")
    if written < told["good"]:
        bench.fail(f"overload: {told['good']:,} writes were acknowledged, but the store's revision grew by {written:,}")
    return told | {
        "goodput_share": told["good_per_s"] / most, "written": written, "elections": term(cluster) - term_before,
        "memory_mb": {"before": memory.before, "most": memory.most, "after": memory.now()},
        "cores": processor / seconds, "noise_percent": noise, "normal_after_s": normal, "put256_after_per_s": after.per_s,
    }  # fmt: skip


def run_overload(bench):
    """an open loop of writes at ten times what the cluster can take"""
    with bench.quorate() as cluster:
        most = capacity(bench, cluster)
        figures = {name: overload(bench, cluster, slots, most) for name, slots in SLOTS.items()}
    print(f"overload: {run_overload.__doc__}: {most:,.0f} PUT/s of 256 B, the best of closed and open loops")
    for name, of in figures.items():
        print(f"clients {WAYS[name]}, on {CONNECTIONS} connections")
        print(table.overload(of))
    return {"capacity_per_s": most} | figures
