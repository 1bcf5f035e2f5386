"""BatchSolution: the answers to many problems, and the exact check of all of them."""

from __future__ import annotations

import importlib
import json
import math
import operator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers.atomic_files import replacing
from solvers.bounded_arrays import regular_bytes, stored_arrays
from solvers.errors import CertificateError, InvalidProblemError
from solvers.exact import as_fraction, exact_array, float_up
from solvers.shown import at_most, table
from solvers.solution import Objective, Status, checked_objective

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from numpy.typing import NDArray

_FORMAT = "subset-sum batch solution"


class BatchRow(NamedTuple):
    """The answer to one of the problems.

    Attributes
    ----------
    status : Status
    mask : bool array, shape (n,)
    error, lower_bound : float
        Rounded up and down; the error is inf where there is no subset.

    """

    status: Status
    mask: NDArray[np.bool_]
    error: float
    lower_bound: float

    @property
    def subset(self) -> NDArray[np.intp]:
        """The indices of the chosen items, ascending."""
        return np.flatnonzero(self.mask)


@dataclass(frozen=True, eq=False)
class BatchSolution:
    """Answers to N problems of up to n items; all arrays are read-only.

    ``batch[i]`` is a row as a :class:`BatchRow`, ``for row in batch`` gives all of them.

    Attributes
    ----------
    masks : bool, shape (N, n)
        The subsets; all False in a row of status UNKNOWN without an incumbent (its error is inf).
    errors : float64, shape (N,)
        The exact errors, rounded up.
    lower_bounds : float64, shape (N,)
        Proven lower bounds on each row's error, rounded down. 0 where nothing is proven.
    status : uint8, shape (N,)
        Values of :class:`~solvers.solution.Status`.
    objective : str
    tolerances : float64, shape (N,), or None
    cardinality : (int, int) or None
    seconds : float
    failures : dict of int to str
        Why a row could not be answered, for rows that nothing is known about because their solver failed.

    """

    masks: NDArray[np.bool_]
    errors: NDArray[np.float64]
    lower_bounds: NDArray[np.float64]
    status: NDArray[np.uint8]
    objective: Objective = "nearest"
    tolerances: NDArray[np.float64] | None = None
    cardinality: tuple[int, int] | None = None
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.masks)
        shapes: dict[str, NDArray[Any]] = {"errors": self.errors, "lower_bounds": self.lower_bounds}
        shapes["status"] = self.status
        if self.tolerances is not None:
            shapes["tolerances"] = self.tolerances
        for name, array in shapes.items():
            if array.shape != (rows,):
                raise InvalidProblemError(f"{name} has shape {array.shape}, the masks have {rows} rows")
        for name, array in {"masks": self.masks, **shapes}.items():
            object.__setattr__(self, name, _read_only(array))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)  # pickling and copying forget which arrays are read-only
        self.__post_init__()

    def __repr__(self) -> str:
        said = self.summary()
        worst = "" if said["worst_error"] is None else f", worst error {at_most(said['worst_error'])}"
        return f"BatchSolution({self._size}, {self.objective}: {_counts(said['status'])}{worst})"

    def _repr_html_(self) -> str:
        """Return a table for notebooks; errors are rounded up."""
        said = self.summary()
        worst, mean = said["worst_error"], said["mean_error"]
        rows: list[tuple[str, object]] = [
            ("objective", self.objective),
            *((name, f"{number:,}") for name, number in said["status"].items() if number),
            ("worst error", "-" if worst is None else at_most(worst)),
            ("mean error", "-" if mean is None else f"{mean:.3g}"),
            ("items kept", f"{said['kept_items']:,}"),
            *([("rows that failed", f"{len(self.failures):,}")] if self.failures else []),
            ("seconds", f"{self.seconds:.3g}"),
        ]
        return table("BatchSolution", self._size, rows)

    @property
    def _size(self) -> str:
        return f"{len(self):,} rows of {self.masks.shape[1]:,} items"

    def to_dict(self) -> dict[str, Any]:
        """Return all rows as ``json.dumps`` takes them, subsets as indices; :meth:`summary` is shorter.

        Infinite errors, of rows without a subset, are None.
        """
        return {
            **self.summary(),
            "items": self.masks.shape[1],
            "cardinality": None if self.cardinality is None else list(self.cardinality),
            "statuses": [Status(int(status)).name for status in self.status],
            "errors": _finite(self.errors),
            "lower_bounds": _finite(self.lower_bounds),
            "tolerances": None if self.tolerances is None else _finite(self.tolerances),
            "subsets": [np.flatnonzero(mask).tolist() for mask in self.masks],
            "failures": {str(row): str(why) for row, why in self.failures.items()},
        }

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, row: int) -> BatchRow:
        index = operator.index(row)
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no row {row}; there are {len(self)}")
        error, bound = float(self.errors[index]), float(self.lower_bounds[index])
        return BatchRow(Status(int(self.status[index])), self.masks[index], error, bound)

    def __iter__(self) -> Iterator[BatchRow]:
        return (self[row] for row in range(len(self)))

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with a row for each problem: status, size, error, lower_bound, subset.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> from solvers import solve_many
        >>> solve_many([[3, 5], [2, 9]], [5, 3]).to_frame().subset.tolist()     # doctest: +SKIP
        [[1], [0]]

        """
        try:
            frame = importlib.import_module("pandas").DataFrame
        except ImportError as error:
            raise ImportError("to_frame() needs pandas; install it with: pip install pandas") from error
        return frame(
            {
                "status": [Status(int(s)).name for s in self.status],
                "size": self.sizes,
                "error": self.errors,
                "lower_bound": self.lower_bounds,
                "subset": [np.flatnonzero(mask).tolist() for mask in self.masks],
            }
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of chosen items in each row, shape (N,)."""
        sizes: NDArray[np.int64] = self.masks.sum(axis=1, dtype=np.int64)
        return sizes

    def summary(self) -> dict[str, Any]:
        """Return counts by status and the spread of errors and sizes, JSON-able."""
        counts = {s.name.lower(): int(np.count_nonzero(self.status == s)) for s in Status}
        known = self.errors[np.isfinite(self.errors)]
        return {
            "rows": len(self),
            "objective": self.objective,
            "status": counts,
            "worst_error": float(known.max()) if known.size else None,
            "mean_error": float(known.mean()) if known.size else None,
            "kept_items": int(np.count_nonzero(self.masks)),
            "failed_rows": len(self.failures),
            "seconds": self.seconds,
        }

    def check(self, items: Any, targets: Any, *, rows: Iterable[int] | None = None) -> None:
        """Recompute every row in exact arithmetic, independently of the kernels that made it.

        Parameters
        ----------
        items, targets : as given to ``solve_many``
        rows : iterable of int, optional
            Those to check; all if not given.

        Raises
        ------
        CertificateError
            Naming the first row whose error, bound, cardinality or status is wrong.

        """
        table = exact_array(items, "items")
        goals = exact_array(targets, "targets")
        shared = table.ndim == goals.ndim
        offered = self.masks.shape[1:] if shared else self.masks.shape
        if goals.shape[:1] != (len(self),) or table.shape != offered + goals.shape[1:]:
            raise CertificateError(
                f"masks of shape {self.masks.shape} do not go with items {table.shape}, targets {goals.shape}"
            )
        for row in range(len(self)) if rows is None else rows:
            chosen = (table if shared else table[row])[self.masks[row]]
            try:
                self._check_row(row, chosen, goals[row])
            except CertificateError as error:
                raise CertificateError(f"row {row}: {error}") from None

    def _check_row(self, row: int, chosen: NDArray[Any], target: Any) -> None:
        error, bound = float(self.errors[row]), float(self.lower_bounds[row])
        status = int(self.status[row])
        if status not in set(Status):
            raise CertificateError(f"{status} is not a status")
        shown = (
            math.isfinite(error)
            or bool(self.masks[row].any())
            or status in (Status.OPTIMAL, Status.FEASIBLE)  # their errors may be beyond float64
        )
        if shown:
            _check_error(chosen, target, error)
        if not 0 <= bound <= error:
            raise CertificateError(f"lower bound {bound} is not between 0 and the error {error}")
        low, high = self.cardinality or (0, self.masks.shape[1])
        if shown and not low <= len(chosen) <= high:
            raise CertificateError(f"{len(chosen)} items chosen, allowed are {low} to {high}")
        tolerance = math.inf if self.tolerances is None else float(self.tolerances[row])
        acceptable = shown and error <= tolerance  # rounded up past a float tolerance iff exactly past it
        if (status in (Status.OPTIMAL, Status.FEASIBLE)) != acceptable:
            raise CertificateError(f"{Status(status).name} contradicts error {error}, tolerance {tolerance}")
        proven = shown and error <= math.nextafter(bound, math.inf)
        if self.objective == "nearest" and status == Status.OPTIMAL and not proven:
            raise CertificateError(f"OPTIMAL, but the lower bound {bound} is below the error {error}")
        if self.objective == "nearest" and status == Status.FEASIBLE and bound == error:
            raise CertificateError("FEASIBLE, but the bounds prove it OPTIMAL")
        if self.objective == "within" and status == Status.OPTIMAL:
            raise CertificateError("'within' asks for any acceptable subset; OPTIMAL is not its to claim")
        if status == Status.UNKNOWN and bound > tolerance:
            raise CertificateError(f"UNKNOWN, but the lower bound {bound} excludes every subset")
        if status == Status.INFEASIBLE and math.nextafter(bound, math.inf) <= tolerance:
            raise CertificateError(f"INFEASIBLE, but the lower bound {bound} is within {tolerance}")

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a .npz file, atomically; masks are packed to bits.

        Raises
        ------
        OSError
            If the file cannot be written; a file of that name is then left as it was.

        """
        header = {
            "format": _FORMAT,
            "version": 1,
            "items": self.masks.shape[1],
            "objective": self.objective,
            "cardinality": self.cardinality,
            "tolerances": self.tolerances is not None,
            "seconds": self.seconds,
            "failures": list(self.failures.items()),
        }
        arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8), **self.arrays()}
        with replacing(Path(path)) as file:
            np.savez(file, allow_pickle=False, **arrays)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of a saved file by name: the masks as packed bits, all others as they are."""
        arrays: dict[str, NDArray[Any]] = {
            "masks": np.packbits(self.masks, axis=1),
            "errors": self.errors,
            "lower_bounds": self.lower_bounds,
            "status": self.status,
        }
        return arrays if self.tolerances is None else {**arrays, "tolerances": self.tolerances}

    @classmethod
    def load(cls, path: str | PathLike[str]) -> BatchSolution:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidProblemError
            If the file is foreign, truncated or damaged.

        """
        try:
            return cls._read(path)
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged archive raises whatever its readers stumble over
            raise InvalidProblemError(f"{path} is not a complete batch solution: {error}") from error

    @classmethod
    def _read(cls, path: str | PathLike[str]) -> BatchSolution:
        stored = stored_arrays(regular_bytes(Path(path)))
        header = json.loads(bytes(stored["header"]))
        if header["format"] != _FORMAT or header["version"] != 1:
            raise InvalidProblemError(f"format {header['format']!r} {header['version']!r}")
        n, rows = int(header["items"]), len(stored["errors"])
        if stored["masks"].shape != (rows, (n + 7) // 8):
            raise InvalidProblemError(f"{rows} rows of {n} items have masks of shape {stored['masks'].shape}")
        if ("tolerances" in stored) != header["tolerances"]:
            raise InvalidProblemError("tolerances are missing, or were not saved")
        cardinality = header["cardinality"]
        return cls(
            np.unpackbits(stored["masks"], axis=1, count=n).astype(bool),
            stored["errors"].astype(np.float64, casting="equiv"),
            stored["lower_bounds"].astype(np.float64, casting="equiv"),
            stored["status"].astype(np.uint8, casting="equiv"),
            checked_objective(header["objective"]),
            stored.get("tolerances"),
            None if cardinality is None else (int(cardinality[0]), int(cardinality[1])),
            float(header["seconds"]),
            {int(row): str(why) for row, why in header.get("failures", [])},
        )


def _counts(status: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in status.items() if number) or "empty"


def _finite(numbers: NDArray[np.float64]) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in numbers.tolist()]


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    seen = array.view()
    seen.flags.writeable = False
    return seen


def _check_error(chosen: NDArray[Any], target: Any, claimed: float) -> None:
    """Check that ``claimed`` is the exact error rounded up to float64."""
    if chosen.dtype == np.float64 and chosen.ndim == 1:
        try:
            # fsum rounds the exact sum correctly, so its sign is exact: is |sum - target| <= claimed?
            terms = [*chosen.tolist(), -float(target)]
            below = math.nextafter(claimed, -math.inf)
            covered = math.fsum([*terms, -claimed]) <= 0 <= math.fsum([*terms, claimed])
            tight = math.fsum([*terms, -below]) > 0 or math.fsum([*terms, below]) < 0 or claimed == 0
            if covered and tight:
                return
        except OverflowError:
            pass  # partial sums beyond float64: the fractions below decide
    error = _exact_error(chosen, target)
    if claimed != float_up(error):
        raise CertificateError(f"the exact error, rounded up, is {float_up(error)}, not {claimed}")


def _exact_error(chosen: NDArray[Any], target: Any) -> Fraction:
    columns = chosen.reshape(len(chosen), -1).T.tolist() if chosen.size else []
    goals = np.atleast_1d(np.asarray(target)).tolist()
    sums = [sum((as_fraction(x, "item") for x in column), Fraction(0)) for column in columns]
    sums = sums or [Fraction(0)] * len(goals)
    return max(abs(s - as_fraction(t, "target")) for s, t in zip(sums, goals, strict=True))
