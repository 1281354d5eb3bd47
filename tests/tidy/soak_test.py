"""tools/soak ends with its time and loses no failure. Its simulator is one that does not end by itself."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOAK = pathlib.Path(__file__).resolve().parents[2] / "tools" / "soak"
# Its first batch fails at once, with one seed. What the flags name goes on until it is told to end.
SIMULATOR = """#!/usr/bin/env python3
import pathlib, signal, sys

def end(*_):
    print("3 runs, 1 broken", flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, end)
command, endless = sys.argv[1], {endless!r}
is_first = not pathlib.Path("began").exists()
if command == "run":
    pathlib.Path("began").touch()
    if is_first:
        print("seed 7: BROKEN  Order", flush=True)
    if "run" in endless or not is_first:
        signal.pause()
    print("3 runs, 1 broken")
elif "--trials" in sys.argv:
    pathlib.Path(sys.argv[-1]).write_text("large")
else:
    pathlib.Path(sys.argv[-1]).write_text("half")
    if "shrink" in endless:
        signal.pause()
    pathlib.Path(sys.argv[-1]).write_text("small")
sys.exit(1)
"""


class SoakTest(unittest.TestCase):
    def soak(self, *endless):
        """What is kept of the seed that fails, when these commands do not end by themselves."""
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            for path, text in (
                ("tools/setup", "#!/bin/sh\n"), ("tools/build", "#!/bin/sh\n"),
                ("build/release/bin/quorate-sim", SIMULATOR.format(endless=endless)),
            ):  # fmt: skip
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
                (root / path).chmod(0o755)
            shutil.copy(SOAK, root / "tools")
            ran = subprocess.run([root / "tools" / "soak", "2", "1"], capture_output=True, text=True, timeout=100)
            self.assertEqual(ran.returncode, 1, ran.stderr)
            self.assertIn("1 failed", ran.stdout)
            self.assertEqual([path.name for path in (root / "build" / "soak").glob("*.json")], ["7.json"])
            return (root / "build" / "soak" / "7.json").read_text()

    def test_what_has_failed_is_made_small(self):
        self.assertEqual(self.soak(), "small")

    def test_the_time_ends_a_batch_and_what_failed_in_it_is_kept(self):
        self.assertEqual(self.soak("run"), "large")

    def test_the_time_ends_the_making_small_too(self):
        self.assertEqual(self.soak("shrink"), "large")


if __name__ == "__main__":
    unittest.main()
