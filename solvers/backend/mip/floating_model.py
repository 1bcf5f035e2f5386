"""Subset sum as a mixed-integer program in float64, and by how much floating point can be off there.

The program is ``min t`` over x with ``-t <= a_k . x - w_k <= t`` in every dimension k, the formulation of
Experiment 1 of Pensia et al. (2020): binary x, or how many are taken of equal items. The exact integers of
the problem are divided by a power of two and rounded to float64. A solver then works with tolerances: a row
may be violated a little, a variable may be a little off an integer, reported bounds have a gap.
:class:`Tolerances` adds all of that up to one margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from solvers.backend.copies import Copies
    from solvers.exact import IntegerImage

    Minimise = Literal["error", "size", "none"]


@dataclass(frozen=True)
class Tolerances:
    """How far a solver may be off, in the numbers of its model."""

    bits: int  # items and target are scaled so that their absolute values add up to less than ``2^bits``
    feasibility: float  # by which a row or a bound may be violated
    integrality: float  # by which a variable may be off an integer
    optimality: float  # by which a reduced cost may have the wrong sign
    gap: float  # by which a better solution may be ignored, and the digits that a reported bound is cut to
    rounding: float = 0.0  # relative error of a coefficient or a value on its way through a text file
    # coefficients up to this may be dropped; they are dropped beforehand instead, and accounted for
    smallest: float = 1e-9

    def margin(self, n: int) -> Fraction:
        """Return the error of a bound or a residual that all of these together can cause."""
        largest = 2**self.bits
        off = largest * (self.integrality + 2 * self.rounding + 2.0**-50)
        return Fraction(off + 2 * self.feasibility + (n + 1) * self.optimality + self.gap)


@dataclass(frozen=True)
class Scaled:
    """An image in float64."""

    items: NDArray[np.float64]  # shape (n, d)
    target: NDArray[np.float64]  # shape (d,)
    step: Fraction  # units of the image in 1.0 here
    lost: Fraction  # the most that rounding changed any residual by


def scaled(image: IntegerImage, bits: int, smallest: float) -> Scaled:
    """Divide an image by the power of two that brings its magnitude below ``2^bits``, and round it."""
    step = Fraction(2) ** (image.magnitude.bit_length() - bits)

    def rounded(units: int) -> float:
        value = Fraction(units) / step
        number = value.numerator / value.denominator  # int / int rounds correctly
        return number if abs(number) > smallest else 0.0

    items = [[rounded(x) for x in item] for item in image.items]
    target = [rounded(t) for t in image.target]
    lost = max(
        sum(
            (
                abs(Fraction(row[k]) - x[k] / step)
                for row, x in zip([*items, target], [*image.items, image.target], strict=True)
            ),
            Fraction(0),
        )
        for k in range(len(target))
    )
    return Scaled(np.array(items), np.array(target), step, lost)


@dataclass(frozen=True)
class Model:
    """A mixed-integer program: minimise ``cost . v`` with ``low <= matrix v <= high``.

    The variables v are n integers, from 0 to its ``most``, then the error t in ``[0, reach]``.
    """

    matrix: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    most: tuple[int, ...]
    reach: float

    @property
    def n(self) -> int:
        """Number of integers."""
        return len(self.cost) - 1

    @property
    def used(self) -> list[bool]:
        """Which variables have a coefficient at all."""
        return [bool(x) for x in (self.matrix != 0).any(axis=0) | (self.cost != 0)]


def model_of(
    scaled_image: Scaled,
    copies: Copies,
    minimise: Minimise,
    sizes: tuple[int, int],
    reach: float,
    excluded: Sequence[list[int]] = (),
) -> Model:
    """Write the program: ``sizes`` items, residuals up to ``reach``, and none of the ``excluded`` subsets.

    A variable counts the items of one value; where subsets are excluded, every item is a value of its own.
    To minimise is the error, the number of items ("size"), or nothing, where any solution will do.
    """
    items, target = scaled_image.items[[i for i, *_ in copies.members]], scaled_image.target
    n, d = items.shape
    sums = np.column_stack([items.T, np.zeros(d)])
    error = np.zeros(n + 1)
    error[n] = 1.0
    count = 1.0 - error
    endless = np.full(d, np.inf)
    if minimise == "error":  # sum - t <= target <= sum + t
        blocks = [(sums - error, -endless, target), (sums + error, target, endless)]
    else:
        blocks = [(sums, target - reach, target + reach)]
    if sizes != (0, len(scaled_image.items)):
        blocks.append((count[None, :], np.array([float(sizes[0])]), np.array([float(sizes[1])])))
    for subset in excluded:  # at least one item differs
        row = count.copy()
        row[[k for k, (i,) in enumerate(copies.members) if i in subset]] = -1.0
        blocks.append((row[None, :], np.array([1.0 - len(subset)]), np.array([np.inf])))
    matrix, low, high = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    cost = {"error": error, "size": count, "none": np.zeros(n + 1)}[minimise]
    return Model(matrix, low, high, cost, copies.most, reach if minimise == "error" else 0.0)
