# SPDX-License-Identifier: MIT
"""ctext: C source as the checks read it: code without comments, and the comments beside it."""
import bisect
import re

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.S)


class Comment:
    def __init__(self, text, first, last, alone):
        self.text = text
        self.first = first  # line numbers, from 1
        self.last = last
        self.alone = alone  # nothing but the comment on its lines


class Source:
    """code is the text with comments and the insides of strings blanked, so that every offset and
    every line number stays what it was."""

    def __init__(self, text):
        self.text = text
        self.comments = []
        self.starts = [0] + [match.end() for match in re.finditer("\n", text)]
        spans = []

        def blank(match):
            if match.group("comment") is None:
                quote = match.group()[0]
                return quote + " " * (len(match.group()) - 2) + quote
            spans.append(match.span())
            return re.sub(r"[^\n]", " ", match.group())

        self.code = TOKEN.sub(blank, text)
        self.code_lines = self.code.split("\n")
        for start, end in spans:
            first, last = self.line(start), self.line(end - 1)
            alone = not any(self.code_lines[n - 1].strip() for n in range(first, last + 1))
            self.comments.append(Comment(text[start:end], first, last, alone))
        self.depths = None

    def line(self, offset):
        return bisect.bisect_right(self.starts, offset)

    def closing(self, opening):
        """The offset of the parenthesis that closes the one at opening."""
        depth = 0
        for i in range(opening, len(self.code)):
            if self.code[i] == "(":
                depth += 1
            elif self.code[i] == ")":
                depth -= 1
                if depth == 0:
                    return i
        return len(self.code) - 1

    def arguments(self, opening):
        """The arguments between the parenthesis at opening and its partner, and where that is."""
        closing = self.closing(opening)
        found, depth, start = [], 0, opening + 1
        for i in range(opening + 1, closing):
            if self.code[i] in "([{":
                depth += 1
            elif self.code[i] in ")]}":
                depth -= 1
            elif self.code[i] == "," and depth == 0:
                found.append(self.code[start:i].strip())
                start = i + 1
        found.append(self.code[start:closing].strip())
        return found, closing

    def depth(self, offset):
        """How many parentheses are open at offset; a brace in column one closes them all."""
        if self.depths is None:
            self.depths = []
            depth = 0
            for i, char in enumerate(self.code):
                if char in "{}" and (i == 0 or self.code[i - 1] == "\n"):
                    depth = 0
                if char == ")":
                    depth = max(depth - 1, 0)
                self.depths.append(depth)
                if char == "(":
                    depth += 1
        return self.depths[offset]

    def statement(self, start, end):
        """The first and the last line of the statement that code[start:end] is in."""
        first = start
        while first > 0 and not (self.code[first - 1] in ";{}" and self.depth(first - 1) == 0):
            first -= 1
        while first < start and self.code[first].isspace():
            first += 1
        last = end
        while last < len(self.code) - 1 and not (
                self.code[last] in ";{}" and self.depth(last) == 0):
            last += 1
        return self.line(first), self.line(last)
