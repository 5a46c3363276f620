# SPDX-License-Identifier: MIT
"""simops: the atomic operations of core/: where the text has them, at which addresses a program of
the simulator has them, which scenarios execute them, and what is one step weaker."""
import bisect
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import simlib
from ctext import Source
from simlib import Trouble

# ---- the atomic operations of core/, from its text

NOT_SIMULATED = ("core/naive/", "core/process/")  # as tests/sim/sim.cmake has it

CALL = re.compile(r"\bfl_(store_look|load_look|look|load|store|swap|add|sub|or|and|cas_weak|cas"
                  r"|init)\s*\(|\bck_pr_fence_(acquire|release|load|store|memory)\s*\(")
FUNCTION = re.compile(r"^(?!\s)[^;{}#]*?\b(\w+)\s*\([^;{}]*\)\s*\n\{", re.M)
CALLS_OF = {  # operation: the calls of the instrumentation that it becomes
    "load": {"load"}, "look": {"load"}, "load_look": {"load"}, "store": {"store"},
    "store_look": {"store"}, "init": {"store"}, "swap": {"exchange"},
    "add": {"fetch_add", "fetch_sub"}, "sub": {"fetch_sub", "fetch_add"}, "or": {"fetch_or"},
    "and": {"fetch_and"},
    "cas": {"compare_exchange_strong", "compare_exchange_val"},
    "cas_weak": {"compare_exchange_weak", "compare_exchange_val"},
}
WEAKER = {  # kind of access: {order: the orders one step weaker}
    "load": {"seq_cst": ["acquire"], "acquire": ["relaxed"]},
    "store": {"seq_cst": ["release"], "release": ["relaxed"]},
    "rmw": {"seq_cst": ["acq_rel"], "acq_rel": ["acquire", "release"], "acquire": ["relaxed"],
            "release": ["relaxed"]},
    # A fence that is not seq_cst orders no look, as if it were not there.
    "fence": {"seq_cst": ["acq_rel"], "acquire": ["relaxed"], "release": ["relaxed"]},
}
KINDS = {"load": "load", "look": "load", "load_look": "load", "store": "store",
         "store_look": "store", "fence": "fence"}


class Operation:
    """One access or fence. A store_look is two: part is "store" and "fence"."""

    def __init__(self, file, function, name, target, part, order, failure, first, last):
        self.file, self.function, self.name, self.target = file, function, name, target
        self.part = part        # "" where the operation is one access
        self.order, self.failure = order, failure
        self.first, self.last = first, last  # lines
        self.kind = KINDS.get(part or name, "rmw")
        self.calls = {"thread_fence"} if self.kind == "fence" else CALLS_OF[name]
        self.twin = 0           # the n-th of its kind in the function

    def title(self):
        """file:function:operation, without line numbers: what survivors.txt says."""
        prefix = "" if self.name.startswith("ck_") else "fl_"
        twin = f"#{self.twin}" if self.twin > 1 else ""
        part = f" {self.part}" if self.part else ""
        return f"{self.file}:{self.function}:{prefix}{self.name}({self.target}){twin}{part}"

    def place(self):
        return f"{self.file}:{self.first}"

    def mutants(self):
        for order in WEAKER[self.kind].get(self.order, []):
            yield f"{self.title()} {self.order}->{order}", "--weaken", order
        for order in WEAKER["load"].get(self.failure, []):
            yield f"{self.title()} failure {self.failure}->{order}", "--weaken-failure", order


def functions_of(source):
    found = [(source.line(match.start(1)), match.group(1))
             for match in FUNCTION.finditer(source.code)]
    return [line for line, _ in found], [name for _, name in found]


def function_at(functions, line):
    lines, names = functions
    at = bisect.bisect_right(lines, line) - 1
    return names[at] if at >= 0 else ""


