"""Holds the archives of the pure rooms against an allow-list of outside symbols.

    tools/checks/symbols.py BUILD_DIRECTORY

The include rules can be evaded (a header that brings another, a declaration by hand); what an object file asks the linker
for cannot. Prints one line for each symbol that a pure room must not use and exits 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

# What any C++ program needs of its runtime, and plain memory and text functions.
RUNTIME = r"""
    operator\ (new|delete)(\[\])?\(.*\) | __cxa_\w+ | __gxx_personality_v0 | _Unwind_Resume | __stack_chk_fail | __dso_handle
    | _GLOBAL_OFFSET_TABLE_ | (vtable|typeinfo|typeinfo\ name|VTT)\ for\ (std|__cxxabiv1)::.*
    | __libc_single_threaded | mem(cpy|move|set|cmp|chr) | __mem(cpy|move|set)_chk | str(len|cmp|ncmp|chr) | abort | __popcountdi2 | __u(div|mod)ti3 | std::nothrow | std::terminate\(\)
"""
# The part of the library that computes: containers, strings, exceptions, numbers.
LIBRARY = r"""
    ([\w:<>,\ *&]+\ )?std::(__throw_|__cxx11::basic_string<|basic_string_view<|allocator<|exception::|\w+_error::|_Rb_tree_
        |from_chars|to_chars|bad_\w+::|_Hash_bytes|__detail::).*
"""
PRINTS = r"fprintf|__fprintf_chk|fwrite|fputs|fputc|stderr|fflush"

# nlohmann/json's own assertions end in __assert_fail.
SERVER = r"XXH\w+|crc32_iscsi|.*fmt::v\d+::.*|.*absl::.*|.*nlohmann::.*|(__)?v?snprintf(_chk)?|localeconv|strto\w+|__errno_location|__assert_fail"

# Archive, and what it may use besides the runtime, the library and the rooms before it.
ARCHIVES = [
    # check.cc says which sentence was false before it aborts.
    ("engine/libquorate_engine.a", PRINTS),
    ("wal/libquorate_wal.a", r"XXH\w+|crc32_iscsi"),
    ("server/libquorate_server.a", SERVER),
    ("server/libquorate_ctl.a", SERVER),
    ("sim/libquorate_sim.a", SERVER),
]

# Never, whatever the lists above let through.
WORLD = re.compile(
    r"std::(chrono|this_thread|thread|random_device|mutex|condition_variable|filesystem|basic_\w*fstream|basic_filebuf|__future_base)\b"
    r"|absl::\w*::?(Now|Clock|Mutex|Random|Sleep)|fmt::v\d+::(file|output_file|buffered_file|print)"
)


def matches(pattern, symbol):
    return re.fullmatch(pattern, symbol, re.VERBOSE) is not None


def symbols(archive, option):
    """The demangled names that nm lists with this option: 'ADDRESS? LETTER NAME' a line."""
    out = subprocess.run(["nm", "-C", option, archive], capture_output=True, check=True, text=True).stdout
    return {found[1] for line in out.splitlines() if (found := re.match(r"[0-9a-f ]{16} \w (.+)", line))}


def main():
    build = pathlib.Path(sys.argv[1])
    ours, found, checked = set(), [], []
    for name, extra in ARCHIVES:
        archive = build / name
        if not archive.exists():
            found.append(f"{archive}: not built")
            continue
        ours |= symbols(archive, "--defined-only")
        outside = symbols(archive, "--undefined-only") - ours
        for symbol in sorted(outside):
            allowed = matches(RUNTIME, symbol) or matches(LIBRARY, symbol) or matches(extra, symbol)
            if not allowed or WORLD.search(symbol):
                found.append(f"{name}: uses {symbol}")
        checked.append(f"{name} ({len(outside)} outside symbols)")
    print("\n".join(found) if found else "pure: " + ", ".join(checked))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
