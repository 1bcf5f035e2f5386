"""The words of a text file, line by line, with the place of each for messages."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import sys
import zlib
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

MOST_BYTES = 32 << 20
MOST_NUMBERS = 1 << 20
STDIN = "-"

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
# Exponents beyond those of float64 would let a few characters stand for a number of any size.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,4000}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?")
_RATIO = re.compile(r"[+-]?[0-9]{1,4000}/[0-9]{1,4000}")
_PACKED: dict[bytes, Callable[[BytesIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
PACKED_SUFFIXES = (".gz", ".bz2", ".xz")


class Row(NamedTuple):
    """The words of one line, and its number."""

    line: int
    words: list[str]


@dataclass(frozen=True)
class Page:
    """The words of a file line by line, without comments and blank lines."""

    path: Path
    rows: list[Row]
    comments: list[str]

    def refuse(self, line: int, reason: str) -> NoReturn:
        """Raise InvalidProblemError with the file and the line."""
        raise InvalidProblemError(f"{self.path} line {line}: {reason}")

    def numbers(self, row: Row, expected: int, what: str) -> list[int | Fraction]:
        """Return the row's integers, decimals and fractions, exactly; there must be ``expected``."""
        self._check_words(row, expected, what)
        found = [number_of(word) for word in row.words]
        for word, number in zip(row.words, found, strict=True):
            if number is None:
                self.refuse(row.line, f"{word[:40]!r} is not a number")
        return [x for x in found if x is not None]

    def _check_words(self, row: Row, expected: int, what: str) -> None:
        if len(row.words) != expected:
            self.refuse(row.line, f"{what} expected, got {len(row.words)} words")

    def integers(self, row: Row, expected: int, what: str) -> list[int]:
        """Return the row's integers, of which there must be ``expected``."""
        self._check_words(row, expected, what)
        for word in row.words:
            if not _INTEGER.fullmatch(word):
                self.refuse(row.line, f"{word[:40]!r} is not an integer")
        return [int(word) for word in row.words]

    def body(self, start: int, expected: int, what: str) -> list[Row]:
        """Return the rows from ``start`` on, of which there must be ``expected``."""
        header, body = self.rows[0], self.rows[start:]
        if expected < 1:
            self.refuse(header.line, f"the number of {what} must be at least 1, got {shown(expected)}")
        if len(body) < expected:
            self.refuse(
                self.rows[-1].line, f"the file ends after {len(body)} of {shown(expected)} {what}; truncated?"
            )
        if len(body) > expected:
            self.refuse(body[expected].line, f"more than the announced {expected} {what}")
        return body


def shown(value: object) -> str:
    """Return the beginning of a value's text, for messages about files that may hold anything."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def number_of(word: str) -> int | Fraction | None:
    """Return the exact number that a word of a text file stands for: an integer, a decimal or p/q; else None.

    >>> number_of("12"), number_of("0.10"), number_of("1/3"), number_of("five")
    (12, Fraction(1, 10), Fraction(1, 3), None)
    """
    if _INTEGER.fullmatch(word):
        return int(word)
    if not (_DECIMAL.fullmatch(word) or _RATIO.fullmatch(word)) or not word.rpartition("/")[2].strip("0"):
        return None
    number = Fraction(word)
    return int(number) if number.denominator == 1 else number


def name_of(path: Path) -> str:
    """Return a file's name without the suffix of what it was compressed by; of standard input, its own."""
    if str(path) == STDIN:
        return "stdin"
    return path.stem if path.suffix in PACKED_SUFFIXES else path.name


def stem_of(path: Path) -> str:
    """Return a file's name without any suffix."""
    return Path(name_of(path)).stem


def bounded_bytes(path: Path) -> bytes:
    """Return the content of a file, or of standard input for "-"; decompressed where it is gzip, bz2 or xz.

    InvalidProblemError if it is larger than ``MOST_BYTES``, its compressed data are damaged, or it is no
    regular file: a pipe that nobody writes to would hang.
    """
    if str(path) == STDIN:
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        piped = str(path).startswith("/dev/")  # a shell's <(command), say, which somebody writes to
        if not stat.S_ISREG(path.stat().st_mode) and not piped:
            raise InvalidProblemError(f"{path} is not a regular file; {STDIN} reads standard input")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    for mark, unpacked in _PACKED.items():
        if content.startswith(mark) and len(content) <= MOST_BYTES:
            try:
                with unpacked(BytesIO(content)) as file:
                    content = file.read(MOST_BYTES + 1)
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
                raise InvalidProblemError(f"{path} is compressed, and damaged: {error}") from error
            break
    if len(content) > MOST_BYTES:
        raise InvalidProblemError(f"{path} is larger than {MOST_BYTES >> 20} MiB, the most that is read")
    return content


def page_of(path: Path, content: bytes) -> Page:
    """Return the words of a file's content; InvalidProblemError if it is no text, empty or too long."""
    rows, comments, count = [], [], 0
    try:
        for line, text in enumerate(TextIOWrapper(BytesIO(content), encoding="utf-8-sig"), start=1):
            body, mark, comment = text.replace("//", "#", 1).partition("#")
            if mark and comment.strip():
                comments.append(comment.strip())
            words = body.split(maxsplit=MOST_NUMBERS)
            count += len(words)
            if count > MOST_NUMBERS:
                raise InvalidProblemError(f"{path} line {line}: more than {MOST_NUMBERS} numbers")
            if words:
                rows.append(Row(line, words))
    except UnicodeDecodeError as error:
        raise InvalidProblemError(f"{path} is neither JSON nor text: {error}") from error
    if not rows:
        raise InvalidProblemError(f"{path} is empty")
    return Page(path, rows, comments)
