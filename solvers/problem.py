"""SubsetSum, the question: which of these items add up to, or come nearest to, the target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arguments import is_whole
from solvers.errors import InvalidProblemError
from solvers.exact import IntegerImage, as_fraction, integer_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import NDArray

_MOST_COPIES = 10_000_000


class SubsetSum:
    """A subset-sum problem, scalar or multidimensional. Immutable.

    The error of a subset S is ``|sum_S - target|``, for d > 1 the max norm of that vector.

    Parameters
    ----------
    items : array_like, shape (n,) or (n, d)
        Floats (each the exact dyadic rational it stores), integers of any size, or Fractions, also mixed.
    target : number, or array_like of shape (d,)
    tolerance : number, optional
        epsilon >= 0: subsets with error <= tolerance (exactly) are acceptable.
    cardinality : int or (int, int), optional
        The number of items to choose: k, or from k_min to k_max. A k_max above n is read as n.
    multiplicity : int or array_like of int, shape (n,), optional
        How often each item may be used, at least 0; once by default. A subset is then a multiset: its
        indices repeat, and the cardinality counts every use.

    Attributes
    ----------
    items : array, shape (n,) or (n, d), read-only
        float64, int64, or object when the numbers fit neither.
    target : Fraction, or tuple of d Fractions
    tolerance : Fraction or None
    cardinality : (int, int) or None
    multiplicity : int64 array, shape (n,), read-only, or None
        None when every item may be used once.
    n, d : int

    Raises
    ------
    InvalidProblemError
        For no items, ragged items, NaN or infinities, a target of another dimension, a negative tolerance,
        a cardinality that no subset has, or multiplicities that are no whole numbers >= 0, are all 0, or add
        up to more than 10^7.

    Examples
    --------
    >>> SubsetSum([3, 34, 4, 12, 5, 2], 9, tolerance=0)
    SubsetSum(n=6, d=1, tolerance=0)
    >>> SubsetSum([[1, 0], [0, 1], [1, 1]], target=(1, 1), cardinality=1)
    SubsetSum(n=3, d=2, cardinality=(1, 1))
    >>> SubsetSum([5, 7], 24, multiplicity=[9, 2])
    SubsetSum(n=2, d=1, copies=11)

    """

    items: NDArray[Any]
    target: Fraction | tuple[Fraction, ...]
    tolerance: Fraction | None
    cardinality: tuple[int, int] | None
    multiplicity: NDArray[np.int64] | None
    n: int
    d: int

    def __init__(
        self,
        items: Any,
        target: Any,
        *,
        tolerance: Any = None,
        cardinality: int | tuple[int, int] | None = None,
        multiplicity: Any = None,
    ) -> None:
        rows, scalar = _rows_of(items)
        exact_items = [
            tuple(as_fraction(x, _name_of(i, k, scalar=scalar)) for k, x in enumerate(row))
            for i, row in enumerate(rows)
        ]
        targets = [target] if scalar else _sequence_of(target, "the target")
        d = len(rows[0])
        if scalar and isinstance(target, (list, tuple, np.ndarray)) and np.ndim(target) > 0:
            raise InvalidProblemError(f"scalar items need one number as target, got {target!r}")
        if len(targets) != d:
            raise InvalidProblemError(f"items have {d} dimensions, the target has {len(targets)}")
        exact_target = tuple(as_fraction(x, "the target") for x in targets)
        n = len(rows)
        exact_tolerance = None if tolerance is None else as_fraction(tolerance, "the tolerance")
        if exact_tolerance is not None and exact_tolerance < 0:
            raise InvalidProblemError(f"the tolerance must be >= 0, got {tolerance!r}")
        uses = _multiplicities(multiplicity, n)
        given = {
            "items": _stored(rows, scalar=scalar),
            "target": exact_target[0] if scalar else exact_target,
            "tolerance": exact_tolerance,
            "cardinality": _cardinality_range(cardinality, n if uses is None else int(uses.sum())),
            "multiplicity": uses,
            "n": n,
            "d": d,
            "_exact": (exact_items, exact_target),
        }
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a SubsetSum cannot be changed; make a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a SubsetSum cannot be changed; {name} cannot be deleted")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.items.flags.writeable = False  # pickling and copying forget it
        if self.multiplicity is not None:
            self.multiplicity.flags.writeable = False

    @cached_property
    def image(self) -> IntegerImage:
        """The instance on its common integer grid."""
        exact_items, exact_target = self.__dict__["_exact"]
        return integer_image(exact_items, exact_target)

    @property
    def sizes(self) -> tuple[int, int]:
        """The smallest and largest number of items that may be chosen."""
        return self.cardinality or (0, self.copies)

    @property
    def copies(self) -> int:
        """How many items there are when those that may be used several times count so often."""
        return self.n if self.multiplicity is None else int(self.multiplicity.sum())

    @property
    def origins(self) -> list[int] | None:
        """For an expanded problem, the item that each of its items is a copy of; None for any other."""
        origins: list[int] | None = self.__dict__.get("_origins")
        return origins

    @cached_property
    def expanded(self) -> SubsetSum:
        """The same problem with every item written down as often as it may be used; or itself.

        Numbers mean the same units in both.
        """
        if self.multiplicity is None:
            return self
        # No more copies than may be chosen at all.
        uses = np.minimum(self.multiplicity, max(1, self.sizes[1]))
        origins = np.repeat(np.arange(self.n), uses).tolist()
        exact_items, exact_target = self.__dict__["_exact"]
        image = self.image
        expanded = SubsetSum.__new__(SubsetSum)
        expanded.__dict__.update(self.__dict__)
        expanded.__dict__.update(
            items=np.repeat(self.items, uses, axis=0),
            multiplicity=None,
            cardinality=self.cardinality and (self.sizes[0], min(self.sizes[1], len(origins))),
            n=len(origins),
            image=IntegerImage(tuple(image.items[i] for i in origins), image.target, image.unit),
            _exact=([exact_items[i] for i in origins], exact_target),
            _origins=origins,
        )
        return expanded

    @property
    def tolerance_units(self) -> int | None:
        """The tolerance in whole units of the image: error <= tolerance iff error units <= this."""
        return None if self.tolerance is None else self.image.floor(self.tolerance)

    def __repr__(self) -> str:
        notes = f", tolerance={self.tolerance}" if self.tolerance is not None else ""
        notes += f", cardinality={self.cardinality}" if self.cardinality is not None else ""
        notes += f", copies={self.copies}" if self.multiplicity is not None else ""
        return f"SubsetSum(n={self.n}, d={self.d}{notes})"


def _sequence_of(values: Any, what: str) -> list[Any]:
    """List the elements of a 1-D array, list or tuple, keeping Python integers of any size as they are."""
    if isinstance(values, np.ndarray):
        if values.ndim == 0:
            raise InvalidProblemError(f"{what} is a single number {values!r}, not a sequence")
        return list(values) if values.dtype.kind not in "iu" else values.tolist()
    if (
        isinstance(values, (str, bytes, dict))
        or not hasattr(values, "__len__")
        or not hasattr(values, "__getitem__")
    ):
        raise InvalidProblemError(f"{what} must be an array, list or tuple, got {values!r}")
    return [values[i] for i in range(len(values))] if not isinstance(values, (list, tuple)) else list(values)


def _rows_of(items: Any) -> tuple[list[list[Any]], bool]:
    """Return the items as a list of rows of one common length, and whether they were scalars."""
    listed = _sequence_of(items, "items")
    if not listed:
        raise InvalidProblemError("a subset-sum problem needs at least one item, got none")
    nested = [isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.ndim > 0) for x in listed]
    if not any(nested):
        return [[x] for x in listed], True
    if not all(nested):
        raise InvalidProblemError("items are ragged: some are numbers and some are vectors")
    rows = [_sequence_of(x, f"item {i}") for i, x in enumerate(listed)]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise InvalidProblemError(f"items are ragged: vectors of lengths {sorted(lengths)}")
    if lengths == {0}:
        raise InvalidProblemError("items have no dimensions: each is an empty vector")
    return rows, False


def _stored(rows: Sequence[Sequence[Any]], *, scalar: bool) -> NDArray[Any]:
    numbers = [x for row in rows for x in row]
    array: NDArray[Any]
    if all(isinstance(x, (float, np.floating)) and not isinstance(x, np.longdouble) for x in numbers):
        array = np.array(numbers, dtype=np.float64)
    elif all(isinstance(x, (int, np.integer)) and -(2**63) <= x < 2**63 for x in numbers):
        array = np.array(numbers, dtype=np.int64)
    else:
        array = np.array([*numbers, None], dtype=object)[:-1]  # the None keeps numpy from guessing a dtype
    array = array if scalar else array.reshape(len(rows), -1)
    array.flags.writeable = False
    return array


def _name_of(i: int, k: int, *, scalar: bool) -> str:
    return f"item {i}" if scalar else f"coordinate {k} of item {i}"


def _multiplicities(given: Any, n: int) -> NDArray[np.int64] | None:
    """Return how often each item may be used; None for once each."""
    if given is None:
        return None
    uses = [given] * n if is_whole(given) else _sequence_of(given, "multiplicity")
    if len(uses) != n or not all(is_whole(x) and 0 <= x <= _MOST_COPIES for x in uses):
        raise InvalidProblemError(
            f"multiplicity must be one whole number from 0 to {_MOST_COPIES}, or one for each of the {n} "
            f"items, got {given!r}"
        )
    if not 1 <= sum(map(int, uses)) <= _MOST_COPIES:
        raise InvalidProblemError(
            f"the multiplicities add up to {sum(map(int, uses))}, allowed are 1 to {_MOST_COPIES}"
        )
    array = np.array(uses, dtype=np.int64)
    array.flags.writeable = False
    return array if (array != 1).any() else None


def _cardinality_range(cardinality: Any, n: int) -> tuple[int, int] | None:
    if cardinality is None:
        return None
    bounds = cardinality if isinstance(cardinality, (tuple, list)) else (cardinality, cardinality)
    if len(bounds) != 2 or not all(map(is_whole, bounds)):
        raise InvalidProblemError(f"cardinality must be k or (k_min, k_max), got {cardinality!r}")
    k_min, k_max = int(bounds[0]), int(bounds[1])
    if not 0 <= k_min <= k_max or k_min > n:
        raise InvalidProblemError(
            f"cardinality {cardinality!r} is impossible: need 0 <= k_min <= k_max and k_min <= n = {n}"
        )
    return k_min, min(k_max, n)
