"""tools/run-cluster stops its nodes however it is asked to, also where it was started in the background of a script."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

RUN_CLUSTER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "run-cluster"
# Knows a leader at once, and ends when it is told to.
NODE = """#!/usr/bin/env python3
import http.server, pathlib, signal, sys

def end(*_):
    pathlib.Path(flags["--data-dir"] + ".stopped").touch()
    sys.exit(0)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"leaderId": "n1"}')

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
signal.signal(signal.SIGTERM, end)
http.server.HTTPServer(("127.0.0.1", int(flags["--port"])), Answer).serve_forever()
"""


def free_port():
    """The first of three."""
    for port in range(21000, 32000, 3):
        sockets = [socket.socket() for _ in range(3)]
        try:
            for i, each in enumerate(sockets):
                each.bind(("127.0.0.1", port + i))
            return port
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise OSError("no three ports are free")


class RunClusterTest(unittest.TestCase):
    def stop_by(self, number, ignored):
        """What it says and ends with, when it began with SIGINT ignored or not."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in (
                ("tools/setup", "#!/bin/sh\n"), ("tools/build", "#!/bin/sh\n"), ("build/release/bin/quorated", NODE),
            ):  # fmt: skip
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
                (root / path).chmod(0o755)
            shutil.copy(RUN_CLUSTER, root / "tools")
            before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
            command = [root / "tools" / "run-cluster", "--data", root / "data", "--port", str(free_port())]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
            signal.signal(signal.SIGINT, before)
            try:
                said = ""
                while "Three nodes are up" not in said:
                    line = process.stdout.readline()
                    self.assertTrue(line, said)
                    said += line
                process.send_signal(number)
                said += process.communicate(timeout=60)[0]
            finally:
                process.kill()
            self.assertIn("run-cluster: all stopped", said)
            self.assertEqual(len(list((root / "data").glob("*.stopped"))), 3)
            return process.returncode

    def test_sigint_and_sigterm(self):
        for ignored in (False, True):
            with self.subTest(ignored=ignored):
                self.assertEqual(self.stop_by(signal.SIGINT, ignored), 130)
                self.assertEqual(self.stop_by(signal.SIGTERM, ignored), 143)


if __name__ == "__main__":
    unittest.main()
