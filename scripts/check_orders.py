#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_orders: every memory order has its label or its reason, and every label its partner.

The first comment of a file, or of its .h or .c twin, holds a table:

 * Orders  D1  push   bottom   release -> D5     slot before the index that shows it
 *         D5  steal  bottom   acquire <- D1

1. An access stronger than relaxed carries its label in a comment: on one of the lines of its
   statement, or on the line above: "D1", "D1: why", "D6, on failure D10". One of the labels' rows
   names its order (fl_store_look, fl_load_look and fl_look are named "look" or "seq_cst").
2. A relaxed access says why that is enough: own word, hint, count, settled by D6; or a label. A
   comment on a line of its own speaks for the lines below it up to a blank line or a brace.
3. Arrows pair up: where D1 says "-> D5", D5 says "<- D1"; "<->" is both. "->" leaves a release,
   "<-" arrives at an acquire. A partner outside is "user", "caller" or "kernel". A row without
   an arrow may say whose place it takes: "stop.c's X1".
4. A label of another file is cited with that file: "I3 (idle.c)", "idle.c's I3", in a table as in
   code.
5. A label that no access carries is a stale row. At a seam the calls of Concurrency Kit carry it.

Usage: check_orders [ROOT] | --self-test
"""
import pathlib
import re
import sys

sys.dont_write_bytecode = True
from ctext import Source

EXEMPT = {"base/atomic.h"}
CALL = re.compile(r"\bfl_(load_look|store_look|look|load|store|swap|add|sub|or|and|xor|cas_weak|cas)"
                  r"\s*\(")
SEAM = re.compile(r"\b(ck|fl_seam)_\w+\s*\(")
CITED = re.compile(r"([\w/]+\.[ch])(?:'s|,)? ([A-Z]{1,3}[0-9]+)\b|\b([A-Z]{1,3}[0-9]+) "
                   r"(?:of |in )?\(?([\w/]+\.[ch])\b")
LOOKS = {"load_look", "store_look", "look"}
ORDERS = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"}
LABEL = re.compile(r"\b[A-Z]{1,3}[0-9]+\b")
LEADING = re.compile(r"[A-Z]{1,3}[0-9]+\b(?:\s*,?\s+[A-Z]{1,3}[0-9]+\b)*")
FILE = re.compile(r"[\w/]+\.[ch]\b")
REASON = re.compile(r"\b(own words?|hints?|counts?|settled by)\b")
ARROW = re.compile(r"<->|->|<-")
ROW_ORDER = re.compile(r"\b(relaxed|acquire|release|acq_rel|seq_cst|look)\b")
PARTNER = re.compile(r"[\s,()]*(?:([A-Z]{1,3}[0-9]+)\b|([\w/]+\.[ch])\b(?:'s)?|(of|in|and)\b"
                     r"|(user|caller|kernel)\b)")
GIVES = {"release", "acq_rel", "seq_cst", "look"}
TAKES = {"acquire", "acq_rel", "seq_cst", "look"}


class Row:
    """A line of an Orders table: its orders and, for each direction, whom it names."""

    def __init__(self, label, path, line):
        self.label, self.path, self.line = label, path, line
        self.text = ""
        self.used = False

    def parse(self):
        pieces = ARROW.split(self.text)
        arrows = ARROW.findall(self.text)
        self.orders = set(ROW_ORDER.findall(pieces[0]))
        self.partners = {"->": [], "<-": []}
        self.outside = False
        for arrow, piece in zip(arrows, pieces[1:]):
            labels, files, at = [], [], 0
            while (match := PARTNER.match(piece, at)) is not None:
                labels += [match.group(1)] if match.group(1) else []
                files += [match.group(2)] if match.group(2) else []
                self.outside |= match.group(4) is not None
                at = match.end()
            for direction in ["->", "<-"] if arrow == "<->" else [arrow]:
                self.partners[direction] += [(label, files) for label in labels]


class Pair:
    """A .h and a .c of one name: one set of labels."""

    def __init__(self, name):
        self.name = name
        self.sources = {}  # path -> Source
        self.rows = {}
        self.promises = set()  # the labels under Always: cited too, but no order's label


class Check:
    def __init__(self, files):
        """files: path from core/ -> text."""
        self.errors = []
        self.accesses = 0
        self.pairs = {}
        for path, text in sorted(files.items()):
            name = path.rsplit(".", 1)[0]
            self.pairs.setdefault(name, Pair(name)).sources[path] = Source(text)

    def say(self, path, line, text):
        self.errors.append(f"core/{path}:{line}: {text}")

    def run(self):
        for pair in self.pairs.values():
            for path, source in pair.sources.items():
                self.read_table(pair, path, source)
        for pair in self.pairs.values():
            for path, source in pair.sources.items():
                for match in CALL.finditer(source.code):
                    self.access(pair, path, source, match)
                for match in SEAM.finditer(source.code):
                    self.seam(pair, source, match)
        for pair in self.pairs.values():
            for row in pair.rows.values():
                self.row(pair, row)
        return self.errors

    def read_table(self, pair, path, source):
        if not source.comments:
            return
        comment = source.comments[0]
        row = None
        inside = False
        for number, line in enumerate(comment.text.split("\n"), comment.first):
            line = re.sub(r"^\s*(/\*|\*(?!/)) ?", "", line).replace("*/", "").rstrip()
            head = re.match(r"Orders\b\s*(.*)", line)
            promise = re.match(r"(?:Always\b)?\s+([A-Z]{1,3}[0-9]+)\s", line)
            if promise and not inside:
                pair.promises.add(promise.group(1))
            if head:
                inside, line = True, head.group(1)
            elif not inside:
                continue
            elif not line.startswith(" "):
                inside = False
                continue
            start = re.match(r"\s*([A-Z]{1,3}[0-9]+)\s+(.*)", line)
            if start:
                label = start.group(1)
                if label in pair.rows:
                    self.say(path, number, f"{label} is in the Orders table twice")
                row = pair.rows[label] = Row(label, path, number)
                row.text = start.group(2)
            elif row is not None and line.strip():
                row.text += " " + line.strip()
        for found in pair.rows.values():
            found.parse()

    def others(self, files):
        """The pairs that the file names of a comment or a row mean."""
        for name in files:
            stem = name.rsplit(".", 1)[0]
            for pair in self.pairs.values():
                if pair.name == stem or pair.name.endswith("/" + stem):
                    yield pair

    def find(self, pair, label, files):
        """The row of a label: this pair's own, or that of a file named beside it."""
        for place in [pair, *self.others(files)]:
            if label in place.rows:
                return place.rows[label]
        return None

    def find_in(self, file, label):
        return any(label in other.rows for other in self.others([file]))

    def access(self, pair, path, source, match):
        self.accesses += 1
        name = match.group(1)
        arguments, closing = source.arguments(match.end() - 1)
        line = source.line(match.start())
        orders = {"look"}
        if name not in LOOKS:
            spelt = arguments[-2:] if name.startswith("cas") else arguments[-1:]
            for order in spelt:
                if order not in ORDERS:
                    self.say(path, line, f"fl_{name}: {order!r} is no order: spell it here, one of "
                                         f"{', '.join(sorted(ORDERS))}")
                    return
            orders = set(spelt) - {"relaxed"}
        first, beside, rows = self.beside(pair, source, match.start(), closing)
        if orders:
            self.strong(pair, path, line, name, orders, beside, rows)
        else:
            text = " ".join(comment.text for comment in beside)
            self.relaxed(pair, path, source, line, first, text, rows, name)

    def beside(self, pair, source, start, end):
        """A statement's first line, the comments that belong to it and the rows they cite."""
        first, last = source.statement(start, end)
        comments = [c for c in source.comments
                    if first <= c.first <= last or (c.alone and c.last == first - 1)]
        text = " ".join(c.text for c in comments)
        files = FILE.findall(text)
        rows = [row for label in LABEL.findall(text)
                if (row := self.find(pair, label, files)) is not None]
        return first, comments, rows

    def seam(self, pair, source, match):
        for row in self.beside(pair, source, match.start(), source.closing(match.end() - 1))[2]:
            row.used = True

    def strong(self, pair, path, line, name, orders, beside, rows):
        spelt = " and ".join(sorted(orders))
        for comment in beside:
            words = re.sub(r"^(/\*+|//)\s*", "", comment.text)
            leading = LEADING.match(words)
            for label in LABEL.findall(leading.group()) if leading else []:
                known = self.find(pair, label, FILE.findall(comment.text)) is not None
                if not known and label not in pair.promises:
                    self.say(path, line, f"{label} is in no Orders table of core/{pair.name}.[ch] "
                                         "(a label of another file names that file)")
                    return
        if not rows:
            table = "" if pair.rows else "; the file's first comment has no Orders table"
            self.say(path, line, f"fl_{name} is {spelt} and carries no label{table}")
            return
        for row in rows:
            row.used = True
        named = set().union(*(row.orders for row in rows))
        if "seq_cst" in named:
            named.add("look")
        for order in sorted(orders - named):
            labels = ", ".join(sorted({row.label for row in rows}))
            self.say(path, line, f"fl_{name} is {order}, but the table does not say so of {labels}")

    def relaxed(self, pair, path, source, line, first, text, rows, name):
        above = first - 1
        while above > 0 and not REASON.search(text):
            code = source.code_lines[above - 1]
            comment = next((c for c in source.comments if c.alone and c.first <= above <= c.last),
                           None)
            if comment is not None:
                text += comment.text
                break
            if not code.strip() or "{" in code or "}" in code:
                break
            above -= 1
        if not rows and not REASON.search(text):
            self.say(path, line, f"fl_{name} is relaxed and does not say why that is enough: own "
                                 "word, hint, count, settled by a label")
            return
        for cited in re.finditer(r"settled by ([A-Z]{1,3}[0-9]+)", text):
            if self.find(pair, cited.group(1), FILE.findall(text)) is None and \
                    cited.group(1) not in pair.promises:
                self.say(path, line, f"settled by {cited.group(1)}, which is in no table of "
                                     f"core/{pair.name}.[ch]")

    def row(self, pair, row):
        def say(text):
            self.say(row.path, row.line, f"{row.label} {text}")

        strong = row.orders - {"relaxed"}
        if not row.orders:
            say("names no order: relaxed, acquire, release, acq_rel, seq_cst, look")
        if strong and not row.used:
            say("is carried by no access: a stale row, or an access without its label")
        alias = any(self.find_in(file, label) or self.find_in(other_file, other_label)
                    for file, label, other_label, other_file in CITED.findall(row.text))
        if strong and not row.outside and not alias and not any(row.partners.values()):
            say('has no partner: "-> X1" or "<- X1"')
        if row.partners["->"] and not row.orders & GIVES:
            say(f"says -> but is {' and '.join(sorted(row.orders))}, which gives nothing away")
        if row.partners["<-"] and not row.orders & TAKES:
            say(f"says <- but is {' and '.join(sorted(row.orders))}, which learns nothing")
        for direction, back in [("->", "<-"), ("<-", "->")]:
            for label, files in row.partners[direction]:
                other = self.find(pair, label, files)
                if other is None:
                    say(f"says {direction} {label}, and there is no {label}")
                elif other is not row and row.label not in [name for name, _ in other.partners[back]]:
                    say(f"says {direction} {label}, but {label} does not say {back} {row.label}")


