"""Other programs: every one that is started here ends with us, whatever happens."""

import os
import signal
import subprocess
import time

POLL_S = 0.02


class Failed(Exception):
    """Something could not be measured. The message says why, and what to do next."""


def start(command, output):
    """A process whose words go to the file `output`. To be called by the main thread: the process ends when its caller does."""
    # In a session of its own, so that Ctrl-C reaches it through us only; and killed by the kernel should we be killed.
    words = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait(process, seconds, name):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{name} did not end within {seconds:.0f} s: is the machine busy with something else?") from error
    if process.returncode != 0:
        raise Failed(f"{name} ended with {process.returncode}")


def run(command, seconds, output, until=None):
    """Runs the command to its end and returns what it said; or interrupts it as soon as until() is true.

    More than `seconds`, and an exit code that is not 0 of one that was not interrupted, are failures.
    """
    with open(output, "w+") as file:
        process = start(command, file)
        interrupted = False
        ends = time.monotonic() + seconds
        try:
            while process.poll() is None:
                if time.monotonic() > ends:
                    raise Failed(f"{command[0]} did not end within {seconds:.0f} s: is the machine busy with something else?")
                if until and not interrupted and until():
                    process.send_signal(signal.SIGINT)
                    interrupted = True
                time.sleep(POLL_S)
        finally:
            end(process)
        file.seek(0)
        said = file.read()
    if process.returncode != 0 and not interrupted:
        raise Failed(f"{command[0]} ended with {process.returncode}:\n" + "\n".join(said.splitlines()[-10:]))
    return said