def operations_in(file, text):
    source = Source(text)
    functions = functions_of(source)
    for match in CALL.finditer(source.code):
        arguments, closing = source.arguments(match.end() - 1)
        first, last = source.line(match.start()), source.line(closing)
        function = function_at(functions, first)

        def operation(name, part, order, failure=None):
            return Operation(file, function, name, re.sub(r"\s+", " ", arguments[0]), part, order,
                             failure, first, last)

        if match.group(2):
            order = {"acquire": "acquire", "release": "release", "load": "acquire",
                     "store": "release", "memory": "seq_cst"}[match.group(2)]
            yield operation(f"ck_pr_fence_{match.group(2)}", "fence", order)
            continue
        name = match.group(1)
        if name == "init":
            yield operation(name, "", "relaxed")
        elif name == "look":
            yield operation(name, "", "seq_cst")
        elif name in ("load_look", "store_look"):
            part = name.split("_")[0]
            yield operation(name, part, "acquire" if part == "load" else "release")
            yield operation(name, "fence", "seq_cst")
        elif name.startswith("cas"):
            yield operation(name, "", arguments[-2], arguments[-1])
        else:
            yield operation(name, "", arguments[-1])


def operations():
    found = []
    for path in sorted((simlib.ROOT / "core").rglob("*.[ch]")):
        file = path.relative_to(simlib.ROOT).as_posix()
        if file.startswith(NOT_SIMULATED) or file == "core/base/atomic.h":
            continue
        found += operations_in(file, simlib.core_text(file))
    titles = collections.Counter()
    for one in found:
        titles[one.title()] += 1
        one.twin = titles[one.title()] if one.twin == 0 else one.twin
    return found


# ---- the same operations in a program

ATOMIC_CALL = re.compile(r"\bcall\s+\S+ <(?:__wrap_)?__tsan_atomic(?:\d*_)(\w+)>")
ADDRESS = re.compile(r"^\s*([0-9a-f]+):\t")


def calls_in(program):
    """(return address, which call, file:line) of each atomic operation of core/ in a program."""
    lines = simlib.succeed(["objdump", "-d", "--no-show-raw-insn", program]).splitlines()
    calls = []
    for i, line in enumerate(lines):
        match = ATOMIC_CALL.search(line)
        if match is None:
            continue
        after = next(filter(None, map(ADDRESS.match, lines[i + 1:i + 4])), None)
        if after is not None:
            calls.append((int(after.group(1), 16), match.group(1)))
    asked = "".join(f"{address - 1:x}\n" for address, _ in calls)
    told = subprocess.run(["addr2line", "-e", str(program)], input=asked, text=True,
                          capture_output=True, check=False).stdout.splitlines()
    if len(told) != len(calls) or not calls:
        raise Trouble(f"{program}: addr2line answers {len(told)} of {len(calls)} questions")
    for (address, call), place in zip(calls, told):
        file, _, line = place.split(" ")[0].rpartition(":")
        file = os.path.normpath(file)
        if file.startswith(f"{simlib.ROOT}/core/") and line.isdigit():
            yield address, call, file[len(str(simlib.ROOT)) + 1:], int(line)


def inlined_here(file, line, call, by_file):
    """A counter's access, of which the compiler says where it was inlined and not where it is."""
    text = simlib.core_text(file).splitlines()[line - 1]
    named = re.search(r"\b(fl_count\w*)\(", text)
    return [one for one in by_file.get("core/base/counters.h", [])
            if named and one.function == named.group(1) and call in one.calls]


class Addresses:
    """Which operation is at which return address of a program."""

    def __init__(self, program, by_file):
        self.of = collections.defaultdict(set)  # operation: addresses
        self.at = {}                            # address: operations
        for address, call, file, line in calls_in(program):
            fitting = [one for one in by_file.get(file, [])
                       if call in one.calls and one.first <= line <= one.last]
            exact = [one for one in fitting if one.first == line]
            fitting = exact or fitting
            if not fitting:
                fitting = inlined_here(file, line, call, by_file)
            if not fitting:
                raise Trouble(f"{file}:{line}: {call}: an atomic access that the text has not")
            if len({(one.order, one.failure) for one in fitting}) > 1:
                raise Trouble(f"{file}:{line}: {call}: several operations in one line; they need "
                              "lines of their own to be told apart")
            self.at[address] = fitting
            for one in fitting:
                self.of[one].add(address)


