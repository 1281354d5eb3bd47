"""tools/bench counts no run whose answers cannot be right, draws what it has measured, and leaves nothing behind when it is stopped."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True
from benchmark import flame, grpc, load, machine, openloop, overload, plot, table  # noqa: E402

# n1 leads at once, and takes all.
NODE = """#!/usr/bin/env python3
import http.server, json, os, pathlib, sys

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        role = "leader" if flags["--node-id"] == "n1" else "follower"
        body = json.dumps({"role": role, "term": 1, "revision": 1, "appliedIndex": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = answer

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if not flags:  # --version
    sys.exit()
open("pids", "a").write(f"{os.getpid()}\\n")
http.server.ThreadingHTTPServer(("127.0.0.1", int(flags["--port"])), Answer).serve_forever()
"""
WRK = """#!/bin/sh
[ "$1" != -v ] || exit
echo $$ >>pids
touch loading
exec sleep 100
"""


def is_running(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def answers(**changed):
    of = {"answered": 100, "seconds": 1.0, "errors": 0, "read_bytes": None, "puts": 100, "p50_ms": 1.0, "p99_ms": 2.0, "p999_ms": 3.0}
    return load.Answers(**(of | changed))


class FiguresTest(unittest.TestCase):
    def test_percentiles_are_of_the_nearest_rank(self):
        self.assertEqual([load.percentile(range(1, 101), share) for share in (0.5, 0.99, 0.999)], [50, 99, 100])
        self.assertEqual(load.percentile([7], 0.5), 7)
        self.assertEqual(overload.weighted([(1, 98), (5, 1), (9, 1)], 0.99), 5)

    def test_a_run_whose_answers_cannot_be_right_is_bad(self):
        put, get, mix = (load.LOADS[name] for name in ("put256", "get", "mix"))
        self.assertEqual(load.what_is_wrong(put, answers(), 100, 4), "")
        self.assertEqual(load.what_is_wrong(put, answers(), 104, 4), "")  # four were under way at the end
        self.assertIn("grew by 99", load.what_is_wrong(put, answers(), 99, 4))
        self.assertIn("grew by 105", load.what_is_wrong(put, answers(), 105, 4))
        self.assertIn("3 of 100 requests failed", load.what_is_wrong(put, answers(errors=3), 100, 4))
        self.assertEqual(load.what_is_wrong(get, answers(puts=0, read_bytes=25_600), 0, 4), "")
        self.assertIn("fewer than their values", load.what_is_wrong(get, answers(puts=0, read_bytes=25_599), 0, 4))
        self.assertIn("grew by 1", load.what_is_wrong(get, answers(puts=0, read_bytes=25_600), 1, 4))
        self.assertEqual(load.what_is_wrong(mix, answers(puts=10, read_bytes=25_600), 12, 4), "")
        self.assertIn("nothing was answered", load.what_is_wrong(put, answers(answered=0), 0, 4))

    def test_h2load_is_understood_also_when_it_was_interrupted(self):
        log = "1000000\t200\t1000\n1500000\t200\t3000\n3000000\t200\t2000\n"
        said = "finished in 2.00s\ntraffic: 2.10MB (2204586) total, 12.99KB (13302) headers (space savings 94.72%), 1.84MB (1928843) data\n"
        whole = load._h2load_answers(said, log, load.LOADS["get"], 2)
        self.assertEqual((whole.answered, whole.seconds, whole.read_bytes, whole.p50_ms), (3, 2, 1928843, 2.0))
        cut = load._h2load_answers("", log + "45", load.LOADS["put256"], 300)
        self.assertEqual((cut.answered, cut.seconds, cut.read_bytes, cut.puts), (3, 2.0, None, 3))

    def test_etcds_messages(self):
        self.assertEqual(grpc.framed(grpc.put(b"k", b"v" * 256)), b"\0\0\0\x01\x06\x0a\x01k\x12\x80\x02" + b"v" * 256)
        self.assertEqual(grpc.range_(b"k", serializable=True), b"\x0a\x01k\x38\x01")
        self.assertEqual(set(grpc.MESSAGES), set(load.LOADS))
        self.assertEqual(set(grpc.CALLS), set(load.LOADS))

    def test_an_answer_in_two_parts_counts_once(self):
        connection = openloop.Connection(1, 4, 1)
        text = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 503 Unavailable\r\n\r\nHTTP/1.1 412 No\r\n\r\n"
        for cut in range(1, len(text)):
            parts = [text[cut:], text[:cut]]
            connection.tail = b""
            connection.socket = type("Socket", (), {"recv": lambda self, most, parts=parts: parts.pop()})()
            counts = [sum(both) for both in zip(connection.read(), connection.read())]
            self.assertEqual(counts, [1, 1, 1], cut)

    def test_the_machine_is_understood(self):
        self.assertGreaterEqual(machine.ticks([os.getpid()]), 0)
        self.assertGreater(machine.memory_mb(os.getpid()), 1)


class TableTest(unittest.TestCase):
    def rows(self):
        runs = [
            load.Run(system, "put256", connections, round, 100, 1.0, per_s + round, 1.0, 2.0, 3.0, 0.5, 3)
            for connections in (1, 64) for round in (1, 2, 3) for system, per_s in (("quorate", 200), ("etcd", 100))
        ]  # fmt: skip
        runs[0].bad = "something"
        return table.summarize(runs)

    def test_bad_runs_are_left_out_and_counted(self):
        first = self.rows()[0]
        self.assertEqual((first["system"], first["rounds"], first["bad"], first["per_s"]), ("quorate", 3, 1, 202.5))
        self.assertAlmostEqual(first["ratio"], 202.5 / 102)
        text = table.loads(self.rows(), 5, 3)
        self.assertIn("1 bad", text)

    def test_the_plot_is_xml_with_a_point_for_each_figure(self):
        circles = ElementTree.fromstring(plot.svg(self.rows())).findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(circles), 2 * 2 * 2)  # systems, connections, percentiles
        ElementTree.fromstring(plot.svg([]))


class FlameTest(unittest.TestCase):
    SCRIPT = (
        "\n\tffffffff81000130 tcp_sendmsg ([kernel.kallsyms])\n\t 15840a quorate::io::A<int>::write(long) (/x/quorated)\n"
        "\t    1a9 [unknown] (/lib/libuv.so.1.0.0)\n\tffffffffffffffff [unknown] ([unknown])\n"
        "\n\t 15840b std::_Function_handler<void ()>::_M_invoke (/x/quorated)\n\n"
    )

    def test_stacks_begin_with_the_outermost_call(self):
        sent = ((False, "libuv"), (False, "io::A::write"), (True, "tcp_sendmsg"))
        ran = ((False, "std::_Function_handler::_M_invoke"),)
        self.assertEqual(flame.stacks(2 * self.SCRIPT), {sent: 2, ran: 2})
        self.assertEqual([flame.work_of(sent), flame.work_of(ran)], ["write to sockets", "the program itself"])

    def test_what_takes_too_little_is_left_out(self):
        seen = {((False, "much"), (True, "inner")): 999, ((False, "little"),): 1}
        titles = [title.text for title in ElementTree.fromstring(flame.svg(seen, "t")).iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(titles, ["all: 100.0 %", "much: 99.9 %", "inner: 99.9 %"])


class CommandTest(unittest.TestCase):
    def tree(self, root):
        for path, text in (
            ("tools/setup", "#!/bin/sh\n"), ("tools/build", "#!/bin/sh\n"), ("build/release/bin/quorated", NODE), ("bin/wrk", WRK),
        ):  # fmt: skip
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            (root / path).chmod(0o755)
        shutil.copy(ROOT / "tools" / "bench", root / "tools")
        shutil.copytree(ROOT / "tools" / "benchmark", root / "tools" / "benchmark")

    def test_what_is_stopped_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number), tempfile.TemporaryDirectory() as name:
                root = pathlib.Path(name)
                self.tree(root)
                environment = os.environ | {"PATH": f"{root}/bin:{os.environ['PATH']}"}
                process = subprocess.Popen(
                    [root / "tools" / "bench", "--without-etcd"], cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )  # fmt: skip
                ends = time.monotonic() + 60
                while not (root / "loading").exists():
                    self.assertLess(time.monotonic(), ends)
                    self.assertIsNone(process.poll(), process.poll() is not None and process.communicate())
                    time.sleep(0.05)
                process.send_signal(number)
                process.communicate(timeout=60)
                self.assertEqual(process.returncode, 128 + number)
                pids = (root / "pids").read_text().split()
                self.assertEqual(len(pids), 4)
                self.assertEqual([pid for pid in pids if is_running(pid)], [])
                self.assertEqual([path.name for path in (root / "build").iterdir()], ["release"])
                self.assertFalse(list(root.rglob("__pycache__")))

    def test_bad_usage_names_the_option(self):
        for words, said in (
            (["nothing"], "there is no scenario 'nothing'"),
            (["--loads", "put256,no"], "argument --loads: there is no load 'no'"),
            (["--seconds", "0"], "argument --seconds"),
            (["--connections", "1,x"], "argument --connections"),
            (["memory", "--svg", "x.svg"], "--svg draws the scenario loads"),
            (["memory", "--flame", "x.svg"], "--flame draws the scenario profile"),
            (["--json", "/nowhere/x"], "--json /nowhere/x"),
            (["--bin", "/nowhere"], "--bin /nowhere"),
            (["--with-etcd", "--without-etcd"], "not allowed with"),
        ):
            with self.subTest(words=words):
                ran = subprocess.run([ROOT / "tools" / "bench", *words], capture_output=True, text=True, timeout=60)
                self.assertEqual(ran.returncode, 2)
                self.assertIn(said, ran.stderr)


if __name__ == "__main__":
    unittest.main()
