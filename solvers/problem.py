"""SubsetSum, the question: which of these items add up to, or come nearest to, the target."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from solvers.arguments import is_whole
from solvers.arrays import one_number, positional
from solvers.errors import InvalidProblemError
from solvers.exact import IntegerImage, as_fraction, image_of_words, integer_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

_MANY_NUMBERS = 1 << 15

Side = Literal["both", "below", "above"]
_MOST_COPIES = 10_000_000


class SubsetSum:
    """A subset-sum problem, scalar or multidimensional. Immutable, hashable, and equal by value.

    Two problems are equal that ask the same in the same order of items: 1, 1.0 and Fraction(1) are equal, 0.1
    and Fraction(1, 10) are not, nor are scalars and vectors of one coordinate.

    The error of a subset S is ``|sum_S - target|``, for d > 1 the max norm of that vector.

    Parameters
    ----------
    items : array_like, shape (n,) or (n, d)
        Floats (each the exact dyadic rational it stores), integers of any size, Fractions or Decimals, also
        mixed. Series, frames, tensors and the like are read by position, sparse matrices made dense.
    target : number, or array_like of shape (d,)
    tolerance : number, optional
        epsilon >= 0: subsets with error <= tolerance (exactly) are acceptable.
        For vectors also array_like of shape (d,): |sum_S - target| <= tolerance in each coordinate.
    cardinality : int or (int, int), optional
        The number of items to choose: k, or from k_min to k_max. A k_max above n is read as n.
    required, forbidden : array_like of int, or of bool and shape (n,), optional
        Items that must be chosen and items that must not be: their indices, or masks.
    side : {"both", "below", "above"}
        "below": only subsets with sum_S <= target, in every coordinate, may be chosen (the field's own subset
        sum, a knapsack whose profits are its weights); "above": only those with sum_S >= target.
    multiplicity : int or array_like of int, shape (n,), optional
        How often each item may be used, at least 0; once by default. A subset is then a multiset: its
        indices repeat, and the cardinality counts every use.

    Attributes
    ----------
    items : array, shape (n,) or (n, d), read-only
        float64, int64, or object when the numbers fit neither.
    target : Fraction, or tuple of d Fractions
    tolerance : Fraction or None
        The largest one, where there is one a coordinate.
    tolerances : tuple of d Fractions, or None
        Where they differ.
    cardinality : (int, int) or None
    required, forbidden : tuple of int, sorted
    side : str
    interval : (low, high), each like the target, or None
        See :meth:`between`.
    multiplicity : int64 array, shape (n,), read-only, or None
        None when every item may be used once.
    n, d : int

    Raises
    ------
    InvalidProblemError
        For no items, ragged items, NaN or infinities, a target of another dimension, a negative tolerance,
        a cardinality that no subset has, items that are required and forbidden, unknown sides, multiplicities
        that are no whole numbers >= 0, are all 0, or add up to more than 10^7.

    Examples
    --------
    >>> SubsetSum([3, 34, 4, 12, 5, 2], 9, tolerance=0)
    SubsetSum(n=6, d=1, tolerance=0)
    >>> SubsetSum([[1, 0], [0, 1], [1, 1]], target=(1, 1), cardinality=1)
    SubsetSum(n=3, d=2, cardinality=(1, 1))
    >>> SubsetSum([3, 34, 4, 12, 5, 2], 10, side="below", required=[5])
    SubsetSum(n=6, d=1, required=[5], side='below')
    >>> SubsetSum([5, 7], 24, multiplicity=[9, 2])
    SubsetSum(n=2, d=1, copies=11)

    """

    items: NDArray[Any]
    target: Fraction | tuple[Fraction, ...]
    tolerance: Fraction | None
    tolerances: tuple[Fraction, ...] | None = None
    cardinality: tuple[int, int] | None
    required: tuple[int, ...] = ()
    forbidden: tuple[int, ...] = ()
    side: Side = "both"
    interval: tuple[Any, Any] | None = None
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
        required: Any = None,
        forbidden: Any = None,
        side: Side = "both",
        multiplicity: Any = None,
    ) -> None:
        items, target = positional(items, "items"), one_number(positional(target, "the target"))
        stored = _machine_numbers(items)
        if stored is None:
            rows, scalar = _rows_of(items)
            exact_items = _exact(rows, scalar=scalar)
            stored = _stored(rows, scalar=scalar)
        else:
            scalar, exact_items = stored.ndim == 1, None
        targets = [target] if scalar else _sequence_of(target, "the target")
        n, d = len(stored), 1 if scalar else stored.shape[1]
        if scalar and isinstance(target, (list, tuple, np.ndarray)) and np.ndim(target) > 0:
            raise InvalidProblemError(f"scalar items need one number as target, got {target!r}")
        if len(targets) != d:
            raise InvalidProblemError(f"items have {d} dimensions, the target has {len(targets)}")
        exact_target = tuple(as_fraction(x, "the target") for x in targets)
        exact_tolerance, tolerances = _tolerances(tolerance, None if scalar else d)
        uses = _multiplicities(multiplicity, n)
        given = {
            "items": stored,
            "target": exact_target[0] if scalar else exact_target,
            "tolerance": exact_tolerance,
            "cardinality": _cardinality_range(cardinality, n if uses is None else int(uses.sum())),
            "multiplicity": uses,
            "n": n,
            "d": d,
            "_exact": (exact_items, exact_target),
        }
        self.__dict__.update(given)
        if tolerances is not None or required is not None or forbidden is not None or side != "both":
            chosen, barred = _places(required, n, "required"), _places(forbidden, n, "forbidden")
            self.__dict__.update(tolerances=tolerances, required=chosen, forbidden=barred, side=_side(side))
            self._check_places()
        if n * d >= _MANY_NUMBERS:  # it takes tenths of a second, which are none of a time limit's
            _ = self.image

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a SubsetSum cannot be changed; make a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a SubsetSum cannot be changed; {name} cannot be deleted")

    @cached_property
    def known(self) -> dict[Any, Any]:
        """What backends found out about the problem and need again; not part of it."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "known"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.items.flags.writeable = False  # pickling and copying forget it
        if self.multiplicity is not None:
            self.multiplicity.flags.writeable = False

    @classmethod
    def between(cls, items: Any, low: Any, high: Any, *, tolerance: Any = 0, **options: Any) -> SubsetSum:
        """Return the problem whose target is a whole interval, or for vectors a box.

        The error of a subset is the distance of its sum to the interval, 0 inside; for d > 1 the largest one
        of a coordinate. ``target`` is the middle.

        Parameters
        ----------
        items : array_like, shape (n,) or (n, d)
        low, high : number, or array_like of shape (d,)
            ``low <= high``; both belong to the interval.
        tolerance : number, optional
            How far outside a sum may be; 0 by default.
        **options
            ``cardinality``, ``required``, ``forbidden`` as for the class.

        Raises
        ------
        InvalidProblemError
            For an empty interval, and as for the class.

        Examples
        --------
        >>> problem = SubsetSum.between([3, 34, 4, 12, 5, 2], 30, 33)
        >>> problem, problem.target
        (SubsetSum(n=6, d=1, tolerance=0, interval=(30, 33)), Fraction(63, 2))

        """
        if options.get("side", "both") != "both":
            raise InvalidProblemError("an interval has two ends; it goes with no side")
        below = cls(items, low, tolerance=tolerance, **options)
        above = cls(below.items, high)
        lows, highs = _vector(below.target), _vector(above.target)
        if any(a > b for a, b in zip(lows, highs, strict=True)):
            raise InvalidProblemError(f"the interval is empty: low = {low!r} > high = {high!r}")
        middle = tuple((a + b) / 2 for a, b in zip(lows, highs, strict=True))
        problem = below.replace(target=middle if below.items.ndim > 1 else middle[0])
        problem.__dict__["interval"] = (below.target, above.target)
        return problem

    def replace(self, **changes: Any) -> SubsetSum:
        """Return the same problem with other arguments in place of some of its own."""
        own = {name: getattr(self, name) for name in signature(SubsetSum).parameters}
        own["tolerance"] = self.tolerances or self.tolerance
        problem = SubsetSum(**{**own, **changes})
        if self.interval is not None and "target" not in changes:
            problem.__dict__["interval"] = self.interval
        return problem

    @property
    def is_restricted(self) -> bool:
        """Whether more is asked of a subset than its cardinality and one tolerance about the target."""
        sided = self.side != "both" or self.interval is not None or self.tolerances is not None
        return sided or bool(self.required or self.forbidden)

    @property
    def reach(self) -> Fraction | None:
        """An error that no acceptable subset exceeds: the tolerance, or the largest on the side, or None."""
        if self.tolerance is not None or self.side == "both":
            return self.tolerance
        sign, image = (1 if self.side == "below" else -1), self.image
        ends = (
            sign * t - sum(m * min(0, sign * row[k]) for m, row in zip(self._uses, image.items, strict=True))
            for k, t in enumerate(image.target)
        )
        return max(0, *ends) * image.unit

    def error_of(self, total: Fraction | tuple[Fraction, ...]) -> Fraction:
        """Return the error of a sum."""
        goals = [(t, t) for t in _vector(self.target)]
        if self.interval is not None:
            goals = list(zip(*map(_vector, self.interval), strict=True))
        return max(
            max(low - s, s - high, low - low) for s, (low, high) in zip(_vector(total), goals, strict=True)
        )

    def accepts(self, total: Fraction | tuple[Fraction, ...]) -> bool:
        """Tell whether a sum meets the tolerance, or those of all coordinates."""
        if self.tolerance is None:
            return True
        if self.tolerances is None:
            return self.error_of(total) <= self.tolerance
        goals = zip(*map(_vector, self.interval or (self.target, self.target)), strict=True)
        sums = zip(_vector(total), goals, self.tolerances, strict=True)
        return all(low - limit <= s <= high + limit for s, (low, high), limit in sums)

    def objection(self, subset: Iterable[int], total: Fraction | tuple[Fraction, ...]) -> str | None:
        """Return why a subset may not be chosen: items that it lacks or must not have, its side; or None."""
        chosen = set(subset) if self.required or self.forbidden else set()
        if missing := [i for i in self.required if i not in chosen]:
            return f"item {missing[0]} is required, and not chosen"
        if barred := [i for i in self.forbidden if i in chosen]:
            return f"item {barred[0]} is forbidden, and chosen"
        pairs = list(zip(_vector(total), _vector(self.target), strict=True))
        if self.side == "below" and any(s > t for s, t in pairs):
            return f"the sum {total} is not below the target {self.target}"
        if self.side == "above" and any(s < t for s, t in pairs):
            return f"the sum {total} is not above the target {self.target}"
        return None

    def _check_places(self) -> None:
        """Refuse required and forbidden items that leave no subset of an allowed cardinality."""
        if both := sorted(set(self.required) & set(self.forbidden)):
            raise InvalidProblemError(f"item {both[0]} is both required and forbidden")
        low, high = self.sizes
        if len(self.required) > high:
            raise InvalidProblemError(f"{len(self.required)} items are required, {high} may be chosen")
        if unusable := [i for i in self.required if not self._uses[i]]:
            raise InvalidProblemError(f"item {unusable[0]} is required, and may not be used")
        left = sum(self._uses) - sum(self._uses[i] for i in self.forbidden)
        if left < low:
            raise InvalidProblemError(f"{low} items must be chosen, {left} are not forbidden")

    @property
    def _uses(self) -> list[int]:
        """How often each item may be used."""
        uses = self.multiplicity
        return [1] * self.n if uses is None else [int(m) for m in uses]

    @cached_property
    def image(self) -> IntegerImage:
        """The instance on its common integer grid."""
        exact_items, exact_target = self.__dict__["_exact"]
        if exact_items is None:
            numbers = self.items.reshape(self.n, self.d)
            image = image_of_words(numbers, exact_target)
            if image is not None:
                return image
            exact_items = _exact(numbers, scalar=True)
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
            _exact=(exact_items and [exact_items[i] for i in origins], exact_target),
            _origins=origins,
            known={},
        )
        return expanded

    @property
    def tolerance_units(self) -> int | None:
        """The tolerance in whole units of the image: error <= tolerance iff error units <= this."""
        return None if self.tolerance is None else self.image.floor(self.tolerance)

    def __eq__(self, other: object) -> bool:
        """Tell whether both ask the same: equal numbers, whatever stores them, and the same constraints."""
        return self._question == other._question if isinstance(other, SubsetSum) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._question)

    @property
    def _question(self) -> tuple[Any, ...]:
        tolerance = self.tolerances or self.tolerance
        uses = None if self.multiplicity is None else tuple(self._uses)
        asked = self.items.ndim, self.image, tolerance, self.sizes, uses
        return *asked, self.required, self.forbidden, self.side, self.interval

    def __repr__(self) -> str:
        limit = self.tolerance if self.tolerances is None else f"[{', '.join(map(str, self.tolerances))}]"
        notes = f", tolerance={limit}" if self.tolerance is not None else ""
        notes += f", cardinality={self.cardinality}" if self.cardinality is not None else ""
        notes += _noted("required", self.required) + _noted("forbidden", self.forbidden)
        notes += f", side={self.side!r}" if self.side != "both" else ""
        if self.interval is not None:
            ends = [
                str(x) if isinstance(x, Fraction) else f"[{', '.join(map(str, x))}]" for x in self.interval
            ]
            notes += f", interval=({ends[0]}, {ends[1]})"
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


