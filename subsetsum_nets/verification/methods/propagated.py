"""Method "propagated": carry the error of every layer to the output by a product of matrices.

With ``delta_l`` the deviation g - f before the ReLU of layer l and ``e_l`` the error of g's layer on its own
inputs, ``delta_l = W_l D_(l-1) delta_(l-1) + e_l``: a ReLU multiplies the deviation of unit k by some D_k in
[0, 1]. Split ``D = T + R`` with a fixed T; R delta is at most ``rho = |R| |delta|``, unit by unit, where
delta has a bound already. Unrolled,

    delta_L = sum over l of M_l e_l + sum over l < L of M_(l+1) W_(l+1) R_l delta_l,
    M_l = M_(l+1) W_(l+1) T_l,  M_L = 1:

products of matrices in which weights of opposite sign cancel, where method "differential" multiplies absolute
values. The errors keep their signs too: ``M_l e_l = (M_l E+) max(x', 0) + (M_l E-) min(x', 0) + M_l e_b``.
Every hidden unit is bounded in the same way, layer after layer; no unit's bound is above that of
"differential", nor above what the ranges of the two units alone say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, is_sparse
from subsetsum_nets.verification.enclosures.midrad import (
    Matrix,
    MidRad,
    affine,
    inflate,
    norm_up,
    product_up,
    rounding_error,
    times_up,
)
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range, network_ranges
from subsetsum_nets.verification.methods.differential import ball_error, box_error
from subsetsum_nets.verification.methods.interval import difference_up
from subsetsum_nets.verification.methods.slope_ranges import ball_slope_range, box_slope_range, range_sum
from subsetsum_nets.verification.records import PropagatedSlopes
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.enclosures.convolutions import MatrixSet

WIDEST = 4096  # hidden layers with more units are bounded by the recursion of "differential" only
WIDEST_OUTPUT = 1024  # as is a last layer with more
_BLOCK = 2**22  # entries of a matrix M that are kept at a time
_GRID = 1024.0  # T is a multiple of 1 / _GRID: an exact replay has small numbers then


@np.errstate(over="ignore", invalid="ignore")
def propagated_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| over a domain by propagated matrices; the chosen T are on record.

    Raises
    ------
    UnsupportedStructureError
        If the networks cannot be compared layer by layer.
    InvalidNetworkError
        If the domain has another dimension than the input.
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f = ReluNetwork([Dense([[1.0], [1.0]], [2.0, 2.0]), Dense([[1.0, -1.0]])])
    >>> g = ReluNetwork([Dense([[1.5], [1.5]], [2.0, 2.0]), Dense([[1.0, -1.0]])])
    >>> bool(propagated_bound(Comparison(f, g, Box(-1, 1))).upper < 1e-12)   # the errors cancel
    True

    """
    state = _Propagation(comparison)
    layers = [state.step(index) for index in range(len(comparison.target.layers))]
    record = PropagatedSlopes(tuple(state.slopes), tuple(state.followed))
    return MethodBound(norm_up(state.deviation, comparison.norm), tuple(layers), record)