# What counts the operations that a scenario executes: it stands before the simulator's functions
# and jumps to them, so that they see the address of the caller.
REACH_C = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLACES = 1 << 14 };
static struct { uintptr_t pc; unsigned long n; } met[PLACES];

static inline void note(uintptr_t pc)
{
    unsigned i = (unsigned)(pc * 2654435761u) % PLACES;

    while (met[i].pc != pc && met[i].pc != 0)
        i = (i + 1) % PLACES;
    met[i].pc = pc;
    met[i].n++;
}

__attribute__((destructor)) static void write_down(void)
{
    FILE *to = fopen(getenv("FILCH_REACH"), "w");

    for (unsigned i = 0; i < PLACES && to != NULL; i++) {
        if (met[i].pc != 0)
            fprintf(to, "%lx %lu\\n", (unsigned long)met[i].pc, met[i].n);
    }
    if (to != NULL)
        fclose(to);
}

#define HERE ((uintptr_t)__builtin_return_address(0))
#define WRAP(type, name, parameters, arguments)                                                    \\
    type __real_##name parameters;                                                                 \\
    type __wrap_##name parameters;                                                                 \\
    type __wrap_##name parameters                                                                  \\
    {                                                                                              \\
        note(HERE);                                                                                \\
        return __real_##name arguments;                                                            \\
    }
