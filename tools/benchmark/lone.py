"""One node by itself: what it does alone, its recovery and its snapshots, without elections or followers."""

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
VALUE_BYTES = 4096
PAIRS_MAX = 1000  # of a batch: it is applied in one turn, however large it is


def take_snapshot(cluster):
    """Its size in MB, its seconds, and the latencies in ms of the writes that a client sends meanwhile, one at a time."""
    latencies, ended = [], threading.Event()

    def write():
        while not ended.is_set():
            began = time.monotonic()
            if not cluster.write(0):
                return
            latencies.append((time.monotonic() - began) * 1e3)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    began = time.monotonic()
    status, said = request(cluster.ports[0], "POST", "/admin/snapshot", seconds=SNAPSHOT_SECONDS_MAX)
    seconds = time.monotonic() - began
    is_writing = writer.is_alive()
    ended.set()
    writer.join()
    if status != 200 or not is_writing:
        raise process.Failed(f"the snapshot was answered with {status} ({said.decode()}), or a write beside it was not:\n{cluster.last_words()}")
    return json.loads(said)["bytes"] / 1e6, seconds, latencies


def longest_turn(cluster):
    """In ms, of a node that is stopped now, since it was started."""
    stopping = cluster.processes.pop(0)
    stopping.send_signal(signal.SIGTERM)
    process.wait(stopping, STOP_SECONDS_MAX, "quorated")
    return float(re.findall(r"longest turn of the event loop took ([\d.]+) ms", cluster.log(0).read_text())[-1])


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
        mb, seconds, latencies = take_snapshot(cluster)
        turn = longest_turn(cluster)
    print(f"lone: {run_lone.__doc__}")
    print(table.lines([
        (f"killed, with {options.keys:,} keys of {len(load.VALUE)} B", table.spread(restarts, "s")),
        (f"killed, with a snapshot of {mb:,.0f} MB", f"{restart_full:.2f} s"),
        ("snapshot of that", f"{mb:,.0f} MB in {seconds:.2f} s: {mb / seconds:,.0f} MB/s"),
        ("writes meanwhile, one at a time", f"{len(latencies):,}: the longest took {max(latencies):.1f} ms"),
        ("longest turn of its loop, from that start on", f"{turn:.1f} ms"),
    ]))  # fmt: skip
    return {
        "restart_s": restarts, "restart_full_s": restart_full, "snapshot_mb": mb, "snapshot_s": seconds, "write_ms_max": max(latencies), "turn_ms_max": turn,
    }  # fmt: skip
