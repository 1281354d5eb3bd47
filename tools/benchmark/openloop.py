"""An open loop of writes: they are due at their times, whatever has been answered by then.

    openloop.py PORT CONNECTIONS SLOTS PER_SECOND SECONDS SEED

All connections together stand for very many clients, and carry at most SLOTS writes each that are not answered. One that is due when
all slots are taken is not sent, for its client finds nobody who takes it. A connection whose oldest write has waited for
CLIENT_TIMEOUT_S is closed, as by a client that gives up, and opened anew: all that waited on it is lost. Refused writes are not
repeated: that they come ten times too often is repetition enough. Prints one JSON object.
"""

import collections
import json
import random
import select
import socket
import sys
import time

CLIENT_TIMEOUT_S = 2.0
TICK_S = 0.01
TURNS = 5  # each connection has its turn every fifth tick
BLOCK_REQUESTS = 256
READ_BYTES_MAX = 1 << 18
# How answers begin. All have one length: of an answer that comes in two parts, the last bytes but one of this length are looked at
# again, and none is counted twice.
GOOD, REFUSED, OTHER = b"HTTP/1.1 2", b"HTTP/1.1 5", b"HTTP/1.1 4"
TAIL_BYTES = len(GOOD) - 1


class Connection:
    def __init__(self, port, slots, seed):
        self.port = port
        self.slots = slots
        chance = random.Random(seed)
        head = b"PUT /kv/bench/p/%08d HTTP/1.1\r\nHost: bench\r\nContent-Length: 256\r\n\r\n"
        requests = [head % chance.randrange(1, 100_000) + b"v" * 256 for _ in range(BLOCK_REQUESTS)]
        self.block = memoryview(b"".join(requests))
        self.request_bytes = len(requests[0])
        self.close()

    def open(self):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))

    def close(self):
        self.socket = None
        self.waiting = collections.deque()  # [when due, how many], not answered
        self.free = self.slots
        self.unsent_bytes = 0
        self.at = 0  # in the block
        self.tail = b""

    def send(self):
        while self.unsent_bytes:
            try:
                sent = self.socket.send(self.block[self.at : self.at + self.unsent_bytes])
            except OSError:  # not connected yet, or full; one that is broken shows when it is read
                return
            self.unsent_bytes -= sent
            self.at = (self.at + sent) % len(self.block)

    def read(self):
        """How many good answers, refusals and others have begun; None: it is closed."""
        try:
            data = self.socket.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return 0, 0, 0
        except OSError:
            return None
        if not data:
            return None
        text = self.tail + data
        self.tail = text[-TAIL_BYTES:]
        return text.count(GOOD), text.count(REFUSED), text.count(OTHER)


class OpenLoop:
    def __init__(self, port, connections, slots, per_second, seed):
        self.share = per_second / connections
        self.connections = [Connection(port, slots, seed * 10_000 + number) for number in range(connections)]
        self.poll = select.epoll()
        self.by_file = {}
        self.offered = self.good = self.refused = self.other = self.lost = self.not_sent = 0
        self.times_ms = collections.Counter()  # of all answers

    def open(self, connection):
        connection.open()
        self.by_file[connection.socket.fileno()] = connection
        self.poll.register(connection.socket.fileno(), select.EPOLLIN)

    def close(self, connection):
        self.lost += connection.slots - connection.free
        del self.by_file[connection.socket.fileno()]
        connection.socket.close()
        connection.close()

    def read(self, connection, now):
        answers = connection.read()
        if answers is None:
            self.close(connection)
            return
        self.good, self.refused, self.other = self.good + answers[0], self.refused + answers[1], self.other + answers[2]
        left = sum(answers)
        while left and connection.waiting:
            first = connection.waiting[0]
            taken = min(left, first[1])
            self.times_ms[int((now - first[0]) * 1000)] += taken
            first[1] -= taken
            left -= taken
            connection.free += taken
            if not first[1]:
                connection.waiting.popleft()

    def turn(self, connection, now, due):
        if connection.waiting and now - connection.waiting[0][0] > CLIENT_TIMEOUT_S:
            self.close(connection)
        if connection.socket is None:
            self.open(connection)
        taken = min(due, connection.free)
        if taken:
            connection.waiting.append([now, taken])
            connection.free -= taken
            connection.unsent_bytes += taken * connection.request_bytes
        self.offered += due
        self.not_sent += due - taken
        connection.send()

    def run(self, seconds):
        began = now = next_turn = time.monotonic()
        turns = 0
        given = [0] * TURNS  # to each connection of a group so far
        while now - began < seconds:
            for file, _ in self.poll.poll(max(0.0, next_turn - now), 512):
                if file in self.by_file:
                    self.read(self.by_file[file], now)
            now = time.monotonic()
            if now < next_turn:
                continue
            group = turns % TURNS
            due = int((now - began) * self.share) - given[group]
            given[group] += due
            for connection in self.connections[group::TURNS]:
                self.turn(connection, now, due)
            turns += 1
            next_turn = max(next_turn + TICK_S, now)
        return now - began

    def unanswered(self):
        return sum(each.slots - each.free for each in self.connections)


def main():
    port, connections, slots, per_second, seconds, seed = (int(word) for word in sys.argv[1:])
    loop = OpenLoop(port, connections, slots, per_second, seed)
    took = loop.run(seconds)
    told = {name: getattr(loop, name) for name in ("offered", "good", "refused", "other", "lost", "not_sent", "times_ms")}
    print(json.dumps(told | {"unanswered": loop.unanswered(), "seconds": took}))


if __name__ == "__main__":
    main()
