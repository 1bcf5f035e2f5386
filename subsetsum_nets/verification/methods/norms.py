"""Method "norms": the recursion of Theorem 1's proof (Pensia et al. 2020, section 3.5) with measured norms.

The paper assumes ||W_i|| <= 1 and a block error of at most epsilon / 2l and unrolls
``||x_(i+1) - x'_(i+1)|| <= ||W_i|| ||x_i - x'_i|| + (block error) ||x'_i||``. Here the norms are those of
the networks at hand, biases are carried along, and the block error is exact about signs: with x = x+ + x-,
the error of a two-slope layer is ``[E+ E-] [x+; x-]`` and ``||[x+; x-]|| = ||x||``, so it is at most
``||[E+ E-]|| ||x||``, which never exceeds ``sqrt(||E+||^2 + ||E-||^2) ||x||``; columns for signs that an
input never takes are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.convolution_norms import operator_norm_up
from subsetsum_nets.verification.enclosures.convolutions import MatrixSet, point_set
from subsetsum_nets.verification.enclosures.midrad import inflate, norm_up, product_up, times_up
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.enclosures.effective import TwoSlope


@np.errstate(over="ignore", invalid="ignore")
def norms_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| by spectral norms of the weights and of their errors.

    The recursion runs in l2; "linf" is at most that, "l1" at most sqrt(d_l) times.

    Raises
    ------
    UnsupportedStructureError
        If the networks cannot be compared layer by layer.
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Ball, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[3.0, 4.0]])]), ReluNetwork([Dense([[3.0, 4.5]])])
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> round(norms_bound(Comparison(f, g, Ball(2.0))).upper, 9)
    1.0

    """
    target, domain = comparison.target, comparison.domain
    inputs = domain_range(domain, target.widths[0])
    may_be_positive, may_be_negative = inputs.high > 0.0, inputs.low < 0.0
    size, deviation = _largest_norm(domain, inputs), 0.0
    layers = []
    for index, (layer, error) in enumerate(zip(target.affine_layers, comparison.errors, strict=True)):
        weight_norm = operator_norm_up(point_set(layer.weight))
        error_norm = operator_norm_up(_visible(error, may_be_positive, may_be_negative))
        size_of_g = float(inflate(np.array(size + deviation), 1))
        deviation = _sum_of_products_up(
            (weight_norm, error_norm), (deviation, size_of_g), norm_up(error.bias.magnitude(), "l2")
        )
        bias_norm = 0.0 if layer.bias is None else norm_up(layer.bias, "l2")
        size = _sum_of_products_up((weight_norm,), (size,), bias_norm)
        worst = error.magnitudes().worst_counted(may_be_positive, may_be_negative)
        layers.append(LayerBound(index, worst, deviation, deviation))
        # ReLU is 1-Lipschitz and maps 0 to 0; what follows it is nonnegative.
        may_be_positive = np.ones(layer.d_out, dtype=bool)
        may_be_negative = np.full(layer.d_out, not target.relu_after[index])
    if comparison.norm == "l1":
        outputs = np.array(float(target.widths[-1]))
        deviation = float(times_up(inflate(np.sqrt(outputs), 1), np.array(deviation)))
    return MethodBound(deviation, tuple(layers))


def _largest_norm(domain: Domain, inputs: Range) -> float:
    """Return an upper bound of ||x|| over the domain, whose surrounding box is ``inputs``."""
    box = norm_up(np.maximum(np.abs(inputs.low), np.abs(inputs.high)), "l2")
    if (ball := domain.ball) is None:
        return box
    center = norm_up(ball.centre(inputs.low.size), "l2")
    return min(box, float(inflate(np.array(center + ball.radius), 1)))


def _visible(error: TwoSlope, may_be_positive: Bools, may_be_negative: Bools) -> MatrixSet:
    """Return the columns of [E+ E-] that some input makes count; just E where E+ = E-."""
    if error.negative is error.positive:
        return error.positive
    # The order of columns does not change a norm: at a pixel the channels of E- come after those of E+.
    return error.positive.columns(may_be_positive).beside(error.negative.columns(may_be_negative))


def _sum_of_products_up(factors: tuple[float, ...], values: tuple[float, ...], constant: float) -> float:
    product = product_up(np.array([factors]), np.array(values))[0]
    return float(inflate(np.array(product + constant), 1))
