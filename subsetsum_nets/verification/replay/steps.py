"""Boxes and definitions of the exact model of a pair of networks; see :mod:`.pair_model`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.verification.errors import BoundOverflowError
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, float_up
from subsetsum_nets.verification.replay.ranges import ExactRange, image, point

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Ints


class EmptyBoxError(Exception):
    """A box that no values of the two networks lie in."""


@dataclass(eq=False)
class FloatBox:
    """All v with ``low <= v <= high``, both float64 and changed in place."""

    low: FloatArray
    high: FloatArray

    def copy(self) -> FloatBox:
        """Return a box that changes on its own."""
        return FloatBox(self.low.copy(), self.high.copy())

    def cut(self, where: Any, least: Any, most: Any) -> None:
        """Leave the part with ``least <= v[where] <= most``.

        Raises
        ------
        EmptyBoxError
            If nothing is left.

        """
        self.low[where] = np.maximum(self.low[where], least)
        self.high[where] = np.minimum(self.high[where], most)
        if (self.low[where] > self.high[where]).any():
            raise EmptyBoxError

    def part(self, indices: Ints) -> ExactRange:
        """Return the box of some variables exactly."""
        low, high = self.low[indices], self.high[indices]
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise BoundOverflowError("a range of the two networks exceeds the range of float64")
        return ExactRange(ExactMatrix.from_floats(low), ExactMatrix.from_floats(high))


@dataclass(frozen=True, eq=False)
class Definition:
    """``v[out] = matrix @ v[inputs] + offset``."""

    out: Ints
    inputs: Ints
    matrix: ExactMatrix
    offset: ExactMatrix

    def tighten(self, box: FloatBox) -> None:
        """Cut the box of ``out`` down to the image of that of ``inputs``."""
        value = image(self.matrix, box.part(self.inputs)).plus(point(self.offset))
        box.cut(self.out, -floats_up(-value.low), floats_up(value.high))


@dataclass(frozen=True, eq=False)
class Units:
    """``v[post] = max(v[pre], 0)``."""

    pre: Ints
    post: Ints

    def tighten(self, box: FloatBox) -> None:
        """Cut the box of ``post``."""
        box.cut(self.post, np.maximum(box.low[self.pre], 0.0), np.maximum(box.high[self.pre], 0.0))


@dataclass(frozen=True, eq=False)
class NegativeParts:
    """``v[negative] = min(v[value], 0)``."""

    value: Ints
    negative: Ints

    def tighten(self, box: FloatBox) -> None:
        """Cut the box of ``negative``."""
        box.cut(self.negative, np.minimum(box.low[self.value], 0.0), np.minimum(box.high[self.value], 0.0))


@dataclass(frozen=True, eq=False)
class Pairs:
    """``y = z + s d`` and ``max(y, 0) = max(z, 0) + s e``: e lies between 0 and d.

    ``e <= d`` where y >= 0, ``e <= 0`` where y <= 0, ``e >= d`` where z >= 0 and ``e >= 0`` where z <= 0.
    """

    z: Ints
    y: Ints
    d: Ints
    e: Ints

    def tighten(self, box: FloatBox) -> None:
        """Cut the box of ``e``."""
        low, high = box.low[self.d], box.high[self.d]
        least = np.where(box.low[self.z] >= 0.0, low, np.minimum(low, 0.0))
        most = np.where(box.low[self.y] >= 0.0, high, np.maximum(high, 0.0))
        least = np.where(box.high[self.z] <= 0.0, np.maximum(least, 0.0), least)
        most = np.where(box.high[self.y] <= 0.0, np.minimum(most, 0.0), most)
        box.cut(self.e, least, most)


Step = Definition | Units | NegativeParts | Pairs


def floats_up(values: ExactMatrix) -> FloatArray:
    """Return the smallest float64 >= every entry of a column."""
    return np.array([float_up(value) for value in values.fractions()])
