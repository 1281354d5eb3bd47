"""Three nodes on this machine: quorated's and, with the same verbs, etcd's."""

import base64
import concurrent.futures
import dataclasses
import http.client
import json
import random
import socket
import time

from . import process
from .process import Failed

NODES = range(3)
READY_S = 60


@dataclasses.dataclass(frozen=True)
class Status:
    leads: bool
    term: int
    revision: int
    applied: int


def request(port, method, path, body=None, seconds=5.0):
    """(status, body), or (0, b"") when nobody answers in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    # Below those that the system gives to clients: a node that is killed must find its own port free when it comes back.
    for _ in range(1000):
        first = random.randrange(20000, 32000 - count)
        ports = list(range(first, first + count))
        if all(map(_is_free, ports)):
            return ports
    raise Failed("no ports are free between 20000 and 32000: what listens there? (ss -tln)")


class Cluster:
    """Nodes are named by their index. A subclass knows a node's command line, and how to ask and write."""

    name = ""
    ports_each = 1

    def __init__(self, folder, flags=(), nodes=NODES):
        self.folder = folder / self.name
        self.folder.mkdir()
        self.flags = list(flags)
        self.nodes = nodes
        ports = free_ports(len(nodes) * self.ports_each)
        self.ports, self.peer_ports = ports[: len(nodes)], ports[len(nodes) :]
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, node):
        with open(self.log(node), "a") as log:
            self.processes[node] = process.start(self.command(node), log)

    def start_all(self):
        for node in self.nodes:
            self.start(node)
        self.wait_until(lambda: self.write(self.leader()), "no write")
        for node in self.nodes:
            self.wait_caught_up(node)
        return self

    def kill(self, node):
        """kill -9; returns when it is gone."""
        process.end(self.processes.pop(node))

    def stop(self):
        """All of them, at once: what they hold is thrown away."""
        for one in self.processes.values():
            one.kill()
        for node in list(self.processes):
            self.kill(node)

    def pids(self):
        return [one.pid for one in self.processes.values()]

    def find_leader(self):
        for node in self.processes:
            status = self.status(node)
            if status and status.leads:
                return node
        return None

    def leader(self):
        self.wait_until(lambda: self.find_leader() is not None, "no leader")
        leader = self.find_leader()
        if leader is None:
            raise Failed(f"{self.name}: the leader changes all the time: is the machine busy with something else?")
        return leader

    def follower(self):
        leader = self.leader()
        return next(node for node in self.processes if node != leader)

    def now(self):
        """The leader's status."""
        status = self.status(self.leader())
        if status is None:
            raise Failed(f"{self.name}: the leader does not answer within 5 s:\n{self.last_words()}")
        return status

    def has_caught_up(self, node):
        """It has applied what the leader had when it was asked just before."""
        leader = self.find_leader()
        then = self.status(leader) if leader is not None else None
        status = self.status(node)
        return bool(then and status and status.applied >= then.applied)

    def wait_caught_up(self, node):
        self.wait_until(lambda: self.has_caught_up(node), f"n{node + 1} has not caught up")

    def wait_until(self, is_so, what, seconds=READY_S):
        ends = time.monotonic() + seconds
        while not is_so():
            self.check_alive()
            if time.monotonic() > ends:
                raise Failed(f"{self.name}: {what} within {seconds} s; the ends of the logs:\n{self.last_words()}")
            time.sleep(0.02)

    def check_alive(self):
        for node, one in self.processes.items():
            if one.poll() is not None:
                raise Failed(f"{self.name}: n{node + 1} has ended by itself ({one.returncode}):\n{self.last_words([node])}")

    def last_words(self, nodes=None):
        logs = map(self.log, self.nodes if nodes is None else nodes)
        return "\n".join("\n".join(log.read_text().splitlines()[-8:]) for log in logs if log.exists())

    def log(self, node):
        return self.folder / f"n{node + 1}.log"


