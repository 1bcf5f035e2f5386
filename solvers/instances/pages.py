"""The words of a text file, line by line, with the place of each for messages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

MOST_BYTES = 32 << 20
MOST_NUMBERS = 1 << 20

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")


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

    def integers(self, row: Row, expected: int, what: str) -> list[int]:
        """Return the row's integers, of which there must be ``expected``."""
        if len(row.words) != expected:
            self.refuse(row.line, f"{what} expected, got {len(row.words)} words")
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


def bounded_bytes(path: Path) -> bytes:
    """Return the content of a file; InvalidProblemError if it is larger than ``MOST_BYTES``."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
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
