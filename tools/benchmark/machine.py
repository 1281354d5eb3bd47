"""What the machine is, what processes take of it, and how much of it others took meanwhile."""

import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROBE_S = 0.25
GAP_S = 100e-6  # of a busy loop: longer than an interrupt takes


def ticks(pids):
    """Of user and system time that these processes have used so far."""
    total = 0
    for pid in pids:
        # The name in parentheses may hold anything.
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def memory_mb(pid):
    """Resident, in MB (a million bytes)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024 / 1e6


def _lost_percent(core):
    os.sched_setaffinity(0, {core})
    began = before = time.perf_counter()
    lost = 0.0
    while before - began < PROBE_S:
        now = time.perf_counter()
        if now - before > GAP_S:
            lost += now - before
        before = now
    return round(100 * lost / (before - began))


def stalled_percent():
    """Of the next quarter of a second, how much a busy loop is not given on the core where it is worst."""
    children = []
    for core in sorted(os.sched_getaffinity(0)):
        child = os.fork()
        if child == 0:
            lost = 100
            try:
                lost = _lost_percent(core)
            finally:
                os._exit(lost)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def _busy_ticks():
    # user, nice, system, idle, iowait, irq, softirq, steal
    counts = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(counts) - counts[3] - counts[4]


def _children_ticks():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * TICKS_PER_S


class Meter:
    """From its making to done(): what the servers used, and what neither they, nor idle ones beside them, nor the load took."""

    def __init__(self, pids, beside=()):
        """`pids` tells who the servers are: one that is started meanwhile counts from its start."""
        self.stalled = stalled_percent()
        self.pids, self.beside = pids, list(beside)
        self.began = time.monotonic()
        self.before = self._counts()

    def _counts(self):
        return ticks(self.pids()), ticks(self.beside), _children_ticks(), _busy_ticks()

    def done(self):
        """(seconds of processor time of the servers, percent of the machine that others had just before or meanwhile)."""
        wall = time.monotonic() - self.began
        servers, beside, load, busy = (now - then for now, then in zip(self._counts(), self.before))
        others = max(0.0, busy - servers - beside - load) / (wall * TICKS_PER_S * (os.cpu_count() or 1))
        return servers / TICKS_PER_S, max(self.stalled, round(100 * others))


def _first_line(*command):
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (ran.stdout or ran.stderr).strip().split("\n")[0]


def _processor():
    found = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def describe(quorated, folder, commit):
    """For --json: all that a figure depends on beside the code."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000,
        "kernel": platform.release(),
        "filesystem": _first_line("stat", "-f", "-c", "%T", str(folder)),
        "python": sys.version.split()[0],
        "quorated": _first_line(str(quorated), "--version"),
        "commit": commit,
        "wrk": (_first_line("wrk", "-v") or "").partition(" Copyright")[0],
        "h2load": _first_line("h2load", "--version"),
        "etcd": _first_line("etcd", "--version"),
    }
