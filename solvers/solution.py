"""Status, Proof, Stop and Solution: the answer to one problem, and what is proven about it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from enum import Enum, IntEnum
from fractions import Fraction
from operator import index
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np

from solvers.errors import CertificateError, InvalidProblemError
from solvers.shown import at_least, at_most, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from solvers.problem import SubsetSum

Objective = Literal["nearest", "within", "sparsest"]
Sum = Fraction | tuple[Fraction, ...]

_SHOWN = 20  # items of a subset
_FORMAT = {"format": "subset-sum solution", "version": 1}


class Sentence(IntEnum):
    """Members that print as a sentence."""

    text: str

    def __new__(cls, value: int, text: str = "") -> Self:
        """Attach the sentence to the member."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    def __str__(self) -> str:
        return self.text


class Status(Sentence):
    """What is known about a problem after solving it. ``str(status)`` is a sentence.

    >>> print(Status.INFEASIBLE)
    no subset meets the tolerance (proven)
    """

    UNKNOWN = 0, "nothing proven: no acceptable subset found, none excluded"
    OPTIMAL = 1, "the subset shown is the best (proven)"
    FEASIBLE = 2, "the subset shown is acceptable; a better one is not excluded"
    INFEASIBLE = 3, "no subset meets the tolerance (proven)"

    def settles(self, objective: str) -> bool:
        """Whether nothing remains to be shown: for "within" any acceptable subset will do."""
        return self in (Status.OPTIMAL, Status.INFEASIBLE) or (self, objective) == (Status.FEASIBLE, "within")


class Stop(Sentence):
    """Why a run ended, apart from what it proved. ``str(stop)`` is a sentence.

    >>> print(Stop.TIME_LIMIT)
    the time limit was reached
    """

    PROVEN = 0, "the question is answered; nothing remains to be shown"
    TIME_LIMIT = 1, "the time limit was reached"
    MEMORY_LIMIT = 2, "the search needs more memory than it may take"
    SEARCH_EXHAUSTED = 3, "the search ended by itself and left something unproven"
    INTERRUPTED = 4, "the search was interrupted from outside"


