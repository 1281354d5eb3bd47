"""Rules about the source tree that need no compiler: who may include whom, file lengths, words that must not be committed,
links between pages, docs/thesis_map.md, which must name what exists, and the codes of refusals in docs/http.md.

Prints one line for each breach and exits 1 if there is any. Run from the repository's root.
"""

import pathlib
import re
import subprocess
import sys

# Standard headers that bring a clock, a thread, a file, chance or an unspecified order.
IMPURE = set(
    """chrono ctime time.h thread stop_token mutex shared_mutex condition_variable future semaphore latch barrier
    random fstream filesystem iostream istream ostream iomanip locale codecvt unordered_map unordered_set
    csignal signal.h execution coroutine syncstream""".split()
)
# The same from libraries: their hash tables are seeded by an address, their clocks and mutexes are the system's.
IMPURE_LIBRARY = re.compile(r"absl/(time|synchronization|random|flags|container/(flat|node)_hash)|fmt/(chrono|os)\.h")

# For each room: the rooms or single headers of ours that it may include, the libraries, and whether it is pure.
ROOMS = {
    "engine": (["engine/"], [], True),
    "wal": (["wal/", "engine/"], ["xxhash.h", "isa-l/", "isa-l.h"], True),
    "server": (["server/", "wal/", "engine/"], ["fmt/", "nlohmann/", "absl/", "xxhash.h", "isa-l/"], True),
    "sim": (["sim/", "server/", "wal/", "engine/"], ["fmt/", "nlohmann/", "absl/", "xxhash.h", "isa-l/"], True),
    "io": (
        # The ports, what they carry, how an error looks, and chance for the pauses between two dials.
        ["io/", "wal/disk.h", "server/environment.h", "server/http_message.h", "server/problem.h", "engine/types.h", "engine/check.h", "engine/random.h"],
        ["uv.h", "llhttp.h", "curl/", "fmt/"],
        False,
    ),
}

# The only files of a pure room that meet the world, with what they may include besides; each with its reason.
SHELLS = {
    # Where everything meets: the loop, the log lines, the flags.
    "server/main.cc": (["io/"], ["spdlog/"]),
    # quorate-wal: its flags, and the directory that it looks at.
    "server/wal_main.cc": (["io/"], ["CLI/"]),
    # quoratectl: the network, its clock, standard input and output, and whether that is a terminal.
    "server/ctl_main.cc": (["io/"], ["unistd.h"]),
    # In an archive of its own: CLI11 brings iostream and file streams, for configuration files that we do not use.
    "server/options.cc": ([], ["CLI/"]),
    "server/ctl_options.cc": ([], ["CLI/"]),
    # quorate-sim: its flags, files, processes and progress bar.
    "sim/main.cc": ([], ["CLI/", "unistd.h"]),
    # Runs in processes of their own, so that a crash is a result.
    "sim/apart.cc": ([], ["sys/", "unistd.h"]),
    "sim/apart.h": ([], ["sys/"]),
    "sim/campaign.cc": ([], ["fcntl.h", "poll.h", "unistd.h"]),
    "sim/campaign.h": ([], []),
    # Files and standard output.
    "sim/files.cc": ([], []),
    "sim/files.h": ([], []),
    # What a replay shows is printed, and its history written to a file.
    "sim/plan_replay.cc": ([], []),
    "sim/plan_replay.h": ([], []),
    # A recording is read from its file piece by piece, and its times are shown as a calendar has them.
    "sim/replay_command.cc": ([], []),
}

# Files that nobody may include but their own room, since they are not pure.
SHELL_HEADERS = {path for path in SHELLS if path.endswith(".h")}

LINES_MAX = 500
# A ratchet: a name is added only with its reason, and goes when the file has become short.
LONGER_FILES: dict[str, str] = {}

FORBIDDEN_WORDS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
LINK = re.compile(r"\]\(([^)\s]+)\)")
THESIS_MAP = "docs/thesis_map.md"
HTTP_PAGE = "docs/http.md"
GREETING = "server/node_peers.cc"  # whose refusals are all 421
THESIS_TEST = re.compile(r"^TEST\(Thesis, (\w+)\)", re.MULTILINE)
BINARY = {".png", ".ico", ".bin"}


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True, text=True
    ).stdout
    return [path for path in listed.split("\0") if path and pathlib.Path(path).is_file()]


