"""One load against one cluster: what is asked for, whether the answers can be right, and the figures."""

import dataclasses
import json
import pathlib
import re

from . import grpc, process
from .machine import Meter
from .process import Failed

SCRIPT = pathlib.Path(__file__).with_name("load.lua")
READ_KEYS = 100_000  # that load.lua reads
VALUE = b"v" * 256
REQUEST_SECONDS_MAX = 10
# Connections to etcd; what is in flight beyond that shares them, as the calls of a gRPC client do. With more, etcd answers fewer.
STREAMED_OVER_MAX = 4


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    text: str
    writes: float = 0.0  # share of the requests
    read_bytes: int = 0  # of values in the answer to each of the others


LOADS = {
    load.name: load
    for load in (
        Load("put256", "PUT 256 B", writes=1),
        Load("put4k", "PUT 4 KiB", writes=1),
        Load("get", "linearizable GET", read_bytes=256),
        Load("stale", "stale GET", read_bytes=256),
        Load("mix", "90 % GET, 10 % PUT", writes=0.1, read_bytes=256),
        Load("batch", "batch of 100", writes=1),
        Load("range", "range of 100", read_bytes=100 * 256),
    )
}


@dataclasses.dataclass
class Run:
    system: str
    load: str
    connections: int
    round: int
    answered: int = 0
    seconds: float = 0.0
    per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    cores: float = 0.0  # that the servers used, all together
    noise_percent: int = 0  # of the machine, taken by others
    bad: str = ""  # why its figures say nothing; empty: they do


@dataclasses.dataclass
class Answers:
    """What a load generator tells."""

    answered: int
    seconds: float
    errors: int
    read_bytes: int | None  # of all answers; None: not known
    puts: int  # sent, or as many as must have been
    p50_ms: float
    p99_ms: float
    p999_ms: float


def percentile(ordered, share):
    """Nearest rank: the smallest value that `share` of all do not exceed."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def fill(cluster):
    """What is read: the same keys for both, although h2load asks for a few of them only."""
    cluster.put_many((b"bench/r/%08d" % number for number in range(1, READ_KEYS + 1)), VALUE)


def _wrk(cluster, leader, load, connections, seconds, until):
    url = f"http://127.0.0.1:{cluster.ports[leader]}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={REQUEST_SECONDS_MAX}s", "-s", SCRIPT, url, "--", load.name]
    said = process.run(command, seconds + 30, cluster.folder / "wrk.out", until)
    found = re.search(r"^WRK (.*)", said, re.MULTILINE)
    if not found:
        raise Failed(f"wrk told no figures:\n{said}")
    of = json.loads(found[1])
    puts = of["puts"] if load.name == "mix" else round(of["answered"] * load.writes)
    return Answers(of["answered"], of["us"] / 1e6, of["errors"], of["bytes"], puts, *(of[p] / 1e3 for p in ("p50", "p99", "p999")))


def _h2load(cluster, leader, load, in_flight, seconds, until):
    body, urls, log = (cluster.folder / name for name in ("h2load.body", "h2load.urls", "h2load.log"))
    body.write_bytes(grpc.framed(grpc.MESSAGES[load.name]))
    at = f"http://127.0.0.1:{cluster.ports[leader]}/etcdserverpb.KV/"
    urls.write_text("".join(f"{at}{call}\n" for call in grpc.CALLS[load.name]))
    log.unlink(missing_ok=True)
    over = min(in_flight, STREAMED_OVER_MAX)
    command = [
        "h2load", "-t1", f"-c{over}", f"-m{in_flight // over}", f"-D{seconds}", f"-N{REQUEST_SECONDS_MAX}s", f"--log-file={log}",
        f"-d{body}", "-Hcontent-type: application/grpc", "-Hte: trailers", f"-i{urls}",
    ]  # fmt: skip
    said = process.run(command, seconds + 30, cluster.folder / "h2load.out", until)
    return _h2load_answers(said, log.read_text(), load, seconds)


def _h2load_answers(said, log, load, seconds):
    """The summary of an interrupted run is missing; its log, a line a request with its start, status and microseconds, is not."""
    lines = [line.split("\t") for line in log.splitlines() if line.count("\t") == 2]
    if not lines:
        raise Failed(f"h2load had no answers:\n{said}")
    times = sorted(int(line[2]) / 1e3 for line in lines)
    if "finished in" not in said:
        starts = [int(line[0]) for line in lines]
        seconds = (max(starts) - min(starts)) / 1e6
    data = re.search(r"^traffic:.*\((\d+)\) data$", said, re.MULTILINE)
    return Answers(
        answered=len(lines),
        seconds=seconds,
        errors=sum(line[1] != "200" for line in lines),
        read_bytes=int(data[1]) if data else None,
        puts=round(len(lines) * load.writes),
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
        p999_ms=percentile(times, 0.999),
    )


def what_is_wrong(load, answers, grown, in_flight):
    """Why these answers cannot be right, or nothing. What was cut off at the end may have been written, unanswered."""
    if answers.answered == 0:
        return "nothing was answered"
    if answers.errors:
        return f"{answers.errors} of {answers.answered} requests failed"
    # Of a mix, how many writes were sent is known of wrk, which had no answer to the last of them, and follows from the turns of h2load.
    below, above = {0.0: (0, 0), 1.0: (0, in_flight)}.get(load.writes, (2 * in_flight, 2 * in_flight))
    least, most = answers.puts - below, answers.puts + above
    if not least <= grown <= most:
        return f"{answers.answered} answers, but the store's revision grew by {grown}, not by {least} to {most}"
    reads = answers.answered - grown
    if answers.read_bytes is not None and answers.read_bytes < reads * load.read_bytes:
        return f"{reads} reads were answered with {answers.read_bytes} bytes, fewer than their values have"
    return ""


def measure(cluster, load, connections, seconds, round=1, beside=(), until=None):
    """One run against the leader. `beside`: processes that idle meanwhile and are not noise; `until`: ends it early."""
    leader = cluster.leader()
    before = cluster.now()
    meter = Meter(cluster.pids, beside)
    generator = _wrk if cluster.name == "quorate" else _h2load
    answers = generator(cluster, leader, load, connections, seconds, until)
    cluster.check_alive()
    processor, noise = meter.done()
    after = cluster.now()
    bad = what_is_wrong(load, answers, after.revision - before.revision, connections)
    if after.term != before.term:
        bad = "another leader was elected during the run"
    return Run(
        cluster.name, load.name, connections, round, answers.answered, answers.seconds, answers.answered / max(answers.seconds, 1e-9),
        answers.p50_ms, answers.p99_ms, answers.p999_ms, processor / max(answers.seconds, 1e-9), noise, bad,
    )  # fmt: skip