class _Propagation:
    """What is known after some layers: errors, inputs and ReLU slopes of each, and the last deviation."""

    def __init__(self, comparison: Comparison) -> None:
        self._target, self._domain = comparison.target, comparison.domain
        self._effective, self._errors = comparison.effective, comparison.errors
        self._ranges_of_f = network_ranges(self._target, self._domain)
        self._inputs = [domain_range(self._domain, self._target.widths[0])]  # of g, layer by layer
        self.slopes: list[FloatArray] = []  # T after each layer; any numbers would be sound
        self.followed: list[bool] = []  # whether the errors of all earlier layers are, to each layer
        self._residuals: list[FloatArray] = []  # rho after each layer
        self.deviation: FloatArray = np.zeros(self._target.widths[0])

    def step(self, index: int) -> LayerBound:
        """Bound the deviation of one layer's units before and after its ReLU."""
        of_f, inputs = self._ranges_of_f[index], self._inputs[index]
        magnitudes = self._errors[index].magnitudes()
        fresh = box_error(magnitudes, inputs)
        if index == 0 and self._domain.ball is not None:
            fresh = np.minimum(fresh, ball_error(magnitudes, inputs, self._domain.ball))
        weight: Matrix = self._target.affine_layers[index].weight
        carried = product_up(abs(weight), self.deviation)
        radius = inflate(carried + fresh + magnitudes.bias, 2)
        change = Range(-radius, radius)
        widest = WIDEST_OUTPUT if index == len(self._effective) - 1 else WIDEST
        self.followed.append(of_f.low.size <= widest)
        if self.followed[-1]:
            change = change.meet(self._propagated(index))
        image = self._effective[index].image(MidRad.from_bounds(inputs.low, inputs.high))
        of_g = range_sum(of_f, change).meet(Range(*image.bounds()))
        before = np.maximum(np.abs(change.low), np.abs(change.high))
        before = np.minimum(before, difference_up(of_f, of_g))
        self.deviation = before
        if self._target.relu_after[index]:
            slopes = relu_slopes(of_f, of_g, before)
            middle = np.rint((slopes.low + slopes.high) * (_GRID / 2)) / _GRID
            self.slopes.append(middle)
            self._residuals.append(times_up(_distance_up(slopes, middle), before))
            of_f, of_g = of_f.relu(), of_g.relu()
            self.deviation = np.minimum(before, difference_up(of_f, of_g))
        else:
            self.slopes.append(np.ones_like(before))
            self._residuals.append(np.zeros_like(before))
        self._inputs.append(of_g)
        worst = magnitudes.worst_counted(inputs.high > 0.0, inputs.low < 0.0)
        return LayerBound(index, worst, float(before.max()), float(self.deviation.max()))

    def _propagated(self, index: int) -> Range:
        """Return the range of ``delta_index``, as the sum of all earlier errors' effects."""
        units = self._target.affine_layers[index].d_out
        step = max(1, _BLOCK // max(self._target.widths[: index + 2]))
        blocks = [
            self._rows(index, np.eye(min(step, units - start), units, start))
            for start in range(0, units, step)
        ]
        return Range(np.concatenate([b.low for b in blocks]), np.concatenate([b.high for b in blocks]))

    def _rows(self, index: int, units: FloatArray) -> Range:
        """Return the same for some units, given as rows of the identity."""
        matrix = MidRad.point(units)
        total = self._effect(index, matrix)
        for layer in range(index - 1, -1, -1):
            matrix = _times(matrix, self._target.affine_layers[layer + 1].weight)
            spread = product_up(matrix.magnitude(), self._residuals[layer])
            total = range_sum(total, Range(-spread, spread))
            matrix = _scaled_columns(matrix, self.slopes[layer])
            total = range_sum(total, self._effect(layer, matrix))
        return total

    def _effect(self, layer: int, matrix: MidRad) -> Range:
        """Return the range of ``M e`` for M in a set and the errors e of one layer."""
        error, inputs = self._errors[layer], self._inputs[layer]
        positive = _times_enclosed(matrix, error.positive)
        negative = positive
        if error.negative is not error.positive and (inputs.low < 0.0).any():
            negative = _times_enclosed(matrix, error.negative)
        bias = MidRad(error.bias.mid[:, np.newaxis], error.bias.rad[:, np.newaxis])
        constant = _times_enclosed(matrix, bias)
        one = Range(np.ones(1), np.ones(1))
        effect = box_slope_range(positive, negative, inputs)
        if layer == 0 and (ball := self._domain.ball) is not None:
            center = ball.centre(inputs.low.size)
            in_ball = ball_slope_range(positive, negative, inputs, center, ball.radius)
            effect = effect.meet(in_ball)
        return range_sum(effect, box_slope_range(constant, constant, one))


def relu_slopes(of_f: Range, of_g: Range, deviation: FloatArray) -> Range:
    """Return the range of D in ``relu(z') - relu(z) = D (z' - z)``, unit by unit.

    Here z lies in ``of_f``, z' in ``of_g``, and ``|z' - z| <= deviation``. A unit that is on in one network,
    at least at a, and off in the other has ``D >= a / deviation``; one that is off in one network, at most
    at b < 0, has ``D <= 1 - |b| / deviation``. Where z' = z always, any D will do: 0 is taken.

    Examples
    --------
    >>> f = Range(np.array([1.0, -4.0]), np.array([2.0, 2.0]))
    >>> g = Range(np.array([-3.0, -6.0]), np.array([4.0, -1.0]))
    >>> d = relu_slopes(f, g, np.array([4.0, 4.0]))
    >>> d.low.round(9), d.high.round(9)
    (array([0.25, 0.  ]), array([1.  , 0.75]))

    """
    on = np.maximum(np.maximum(of_f.low, of_g.low), 0.0)
    off = np.maximum(np.maximum(-of_f.high, -of_g.high), 0.0)
    moved = deviation > 0.0
    divisor = np.where(moved, deviation, 1.0)
    with np.errstate(over="ignore"):  # infinity is clipped to 1
        low = np.where(on > 0.0, np.nextafter(on / divisor, 0.0), 0.0)
        high = np.where(off > 0.0, np.nextafter(1.0 - np.nextafter(off / divisor, 0.0), 2.0), 1.0)
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    both_on = (of_f.low >= 0.0) & (of_g.low >= 0.0)
    none = (~both_on & (of_f.high <= 0.0) & (of_g.high <= 0.0)) | ~moved
    return Range(
        np.where(none, 0.0, np.where(both_on, 1.0, low)), np.where(none, 0.0, np.where(both_on, 1.0, high))
    )


def _distance_up(slopes: Range, middle: FloatArray) -> FloatArray:
    """Return an upper bound of ``|D - T|`` for D in a range."""
    return inflate(np.maximum(np.maximum(slopes.high - middle, middle - slopes.low), 0.0), 1)


def _scaled_columns(matrix: MidRad, factors: FloatArray) -> MidRad:
    """Enclose ``M T`` for M in a set and an exact diagonal T >= 0."""
    inexact = (factors != 0.0) & (factors != 1.0)
    error = rounding_error(times_up(np.abs(matrix.mid), factors), 1) * inexact
    return MidRad(matrix.mid * factors, inflate(times_up(matrix.rad, factors) + error, 1))


def _times(matrix: MidRad, weight: Matrix) -> MidRad:
    """Enclose ``M W`` for M in a set and an exact W, which may be any operator with ``.T`` and ``abs``."""
    transposed = weight.T.tocsr() if is_sparse(weight) else weight.T
    product = affine(transposed, MidRad(matrix.mid.T, matrix.rad.T))
    return MidRad(product.mid.T, product.rad.T)


def _times_enclosed(matrix: MidRad, weight: MatrixSet) -> MidRad:
    """Enclose ``M E`` for M and E in two sets."""
    product = _times(matrix, weight.mid)
    spread = product_up(weight.rad.T, matrix.magnitude().T).T
    return MidRad(product.mid, inflate(product.rad + spread, 1))
