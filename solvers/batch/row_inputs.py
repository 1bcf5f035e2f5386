"""Where the rows of solve_many() come from: arrays, arrays mapped from files, or an iterator of chunks.

Nothing is copied or converted as a whole. A table is read through once, in blocks, to check its numbers and
to compute its digest; after that chunk by chunk. Pages of mapped files that were read are given back.
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arrays import positional
from solvers.backend.registry import backend_named
from solvers.batch.mapped_rows import MappedRows
from solvers.batch.rows import BatchQuestion, Rows
from solvers.errors import InvalidProblemError
from solvers.exact import as_fraction, exact_array
from solvers.problem import SubsetSum
from solvers.solution import checked_objective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_BLOCK = 1 << 20  # numbers looked at together
_EXAMPLES = 4096


@dataclass(frozen=True)
class Piece:
    """Rows first to last of a source, loaded when they are needed."""

    first: int
    last: int
    load: Callable[[], Rows]
    mapped: Callable[[], MappedRows | None] = lambda: None  # rows in files, to be sent as such
    fingerprint: str = ""  # of the rows of a stream, whose digest as a whole is not known before its end


class Table:
    """Rows in arrays, in memory or mapped from files."""

    def __init__(self, items: Any, targets: Any, valid: Any, tolerance: Any, question: BatchQuestion) -> None:
        self.given: tuple[Any, Any, Any] = (items, targets, valid)
        goals, offered = _numbers(targets, "targets"), _numbers(items, "items")
        _check_shapes(offered, goals)
        count, n = len(goals), offered.shape[-goals.ndim]
        usable = np.ones(n, dtype=bool) if valid is None else _flags(valid)
        if usable.dtype != bool or usable.shape not in ((n,), (count, n)):
            raise InvalidProblemError(
                f"valid must be bool of shape {(count, n)} or {(n,)}, got {usable.dtype} {usable.shape}"
            )
        if question.cardinality is not None:
            sizes = SubsetSum([0] * n, 0, cardinality=question.cardinality).cardinality if n else None
            question = replace(question, cardinality=sizes)
        self.rows: Rows = Rows(offered, goals, usable, tolerances_of(tolerance, count), question)
        self.tolerances: NDArray[np.float64] = self.rows.tolerances
        self.exact: bool = goals.dtype.kind == "O" or offered.dtype.kind == "O"
        self.holes: bool = False  # whether some items that may not be used are no numbers
        self.total: int | None = count
        self.digest: str = ""

    def survey(self, *, digest: bool) -> None:
        """Check every number, and compute a digest of all rows, in one pass.

        InvalidProblemError for what is no finite number, or a row that cannot have the cardinality.
        """
        rows, sizes = self.rows, self.rows.question.cardinality
        checksum = hashlib.sha256(f"({rows.question}, {rows.items.shape}, {rows.targets.shape})".encode())
        valid = self.given[2]
        parts = (
            ("items", rows.items),
            ("targets", rows.targets),
            ("valid", rows.valid),
            ("", rows.tolerances),
        )
        for name, array in parts:
            checksum.update(array.dtype.str.encode())
            for first, block in _blocks(array):
                if name in ("items", "targets"):
                    used = None if valid is None or name == "targets" else self._used(first, len(block))
                    wide, holes = _check_numbers(block, name, first, used)
                    self.exact |= wide
                    self.holes |= holes
                elif name == "valid" and sizes is not None:
                    _check_sizes(block, first, sizes)
                if digest:
                    checksum.update(_bytes(block))
                self.release()
        self.digest = checksum.hexdigest() if digest else ""

    def _used(self, first: int, count: int) -> NDArray[np.bool_]:
        """Return which items of a block (of shared ones: from ``first`` on) any row may use."""
        valid, shared = self.rows.valid, self.rows.shared
        if shared:
            anywhere: NDArray[np.bool_] = valid if valid.ndim == 1 else np.logical_or.reduce(valid)
            return anywhere[first : first + count]
        return valid[None] if valid.ndim == 1 else valid[first : first + count]

    def pieces(self, size: int) -> Iterator[Piece]:
        """Cut the rows into pieces of ``size``."""
        total = len(self.rows)
        for first in range(0, total, size):
            last = min(first + size, total)
            yield Piece(first, last, partial(self.load, first, last), partial(self.mapped, first, last))

    def example(self) -> Rows:
        """Return some rows, the first ones, in plain arrays."""
        return self.load(0, min(_EXAMPLES, len(self.rows)))

    def load(self, first: int, last: int) -> Rows:
        """Return rows as plain arrays of float64, or of Python numbers where float64 would round."""
        rows = self.rows.take(slice(first, last))
        kind = object if self.exact else np.float64
        items = np.array(_without_holes(rows) if self.holes else rows.items, dtype=kind)
        plain = Rows(
            items,
            np.array(rows.targets, dtype=kind),
            np.array(rows.valid),
            np.array(rows.tolerances),
            rows.question,
        )
        self.release()
        return plain

    def mapped(self, first: int, last: int) -> MappedRows | None:
        """Return rows as places in files; None if they are in none, or are not to be taken as they are."""
        if self.exact or self.holes:
            return None
        found = MappedRows.of(self.rows.take(slice(first, last)))
        self.release()
        return found

    def release(self) -> None:
        """Let the system take back what was read of mapped files: it would count as this process's memory."""
        for array in self.given:
            # Not of a copy-on-write mapping: its changed pages exist nowhere else.
            if isinstance(array, np.memmap) and array.mode in ("r", "r+", "w+"):
                base: Any = array
                while base is not None and not isinstance(base, mmap.mmap):
                    base = getattr(base, "base", None)
                if base is not None and hasattr(base, "madvise"):
                    base.madvise(mmap.MADV_DONTNEED)