class Quorate(Cluster):
    name = "quorate"

    def __init__(self, folder, quorated, flags=(), nodes=NODES):
        super().__init__(folder, flags, nodes)
        self.quorated = quorated

    def command(self, node):
        peers = ",".join(f"n{each + 1}=127.0.0.1:{self.ports[each]}" for each in self.nodes)
        data = self.folder / f"n{node + 1}"
        return [
            self.quorated, "--node-id", f"n{node + 1}", "--port", self.ports[node], "--peers", peers, "--data-dir", data, *self.flags,
        ]  # fmt: skip

    def status(self, node):
        code, body = request(self.ports[node], "GET", "/raft/health")
        if code != 200:
            return None
        said = json.loads(body)
        return Status(said["role"] == "leader", said["term"], said["revision"], said["appliedIndex"])

    def write(self, node, seconds=1.0):
        """Whether one small write through this node is acknowledged in time."""
        return request(self.ports[node], "PUT", "/kv/bench/write", b"x", seconds)[0] == 200

    def put_many(self, keys, value, pairs_max=10_000, bytes_max=4_000_000):
        """All of them with this value, in batches as large as they may be."""
        leader = self.leader()
        at_once = min(pairs_max, bytes_max // (len(value) + 32))
        keys = list(keys)
        for first in range(0, len(keys), at_once):
            lines = b"\n".join(b"PUT %s %s" % (key, value) for key in keys[first : first + at_once])
            status, said = request(self.ports[leader], "POST", "/kv/batch", lines, 30)
            if status != 200:
                raise Failed(f"quorate: a batch was answered with {status}: {said.decode()}\n{self.last_words()}")


class Etcd(Cluster):
    """With its defaults, but for the quota: long loads would reach its 2 GiB, where it refuses writes."""

    name = "etcd"
    ports_each = 2

    def command(self, node):
        client, peer = (f"http://127.0.0.1:{ports[node]}" for ports in (self.ports, self.peer_ports))
        return [
            "etcd", "--name", f"n{node + 1}", "--data-dir", self.folder / f"n{node + 1}",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", ",".join(f"n{each + 1}=http://127.0.0.1:{self.peer_ports[each]}" for each in self.nodes),
            "--initial-cluster-token", self.folder.parent.name,
            "--quota-backend-bytes", 8 << 30, "--logger", "zap", *self.flags,
        ]  # fmt: skip

    def _ask(self, node, path, question, seconds=5.0):
        """Of the JSON gateway; None when it is not answered with 200."""
        code, body = request(self.ports[node], "POST", path, json.dumps(question), seconds)
        return json.loads(body) if code == 200 else None

    def status(self, node):
        said = self._ask(node, "/v3/maintenance/status", {})
        if said is None:
            return None
        # What is 0 is left out.
        leads = said.get("leader") == said["header"]["member_id"]
        return Status(leads, int(said.get("raftTerm", 0)), int(said["header"].get("revision", 0)), int(said.get("raftAppliedIndex", 0)))

    def write(self, node, seconds=1.0):
        return self._ask(node, "/v3/kv/put", {"key": "YmVuY2g=", "value": "eA=="}, seconds) is not None

    def put_many(self, keys, value, pairs_max=100):
        """All of them with this value, in transactions, eight at a time: each waits for the disk."""
        leader = self.leader()
        keys, value = list(keys), base64.b64encode(value).decode()

        def put_from(first):
            puts = [{"requestPut": {"key": base64.b64encode(key).decode(), "value": value}} for key in keys[first : first + pairs_max]]
            return self._ask(leader, "/v3/kv/txn", {"success": puts}, 30) is not None

        pool = concurrent.futures.ThreadPoolExecutor(8)
        try:
            if not all(pool.map(put_from, range(0, len(keys), pairs_max))):
                raise Failed(f"etcd: a transaction was refused:\n{self.last_words()}")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # who stops us waits for no more of them
