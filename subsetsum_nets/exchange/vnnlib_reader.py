"""A VNN-LIB file as a question of ours: a box of inputs, and whether |f - g| <= epsilon for every output.

Read are the two forms that :mod:`subsetsum_nets.exchange.vnnlib` writes: 1.0 about one network f - g with
inputs X_i and outputs Y_j, and 2.0 about f and g. Every decimal is read exactly; where float64 cannot hold
one, the box grows and epsilon shrinks to the next float64: what is proven holds for the file's question.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.files.budget import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NAME = re.compile(r"([XYUV])(?:_(\d{1,9})|\[(\d{1,9}(?:,\d{1,9}){0,7})\])")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_LONGEST = 2000  # digits of a number; the exact expansion of a float64 has at most 1,075
_DEEPEST = 50
_LARGEST = Fraction(np.finfo(np.float64).max.item())


class VnnlibError(ValueError):
    """A property that is damaged, or asks something else than how far two networks are apart."""


@dataclass(frozen=True, eq=False)
class Question:
    """What a property asks.

    Attributes
    ----------
    box : Box
        Of the inputs, in the file's order.
    shape : tuple of int or None
        The input's shape in the file, with its batch axis, where the file says it (2.0).
    outputs : int
        How many outputs are declared.
    epsilon : float or None
        The bound that is asked for, in the maximum norm; None where the file constrains no output, or was not
        asked for that.
    rounded : bool
        Whether a decimal of the file is no float64, so that the box is larger or epsilon smaller than there.

    """

    box: Box
    shape: tuple[int, ...] | None
    outputs: int
    epsilon: float | None
    rounded: bool


def read_question(path: str | PathLike[str], *, outputs: bool = True) -> Question:
    """Read a property about the difference of two networks.

    Parameters
    ----------
    path : path
        A VNN-LIB file, 1.0 with inputs ``X_i`` and outputs ``Y_j`` of f - g, or 2.0 with networks f and g.
    outputs : bool
        Whether what is asserted of outputs is read; otherwise only the box counts.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    VnnlibError
        If it is damaged or asks another question; the message names the line.

    Examples
    --------
    >>> import tempfile
    >>> from subsetsum_nets.exchange.vnnlib import difference_property
    >>> path = Path(tempfile.mkdtemp()) / "question.vnnlib"
    >>> _ = path.write_text(difference_property(np.zeros(2), np.ones(2), 1, 0.5))
    >>> question = read_question(path)
    >>> question.box, question.epsilon
    (Box([0.0, 0.0], [1.0, 1.0]), 0.5)

    """
    try:
        text = read_regular(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise VnnlibError(f"{Path(path)} is no VNN-LIB file: byte {error.start} is no ASCII text") from error
    reader = _Reader(outputs)
    try:
        for expression in _expressions(text):
            reader.take(expression)
        return reader.question()
    except VnnlibError as error:
        raise VnnlibError(f"{Path(path)}: {error}") from None


class _Expression(NamedTuple):
    """An atom, or a list in parentheses, and the line where it begins."""

    line: int
    atom: str
    parts: tuple[_Expression, ...] = ()

    @property
    def head(self) -> str:
        return self.parts[0].atom if self.parts else ""

    def __str__(self) -> str:
        text = self.atom or f"({' '.join(str(part) for part in self.parts[:4])})"
        return text if len(text) <= 60 else f"{text[:50]} .."


def _expressions(text: str) -> Iterator[_Expression]:
    """Yield the top-level expressions of a file."""
    open_lists: list[tuple[int, list[_Expression]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        for word in _TOKEN.findall(line.partition(";")[0]):
            if word == "(":
                open_lists.append((number, []))
                _need(len(open_lists) <= _DEEPEST, number, f"nested more than {_DEEPEST} deep")
                continue
            if word == ")":
                _need(bool(open_lists), number, "a parenthesis closes nothing")
                begun, parts = open_lists.pop()
                found = _Expression(begun, "", tuple(parts))
            else:
                found = _Expression(number, word)
            if open_lists:
                open_lists[-1][1].append(found)
            else:
                yield found
    if open_lists:
        raise _error(open_lists[0][0], "the parenthesis opened there is never closed: the file is cut off")


class _Reader:
    """What the expressions read so far have said."""

    def __init__(self, outputs: bool) -> None:
        self._read_outputs = outputs
        self._low: dict[int, Fraction] = {}
        self._high: dict[int, Fraction] = {}
        self._sizes = dict.fromkeys("XYUV", 0)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._same: set[int] = set()  # inputs that f and g are said to share
        self._epsilon: tuple[Fraction, int] | None = None

    def take(self, found: _Expression) -> None:
        """Read one top-level expression."""
        match found.head:
            case "vnnlib-version":
                _need(str(found) == "(vnnlib-version <2.0>)", found.line, f"{found} is not version 2.0")
            case "declare-const":
                self._declare_scalar(found)
            case "declare-network":
                self._declare_network(found)
            case "assert":
                _need(len(found.parts) == 2, found.line, f"{found} does not assert one thing")
                self._assert(found.parts[1])
            case _:
                raise _error(
                    found.line, f"{found} is not read; declare-const, declare-network and assert are"
                )

    def question(self) -> Question:
        """Return the question when all is read."""
        count = self._sizes["X"]
        if not count:
            raise VnnlibError("no input is declared, (declare-const X_0 Real)")
        for index in range(count):
            for name, bounds in (("lower", self._low), ("upper", self._high)):
                if index not in bounds:
                    raise VnnlibError(f"input {self._name(index)} has no {name} bound")
            if self._low[index] > self._high[index]:
                raise VnnlibError(
                    f"input {self._name(index)} has bounds {float(self._low[index])!r} > "
                    f"{float(self._high[index])!r}: the box is empty"
                )
            if "U" in self._shapes and index not in self._same:
                raise VnnlibError(f"input {self._name(index)} of f is not said to equal that of g")
        exact = [[bounds[index] for index in range(count)] for bounds in (self._low, self._high)]
        low, high = (
            np.array([_rounded(value, up=up) for value in values])
            for up, values in zip((False, True), exact, strict=True)
        )
        told = [*zip(low, exact[0], strict=True), *zip(high, exact[1], strict=True)]
        epsilon = None
        if self._epsilon is not None:
            epsilon = _rounded(self._epsilon[0], up=False)
            told.append((np.float64(epsilon), self._epsilon[0]))
        return Question(
            box=Box(low, high),
            shape=self._shapes.get("X"),
            outputs=self._sizes["Y"],
            epsilon=epsilon,
            rounded=any(Fraction(float(value)) != number for value, number in told),
        )

    def _name(self, index: int) -> str:
        shape = self._shapes.get("X")
        place = index if shape is None else [int(i) for i in np.unravel_index(index, shape)]
        return f"X_{place}" if shape is None else f"X{place}"

    # -- declarations

    def _declare_scalar(self, found: _Expression) -> None:
        atoms = [part.atom for part in found.parts[1:]]
        name = _NAME.fullmatch(atoms[0]) if len(atoms) == 2 and atoms[1] == "Real" else None
        if name is None or name[1] not in "XY" or name[2] is None:
            raise _error(found.line, f"{found} declares no real input X_i or output Y_j")
        _need(int(name[2]) == self._sizes[name[1]], found.line, f"{found} comes out of turn")
        self._sizes[name[1]] += 1

    def _declare_network(self, found: _Expression) -> None:
        names = "XY" if "X" not in self._shapes else "UV"
        _need(len(found.parts) == 4, found.line, f"{found} has not one input and one output")
        kinds = zip(names, ("declare-input", "declare-output"), found.parts[2:], strict=True)
        for name, kind, declared in kinds:
            atoms = [part.atom for part in declared.parts]
            proper = atoms[:2] == [kind, name] and len(atoms) == 4 and atoms[2] == "real"
            shape = re.fullmatch(r"\[(\d{1,9}(?:,\d{1,9}){0,7})\]", atoms[3]) if proper else None
            if shape is None:
                raise _error(declared.line, f"{declared} is not ({kind} {name} real [1,..])")
            sizes = tuple(int(size) for size in shape[1].split(","))
            _need(sizes[0] == 1 and 0 not in sizes, declared.line, f"{declared}: the first axis is not 1")
            self._shapes[name], self._sizes[name] = sizes, math.prod(sizes)

    # -- assertions

    def _assert(self, said: _Expression) -> None:
        if said.head == "or" and _mentions_input(said):
            raise _error(said.line, f"{said} joins boxes by or; one box is read, ask about each alone")
        if said.head == "and":
            for part in said.parts[1:]:
                self._assert(part)
        elif said.head == "==":
            self._share(said)
        elif _mentions_input(said):
            self._bound(said)
        else:
            self._ask(said)

    def _bound(self, said: _Expression) -> None:
        """Read ``(<= X_i number)`` or the like."""
        relation, name, number = _comparison(said)
        _need(relation in ("<=", ">="), said.line, f"{said} bounds an input by neither <= nor >=")
        index = self._index(name, said.line, "X")
        tighter = (max, self._low) if relation == ">=" else (min, self._high)
        choose, bounds = tighter
        bounds[index] = choose(bounds.get(index, number), number)

    def _share(self, said: _Expression) -> None:
        atoms = [part.atom for part in said.parts[1:]]
        places = [self._index(atom, said.line, name) for atom, name in zip(atoms, "XU", strict=False)]
        same = len(atoms) == 2 and places[0] == places[1] and self._shapes["X"] == self._shapes["U"]
        _need(same, said.line, f"{said} does not say that an input of f is that of g")
        self._same.add(places[0])

    def _ask(self, said: _Expression) -> None:
        """Read the counterexample: some output is beyond epsilon, above or below."""
        if not self._read_outputs:
            return
        _need(self._epsilon is None, said.line, "more is asserted of the outputs than one disjunction")
        seen: set[tuple[int, str]] = set()
        bounds: set[Fraction] = set()
        for case in said.parts[1:] if said.head == "or" else (said,):
            index, side, bound = self._case(case)
            seen.add((index, side))
            bounds.add(bound)
            _need(len(bounds) == 1, case.line, f"{case} has another epsilon than the cases before it")
        if len(seen) < 2 * self._sizes["Y"]:
            sides = ((index, side) for index in range(self._sizes["Y"]) for side in (">", "<"))
            index, side = next(case for case in sides if case not in seen)
            raise _error(said.line, f"{said} has no case where output {index} is {side} its bound; {_WHAT}")
        epsilon = bounds.pop()
        _need(_rounded(epsilon, up=False) > 0, said.line, f"epsilon is {float(epsilon)!r}, not above 0")
        self._epsilon = epsilon, said.line

    def _case(self, case: _Expression) -> tuple[int, str, Fraction]:
        """Return (output, ">" or "<", epsilon) of one case of the counterexample."""
        inner = case.parts[1] if case.head == "and" and len(case.parts) == 2 else case
        _need(len(inner.parts) == 3, inner.line, f"{inner} is not about f - g; {_WHAT}")
        if inner.parts[1].head == "-" and "V" in self._shapes:
            _need(len(inner.parts[1].parts) == 3, inner.line, f"{inner} is not about f - g; {_WHAT}")
            y, v = (part.atom for part in inner.parts[1].parts[1:])
            index = self._index(y, inner.line, "Y")
            same = index == self._index(v, inner.line, "V")
            _need(same, inner.line, f"{inner} compares two different outputs; {_WHAT}")
            relation, bound = inner.head, _number(inner.parts[2])
        else:
            _need("V" not in self._shapes, inner.line, f"{inner} is not about f - g; {_WHAT}")
            relation, name, bound = _comparison(inner)
            index = self._index(name, inner.line, "Y")
        _need(relation in ("<=", ">=", "<", ">"), inner.line, f"{inner} is no comparison")
        return index, relation[0], bound if relation[0] == ">" else -bound

    def _index(self, atom: str, line: int, kind: str) -> int:
        """Return which of the flattened values a name stands for."""
        name = _NAME.fullmatch(atom)
        if name is None or name[1] != kind:
            raise _error(
                line, f"{atom or 'an expression'} stands where a value of {kind} was expected; {_WHAT}"
            )
        if name[2] is not None:
            _need(kind not in self._shapes, line, f"{atom} is written as in version 1.0")
            index = int(name[2])
            _need(index < self._sizes[kind], line, f"{atom} is not declared")
            return index
        shape, place = self._shapes.get(kind, ()), tuple(int(i) for i in name[3].split(","))
        inside = len(place) == len(shape) and all(i < n for i, n in zip(place, shape, strict=True))
        _need(inside, line, f"{atom} is not declared")
        return int(np.ravel_multi_index(place, shape))


_WHAT = (
    "read is the question whether |f - g| <= epsilon: (or (and (>= Y_j epsilon)) (and (<= Y_j -epsilon)) ..) "
    "for every output j. With --epsilon given, only the input box of the file counts"
)


def _comparison(said: _Expression) -> tuple[str, str, Fraction]:
    """Return (relation, name, number) of ``(<= name number)``, turned round where the number stands first."""
    if len(said.parts) != 3:
        raise _error(said.line, f"{said} compares no variable with a number; {_WHAT}")
    relation, left, right = said.head, said.parts[1], said.parts[2]
    if _NUMBER.fullmatch(left.atom) or left.head == "-":
        turned = {"<=": ">=", ">=": "<=", "<": ">", ">": "<"}
        return turned.get(relation, relation), right.atom, _number(left)
    return relation, left.atom, _number(right)


def _number(said: _Expression) -> Fraction:
    """Return the exact value of a decimal, or of ``(- decimal)``."""
    if said.head == "-" and len(said.parts) == 2:
        return -_number(said.parts[1])
    short = len(said.atom) <= _LONGEST
    if not short or _NUMBER.fullmatch(said.atom) is None:
        raise _error(said.line, f"{said} is no number; {_WHAT}")
    value = Fraction(Decimal(said.atom))
    _need(abs(value) <= _LARGEST, said.line, f"{said} is beyond the range of float64")
    return value


def _mentions_input(said: _Expression) -> bool:
    return said.atom[:1] == "X" or any(map(_mentions_input, said.parts))


def _rounded(value: Fraction, *, up: bool) -> float:
    """Return the nearest float64 that is not below ``value``, or not above it."""
    nearest = float(value)
    if up and Fraction(nearest) < value:
        return math.nextafter(nearest, math.inf)
    if not up and Fraction(nearest) > value:
        return math.nextafter(nearest, -math.inf)
    return nearest


def _need(condition: bool, line: int, message: str) -> None:
    if not condition:
        raise _error(line, message)


def _error(line: int, message: str) -> VnnlibError:
    return VnnlibError(f"line {line}: {message}")