class Stream:
    """Rows from an iterator of (items, targets) or (items, targets, valid), cut anew into pieces."""

    def __init__(self, chunks: Iterable[Any], valid: Any, tolerance: Any, question: BatchQuestion) -> None:
        self.valid: Any = valid
        self.question: BatchQuestion = question
        self.tolerances: NDArray[np.float64] = tolerances_of(tolerance, None)
        self.total: int | None = None
        if not hasattr(chunks, "__iter__"):
            raise InvalidProblemError("without targets, give an iterator of chunks (items, targets)")
        self._tables = self._read(iter(chunks))
        first = next(self._tables, None)
        if first is None:
            raise InvalidProblemError("the iterator of chunks is empty; there must be at least one")
        while not len(first) and (more := next(self._tables, None)) is not None:
            first = more
        self.first = first
        self.digest: str = ""

    def example(self) -> Rows:
        """Return some rows, the first ones."""
        return self.first

    def survey(self, *, digest: bool) -> None:
        """Compute a digest of what is known beforehand; numbers are checked as they come."""
        first = self.first
        known = f"({first.question}, {first.n}, {first.targets.shape[1:]}, {self.tolerances.tolist()})"
        self.digest = hashlib.sha256(known.encode()).hexdigest() if digest else ""

    def _read(self, chunks: Iterator[Any]) -> Iterator[Rows]:
        example: Rows | None = None
        for number, chunk in enumerate(chunks):
            if not isinstance(chunk, (tuple, list)) or len(chunk) not in (2, 3):
                raise InvalidProblemError(
                    f"chunk {number} of the iterator must be (items, targets) or (items, targets, valid), "
                    f"got {type(chunk).__name__}"
                )
            try:
                valid = chunk[2] if len(chunk) == 3 else self.valid
                table = Table(chunk[0], chunk[1], valid, None, self.question)
                table.survey(digest=False)
                rows = table.load(0, len(table.rows))
                if example is not None:
                    _check_alike(example, rows)
            except InvalidProblemError as error:
                raise InvalidProblemError(f"chunk {number} of the iterator: {error}") from error
            shape = (len(rows), *rows.items.shape[-rows.targets.ndim :])
            rows = Rows(
                np.broadcast_to(rows.items, shape),
                rows.targets,
                np.broadcast_to(rows.valid, (len(rows), rows.n)),
                self.tolerances,
                rows.question,
            )
            example = example or rows
            yield rows

    def pieces(self, size: int) -> Iterator[Piece]:
        """Cut the rows into pieces of ``size``, wherever the iterator's own chunks end."""
        first = 0
        held: list[Rows] = [self.first] if len(self.first) else []
        while held:
            while sum(map(len, held)) < size and (more := next(self._tables, None)) is not None:
                held.append(more)
            whole = held[0] if len(held) == 1 else _joined(held)
            piece, rest = whole.take(slice(0, size)), whole.take(slice(size, None))
            yield Piece(first, first + len(piece), lambda piece=piece: piece, fingerprint=_fingerprint(piece))  # type: ignore[misc]
            first += len(piece)
            held = [rest] if len(rest) else []
            if not held and (more := next(self._tables, None)) is not None:
                held = [more]


