"""What tools/mutate says when nothing was tried must not look like a score. Builds nothing."""

import dataclasses
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import unittest
from unittest import mock

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "mutate"
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("mutate", str(TOOL))
mutate = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutate", loader))
sys.modules["mutate"] = mutate
loader.exec_module(mutate)

ANY, OTHER, HARNESS = (
    mutate.Mutant(id, "engine", "", "", kind, "", "run", (), "simulator", ())
    for id, kind in (("E01", "safety"), ("E02", "safety"), ("K01", "harness"))
)
TWICE = dataclasses.replace(ANY, id="K05", checks="twice")


def judged(mutant, code, said):
    outcome = mutate.Outcome(mutant)
    mutate.judge(outcome, code, said, 2000)
    return outcome


def ended(mutants, outcomes, problems=(), without=(0, "2000 runs")):
    """The exit code of a run of these mutants that brought these outcomes, when the tree without them ran like this."""
    with (
        mock.patch.object(mutate, "read_lists", return_value=mutants),
        mock.patch.object(mutate, "Tree"),
        mock.patch.object(mutate, "run", return_value=without),
        mock.patch.object(mutate, "try_all", return_value=(outcomes, list(problems))),
        mock.patch.object(sys, "argv", ["mutate"]),
        mock.patch("builtins.print"),
    ):
        return mutate.main()


class MutateTest(unittest.TestCase):
    def test_usage_errors_are_named_and_exit_with_2(self):
        for arguments in (
            ["--jobs", "0"], ["--jobs", "-1"], ["--seeds", "0"], ["--seconds", "0"], ["--seconds", "nan"],
            ["--only", "E01,E99"], ["--only", ""], ["--rotate", "E01"],
        ):  # fmt: skip
            with self.subTest(arguments=arguments):
                ran = subprocess.run([TOOL, *arguments, "--list"], capture_output=True, text=True)
                self.assertEqual(ran.returncode, 2, ran.stderr)
                self.assertIn(arguments[0], ran.stderr)
        self.assertIn("'E99'", subprocess.run([TOOL, "--only", "E01,E99"], capture_output=True, text=True).stderr)

    def test_help_tells_the_exit_codes(self):
        self.assertIn("Exit codes: 0", subprocess.run([TOOL, "--help"], capture_output=True, text=True).stdout)

    def test_a_simulator_that_refused_to_run_has_caught_nothing(self):
        for code in (1, 2, 3):
            with self.subTest(code=code), self.assertRaises(mutate.Unfit):
                judged(ANY, code, "quorate-sim: --seeds 1..0: give A..B")

    def test_what_a_run_said_decides_who_caught_the_mutant(self):
        broken = "seed 7: BROKEN  {}\n        because\n        at 1.0 s; replay: quorate-sim replay 7\n"
        self.assertEqual(judged(ANY, 1, broken.format("Election Safety")).caught_by, "Election Safety")
        self.assertEqual(judged(ANY, 1, broken.format("Liveness")).caught_by, "liveness: Liveness")
        self.assertEqual(judged(ANY, 1, broken.format("Crash")).caught_by, "crash")
        self.assertEqual(judged(ANY, -6, "").caught_by, "crash")
        self.assertEqual(judged(HARNESS, 1, "never reached: fault Loss\n").caught_by, "coverage")
        for code, said in ((0, "2000 runs"), (None, ""), (1, "never reached: fault Loss\n")):
            self.assertEqual(judged(ANY, code, said).caught_by, "")

    def test_only_a_score_of_all_that_were_chosen_is_a_score(self):
        caught, other = mutate.Outcome(ANY, "crash"), mutate.Outcome(OTHER, "crash")
        self.assertEqual(ended([ANY, OTHER], [caught, other]), 0)
        self.assertEqual(ended([ANY, OTHER], [caught, mutate.Outcome(OTHER)]), 1)
        self.assertEqual(ended([ANY, OTHER], [caught]), 3)
        self.assertEqual(ended([ANY], []), 3)
        self.assertEqual(ended([ANY], [caught], ["E02: does not apply"]), 3)

    def test_a_tree_that_fails_by_itself_proves_nothing_of_a_mutant(self):
        broken = "seed 7: BROKEN  Liveness\n        because\n        at 1.0 s; replay: quorate-sim replay 7\n"
        caught = [mutate.Outcome(ANY, "crash")]
        self.assertEqual(ended([ANY], caught, without=(1, broken)), 4)
        self.assertEqual(ended([ANY], caught, without=(1, "never reached: fault Loss\n")), 4)
        for code in (2, 3, -6):
            self.assertEqual(ended([ANY], caught, without=(code, "")), 3)
        with mock.patch.object(mutate, "Tree"), mock.patch.object(mutate, "run", return_value=(1, broken)) as run:
            with self.assertRaisesRegex(mutate.Failing, "seed 7 fails: Liveness: because"):
                mutate.try_without_mutant([ANY, TWICE], mock.Mock(seeds=50, seconds=1.0))
        command, seconds = run.call_args.args
        self.assertEqual(command[1:4] + command[-1:], ["run", "--seeds", "1..50", "--twice"])
        self.assertIsNone(seconds)


if __name__ == "__main__":
    unittest.main()
