"""What tools/bench can measure. Each scenario prints its figures and returns them for --json."""

import contextlib
import dataclasses
import pathlib
import shutil
import sys
import tempfile
import time

from . import load, table
from .cluster import NODES, Etcd, Quorate
from .flame import run_profile
from .lone import run_lone
from .overload import run_overload
from .restart import run_memory, run_restart

RUN_OVERHEAD_S = 1.5  # of a run: the probe, the requests that wrk makes before it starts, and counting
CATCH_UP_SECONDS_MAX = 300


@dataclasses.dataclass
class Bench:
    """The options, where data goes, and what was bad on the way."""

    options: object
    quorated: pathlib.Path
    folder: pathlib.Path
    with_etcd: bool
    bad: list = dataclasses.field(default_factory=list)

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def fail(self, what):
        self.bad.append(what)
        self.say(f"BAD: {what}")

    @contextlib.contextmanager
    def quorate(self, *flags, nodes=NODES):
        yield from self._running(lambda folder: Quorate(folder, self.quorated, flags, nodes))

    @contextlib.contextmanager
    def both(self):
        """[quorate], and etcd where it is."""
        with contextlib.ExitStack() as stack:
            clusters = [stack.enter_context(self.quorate())]
            if self.with_etcd:
                clusters.append(stack.enter_context(contextlib.contextmanager(self._running)(Etcd)))
            yield clusters

    def _running(self, make):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        try:
            with make(folder) as cluster:
                yield cluster.start_all()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, cluster, kind, connections, round, beside=(), until=None, seconds=None):
        run = load.measure(cluster, load.LOADS[kind], connections, seconds or self.options.seconds, round, beside, until)
        if run.bad:
            self.fail(f"{run.system} {kind} with {connections} connections, round {round}: {run.bad}")
        self.say(
            f"{run.system:<8} {kind:<7} {connections:>4}  round {round}  {run.per_s:>9,.0f}/s  p99 {run.p99_ms:>8.2f} ms"
            f"  noise {run.noise_percent} %"
        )
        return run


def in_turn(round, clusters):
    """Each with the ones beside it; who begins changes from round to round, so that what one leaves to the next hits both."""
    for cluster in clusters if round % 2 else clusters[::-1]:
        yield cluster, [pid for other in clusters if other is not cluster for pid in other.pids()]


def run_loads(bench):
    """throughput and latency of each load with each number of connections, against etcd's"""
    options, runs = bench.options, []
    with bench.both() as clusters:
        for cluster in clusters:
            bench.say(f"{cluster.name}: writing {load.READ_KEYS:,} keys to read")
            load.fill(cluster)
        for kind in options.loads:
            for connections in options.connections:
                for round in range(1, options.rounds + 1):
                    for cluster, beside in in_turn(round, clusters):
                        runs.append(bench.run(cluster, kind, connections, round, beside))
    rows = table.summarize(runs)
    print(table.loads(rows, options.seconds, options.rounds))
    return {"runs": list(map(dataclasses.asdict, runs)), "summary": rows}


def run_dead_follower(bench):
    """PUT 256 B with 64 connections, all nodes up against one follower killed"""
    runs = {}
    with bench.both() as clusters:
        for round in range(1, bench.options.rounds + 1):
            for cluster, beside in in_turn(round, clusters):
                runs.setdefault((cluster.name, "all up"), []).append(bench.run(cluster, "put256", 64, round, beside))
                follower = cluster.follower()
                cluster.kill(follower)
                runs.setdefault((cluster.name, "one follower dead"), []).append(bench.run(cluster, "put256", 64, round, beside))
                cluster.start(follower)
                cluster.wait_caught_up(follower)
    return table.print_states(f"dead-follower: {run_dead_follower.__doc__}", runs)


def write_mib(cluster, mib):
    """So much of 4 KiB values, over 65,536 keys."""
    keys = [b"bench/c/%08d" % (number % 65536) for number in range(mib * 256)]
    cluster.put_many(keys, b"v" * 4096)


class CatchUp:
    """Starts a follower when the load has begun, and tells when it has all that the leader has."""

    def __init__(self, cluster, follower):
        self.cluster, self.follower = cluster, follower
        self.before = cluster.now().revision
        self.began = self.took = None

    def __call__(self):
        if self.began is None:
            if self.cluster.now().revision > self.before:
                self.began = time.monotonic()
                self.cluster.start(self.follower)
        elif self.cluster.has_caught_up(self.follower):
            self.took = time.monotonic() - self.began
            return True
        return False


def run_catch_up(bench):
    """PUT 256 B with 64 connections, a follower away against the same while it catches up with what it missed"""
    runs, took, mib = {}, {}, bench.options.mib
    with bench.both() as clusters:
        for round in range(1, bench.options.rounds + 1):
            for cluster, beside in in_turn(round, clusters):
                follower = cluster.follower()
                cluster.kill(follower)
                bench.say(f"{cluster.name}: writing {mib:,} MiB without n{follower + 1}")
                write_mib(cluster, mib)
                runs.setdefault((cluster.name, "follower away"), []).append(bench.run(cluster, "put256", 64, round, beside))
                catch_up = CatchUp(cluster, follower)
                run = bench.run(cluster, "put256", 64, round, beside, catch_up, CATCH_UP_SECONDS_MAX)
                runs.setdefault((cluster.name, "catching up"), []).append(run)
                if catch_up.took is None:
                    bench.fail(f"{cluster.name}: the follower has not caught up in {CATCH_UP_SECONDS_MAX} s, round {round}")
                    cluster.wait_caught_up(follower)
                took.setdefault(cluster.name, []).append(catch_up.took)
    figures = table.print_states(f"catch-up: {run_catch_up.__doc__}: {mib:,} MiB", runs)
    seconds = {name: [each for each in all_ if each is not None] for name, all_ in took.items()}
    print(table.lines((f"{name}: time to catch up under load", table.spread(all_, "s")) for name, all_ in seconds.items() if all_))
    return figures | {"caught_up_s": took}


@dataclasses.dataclass(frozen=True)
class Scenario:
    run: object
    seconds: object  # that it takes, of the options and the number of systems


SCENARIOS = {
    "loads": Scenario(
        run_loads, lambda o, n: 5 + 15 * (n - 1) + n * len(o.loads) * len(o.connections) * o.rounds * (o.seconds + RUN_OVERHEAD_S)
    ),
    "dead-follower": Scenario(run_dead_follower, lambda o, n: 5 + n * o.rounds * (2 * (o.seconds + RUN_OVERHEAD_S) + 2)),
    "catch-up": Scenario(run_catch_up, lambda o, n: 5 + o.rounds * (n * (o.seconds + 20) + o.mib * (0.02 + 0.08 * (n - 1)))),
    "overload": Scenario(run_overload, lambda o, n: 15 + 7 * (o.seconds + RUN_OVERHEAD_S)),
    "restart": Scenario(run_restart, lambda o, n: 30 + o.keys * 80e-6),
    "memory": Scenario(run_memory, lambda o, n: 5 + o.seconds + o.keys * 12e-6),
    "lone": Scenario(run_lone, lambda o, n: 15 + o.keys * 30e-6 + o.mib * 0.03),
    "profile": Scenario(run_profile, lambda o, n: 15 + 3 * o.seconds),
}