def _machine_numbers(items: Any) -> NDArray[Any] | None:
    """Return a copy of items that are all of one machine type, as float64 or int64; None for any others.

    Their exact values need no Fractions. InvalidProblemError for NaN and infinities.
    """
    if isinstance(items, (list, tuple)) and items and set(map(type, items)) in ({float}, {int}):
        try:
            array = np.array(items, np.int64 if type(items[0]) is int else np.float64)
        except OverflowError:
            return None
    elif type(items) is np.ndarray:
        array = items
    else:
        return None
    exact = array.dtype.kind == "i" or (array.dtype.kind == "f" and array.dtype.itemsize <= 8)
    if not exact or array.ndim not in (1, 2) or array.size == 0:
        return None
    stored: NDArray[Any] = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if array.dtype.kind == "f" and not np.isfinite(stored).all():
        place = np.argwhere(~np.isfinite(stored))[0].tolist()
        first = items[place[0]] if array.ndim == 1 else array[tuple(place)]
        as_fraction(first, _name_of(*(*place, 0)[:2], scalar=array.ndim == 1))
    stored.flags.writeable = False
    return stored


def _exact(rows: Sequence[Sequence[Any]] | NDArray[Any], *, scalar: bool) -> list[tuple[Fraction, ...]]:
    """Return the exact values of all items."""
    return [
        tuple(as_fraction(x, _name_of(i, k, scalar=scalar)) for k, x in enumerate(row))
        for i, row in enumerate(rows)
    ]


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


