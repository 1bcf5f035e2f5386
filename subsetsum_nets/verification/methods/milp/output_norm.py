"""The norm of the output as something linear to maximise, from above.

For the branch and bound of :mod:`milp`. An aim is a part of the output space together with a linear bound of
the norm on it: for linf an output and a sign, where the two are equal; for l1 everything, with the chord of
each ``|D_o|`` over its range; for l2 the cone of all D whose largest entry, with its sign, is ``D_o`` and
whose ratios ``r_j = D_j / |D_o|`` lie in given intervals. There, with r_j^2 <= (l + h) r_j - l h and
sqrt(A) <= (A + a^2) / (2 a),

    ||D|| = |D_o| sqrt(1 + sum r_j^2) <= (|D_o| (1 + a^2 - sum l_j h_j) + sum (l_j + h_j) D_j) / (2 a)

(sums over the other outputs), which is off by a factor of the square of the cone's width only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import UNIT, inflate, unscaled_up
from subsetsum_nets.verification.methods.milp.certified_lp import products_up, total_up

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray

_NARROWEST = 2.0**-20  # a cone's error is then below 1e-12


@dataclass(frozen=True, eq=False)
class Aim:
    """A part of the output space: see the module. ``output`` is -1 for everything.

    ``low`` and ``high`` are the intervals of the ratios (l2 only); those of ``output`` itself are [1, 1].
    """

    output: int = -1
    sign: float = 1.0
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True)
class OutputNorm:
    """A norm of ``count`` outputs that are ``scale``, a power of two, times the model's variables."""

    name: str
    count: int
    scale: float

    def aims(self) -> list[Aim]:
        """Return aims that cover the output space."""
        if self.name == "l1":
            return [Aim()]
        aims = [Aim(output, sign) for output in range(self.count) for sign in (1.0, -1.0)]
        if self.name == "linf":
            return aims
        own = np.arange(self.count)
        return [
            replace(aim, low=np.where(own == aim.output, 1.0, -1.0), high=np.ones(self.count)) for aim in aims
        ]

    def linear(self, aim: Aim, low: FloatArray, high: FloatArray) -> tuple[FloatArray, float]:
        """Return (c, b) with ``norm(D) <= c D + b`` for every D of an aim in a box, unscaled."""
        if self.name == "l1":
            slope, offset = chord_of_magnitude_up(low, high)
            return slope, total_up(offset)
        if aim.low is None or aim.high is None:
            return np.where(np.arange(self.count) == aim.output, aim.sign, 0.0), 0.0
        middle = 0.5 * (aim.low + aim.high)
        root = float(np.sqrt(np.square(middle).sum()))  # any positive number is sound
        slope = (aim.low + aim.high) / (2.0 * root)
        # The slopes are rounded, by less than 4 units; |D_j| <= |D_o| moves that into the slope of D_o.
        rounded = 4.0 * UNIT * float(np.abs(slope).sum())
        products = products_up(-aim.low, aim.high)
        products[aim.output] = 1.0  # r_o^2 is one itself
        square = products_up(np.array([root]), np.array([root]))
        own = inflate(np.array(total_up([*square, *products]) / (2.0 * root) + rounded), 4)
        slope[aim.output] = aim.sign * float(own)
        return slope, 0.0

    def split(self, aim: Aim, outputs: FloatArray) -> tuple[float, tuple[Aim, ...]]:
        """Return by how much the linear bound may exceed the norm, and two parts of the aim (l2 only)."""
        if aim.low is None or aim.high is None:
            return -1.0, ()
        width = aim.high - aim.low
        j = int(width.argmax())
        if width[j] <= _NARROWEST:
            return -1.0, ()
        middle = 0.5 * (aim.low[j] + aim.high[j])
        own = np.arange(self.count) == j
        halves = (
            replace(aim, high=np.where(own, middle, aim.high)),
            replace(aim, low=np.where(own, middle, aim.low)),
        )
        return abs(float(outputs[aim.output])) * float(np.square(width).sum()) / 8.0, halves

    def gradient(self, outputs: FloatArray) -> FloatArray:
        """Return the slope of the norm at given outputs, in floats."""
        if self.name == "linf":
            largest = np.arange(self.count) == np.abs(outputs).argmax()
            return np.where(largest, np.sign(outputs), 0.0)
        if self.name == "l1":
            return np.sign(outputs)
        largest_entry = float(np.abs(outputs).max())
        return outputs / largest_entry if largest_entry > 0.0 else outputs

    def scaled_up(self, norm: float) -> float:
        """Return an upper bound of ``scale * norm``, 0 for a negative one.

        Raises
        ------
        BoundOverflowError
            If it exceeds the range of float64.

        """
        if norm <= 0.0 or self.scale == 1.0:
            return max(norm, 0.0)
        return float(unscaled_up(np.array(norm), int(np.frexp(self.scale)[1]) - 1))


@np.errstate(over="ignore", invalid="ignore")
def chord_of_magnitude_up(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (c, b) with ``|D| <= c D + b`` for every D in [low, high]; b is rounded up.

    ``|D|`` is convex, so that with any slope the ends of the interval decide.
    """
    width = high - low
    kinked = (low < 0.0) & (high > 0.0)
    slope = np.divide(low + high, width, out=np.zeros_like(width), where=kinked)
    slope = np.where(kinked, slope, np.where(low >= 0.0, 1.0, -1.0))
    at_ends = [
        np.array([total_up(pair) for pair in zip(np.abs(end), products_up(-slope, end), strict=True)])
        for end in (low, high)
    ]
    return slope, np.where(kinked, np.maximum(*at_ends), 0.0)
