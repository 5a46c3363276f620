# SPDX-License-Identifier: MIT
"""simlib: what sim and mutants share: the simulator's programs, how they are built, how core/ is
changed for one of them, and what one that fails has said."""
import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROOF = ROOT / "docs" / "proof.md"
CORE_DIR = "filch_sim_core.dir"

FAILED = re.compile(r"^FAILED  (?P<program>\w+)/(?P<scenario>\w+): (?P<kind>[^:]+): (?P<what>.*)\n"
                    r"(?:by: (?P<exploration>.+) after (?P<executions>\d+) executions$)?", re.M)
REPLAY = re.compile(r"^replay: (.+)$", re.M)


class Trouble(Exception):
    """What keeps the work from being done at all, as opposed to what the work finds."""


def run(argv, limit=None, cwd=ROOT, env=None):
    """(status, output); a status of None: no end within limit seconds."""
    try:
        done = subprocess.run(argv, cwd=cwd, env=env, text=True, errors="replace", timeout=limit,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        return None, said.decode(errors="replace") if isinstance(said, bytes) else said
    except OSError as error:
        raise Trouble(f"{argv[0]}: {error.strerror}") from error
    return done.returncode, done.stdout


def succeed(argv, cwd=ROOT):
    status, output = run([str(word) for word in argv], cwd=cwd)
    if status != 0:
        raise Trouble(f"failed: {' '.join(str(word) for word in argv)}\n{output.rstrip()}")
    return output


class Progress:
    """A bar on stderr, if that is a terminal."""

    def __init__(self, what, total):
        self.what, self.total, self.done = what, total, 0
        self.shows = sys.stderr.isatty()
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.show("")

    def show(self, now):
        if not self.shows:
            return
        filled = 30 * self.done // max(self.total, 1)
        line = (f"{self.what} [{'#' * filled}{'.' * (30 - filled)}] {self.done}/{self.total} "
                f"{time.monotonic() - self.began:.0f} s  {now}")
        sys.stderr.write("\r\033[K" + line[:shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()

    def step(self, now=""):
        with self.lock:
            self.done += 1
            self.show(now)

    def at(self, done, now=""):
        with self.lock:
            self.done = done
            self.show(now)

    def say(self, line):
        """A line of the output, the bar kept below it."""
        with self.lock:
            if self.shows:
                sys.stderr.write("\r\033[K")
                sys.stderr.flush()
            print(line, flush=True)
            self.show("")

    def end(self):
        if self.shows:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def side_by_side(jobs, work, items):
    """work of each item, some at once; results in the order of the items."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        handed = [pool.submit(work, item) for item in items]
        try:
            return [one.result() for one in handed]
        except BaseException:
            for one in handed:
                one.cancel()
            raise


@dataclasses.dataclass
class Failure:
    """How a program failed: what it has printed."""
    program: str
    scenario: str
    kind: str
    what: str
    exploration: str
    executions: int
    replay: str


def failures_in(output):
    found = list(FAILED.finditer(output))
    ends = [one.start() for one in found[1:]] + [len(output)]
    for one, end in zip(found, ends):
        replay = REPLAY.search(output, one.end(), end)
        yield Failure(one["program"], one["scenario"], one["kind"], one["what"],
                      one["exploration"] or "", int(one["executions"] or 0),
                      replay.group(1) if replay else "")


class Build:
    """The simulator's programs in a build directory, and the commands that made them."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        # What is made beside it, by the name of who makes it: build/zoo, build/mutants.
        self.beside = self.directory.parent
        self.programs = sorted(path.stem for path in ROOT.glob("tests/sim/sim_*.c"))
        self.lock = threading.Lock()
        self.commands = {}  # program: the commands of all its objects, and of its link
        self.deps = None    # object: the files it is made of

    def make(self):
        if not (self.directory / "build.ninja").exists():
            if self.directory != ROOT / "build" / "release":
                raise Trouble(f"{self.directory} holds no build by Ninja")
            succeed(["cmake", "--preset", "release"])
        print(f"Building {len(self.programs)} programs into {self.directory}.", flush=True)
        succeed(["cmake", "--build", self.directory, "--target", *self.programs])

    def check(self):
        missing = [name for name in self.programs if not self.path(name).exists()]
        if missing or not self.programs:
            raise Trouble(f"not built: {', '.join(missing) or 'any program'} in {self.directory}")

    def path(self, program):
        return self.directory / "tests" / "sim" / program

    def scenarios(self, program):
        return succeed([self.path(program), "--list"]).split()

    def commands_of(self, program):
        """({object: argv that compiles it}, argv that links the program)."""
        with self.lock:
            if program not in self.commands:
                self.commands[program] = self.read_commands(program)
            return self.commands[program]

    def read_commands(self, program):
        compiling = {}
        link = None
        asked = ["ninja", "-C", self.directory, "-t", "commands", program]
        for line in succeed(asked).splitlines():
            words = shlex.split(line)
            while "&&" in words:  # CMake has ": && COMMAND && :"
                at = words.index("&&")
                words = words[at + 1:] if words[:at] == [":"] else words[:at]
            if "-o" not in words:
                continue
            out = words[words.index("-o") + 1]
            if "-c" in words:
                compiling[out] = words
            elif pathlib.PurePath(out).name == program:
                link = words
        if link is None or not any(CORE_DIR in name for name in compiling):
            raise Trouble(f"{program}: Ninja does not say how it is compiled and linked")
        return compiling, link

    def made_of(self):
        """For each object the source and the headers that it was made of, relative to ROOT."""
        with self.lock:
            if self.deps is None:
                self.deps = self.read_deps()
            return self.deps

    def read_deps(self):
        deps = {}
        files = None
        for line in succeed(["ninja", "-C", self.directory, "-t", "deps"]).splitlines():
            if line and not line[0].isspace():
                files = deps.setdefault(line.split(": #deps")[0], set())
            elif line.strip() and files is not None:
                path = os.path.normpath(self.directory / line.strip())
                if path.startswith(f"{ROOT}/"):
                    files.add(path[len(str(ROOT)) + 1:])
        return deps


class Variant:
    """core/ with some files changed, under a directory of its own, and the programs over it. Only
    what is made of a changed file is compiled anew, by the very command of the build."""

    def __init__(self, build, directory, texts):
        """texts: {"core/...": the changed file}"""
        self.build, self.directory = build, pathlib.Path(directory)
        self.changed = set(texts)
        self.objects = {}  # object of the build: ours in its place
        shutil.rmtree(self.directory, ignore_errors=True)
        for name, text in texts.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def compile(self, name, argv):
        out = self.directory / "obj" / name.replace("/", "_")
        words = []
        skip = False
        for i, word in enumerate(argv):
            if skip:
                skip = False
            elif word in ("-MD", "-MMD"):
                pass
            elif word in ("-MF", "-MT", "-MQ"):
                skip = True
            elif word == "-o":
                words += ["-o", str(out)]
                skip = True
            elif word == f"-I{ROOT}/core":  # the changed headers win, over all but the doors
                words += [f"-I{self.directory}/core", word]
            elif i > 0 and argv[i - 1] == "-c" and word[len(str(ROOT)) + 1:] in self.changed:
                words.append(str(self.directory / word[len(str(ROOT)) + 1:]))
            else:
                words.append(word)
        out.parent.mkdir(parents=True, exist_ok=True)
        succeed(words + ["-w"], cwd=self.build.directory)
        return str(out)

    def program(self, program):
        """The path of the program with the changes."""
        compiling, link = self.build.commands_of(program)
        deps = self.build.made_of()
        touched = False
        for name, argv in compiling.items():
            if not deps.get(name, set()) & self.changed:
                continue
            touched = True
            if name not in self.objects:
                self.objects[name] = self.compile(name, argv)
        if not touched:
            raise Trouble(f"{program} is not made of {', '.join(sorted(self.changed))}")
        out = self.directory / program
        words = []
        for i, word in enumerate(link):
            if i > 0 and link[i - 1] == "-o":
                # What replaces a member of a library goes first: then that one is not taken.
                words += [str(out)] + [mine for name, mine in self.objects.items()
                                       if name in compiling and name not in link]
            else:
                words.append(self.objects.get(word, word))
        succeed(words, cwd=self.build.directory)
        return out

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]


def core_text(name):
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except OSError as error:
        raise Trouble(f"{name}: {error.strerror}") from error


def rewrite(marker, text):
    """Puts text between the marker's two comments of docs/proof.md."""
    begin, end = f"<!-- generated: {marker} -->", "<!-- end -->"
    old = PROOF.read_text(encoding="utf-8")
    start = old.find(begin)
    stop = old.find(end, start)
    if start < 0 or stop < 0:
        raise Trouble(f"{PROOF}: no {begin} ... {end}")
    PROOF.write_text(old[:start + len(begin)] + "\n" + text.strip("\n") + "\n" + old[stop:],
                     encoding="utf-8")


def table(head, rows):
    """A table of Markdown."""
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def count(n):
    return f"{n:,}"
