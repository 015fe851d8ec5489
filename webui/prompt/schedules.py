"""Which text guides which steps: `[from:to:when]`, `[to:when]`, `[from::when]`, `[a|b|c]`.

A bracket is a schedule only if everything in it is well formed; what is not stays as it is written.
The text becomes a small program of slices and jumps, which is run once for each step at which
something changes: linear in the text, and no nesting is too deep.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from webui.errors import InvalidRequest

MOST = 1_000_000  # characters of all stages together

_TOKEN = re.compile(r"\\.|[\[\]():|\\]")
_NUMBER = re.compile(  # never goes back over what it has read
    r"\s*+[+-]?+(?:[0-9]++\.?+[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+\s*+"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A schedule in the text, and when it switches."""

    start: int
    end: int
    when: str  # as written


@dataclass(frozen=True, slots=True)
class Stages:
    """What `schedule` gives, each text as slices (start, end) of the prompt."""

    stages: tuple[tuple[int, tuple[tuple[int, int], ...]], ...]
    late: tuple[Place, ...] = ()  # switches after the last step
    unread: int = -1  # where a backslash stands that switches all schedules off


def schedule(text: str, steps: int, hires_steps: int | None = None) -> list[tuple[int, str]]:
    """(last step, text) for each stretch of steps, counted from 1, as A1111's parser gives them.

    A whole number is a step, one with a point a fraction of the steps. With `hires_steps` the
    stages are those of the second pass: whole numbers count on from the first pass's, fractions
    from 1.0. Differs from A1111 where that gives up on the whole prompt: a `|` outside alternatives
    is literal. Raises InvalidRequest for stages of more than a million characters together.
    """
    found = stages(text, steps, hires_steps)
    return [(end, "".join([text[a:b] for a, b in slices])) for end, slices in found.stages]


def stages(
    text: str,
    steps: int,
    hires_steps: int | None = None,
    atoms: Sequence[tuple[int, int]] = (),
) -> Stages:
    """As `schedule`, with places. In an atom, a range of `text`, colons and bars mean nothing."""
    offsets = (0, 0.0) if hires_steps is None else (steps, 1.0)
    last = steps if hires_steps is None else hires_steps
    scan = _Scan(text)
    unread = scan.read(atoms)
    if unread >= 0:
        return Stages(((last, ((0, len(text)),)),), (), unread)
    ends, late, live = {last}, [], scan.live()
    for node in live:
        if node.bars:
            ends.update(range(1, last + 1))
            continue
        number = _number(text, node).strip()
        node.when = _step(number, last, offsets)
        if node.when >= last:
            late.append(Place(node.start, node.end, number))
        if node.when >= 1:
            ends.add(node.when)
    if len(ends) > 1 and len(ends) * len(text) > MOST:
        raise InvalidRequest(
            "prompt",
            f"changes at {len(ends)} steps and is {len(text)} characters long, which is too much "
            f"together; with so many changes it can have {MOST // len(ends)}",
        )
    program = _compiled(live, len(text))
    return Stages(tuple((end, _run(program, end)) for end in sorted(ends)), tuple(late))


def _step(number: str, last: int, offsets: tuple[int, float]) -> int:
    """The last step before the switch; the last of all if it never comes."""
    value = float(number)
    value = (value - offsets[1]) * last if "." in number else value - offsets[0]
    return int(max(-1.0, min(float(last), value)))  # A1111 crashes at infinity


class _Node:
    """A bracket, with the places of the colons and bars that stand directly in it."""

    __slots__ = ("bars", "colons", "end", "kind", "marks", "start", "valid", "when")

    def __init__(self, kind: str, start: int) -> None:
        self.kind = kind  # "(", "[", or "<" for an atom
        self.start = start
        self.end = -1  # after the closing one; -1 while there is none
        self.valid = True  # everything in it is well formed
        self.colons = self.bars = 0
        self.marks: list[int] | None = None  # where these stand
        self.when = 0  # the last step before the switch