def checked_question(
    objective: str, tolerance: Any, cardinality: Any, backend: str, seed: int
) -> BatchQuestion:
    """Return the question if it makes sense; InvalidProblemError otherwise."""
    question = BatchQuestion(checked_objective(objective), cardinality, backend, seed)
    if backend != "auto":
        backend_named(backend)
    if objective != "nearest" and tolerance is None:
        raise InvalidProblemError(f"objective {objective!r} needs a tolerance")
    return question


def tolerances_of(tolerance: Any, rows: int | None) -> NDArray[np.float64]:
    """Return tolerances as the float64 they are; rounding one could accept or refuse a row wrongly."""
    if tolerance is None:
        return np.full((), np.inf)
    given = exact_array(tolerance, "tolerances")
    if given.dtype.kind not in "iufO":
        raise InvalidProblemError(f"tolerance must be a number or numbers, got {tolerance!r}")
    try:
        limits = given.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidProblemError(f"tolerance must be a number or numbers, got {tolerance!r}") from error
    if (given.dtype.kind != "f" or given.dtype.itemsize > 8) and np.isfinite(limits).all():
        for x, limit in zip(given.flat, limits.flat, strict=True):
            if as_fraction(x, "the tolerance") != Fraction(float(limit)):
                raise InvalidProblemError(
                    f"tolerance {x!r} is not a float64; the nearest ones are {limit!r} and its neighbours"
                )
    if limits.shape not in (() if rows is None else (rows,), ()) or not bool((limits >= 0).all()):
        many = "for all chunks of an iterator" if rows is None else f"or one a row ({rows})"
        raise InvalidProblemError(f"tolerance must be >= 0, one number {many}, got {tolerance!r}")
    if not np.isfinite(limits).all():
        raise InvalidProblemError("tolerance must be finite; leave it None for none")
    return limits


def _numbers(values: Any, what: str) -> NDArray[Any]:
    """Return values as an array of numbers, not yet checked one by one."""
    try:
        array = exact_array(values, what)
    except InvalidProblemError:
        raise
    except ValueError as error:
        raise InvalidProblemError(f"{what} are ragged: {error}") from error
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        return array.astype(object)
    if array.dtype.kind not in "iufO":
        raise InvalidProblemError(f"{what} have dtype {array.dtype}; give floats, integers or Fractions")
    return array


def _flags(values: Any) -> NDArray[Any]:
    """Return values as an array of bool, where all of them are; as they are otherwise."""
    array = np.asarray(positional(values, "valid"))
    if array.dtype.kind == "O" and all(isinstance(x, (bool, np.bool_)) for x in array.flat):
        return array.astype(bool)
    return array


def _without_holes(rows: Rows) -> NDArray[Any]:
    """Return the items with 0 in place of those that no row may use, whatever they are."""
    usable = rows.valid
    if rows.shared:
        usable = usable if usable.ndim == 1 else np.logical_or.reduce(usable)
    elif usable.ndim == 1:
        usable = np.broadcast_to(usable, (len(rows), rows.n))
    if rows.targets.ndim == 2:
        usable = usable[..., None]
    return np.where(usable, rows.items, 0)