class Proof(Enum):
    """How the claim in a status was established."""

    EXACT = "integer arithmetic end to end"
    TOLERANCE = "true up to the backend's floating-point resolution"
    NONE = "nothing is claimed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Solution:
    """The answer to one :class:`~solvers.problem.SubsetSum`; hashable, and equal by all but its seconds.

    Attributes
    ----------
    status : Status
        For "nearest": OPTIMAL (no subset is nearer), FEASIBLE (an incumbent), INFEASIBLE (even the nearest
        subset exceeds the tolerance; it is still shown when known). For "within": FEASIBLE, as any acceptable
        subset will do, or INFEASIBLE. For "sparsest": OPTIMAL when no acceptable subset has fewer items, or
        as many and a smaller error.
    subset : int64 array, sorted, or None
        Indices of the chosen items, each as often as it is used; None when there is none to show.
    total : Fraction, or tuple of d Fractions, or None
        The exact sum of the chosen items.
    error : Fraction or None
        The exact error of the subset.
    lower_bound : Fraction
        For "nearest" and "within": no subset that may be chosen has a smaller error (none that is acceptable
        either, where each coordinate has a tolerance of its own). For "sparsest": no acceptable subset of
        ``size_bound`` items has a smaller error.
    size_bound : int
        For "sparsest": no acceptable subset has fewer items. Otherwise the least cardinality allowed.
    proof : Proof
    resolution : float
        0.0 for EXACT; the backend's floating-point tolerance for TOLERANCE.
    objective, backend, message : str
        The message holds what is particular to the backend and this run.
    seconds : float
    n : int
        Number of items of the problem.
    stop : Stop
        Why the run ended; PROVEN if and only if the status settles the question.

    """

    status: Status
    subset: NDArray[np.int64] | None
    total: Sum | None
    error: Fraction | None
    lower_bound: Fraction
    proof: Proof
    objective: Objective
    n: int
    size_bound: int = 0
    resolution: float = 0.0
    backend: str = ""
    seconds: float = 0.0
    message: str = ""
    stop: Stop = Stop.PROVEN

    def __post_init__(self) -> None:
        if self.subset is not None and self.subset.flags.writeable:
            object.__setattr__(self, "subset", _read_only(self.subset.copy()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.subset is not None:
            _read_only(self.subset)  # pickling and copying forget it

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same, the seconds aside."""
        return self._said() == other._said() if isinstance(other, Solution) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._said())

    def _said(self) -> tuple[Any, ...]:
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "seconds"}
        said["subset"] = None if self.subset is None else tuple(self.subset.tolist())
        return tuple(said.values())

    def __repr__(self) -> str:
        found = "no subset shown"
        if self.error is not None:
            found = f"error {at_most(self.error)}, {self.size} of {self.n} items"
        known = f", lower bound {at_least(self.lower_bound)}" if self.gap else ""
        return (
            f"Solution({self.status.name}, {found}{known}, {self.backend or 'no backend'}, {self.proof.name})"
        )

    def _repr_html_(self) -> str:
        """Return a table for notebooks; what is longer than three digits is rounded outward."""
        found = self.error is not None and self.subset is not None
        rows: list[tuple[str, object]] = [
            ("objective", self.objective),
            ("error", at_most(self.error) if self.error is not None else "no subset shown"),
            ("lower bound", "the same" if self.gap == 0 else at_least(self.lower_bound)),
            ("items", f"{self.size} of {self.n}" if found else f"{self.n} offered"),
            ("subset", _shortened(self.subset) if self.subset is not None else "-"),
            ("proof", f"{self.proof.name}: {self.proof}"),
            ("ended", str(self.stop)),
            ("backend", f"{self.backend}, {self.seconds:.3g} s"),
        ]
        return table(f"Solution {self.status.name}", str(self.status), rows)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Which items are chosen, as a bool array of shape (n,), or None."""
        if self.subset is None:
            return None
        mask = np.zeros(self.n, dtype=bool)
        mask[self.subset] = True
        return mask

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each item is used, shape (n,), or None."""
        return None if self.subset is None else np.bincount(self.subset, minlength=self.n)

    @property
    def size(self) -> int | None:
        """Number of chosen items, each counted as often as it is used, or None."""
        return None if self.subset is None else len(self.subset)

    @property
    def gap(self) -> Fraction | None:
        """``error - lower_bound``: how much nearer an undiscovered subset could be; 0 when proven nearest."""
        return None if self.error is None else self.error - self.lower_bound

    def check(self, problem: SubsetSum) -> None:
        """Recompute everything that can be recomputed from the problem alone, in exact arithmetic.

        Raises
        ------
        CertificateError
            On any mismatch: indices, sum, error, cardinality, a status that the numbers contradict, or a
            reason to stop that the status does.

        """
        if self.n != problem.n:
            raise CertificateError(f"the solution is for {self.n} items, the problem has {problem.n}")
        if self.lower_bound < 0 or self.size_bound < 0:
            raise CertificateError(f"bounds cannot be negative: {self.lower_bound}, {self.size_bound}")
        if self.objective != "sparsest" and self.size_bound > problem.sizes[0]:
            raise CertificateError(f"size bound {self.size_bound}, but {problem.sizes[0]} items are allowed")
        acceptable = self._check_subset(problem)
        if self.objective == "sparsest" and acceptable and self.size_bound > (self.size or 0):
            raise CertificateError(f"the size bound {self.size_bound} exceeds the size {self.size}")
        self._check_status(problem, acceptable=acceptable)
        proven = self.status.settles(self.objective)
        if type(self.stop) is not Stop or (self.stop is Stop.PROVEN) != proven:
            raise CertificateError(f"stop {self.stop!r} does not go with status {self.status.name}")

    def to_json(self) -> dict[str, Any]:
        """Return everything, exactly, as ``json.dumps`` takes it; fractions as "p/q".

        >>> from solvers import SubsetSum, solve
        >>> problem = SubsetSum([3, 5, 9], Fraction(31, 3))
        >>> page = solve(problem).to_json()
        >>> page["subset"], page["error"], page["stop"]
        ([2], '4/3', 'PROVEN')
        >>> Solution.from_json(page).check(problem)
        """
        return _FORMAT | {field.name: _written(getattr(self, field.name)) for field in fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """Return the same as :meth:`to_json`: a plain dictionary, as all results have."""
        return self.to_json()

    @classmethod
    def from_json(cls, page: Mapping[str, Any]) -> Self:
        """Return the solution that :meth:`to_json` wrote; :meth:`check` then tells whether it is true.

        Raises
        ------
        InvalidProblemError
            For anything else.

        """
        try:
            if {key: page[key] for key in _FORMAT} != _FORMAT:
                raise InvalidProblemError(f"its format is not {_FORMAT}")
            missing = [name for name in ("subset", "total", "error") if page[name] is None]
            read: dict[str, Any] = {
                name: None if name in missing else _READERS[name](page[name]) for name in _READERS
            }
            return cls(**read)
        except (ValueError, KeyError, TypeError, OverflowError, ZeroDivisionError) as error:
            raise InvalidProblemError(f"not a solution in JSON: {error!r}") from error

    def _check_subset(self, problem: SubsetSum) -> bool:
        """Check subset, sum and error; return whether the subset meets the tolerance."""
        if self.subset is None:
            if self.total is not None or self.error is not None:
                raise CertificateError("a solution without a subset cannot have a sum or an error")
            return False
        chosen = np.array([int(i) for i in self.subset]) if self.subset.dtype != np.int64 else self.subset
        if (np.diff(chosen) < 0).any() or not within_multiplicity(problem, chosen):
            uses = "" if problem.multiplicity is None else ", each used as often as it may be"
            raise CertificateError(
                f"subset {chosen.tolist()} is not a sorted set of indices below {problem.n}{uses}"
            )
        low, high = problem.sizes
        if not low <= len(chosen) <= high:
            raise CertificateError(f"the subset has {len(chosen)} items, allowed are {low} to {high}")
        total, error = exact_total_and_error(problem, chosen)
        if self.total != total:
            raise CertificateError(f"the items add up to {total}, not {self.total}")
        if self.error != error:
            raise CertificateError(f"the subset's error is {error}, not {self.error}")
        if self.lower_bound > error and (self.objective != "sparsest" or len(chosen) == self.size_bound):
            raise CertificateError(f"the lower bound {self.lower_bound} exceeds the error {error}")
        if (objection := problem.objection(chosen, total)) is not None:
            raise CertificateError(objection)
        return problem.tolerance is None or (error <= problem.tolerance and problem.accepts(total))

    def _check_status(self, problem: SubsetSum, *, acceptable: bool) -> None:
        if (self.proof is Proof.NONE) != (self.status is Status.UNKNOWN):
            raise CertificateError(f"status {self.status.name} does not go with proof {self.proof.name}")
        rounded = self.proof is Proof.TOLERANCE
        if not (0.0 < self.resolution < math.inf if rounded else self.resolution == 0.0):
            raise CertificateError(f"resolution {self.resolution} does not go with proof {self.proof.name}")
        if self.status in (Status.OPTIMAL, Status.FEASIBLE) and not acceptable:
            raise CertificateError(f"status {self.status.name}, but no subset within the tolerance is shown")
        if self.status in (Status.INFEASIBLE, Status.UNKNOWN) and acceptable:
            raise CertificateError(f"status {self.status.name}, but the subset shown meets the tolerance")
        reach = problem.reach
        excluded = reach is not None and self.lower_bound > reach
        if self.status is Status.INFEASIBLE and self.proof is Proof.EXACT and not excluded:
            raise CertificateError("INFEASIBLE, but the lower bound does not exceed the tolerance")
        if self.status is Status.UNKNOWN and excluded:
            raise CertificateError("UNKNOWN, but the lower bound excludes every subset")
        if self.objective == "within" and self.status is Status.OPTIMAL:
            raise CertificateError("'within' asks for any acceptable subset; OPTIMAL is not its to claim")
        if self.proof is Proof.TOLERANCE and self.status is Status.OPTIMAL:
            size_gap = (self.size or 0) - self.size_bound if self.objective == "sparsest" else 0
            if size_gap > 0 or self.gap is None or self.gap > Fraction(self.resolution):
                raise CertificateError(f"OPTIMAL, but the gap {self.gap} exceeds {self.resolution}")
        if self.proof is Proof.EXACT and acceptable:
            best = self.gap == 0 and (self.objective != "sparsest" or self.size == self.size_bound)
            claims_best = self.status is Status.OPTIMAL
            if self.objective != "within" and best != claims_best:
                raise CertificateError(f"status {self.status.name} contradicts the bounds (gap {self.gap})")


def _read_only(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.flags.writeable = False
    return array


def exact_total_and_error(
    problem: SubsetSum, subset: Sequence[int] | NDArray[np.int64]
) -> tuple[Sum, Fraction]:
    """Return the exact sum of the chosen items and its max-norm distance to the target."""
    image = problem.image
    sums = tuple(s * image.unit for s in image.total(subset))
    total = sums if problem.target.__class__ is tuple else sums[0]
    if problem.interval is not None:
        return total, problem.error_of(total)
    return total, image.error(subset) * image.unit


def within_multiplicity(problem: SubsetSum, subset: NDArray[np.int64]) -> bool:
    """Tell whether these are sorted indices of the problem's items, none more often than it may be used."""
    if subset.size and not 0 <= subset[0] <= subset[-1] < problem.n:
        return False
    if problem.multiplicity is None:
        return bool((np.diff(subset) > 0).all())
    return bool((np.bincount(subset, minlength=problem.n) <= problem.multiplicity).all())


def checked_objective(objective: str) -> Objective:
    """Return ``objective`` if there is one of that name; InvalidProblemError otherwise."""
    if objective not in ("nearest", "within", "sparsest"):
        raise InvalidProblemError(
            f"unknown objective {objective!r}; choose 'nearest', 'within' or 'sparsest'"
        )
    return cast("Objective", objective)


# -- JSON --------------------------------------------------------------------------------------------


def _shortened(subset: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, subset[:_SHOWN].tolist()))
    return f"{shown}, .. ({len(subset)} in all)" if len(subset) > _SHOWN else shown or "empty"


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(map(str, value))
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.name if isinstance(value, Enum) else str(value) if isinstance(value, Fraction) else value


def _fraction(text: str) -> Fraction:
    if not re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text):  # an exponent could stand for a number of any size
        raise InvalidProblemError(f"{text!r} is no fraction")
    return Fraction(text)


_READERS: dict[str, Callable[[Any], Any]] = {
    "status": Status.__getitem__,
    "subset": lambda indices: np.array([index(i) for i in indices], dtype=np.int64),
    "total": lambda x: tuple(map(_fraction, x)) if isinstance(x, list) else _fraction(x),
    "error": _fraction,
    "lower_bound": _fraction,
    "proof": Proof.__getitem__,
    "objective": checked_objective,
    "n": index,
    "size_bound": index,
    "resolution": float,
    "backend": str,
    "seconds": float,
    "message": str,
    "stop": Stop.__getitem__,
}