#define RMW(bits, type, op)                                                                        \\
    WRAP(type, __tsan_atomic##bits##_##op, (volatile type *p, type v, int o), (p, v, o))
#define CAS(bits, type, op)                                                                        \\
    WRAP(int, __tsan_atomic##bits##_compare_exchange_##op,                                         \\
         (volatile type *p, type *e, type v, int s, int f), (p, e, v, s, f))
#define ALL(bits, type)                                                                            \\
    WRAP(type, __tsan_atomic##bits##_load, (const volatile type *p, int o), (p, o))                \\
    WRAP(void, __tsan_atomic##bits##_store, (volatile type *p, type v, int o), (p, v, o))          \\
    RMW(bits, type, exchange) RMW(bits, type, fetch_add) RMW(bits, type, fetch_sub)                \\
    RMW(bits, type, fetch_and) RMW(bits, type, fetch_or) RMW(bits, type, fetch_xor)                \\
    CAS(bits, type, strong) CAS(bits, type, weak)                                                  \\
    WRAP(type, __tsan_atomic##bits##_compare_exchange_val,                                         \\
         (volatile type *p, type e, type v, int s, int f), (p, e, v, s, f))
ALL(8, uint8_t) ALL(16, uint16_t) ALL(32, uint32_t) ALL(64, uint64_t)
WRAP(void, __tsan_atomic_thread_fence, (int o), (o))
"""


def wrapped_names():
    operations_ = ["load", "store", "exchange", "fetch_add", "fetch_sub", "fetch_and", "fetch_or",
                   "fetch_xor", "compare_exchange_strong", "compare_exchange_weak",
                   "compare_exchange_val"]
    return ["__tsan_atomic_thread_fence"] + [f"__tsan_atomic{bits}_{operation}"
                                             for bits in (8, 16, 32, 64)
                                             for operation in operations_]


class Scenario:
    """A scenario that holds, and the operations that its executions meet."""

    def __init__(self, program, name):
        self.program, self.name = program, name
        self.met = {}  # operation: how often
        self.seconds = 0.0
        self.is_probe = False  # it is there to fail
        self.holds = True

    def __str__(self):
        return f"{self.program}/{self.name}"


def recall(path, digests, by_title):
    """{(program, scenario): what is known of it}, of programs that are the same as then."""
    known = {}
    if path.exists():
        for one in json.loads(path.read_text(encoding="utf-8")):
            is_same = digests.get(one["program"]) == one["digest"]
            if is_same and one["met"].keys() <= by_title.keys():
                known[(one["program"], one["name"])] = one
    return known


def find_scenarios(build, jobs, by_file, resume):
    """The scenarios of all programs that hold for core/ as it is, and whether all do."""
    place = build.beside / "mutants"
    place.mkdir(parents=True, exist_ok=True)
    (place / "reach.c").write_text(REACH_C, encoding="utf-8")
    simlib.succeed(["gcc", "-O2", "-fno-pie", "-w", "-c", place / "reach.c", "-o",
                    place / "reach.o"])
    flags = [f"-Wl,--wrap={name}" for name in wrapped_names()]
    programs, scenarios = {}, []
    for program in build.programs:
        link = list(build.commands_of(program)[1])
        out = place / f"{program}.reach"
        at = link.index("-o")
        link[at + 1:at + 2] = [str(out), str(place / "reach.o"), *flags]
        simlib.succeed(link, cwd=build.directory)
        programs[program] = (out, Addresses(out, by_file))
        scenarios += [Scenario(program, name) for name in build.scenarios(program)]
    print(f"{len(scenarios)} scenarios in {len(build.programs)} programs: which operations do they "
          "execute?", flush=True)
    progress = simlib.Progress("scenarios", len(scenarios))
    digests = {program: simlib.digest(build.path(program)) for program in build.programs}
    by_title = {operation.title(): operation for some in by_file.values() for operation in some}
    known = recall(place / "reach.json", digests, by_title) if resume else {}

    def one(scenario):
        before = known.get((scenario.program, scenario.name))
        if before is not None:
            scenario.seconds, scenario.holds = before["seconds"], before["holds"]
            scenario.is_probe = before["probe"]
            scenario.met = {by_title[title]: n for title, n in before["met"].items()}
            progress.step(str(scenario))
            return
        path, addresses = programs[scenario.program]
        out = place / f"{scenario.program}.{scenario.name}.txt"
        began = time.monotonic()
        status, output = simlib.run([path, "--quick", "--only", f"={scenario.name}"],
                                    env={**os.environ, "FILCH_REACH": str(out)})
        scenario.seconds = time.monotonic() - began
        scenario.holds = status == 0
        scenario.is_probe = ", found" in output
        for line in out.read_text(encoding="ascii").splitlines():
            pc, n = line.split()
            for operation in addresses.at.get(int(pc, 16), []):
                scenario.met[operation] = scenario.met.get(operation, 0) + int(n)
        out.unlink()
        progress.step(str(scenario))

    try:
        simlib.side_by_side(jobs, one, scenarios)
    finally:
        progress.end()
    (place / "reach.json").write_text(json.dumps(
        [{"program": scenario.program, "digest": digests[scenario.program], "name": scenario.name,
          "seconds": scenario.seconds, "holds": scenario.holds, "probe": scenario.is_probe,
          "met": {operation.title(): n for operation, n in scenario.met.items()}}
         for scenario in scenarios]), encoding="utf-8")
    for scenario in scenarios:
        if not scenario.holds:
            print(f"TROUBLE   {scenario} fails although nothing is wrong, and so shows nothing; "
                  "scripts/sim says how")
    return ([scenario for scenario in scenarios if scenario.holds and not scenario.is_probe],
            all(scenario.holds for scenario in scenarios))


def by_fitness(file, scenarios):
    """The short ones first, and in turns: four of a program that bears the name of the file, two of one that
    bears its folder's, one of each other."""
    path = pathlib.PurePath(file)
    turns = collections.Counter()

    def near(scenario):
        names = (path.stem, path.parent.name)
        return next((i for i, name in enumerate(names) if name in scenario.program), 2)

    def turn(scenario):
        turns[scenario.program] += 1
        return (turns[scenario.program] - 1) // (4, 2, 1)[near(scenario)]

    short_first = sorted(scenarios, key=lambda scenario: (near(scenario), scenario.seconds))
    in_turns = [(turn(scenario), i, scenario) for i, scenario in enumerate(short_first)]
    return [scenario for _, _, scenario in sorted(in_turns, key=lambda one: one[:2])]