class _Scan:
    """The brackets of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Node] = []
        self._nodes: list[_Node] = []

    def read(self, atoms: Sequence[tuple[int, int]]) -> int:
        """-1, or the place of a backslash with nothing after it, which A1111 cannot read."""
        position = 0
        for start, end in atoms:
            unread = self._read(position, start)
            self._open.append(_Node("<", start))
            unread = max(unread, self._read(start, end))
            while self._open.pop().kind != "<":
                pass
            if unread >= 0:
                return unread
            position = end
        return self._read(position, len(self._text))

    def live(self) -> list[_Node]:
        """Schedules and alternatives."""
        return [each for each in self._nodes if each.valid and (each.bars or each.colons)]

    def _read(self, start: int, end: int) -> int:
        text = self._text
        for match in _TOKEN.finditer(text, start, end):
            token, at = match[0], match.start()
            if token in "([":
                self._open.append(_Node(token, at))
            elif token in ")]":
                self._close(token, at)
            elif token == "\\" and text[at + 1 : at + 2] in ("", "\n"):
                return at
            elif token in ":|" and self._open:
                self._mark(self._open[-1], token, at)
        return -1

    def _mark(self, node: _Node, token: str, at: int) -> None:
        if token == ":":
            node.colons += 1
        else:
            node.bars += 1
        if node.marks is None:
            node.marks = [at]
        else:
            node.marks.append(at)

    def _close(self, token: str, at: int) -> None:
        if not self._open or self._open[-1].kind == "<":
            return
        if self._open[-1].kind != ("(" if token == ")" else "["):
            while self._open and self._open[-1].kind != "<":  # none of these can be well formed
                self._open.pop()
            return
        node = self._open.pop()
        node.end = at + 1
        node.valid = node.valid and self._well_formed(node)
        if node.kind == "[":
            self._nodes.append(node)
        if self._open and self._open[-1].kind != "<" and not node.valid:
            self._open[-1].valid = False

    def _well_formed(self, node: _Node) -> bool:
        if node.kind == "(":
            return node.colons <= 1
        if node.bars or not node.colons:
            return not node.colons
        return node.colons <= 2 and _NUMBER.fullmatch(_number(self._text, node)) is not None


def _number(text: str, node: _Node) -> str:
    """What stands between the last colon and the closing bracket."""
    return text[node.marks[-1] + 1 : node.end - 1] if node.marks else ""


# The program: (operation, operand, operand). TEXT start, end: that slice of the prompt. UNTIL step,
# target: after that step, go on at the target. JUMP target. TURN targets: one after the other.
_TEXT, _UNTIL, _JUMP, _TURN = range(4)
_Instruction = tuple[int, int, int, tuple[int, ...]]


def _compiled(live: Sequence[_Node], length: int) -> list[_Instruction]:
    marks = sorted(
        (at, number, index)  # index 0 opens the node, the last one closes it
        for number, node in enumerate(live)
        for index, at in enumerate((node.start, *(node.marks or ()), node.end - 1))
    )
    code: list[_Instruction] = []
    turns: dict[int, list[int]] = {}  # of each open node: where the program takes up each branch
    position = 0
    for at, number, index in marks:
        node = live[number]
        last = node.colons + node.bars
        if position < at:
            code.append((_TEXT, position, at, ()))
        position = at + 1
        if index == 0:
            turns[number] = [len(code)]
            code.append((_TURN, 0, 0, ()))
        divides = node.bars or (index == 1 and last == 2) or (index == 0 and last == 1)
        if divides and index <= last and (index > 0 or not node.bars):
            code.append((_JUMP, 0, 0, ()))
            turns[number].append(len(code))
        if node.colons and index == last:
            position = node.end - 1  # the number
        if index > last:
            _settle(node, turns.pop(number), code)
    if position < length:
        code.append((_TEXT, position, length, ()))
    return code


def _settle(node: _Node, turns: Sequence[int], code: list[_Instruction]) -> None:
    """Fills in the targets, which are known now."""
    first, *others = turns
    if node.bars:
        code[first] = (_TURN, 0, 0, (first + 1, *others))
    else:
        code[first] = (_UNTIL, node.when, others[0], ())
    for branch in others:  # the branch before it leads behind the node
        code[branch - 1] = (_JUMP, len(code), 0, ())


def _run(code: Sequence[_Instruction], step: int) -> tuple[tuple[int, int], ...]:
    """The slices of the prompt that make up its text at this step."""
    slices: list[tuple[int, int]] = []
    at = 0
    while at < len(code):
        operation, first, second, turns = code[at]
        at += 1
        if operation == _TEXT:
            slices.append((first, second))
        elif operation == _JUMP:
            at = first
        elif operation == _TURN:
            at = turns[(step - 1) % len(turns)]
        elif step > first:
            at = second
    return tuple(slices)