GOOD_HEAD = """/* a.c: two threads.
 *
 * Orders  D1  push  word  release -> D2   what it shows
 *         D2  take  word  acquire <- D1
 * Why: so. */
"""

# (what it is, {file: text}, a part of the message or None if it is fine)
SELF_TESTS = [
    ("labels on the line", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, release); /* D1: why */
    int v = fl_load(&x, acquire); /* D2 */
}
"""}, None),
    ("labels above, and over two lines", {"q/a.c": GOOD_HEAD + """
void f(void) {
    /* D1 */
    fl_store(&x,
             1, release);
    for (int i = 0; i < fl_load(&x, acquire); i++) { /* D2 */
    }
}
"""}, None),
    ("table in the header", {"q/a.h": GOOD_HEAD, "q/a.c": """/* a.c */
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    while (fl_load(&x, acquire) == 0) /* D2 */
        pause();
}
"""}, None),
    ("no label", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
    int w = fl_load(&x, acquire);
}
"""}, "carries no label"),
    ("the label of the line before does not count", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
    fl_store(&x, 1, release);
}
"""}, "carries no label"),
    ("no table", {"q/a.c": """/* a.c */
void f(void) { fl_store(&x, 1, release); }
"""}, "no Orders table"),
    ("unknown label", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D3: D2 */
}
"""}, "D3 is in no Orders table"),
    ("what always holds is no order's label", {"q/a.c": """/* a.c
 * Always  A1  once
 * Orders  D1  push  x  release -> user */
void f(void) {
    fl_store(&x, 1, release); /* D1, and A1 */
    fl_store(&x, 1, release); /* A1 */
}
"""}, "a.c:6: fl_store is release and carries no label"),
    ("stale row", {"q/a.c": GOOD_HEAD + """
void f(void) { fl_store(&x, 1, release); /* D1 */ }
"""}, "D2 is carried by no access"),
    ("another order than the table's", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, seq_cst); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
}
"""}, "the table does not say so of D1"),
    ("lonely arrow", {"q/a.c": GOOD_HEAD.replace("<- D1", "<- D2") + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
}
"""}, "D2 does not say <- D1"),
    ("arrow to nowhere", {"q/a.c": GOOD_HEAD.replace("-> D2", "-> D9") + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
}
"""}, "there is no D9"),
    ("no arrow", {"q/a.c": GOOD_HEAD.replace("<- D1", "") + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
}
"""}, "D2 has no partner"),
    ("an acquire gives nothing", {"q/a.c": """/* a.c
 * Orders  D1  a  x  acquire -> D2
 *         D2  b  x  acquire <- D1 */
void f(void) { fl_load(&x, acquire); /* D1 D2 */ }
"""}, "gives nothing away"),
    ("two ways, and a failure order", {"q/a.c": """/* a.c
 * Orders  F3  settle  w  swap acq_rel <-> F4
 *         F4  add     w  CAS release, acquire on failure <-> F3 */
void f(void) {
    fl_swap(&w, CLOSED, acq_rel); /* F3 */
    do {
    } while (!fl_cas_weak(&w, &head, n, release, acquire)); /* F4 */
}
"""}, None),
    ("a failure order that the table does not know", {"q/a.c": """/* a.c
 * Orders  F3  settle  w  swap acq_rel <-> F4
 *         F4  add     w  CAS acq_rel <-> F3 */
void f(void) {
    fl_swap(&w, CLOSED, acq_rel); /* F3 */
    fl_cas(&w, &head, n, acq_rel, acquire); /* F4 */
}
"""}, "is acquire, but the table"),
    ("store, then look", {"q/a.c": """/* a.c
 * Orders  D1  pop    bottom  look -> D2     }  the owner lowers,
 *         D2  steal  bottom  seq_cst <- D1  }  then looks */
void f(void) {
    fl_store_look(&bottom, b); /* D1 */
    fl_look(&bottom); /* D2 */
}
"""}, None),
    ("a look without a label", {"q/a.c": "/* a.c */\nvoid f(void) { fl_look(&bottom); }\n"},
     "carries no label"),
    ("relaxed with reasons", {"q/a.c": GOOD_HEAD + """
void f(void) {
    int a = fl_load(&x, relaxed); /* own word */
    fl_add(&n, 1, relaxed); /* count */
    if (fl_load(&x, relaxed)) /* hint: read again below */
        return;
    /* Own words until D1: own words. */
    fl_store(&x, 1, relaxed);
    fl_store(&y, 1, relaxed);

    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
    int w = fl_load(&y, relaxed); /* settled by D2 */
}
"""}, None),
    ("relaxed without a reason", {"q/a.c": "/* a.c */\nint f(void) { return fl_load(&x, relaxed); }\n"},
     "does not say why"),
    ("relaxed below a blank line", {"q/a.c": """/* a.c */
void f(void) {
    /* own words */
    fl_store(&x, 1, relaxed);

    fl_store(&y, 1, relaxed);
}
"""}, "a.c:6: fl_store is relaxed"),
    ("settled by what is not there", {"q/a.c": """/* a.c */
void f(void) { fl_load(&x, relaxed); /* settled by D7 */ }
"""}, "settled by D7"),
    ("an order in a variable", {"q/a.c": "/* a.c */\nvoid f(void) { fl_load(&x, how); }\n"},
     "is no order"),
    ("a label of another file", {"q/a.c": """/* a.c
 * Orders  D1  push  x  release -> E1 (b.c) */
void f(void) { fl_store(&x, 1, release); /* D1 */ }
""", "q/b.c": """/* b.c
 * Orders  E1  take  x  acquire <- D1 (a.c) */
void f(void) {
    fl_load(&x, acquire); /* E1 */
    fl_store(&x, 2, release); /* D1 of a.c */
}
"""}, None),
    ("a label of another file without the file", {"q/a.c": GOOD_HEAD + """
void f(void) {
    fl_store(&x, 1, release); /* D1 */
    int v = fl_load(&x, acquire); /* D2 */
}
""", "q/b.c": "/* b.c */\nvoid f(void) { fl_store(&x, 2, release); /* D1 */ }\n"},
     "core/q/b.c:2: D1 is in no Orders table"),
    ("the same label twice", {"q/a.h": GOOD_HEAD, "q/a.c": GOOD_HEAD}, "twice"),
    ("a seam", {"q/a.c": """/* a.c
 * Orders  D1  push  x  release -> b.c's D2 */
void f(void) { ck_pr_fence_release(); /* D1 */ }
""", "q/b.c": """/* b.c
 * Orders  D2  take  x  acquire <- a.c's D1 */
void f(void) { fl_load(&x, acquire); /* D2 */ }
"""}, None),
    ("in another's place, and to itself", {"q/a.c": """/* a.c
 * Orders  D1  push  x  CAS acq_rel -> D1 */
void f(void) { fl_cas(&x, &y, 1, acq_rel, relaxed); /* D1 */ }
""", "q/b.c": """/* b.c
 * Orders  D2  push  x  CAS acq_rel    a.c's D1 */
void f(void) { fl_cas(&x, &y, 1, acq_rel, relaxed); /* D2 */ }
"""}, None),
    ("in the place of nobody", {"q/b.c": """/* b.c
 * Orders  D2  push  x  CAS acq_rel    a.c's D1 */
void f(void) { fl_cas(&x, &y, 1, acq_rel, relaxed); /* D2 */ }
"""}, "D2 has no partner"),
    ("an arrow to the kernel", {"q/a.c": """/* a.c
 * Orders  D1  post  x  release -> kernel */
void f(void) { fl_store(&x, 1, release); /* D1 */ }
"""}, None),
]


def self_test():
    wrong = 0
    for what, files, expected in SELF_TESTS:
        errors = Check(files).run()
        good = not errors if expected is None else any(expected in error for error in errors)
        if not good:
            wrong += 1
            print(f"check_orders --self-test: {what}: expected {expected!r}, got {errors}")
    print(f"check_orders --self-test: {len(SELF_TESTS) - wrong} of {len(SELF_TESTS)} as expected")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    here = pathlib.Path(__file__).resolve().parent.parent
    core = (pathlib.Path(arguments[0]).resolve() if arguments else here) / "core"
    files = {path.relative_to(core).as_posix(): path.read_text(encoding="utf-8", errors="replace")
             for path in sorted(core.rglob("*.[ch]"))}
    files = {name: text for name, text in files.items() if name not in EXEMPT}
    if not files:
        print("check_orders: no source file under core/")
        return 1
    check = Check(files)
    for error in check.run():
        print(error)
    print(f"check_orders: {check.accesses} atomic accesses in {len(files)} files, "
          f"{len(check.errors)} without their label, reason or partner")
    return 1 if check.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