def _check_shapes(items: NDArray[Any], targets: NDArray[Any]) -> None:
    if targets.ndim not in (1, 2) or 0 in targets.shape[1:]:
        raise InvalidProblemError(f"targets must have shape (N,) or (N, d), got {targets.shape}")
    shared = items.ndim == targets.ndim  # one list of items for all rows
    fitting = shared or (items.ndim == targets.ndim + 1 and len(items) == len(targets))
    if not fitting and not len(targets):
        raise InvalidProblemError(
            f"targets must have shape (N,) or (N, d), N = {len(items)} as for the items"
        )
    if not fitting or (0 in items.shape and len(targets)):
        raise InvalidProblemError(f"items of shape {items.shape} do not go with targets {targets.shape}")
    if targets.ndim == 2 and items.shape[-1] != targets.shape[1]:
        raise InvalidProblemError(f"items have {items.shape[-1]} dimensions, targets {targets.shape[1]}")


def _blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (first row, some rows) of an array."""
    whole = np.atleast_1d(array)
    step = max(1, _BLOCK // max(1, whole[:1].size))
    for first in range(0, len(whole), step):
        yield first, whole[first : first + step]


def _check_numbers(
    block: NDArray[Any], what: str, first: int, used: NDArray[np.bool_] | None
) -> tuple[bool, bool]:
    """Check all numbers that are ``used``; return whether some are wider than float64, others no numbers."""
    if block.dtype.kind in "iu":
        return bool((block > 2**53).any()) or bool((block < -(2**53)).any()), False
    if used is not None:
        used = np.broadcast_to(used if used.ndim == block.ndim else used[..., None], block.shape)
    if block.dtype.kind == "O":
        for place, x in np.ndenumerate(block):
            if used is None or used[place]:
                as_fraction(x, f"{what}[{', '.join(map(str, (place[0] + first, *place[1:])))}]")
        return True, used is not None and not used.all()
    finite = np.isfinite(block)
    if finite.all():
        return False, False
    bad = ~finite if used is None else ~finite & used
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = (place[0] + first, *place[1:])
        raise InvalidProblemError(f"{what} hold {block[place]} at {where}; every number must be finite")
    return False, True


def _check_sizes(valid: NDArray[np.bool_], first: int, sizes: tuple[int, int]) -> None:
    counts = np.atleast_2d(valid).sum(axis=1)
    if counts.min() < sizes[0]:
        row = first + int(counts.argmin())
        raise InvalidProblemError(f"row {row} has {counts.min()} valid items, fewer than cardinality {sizes}")


def _check_alike(example: Rows, rows: Rows) -> None:
    """Check that a chunk of a stream can be joined to those before it."""
    if rows.n != example.n or rows.targets.shape[1:] != example.targets.shape[1:]:
        raise InvalidProblemError(
            f"it has {rows.n} items a row, or other dimensions; before it were {example.n}"
        )
    if rows.items.dtype != example.items.dtype:
        raise InvalidProblemError(
            f"it has {rows.items.dtype} numbers, before it were {example.items.dtype}; give one kind"
        )


def _joined(parts: list[Rows]) -> Rows:
    first = parts[0]
    return Rows(
        np.concatenate([p.items for p in parts]),
        np.concatenate([p.targets for p in parts]),
        np.concatenate([p.valid for p in parts]),
        first.tolerances,
        first.question,
    )


def _fingerprint(rows: Rows) -> str:
    checksum = hashlib.sha256()
    for array in (rows.items, rows.targets, rows.valid):
        checksum.update(_bytes(array))
    return checksum.hexdigest()


def _bytes(array: NDArray[Any]) -> Any:
    """Return what a checksum takes, without a copy where there is none to make."""
    return repr(array.tolist()).encode() if array.dtype.kind == "O" else np.ascontiguousarray(array)
