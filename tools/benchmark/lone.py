"""One node by itself: what it does alone, its recovery and its snapshots, without elections or followers."""

import concurrent.futures
import json
import re
import signal
import threading
import time

from . import load, process, table
from .cluster import request
from .restart import RESTARTS, restart_all, write_keys

SNAPSHOT_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
SNAPSHOTS = 3
SLOW_MS = 20
VALUE_BYTES = 4096
PAIRS_MAX = 1000  # of a batch: it is applied in one turn, however large it is


def writes_until(cluster, ended):
    """The latencies in ms of one client's writes, one at a time, until the event; in vain: of those before."""
    latencies = []
    while not ended.is_set():
        began = time.monotonic()
        if not cluster.write(0):
            break
        latencies.append((time.monotonic() - began) * 1e3)
    return latencies


def writes_beside(cluster, what):
    """The latencies in ms of the writes that a client sends meanwhile, and what came of it."""
    ended = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writes_until, cluster, ended)
        try:
            came = what()
            if writing.done():
                raise process.Failed(f"a write beside it was not acknowledged:\n{cluster.last_words()}")
        finally:
            ended.set()
        return writing.result(), came


def take_snapshot(cluster):
    """Its size in MB, and its seconds."""
    began = time.monotonic()
    status, said = request(cluster.ports[0], "POST", "/admin/snapshot", seconds=SNAPSHOT_SECONDS_MAX)
    if status != 200:
        raise process.Failed(f"the snapshot was answered with {status} ({said.decode()}):\n{cluster.last_words()}")
    return json.loads(said)["bytes"] / 1e6, time.monotonic() - began


def longest_turns(cluster):
    """In ms, of a node that is stopped now, since it was started: of those in which it served, and in which it loaded."""
    stopping = cluster.processes.pop(0)
    stopping.send_signal(signal.SIGTERM)
    process.wait(stopping, STOP_SECONDS_MAX, "quorated")
    said = re.findall(r"longest turn of the event loop took ([\d.]+) ms, while it loaded ([\d.]+) ms", cluster.log(0).read_text())
    return [float(ms) for ms in said[-1]]


def latency_row(what, latencies):
    latencies = sorted(latencies)
    p99, p999 = (latencies[len(latencies) * permille // 1000] for permille in (990, 999))
    slow = sum(ms > SLOW_MS for ms in latencies)
    return what, f"{len(latencies):,}: p99 {p99:.1f}, p99.9 {p999:.1f}, the longest {latencies[-1]:.1f} ms; {slow} above {SLOW_MS}"


def run_lone(bench):
    """one node: kill -9 to the next acknowledged write, and a snapshot of --mib MiB more while it serves"""
    options = bench.options
    with bench.quorate(nodes=range(1)) as cluster:
        write_keys(bench, cluster, PAIRS_MAX)
        restarts = [restart_all(cluster) for _ in range(RESTARTS)]
        bench.say(f"writing {options.mib} MiB in values of {VALUE_BYTES} B")
        keys = (b"bench/s/%08d" % number for number in range((options.mib << 20) // VALUE_BYTES))
        cluster.put_many(keys, b"v" * VALUE_BYTES, PAIRS_MAX)
        take_snapshot(cluster)
        restart_full = restart_all(cluster)  # what it turns over from here on is the snapshot, and the next one
        # In turns: what the disk does by itself, some syncs of tens of ms among it, meets both alike.
        quiet, beside, rounds = [], [], []
        for _ in range(SNAPSHOTS):
            latencies, (mb, seconds) = writes_beside(cluster, lambda: take_snapshot(cluster))
            beside += latencies
            rounds.append(seconds)
            quiet += writes_beside(cluster, lambda: time.sleep(rounds[-1]))[0]
        turn, loading_turn = longest_turns(cluster)
    print(f"lone: {run_lone.__doc__}")
    print(table.lines([
        (f"killed, with {options.keys:,} keys of {len(load.VALUE)} B", table.spread(restarts, "s")),
        (f"killed, with a snapshot of {mb:,.0f} MB", f"{restart_full:.2f} s"),
        ("snapshot of that", f"{table.spread(rounds, 's')}: {mb * len(rounds) / sum(rounds):,.0f} MB/s"),
        latency_row("writes meanwhile, one at a time", beside),
        latency_row("as long without a snapshot", quiet),
        ("longest turn of its loop, from that start on", f"{turn:.1f} ms; {loading_turn:.1f} ms while it loaded"),
    ]))  # fmt: skip
    return {
        "restart_s": restarts, "restart_full_s": restart_full, "snapshot_mb": mb, "snapshot_s": rounds,
        "write_ms_max": max(beside), "quiet_write_ms_max": max(quiet), "turn_ms_max": turn, "loading_turn_ms_max": loading_turn,
    }  # fmt: skip
