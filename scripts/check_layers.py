#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_layers: who may include whom.

ARCHITECTURE.md carries the floors in a fenced block, whose lines begin "core/base/  L0 ...", or
"   L4  rooms" above several folders of one floor. A file under core/ includes from its own folder
and from lower floors, never from a folder beside it and never upwards. Public headers include
public headers and three of C's. What only one place may know (the kernel, Concurrency Kit,
jemalloc, C's atomics) is included in that place alone.

Usage: check_layers [ROOT] | --self-test
"""
import pathlib
import re
import sys
import tempfile

PUBLIC_MAY = {"stdint.h", "stddef.h", "stdbool.h"}
CK_FILES = {"core/queue/ring.c", "core/queue/table.c", "core/process/wire.c"}
CK_FOLDERS = {"naive"}
KERNEL_FOLDERS = {"base", "process", "remote"}
KERNEL = re.compile(
    r"(sys|linux|asm|asm-generic)/.*"
    r"|(pthread|threads|semaphore|sched|unistd|fcntl|signal|ucontext|time|poll|spawn|dirent"
    r"|dlfcn|link|malloc)\.h")
NAIVE_MAY = {"pthread.h", "time.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
FOLDER = re.compile(r"^core/(\w+)/\s+(?:L(\d+)\b)?")
FLOOR_OF_MANY = re.compile(r"^\s+L(\d+)\b")


def read_floors(text):
    """The folders' floors, from the first fenced block that names core/base/."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S):
        if "core/base/" not in block:
            continue
        floors = {}
        shared = None
        for line in block.splitlines():
            folder = FOLDER.match(line)
            many = FLOOR_OF_MANY.match(line)
            if folder:
                floor = folder.group(2)
                if floor is not None:
                    shared = None
                elif shared is not None:
                    floor = shared
                else:
                    raise ValueError(f"core/{folder.group(1)}/ has no floor: {line.strip()}")
                floors[folder.group(1)] = int(floor)
            elif many:
                shared = many.group(1)
        return floors
    return {}


