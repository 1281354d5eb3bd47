"""A cluster with a million keys: what it takes in memory, and how long it is away when nodes are killed."""

import threading
import time

from . import load, machine, process, table
from .cluster import NODES, request

KEY_BYTES = 16
RESTARTS, LEADER_KILLS = 3, 7
WRITE_SECONDS_MAX = 60


def write_keys(bench, cluster, pairs_max=10_000):
    count = bench.options.keys
    bench.say(f"writing {count:,} keys of 256 B")
    began = time.monotonic()
    cluster.put_many((b"bench/m/%08d" % number for number in range(count)), load.VALUE, pairs_max)
    for node in cluster.nodes:
        cluster.wait_caught_up(node)
    return time.monotonic() - began


def run_memory(bench):
    """resident memory of idle nodes against the keys and values they hold"""
    with bench.quorate() as cluster:
        seconds = write_keys(bench, cluster)
        time.sleep(bench.options.seconds)
        memory = [machine.memory_mb(pid) for pid in cluster.pids()]
    raw = bench.options.keys * (KEY_BYTES + len(load.VALUE)) / 1e6
    ratios = [each / raw for each in memory]
    print(f"memory: {run_memory.__doc__}")
    print(table.lines([
        ("keys", f"{bench.options.keys:,} of {KEY_BYTES} + 256 B: {raw:,.0f} MB, written in {seconds:.1f} s"),
        ("resident", "  ".join(f"n{node + 1} {each:,.0f} MB" for node, each in zip(NODES, memory))),
        ("resident / raw", "  ".join(f"{ratio:.2f}" for ratio in ratios)),
    ]))  # fmt: skip
    return {"keys": bench.options.keys, "raw_mb": raw, "resident_mb": memory, "ratios": ratios, "write_s": seconds}


def first_write(cluster, since):
    """Seconds from `since` to the first write that any node acknowledges; each is asked again and again, by itself."""
    found = []

    def ask(port):
        while not found and time.monotonic() - since < WRITE_SECONDS_MAX:
            status, _ = request(port, "PUT", "/kv/bench/write", b"x", 0.5)
            now = time.monotonic()
            if status == 200:
                found.append(now - since)
            time.sleep(0.002)

    threads = [threading.Thread(target=ask, args=(cluster.ports[node],), daemon=True) for node in cluster.processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not found:
        raise process.Failed(f"no write was acknowledged within {WRITE_SECONDS_MAX} s; the ends of the logs:\n{cluster.last_words()}")
    return min(found)


def restart_all(cluster):
    began = time.monotonic()
    cluster.stop()
    for node in cluster.nodes:
        cluster.start(node)
    took = first_write(cluster, began)
    for node in cluster.nodes:
        cluster.wait_caught_up(node)
    return took


def lose_leader(cluster):
    leader = cluster.leader()
    began = time.monotonic()
    cluster.kill(leader)
    took = first_write(cluster, began)
    cluster.start(leader)
    cluster.wait_caught_up(leader)
    return took


def run_restart(bench):
    """kill -9 to the next acknowledged write"""
    figures = {"keys": bench.options.keys}
    short = ["--heartbeat-ms", 50, "--election-min-ms", 150, "--election-max-ms", 300]
    with bench.quorate() as cluster:
        figures["write_s"] = write_keys(bench, cluster)
        for name, flags in (("default timeouts", []), ("elections of 150 to 300 ms", short)):
            cluster.flags = flags
            restart_all(cluster)  # with these flags; not counted
            figures[name] = {
                "all_s": [restart_all(cluster) for _ in range(RESTARTS)],
                "leader_s": [lose_leader(cluster) for _ in range(LEADER_KILLS)],
            }
            bench.say(f"{name}: {figures[name]}")
    print(f"restart: {run_restart.__doc__}, with {bench.options.keys:,} keys of 256 B")
    print(table.lines(
        (f"{what} killed, {name}", table.spread(figures[name][key], "s"))
        for name in ("default timeouts", "elections of 150 to 300 ms")
        for what, key in (("all three", "all_s"), ("leader", "leader_s"))
    ))  # fmt: skip
    return figures