def _vector(value: Fraction | tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return value if isinstance(value, tuple) else (value,)


def _noted(name: str, places: tuple[int, ...]) -> str:
    some = ", ".join(map(str, places[:5])) + (", .." if len(places) > 5 else "")
    return f", {name}=[{some}]" if places else ""


def _tolerances(tolerance: Any, d: int | None) -> tuple[Fraction | None, tuple[Fraction, ...] | None]:
    """Return the largest tolerance, and where they differ that of each of d coordinates (None: scalars)."""
    if tolerance is None:
        return None, None
    given = one_number(positional(tolerance, "the tolerance"))
    several = d is not None and isinstance(given, (list, tuple, np.ndarray))
    listed = list(given) if several else [given]
    if several and len(listed) != d:
        raise InvalidProblemError(f"the tolerance must be one number, or {d}, got {tolerance!r}")
    limits = tuple(as_fraction(x, "the tolerance") for x in listed)
    if min(limits) < 0:
        raise InvalidProblemError(f"the tolerance must be >= 0, got {tolerance!r}")
    return max(limits), limits if len(set(limits)) > 1 else None


def start_subset(problem: SubsetSum, start: Any) -> list[int]:
    """Return the indices that a list of them, a mask, or a solution's subset names, sorted."""
    given = positional(getattr(start, "subset", start), "start")
    if given is None:
        raise InvalidProblemError("start is a solution without a subset")
    listed = _sequence_of(given, "start")
    if listed and all(isinstance(x, (bool, np.bool_)) for x in listed):
        return list(_places(given, problem.n, "start"))
    _places(given, problem.n, "start")
    return sorted(int(i) for i in listed)


def _places(given: Any, n: int, what: str) -> tuple[int, ...]:
    """Return the indices that a list of them, or a mask, names, sorted."""
    if given is None:
        return ()
    places = _sequence_of(positional(given, what), what)
    if places and all(isinstance(x, (bool, np.bool_)) for x in places):
        if len(places) != n:
            raise InvalidProblemError(f"{what} is a mask of {len(places)} items; there are {n}")
        return tuple(int(i) for i in np.flatnonzero(places))
    for x in places:
        if not is_whole(x) or not 0 <= x < n:
            raise InvalidProblemError(f"{what} must hold indices from 0 to {n - 1}, or be a mask; got {x!r}")
    return tuple(sorted({int(x) for x in places}))


def _side(side: Any) -> Side:
    if side not in ("both", "below", "above"):
        raise InvalidProblemError(f"unknown side {side!r}; choose 'both', 'below' or 'above'")
    return cast("Side", side)


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
