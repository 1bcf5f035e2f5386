"""Input features: what the affine forms of method "zonotope" are linear in, and how large such a form gets.

A two-slope layer is not linear in an input that changes sign, but it is in its parts max(x, 0) and
min(x, 0). Keeping the parts as two columns loses nothing: over a box, ``a max(x, 0) + b min(x, 0)`` is
largest at an end or at 0, coordinate by coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    finite,
    inflate,
    product_up,
    rounding_error,
    row_norms_up,
    times_up,
)
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Ball, Domain
    from subsetsum_nets.verification.enclosures.effective import TwoSlope


@dataclass(frozen=True, eq=False)
class InputFeatures:
    """One column for every input, and a second one for every input that is split into its two parts.

    A coefficient of the first d columns counts where the input is >= 0, or everywhere for an input that is
    not split; a coefficient of the others counts where the split input is <= 0.

    Parameters
    ----------
    box : Range, shape (d,)
        The domain, or the smallest box around it.
    split : int array, shape (s,)
        Inputs with ``low < 0 < high`` that are split.
    ball : Ball or None
        The domain, where it is a ball.
    magnitude : array, shape (d + s,)
        Upper bounds of the absolute values of the features.

    """

    box: Range
    split: NDArray[np.intp]
    ball: Ball | None
    magnitude: FloatArray

    @classmethod
    def of(cls, domain: Domain, dimension: int, *, linear: bool) -> InputFeatures:
        """Return the features of a domain; nothing is split for a ``linear`` first layer.

        Raises
        ------
        InvalidNetworkError
            If the domain has another dimension.
        BoundOverflowError
            If the domain exceeds the range of float64.

        Examples
        --------
        >>> from subsetsum_nets.networks import Box
        >>> InputFeatures.of(Box([-1, 0], [2, 3]), 2, linear=False).magnitude
        array([2., 3., 1.])

        """
        box = domain_range(domain, dimension)
        split = np.flatnonzero((box.low < 0.0) & (box.high > 0.0)) if not linear else np.zeros(0, np.intp)
        first = np.maximum(np.abs(box.low), np.abs(box.high))
        first[split] = box.high[split]
        magnitude = np.concatenate([first, -box.low[split]])
        return cls(box, split, domain.ball, magnitude)

    def coefficients(self, layer: TwoSlope) -> MidRad:
        """Return an enclosure of the layer's weights on the features, shape (d_out, d + s)."""
        positive = layer.positive.toarray()
        if layer.negative is layer.positive:
            return positive
        negative = layer.negative.toarray()
        # An input that is never > 0 meets the negative slope only.
        below = self.box.high <= 0.0
        parts = (
            np.concatenate([np.where(below, n, p), n[:, self.split]], axis=1)
            for p, n in ((positive.mid, negative.mid), (positive.rad, negative.rad))
        )
        return MidRad(*parts)

    def values(self, inputs: FloatArray) -> FloatArray:
        """Return the features of given inputs, (.., d) to (.., d + s), without rounding."""
        first = inputs.copy()
        first[..., self.split] = np.maximum(first[..., self.split], 0.0)
        return np.concatenate([first, np.minimum(inputs[..., self.split], 0.0)], axis=-1)

    def peak(self, coefficients: FloatArray) -> FloatArray:
        """Return the features, shape (m, d + s), of a point where each row is about largest; a heuristic."""
        d = self.box.low.size
        above = coefficients[:, :d]
        if self.ball is not None:
            slopes = above.copy()
            if self.split.size:
                slopes[:, self.split] = 0.5 * (above[:, self.split] + coefficients[:, d:])
            length = np.sqrt(np.square(slopes).sum(axis=1, keepdims=True))
            share = np.divide(slopes, length, out=np.zeros_like(slopes), where=length > 0.0)
            x = self.ball.center + self.ball.radius * share
        else:
            x = np.where(above > 0.0, self.box.high, self.box.low)
            if self.split.size:
                high, low = (
                    above[:, self.split] * self.box.high[self.split],
                    coefficients[:, d:] * self.box.low[self.split],
                )
                ends = np.where(high > low, self.box.high[self.split], self.box.low[self.split])
                x[:, self.split] = np.where(np.maximum(high, low) > 0.0, ends, 0.0)
        return self.values(x)

    @np.errstate(over="ignore", invalid="ignore")
    def support(self, coefficients: FloatArray) -> Range:
        """Return bounds, rounded outward, of every row of ``coefficients @ features`` over the domain.

        ``coefficients`` have shape (m, d + s), the bounds (m,).

        Raises
        ------
        BoundOverflowError
            If a bound exceeds the range of float64.

        """
        size = product_up(np.abs(coefficients), self.magnitude)
        if self.ball is not None:
            return self._ball_support(coefficients, size, self.ball)
        d = self.box.low.size
        above = coefficients[:, :d]
        at_high, at_low = above * self.box.high, above * self.box.low
        if self.split.size:
            at_low[:, self.split] = coefficients[:, d:] * self.box.low[self.split]
        low, high = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
        if self.split.size:
            low[:, self.split] = np.minimum(low[:, self.split], 0.0)
            high[:, self.split] = np.maximum(high[:, self.split], 0.0)
        ends = Range(finite(low.sum(axis=1)), finite(high.sum(axis=1)))
        return ends.widened(rounding_error(size, d + 1))

    def _ball_support(self, coefficients: FloatArray, size: FloatArray, ball: Ball) -> Range:
        """Return the bounds over a ball, by Cauchy-Schwarz.

        A row is a sum of functions h_j of one input each. With G_j >= 0 the largest slope of a chord of h_j
        that starts at the centre, on either side, ``h_j(x) - h_j(c) <= G_j |x - c|``, so that the row
        exceeds its value at the centre by at most ``radius ||G||``; likewise downward. This is exact where
        no input is split, and for a centre of 0.
        """
        center = np.broadcast_to(ball.center, self.box.low.shape)
        middle = finite(coefficients @ self.values(center))
        error = inflate(rounding_error(size, coefficients.shape[1] + 1), 1)
        reach = (
            times_up(row_norms_up(self._chord_slopes(signed, center)), np.array(ball.radius))
            for signed in (-coefficients, coefficients)
        )
        return Range(middle, middle).widened(*(inflate(error + way, 1) for way in reach))

    def _chord_slopes(self, coefficients: FloatArray, center: FloatArray) -> FloatArray:
        """Return upper bounds G of the chord slopes, shape (m, d)."""
        d, split = center.size, self.split
        slopes = np.abs(coefficients[:, :d])
        if not split.size:
            return slopes
        above, below, c = coefficients[:, split], coefficients[:, d:], center[split]
        low, high = self.box.low[split], self.box.high[split]
        # From a centre >= 0: up with slope ``above``; down with ``-above``, beyond 0 towards the far end.
        near, far = np.where(c >= 0.0, above, -below), np.where(c >= 0.0, -below, above)
        end = np.where(c >= 0.0, -low, high)  # how far beyond 0
        share = end / (end + np.abs(c))  # of the way to the far end
        chord = far * share - near * (1.0 - share)
        slack = rounding_error(inflate(np.abs(above) + np.abs(below), 1), 8)
        largest = np.maximum(np.maximum(near, chord), np.where(c != 0.0, -near, 0.0))
        slopes[:, split] = inflate(np.maximum(largest, 0.0) + slack, 1)
        return slopes