def includes(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


class Check:
    def __init__(self, root, floors):
        self.root = root
        self.floors = floors
        self.errors = []
        self.files = 0

    def say(self, path, line, text):
        self.errors.append(f"{path.relative_to(self.root)}:{line}: {text}")

    def sources(self, folder, *suffixes):
        top = self.root / folder
        for path in sorted(top.rglob("*")) if top.is_dir() else []:
            if path.suffix in suffixes:
                self.files += 1
                yield path

    def core(self):
        for path in self.sources("core", ".c", ".h"):
            parts = path.relative_to(self.root).parts
            if len(parts) < 3:
                self.say(path, 1, "a file of core/ belongs into a folder, which is its floor")
                continue
            folder = parts[1]
            if folder not in self.floors:
                self.say(path, 1, f"core/{folder}/ is on no floor of ARCHITECTURE.md")
                continue
            for line, quoted, name in includes(path):
                if quoted:
                    self.inside(path, folder, line, name)
                else:
                    self.outside(path, folder, line, name)

    def inside(self, path, folder, line, name):
        target = name.split("/")[0]
        if not (self.root / "core" / name).is_file():
            self.say(path, line, f'"{name}" is no file of core/: quoted includes are paths from core/')
        elif target not in self.floors:
            self.say(path, line, f'"{name}" is on no floor of ARCHITECTURE.md')
        elif target != folder and self.floors[target] >= self.floors[folder]:
            way = "up" if self.floors[target] > self.floors[folder] else "sideways"
            self.say(path, line, f'"{name}" goes {way}: {folder} is L{self.floors[folder]}, '
                                 f"{target} is L{self.floors[target]}")

    def outside(self, path, folder, line, name):
        here = path.relative_to(self.root).as_posix()
        if name.startswith("filch/"):
            if not (self.root / "include" / name).is_file():
                self.say(path, line, f"<{name}> is no public header")
        elif name == "stdatomic.h":
            if here != "core/base/atomic.h":
                self.say(path, line, "<stdatomic.h> is base/atomic.h's alone: use its macros")
        elif name.startswith("ck_"):
            if here not in CK_FILES and folder not in CK_FOLDERS:
                self.say(path, line, f"<{name}>: Concurrency Kit stays behind its seams, "
                                     f"{', '.join(sorted(CK_FILES))} and core/naive/")
        elif name.startswith("jemalloc/"):
            if here != "core/base/alloc.c":
                self.say(path, line, f"<{name}>: only base/alloc.c knows jemalloc")
        elif KERNEL.fullmatch(name) and folder not in KERNEL_FOLDERS:
            if not (folder == "naive" and name in NAIVE_MAY):
                self.say(path, line, f"<{name}>: core/base/ is the door to the kernel and libc's "
                                     "threads and clocks")

    def public(self):
        for path in self.sources("include", ".h"):
            for line, quoted, name in includes(path):
                known = (self.root / "include" / name).is_file()
                if quoted:
                    self.say(path, line, f'"{name}": public headers are included as <filch/...>')
                elif not known and name not in PUBLIC_MAY:
                    self.say(path, line, f"<{name}>: public headers include public headers, "
                                         f"<{'>, <'.join(sorted(PUBLIC_MAY))}>")

    def examples(self):
        for path in self.sources("examples", ".c", ".h"):
            for line, quoted, name in includes(path):
                own = (path.parent / name).is_file() or (self.root / "examples" / name).is_file()
                if quoted and not own:
                    self.say(path, line, f'"{name}": an example includes its own files and '
                                         "<filch/...>, as a user's program does")


def check(root):
    map_file = root / "ARCHITECTURE.md"
    if not map_file.is_file():
        return 0, ["ARCHITECTURE.md is missing: it carries the floors"]
    try:
        floors = read_floors(map_file.read_text(encoding="utf-8"))
    except ValueError as error:
        return 0, [f"ARCHITECTURE.md: {error}"]
    if not floors:
        return 0, ["ARCHITECTURE.md: no fenced block with the floors, \"core/base/  L0 ...\""]
    found = Check(root, floors)
    found.core()
    found.public()
    found.examples()
    if found.files == 0:
        found.errors.append("no source file found")
    return found.files, found.errors


SELF_TEST_MAP = """```
core/base/     L0  the kernel
core/sched/    L2  threads
               L4  rooms: never another room
core/event/    cq.c 1
core/flow/     limit.c 1
core/naive/    L5  rivals
```
"""

# (what it is, file, text, a part of the message or None if it is allowed)
SELF_TESTS = [
    ("down", "core/sched/a.c", '#include "base/x.h"\n', None),
    ("own folder", "core/event/a.c", '#include "event/x.h"\n', None),
    ("up", "core/base/a.c", '#include "sched/x.h"\n', "goes up"),
    ("another room", "core/event/a.c", '#include "flow/x.h"\n', "goes sideways"),
    ("no such file", "core/event/a.c", '#include "x.h"\n', "no file of core/"),
    ("no floor", "core/attic/a.c", "", "on no floor"),
    ("kernel in base", "core/base/a.c", "#include <linux/futex.h>\n", None),
    ("kernel elsewhere", "core/sched/a.c", "#  include <sys/mman.h>\n", "door to the kernel"),
    ("threads in naive", "core/naive/a.c", "#include <pthread.h>\n", None),
    ("kernel in naive", "core/naive/a.c", "#include <sys/mman.h>\n", "door to the kernel"),
    ("threads elsewhere", "core/flow/a.c", "#include <pthread.h>\n", "door to the kernel"),
    ("atomics elsewhere", "core/base/a.c", "#include <stdatomic.h>\n", "atomic.h's alone"),
    ("ck elsewhere", "core/flow/a.c", "#include <ck_ring.h>\n", "behind its seams"),
    ("ck in naive", "core/naive/a.c", "#include <ck_ring.h>\n", None),
    ("jemalloc", "core/sched/a.c", "#include <jemalloc/jemalloc.h>\n", "knows jemalloc"),
    ("public, C's", "include/filch/a.h", "#include <stdint.h>\n", None),
    ("public, other", "include/filch/a.h", "#include <stdio.h>\n", "public headers include"),
    ("public, core's", "include/filch/a.h", '#include "base/x.h"\n', "included as <filch/...>"),
    ("example, core's", "examples/a.c", '#include "base/x.h"\n', "as a user's program does"),
]


def self_test():
    wrong = 0
    for what, name, text, expected in SELF_TESTS:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "ARCHITECTURE.md").write_text(SELF_TEST_MAP)
            for header in ["base", "sched", "event", "flow", "naive"]:
                (root / "core" / header).mkdir(parents=True)
                (root / "core" / header / "x.h").write_text("")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            errors = check(root)[1]
        good = not errors if expected is None else any(expected in error for error in errors)
        if not good:
            wrong += 1
            print(f"check_layers --self-test: {what}: expected {expected!r}, got {errors}")
    print(f"check_layers --self-test: {len(SELF_TESTS) - wrong} of {len(SELF_TESTS)} as expected")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(arguments[0]).resolve() if arguments else here
    files, errors = check(root)
    for error in errors:
        print(error)
    print(f"check_layers: {files} files, {len(errors)} against the floors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