def include_breach(path, bracket, header):
    """What is wrong with this include, or None."""
    ours, libraries, pure = ROOMS[path.split("/")[0]]
    more_ours, more_libraries = SHELLS.get(path, ([], []))
    is_shell = path in SHELLS
    if bracket == '"':
        if header in SHELL_HEADERS and not is_shell:
            return "belongs to the shell around this room"
        if any(header.startswith(allowed) for allowed in ours + more_ours):
            return None
        return "this room may not know that one"
    if any(header.startswith(library) for library in libraries + more_libraries):
        return "reads the world: not in a pure room" if pure and not is_shell and IMPURE_LIBRARY.match(header) else None
    if pure and not is_shell:
        if not re.fullmatch(r"[a-z_0-9]+", header):
            return "neither the standard library nor a library of this room"
        return "reads the world or orders by chance: not in a pure room" if header in IMPURE else None
    if "/" in header and not re.match(r"(sys|netinet|arpa|linux)/", header):
        return "a library that this room does not use"
    return None


def breaches(path):
    room = path.split("/")[0]
    source = path.endswith((".cc", ".h"))
    lines = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if word := FORBIDDEN_WORDS.search(line):
            yield f"{path}:{number}: {word[0]}: finish it or file it"
        if source and room in ROOMS and (found := INCLUDE.match(line)):
            if breach := include_breach(path, *found.groups()):
                yield f"{path}:{number}: {found[2]}: {breach}"
    own_header = path.removesuffix(".cc") + ".h"
    if path.endswith(".cc") and pathlib.Path(own_header).is_file():
        first = next((found[2] for line in lines if (found := INCLUDE.match(line))), None)
        if first != own_header:
            yield f"{path}: includes {own_header} first, so that the compiler shows that it stands alone"
    if source and room in ROOMS and len(lines) > LINES_MAX and path not in LONGER_FILES:
        yield f"{path}: {len(lines)} lines, at most {LINES_MAX}: one idea a file"
    if path in LONGER_FILES and len(lines) <= LINES_MAX:
        yield f"{path}: short enough now, take it off the list of longer files"


def link_breaches(path):
    """Links of a page to files of the tree that are not there."""
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        for target in LINK.findall(line):
            file = target.partition("#")[0]
            if file and not re.match(r"[a-z]+:", target) and not (pathlib.Path(path).parent / file).exists():
                yield f"{path}:{number}: {target}: no such file"


def map_breaches(paths):
    """What the map from the thesis to code and tests names and is not there; tests that it does not name."""
    tests = {name for path in paths if path.startswith("tests/thesis/") for name in THESIS_TEST.findall(pathlib.Path(path).read_text())}
    named = set()
    for number, line in enumerate(pathlib.Path(THESIS_MAP).read_text(encoding="utf-8").splitlines(), start=1):
        source = ""  # of the file that the functions after it stand in
        for word in re.findall(r"`([^`]+)`", line):
            if word.startswith("Section"):
                named.add(word)
                if word not in tests:
                    yield f"{THESIS_MAP}:{number}: {word}: no such test"
            elif "/" in word:
                file = pathlib.Path(word)
                source = file.read_text() if file.is_file() else ""
                if not file.exists() and not word.startswith("tools/check "):
                    yield f"{THESIS_MAP}:{number}: {word}: no such file"
            elif not re.search(rf"\b{re.escape(word)}\(", source):
                yield f"{THESIS_MAP}:{number}: {word}: no such function in the file before it"
    for name in sorted(tests - named):
        yield f"{THESIS_MAP}: {name}: this test is missing here"


def code_breaches(paths):
    """Codes of refusals that the page for clients does not list with their status, or lists and nobody gives."""
    given = set()
    for path in paths:
        if path.endswith(".cc") and path.startswith(("server/", "io/")):
            text = pathlib.Path(path).read_text(encoding="utf-8")
            given.update(re.findall(r'\b([45]\d\d),\s*"([a-z_]+)"', text))
            if path == GREETING:
                given.update(("421", code) for code in re.findall(r'\brefuse\(\s*"([a-z_]+)"', text))
    listed = set(re.findall(r"^\| (\d{3}) \| `([a-z_]+)`", pathlib.Path(HTTP_PAGE).read_text(encoding="utf-8"), re.MULTILINE))
    for status, code in sorted(given - listed):
        yield f"{HTTP_PAGE}: {status} {code}: this refusal is missing here"
    for status, code in sorted(listed - given):
        yield f"{HTTP_PAGE}: {status} {code}: nobody refuses so"


def main():
    paths = [path for path in tracked_files() if pathlib.Path(path).suffix not in BINARY and "/corpus/" not in path]
    found = [breach for path in paths for breach in breaches(path)]
    found += [breach for path in paths if path.endswith(".md") for breach in link_breaches(path)]
    if THESIS_MAP in paths:
        found += map_breaches(paths)
    if HTTP_PAGE in paths:
        found += code_breaches(paths)
    print("\n".join(found) if found else f"{len(paths)} files keep the rules of the tree")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
