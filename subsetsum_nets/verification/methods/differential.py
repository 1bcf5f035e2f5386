"""Method "differential": carry bounds of the deviation g - f through the layers, unit by unit.

With z = W x + b in f and z' = P max(x', 0) + N min(x', 0) + c in g,

    z' - z = W (x' - x) + E+ max(x', 0) + E- min(x', 0) + e_b,    E+ = P - W, E- = N - W, e_b = c - b,

so ``delta = |W| delta_before + sum_j max(|E+_ij| sup x'_j+, |E-_ij| sup x'_j-) + |e_b|``: an input is either
>= 0 or <= 0, never both. The range of x' is f's own interval range widened by the deviation. The recursion
is monotone in the error magnitudes, so that the compiler can ask which tolerances meet a required bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.verification.enclosures.convolutions import geometry, larger_products_up, seen_entries
from subsetsum_nets.verification.enclosures.midrad import (
    Matrix,
    entries,
    inflate,
    norm_up,
    product_up,
    row_norms_up,
    times_up,
    with_entries,
)
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range, network_ranges
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, FloatArray
    from subsetsum_nets.networks.domains import Ball, Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.enclosures.effective import LayerErrors


class DifferentialRecursion:
    """The recursion for one target and domain; the target's own ranges are computed once.

    Parameters
    ----------
    target : ReluNetwork
        f.
    domain : Box or Ball

    Raises
    ------
    InvalidNetworkError
        If the domain has another dimension than the input.
    BoundOverflowError
        If a range of f exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification import LayerErrors
    >>> recursion = DifferentialRecursion(ReluNetwork([Dense([[1.0, -1.0]])]), Box(-1, 1))
    >>> error = np.full((1, 2), 0.25)
    >>> round(recursion.bound([LayerErrors(error, error, np.zeros(1))]).upper, 12)
    0.5

    """

    def __init__(self, target: ReluNetwork, domain: Domain) -> None:
        self._target = target
        self._domain = domain
        self._inputs = domain_range(domain, target.widths[0])
        self._ranges = network_ranges(target, domain)
        weights: list[Matrix] = [layer.weight for layer in target.affine_layers]
        self._magnitudes: list[Matrix] = [abs(weight) for weight in weights]

    @np.errstate(over="ignore", invalid="ignore")
    def bound(self, errors: Sequence[LayerErrors], norm: str = "l2") -> MethodBound:
        """Bound sup ||f - g|| for every g whose layers have at most these errors.

        Parameters
        ----------
        errors : sequence of LayerErrors
            One per layer of the target. The bound is monotone in them.
        norm : {"l2", "linf", "l1"}

        Raises
        ------
        ValueError
            For another norm, or errors that are negative, NaN, infinite, or of the wrong number or shape.
        BoundOverflowError
            If the bound exceeds the range of float64.

        """
        checked_norm(norm)
        self._check(errors)
        deviation = np.zeros(self._target.widths[0])
        inputs = self._inputs  # of f; g's deviate by at most ``deviation``
        layers = []
        for index, (magnitude, error, before) in enumerate(
            zip(self._magnitudes, errors, self._ranges, strict=True)
        ):
            inputs_of_g = inputs.widened(deviation)
            if index and self._target.relu_after[index - 1]:
                inputs_of_g = inputs_of_g.relu()
            fresh = box_error(error, inputs_of_g)
            if index == 0 and self._domain.ball is not None:
                fresh = np.minimum(fresh, ball_error(error, inputs_of_g, self._domain.ball))
            carried = product_up(magnitude, deviation)
            deviation_before = inflate(carried + fresh + error.bias, 2)
            if self._target.relu_after[index]:
                deviation = relu_deviation(deviation_before, before)
                inputs = before.relu()
            else:
                deviation, inputs = deviation_before, before
            worst = error.worst_counted(inputs_of_g.high > 0.0, inputs_of_g.low < 0.0)
            layers.append(LayerBound(index, worst, float(deviation_before.max()), float(deviation.max())))
        return MethodBound(norm_up(deviation, norm), tuple(layers))

    def _check(self, errors: Sequence[LayerErrors]) -> None:
        if len(errors) != len(self._target.layers):
            raise ValueError(
                f"got errors for {len(errors)} layers, the target has {len(self._target.layers)}"
            )
        for index, (layer, error) in enumerate(zip(self._target.affine_layers, errors, strict=True)):
            shape = (layer.d_out, layer.d_in)
            given = (error.positive.shape, error.negative.shape, error.bias.shape)
            if given != (shape, shape, shape[:1]):
                raise ValueError(f"the errors of layer {index} have shapes {given}, its weight has {shape}")
            if geometry(error.positive) != geometry(error.negative):
                raise ValueError(
                    f"the errors of layer {index} are of two kinds; kernels must have one shape, one centre "
                    f"and one size of images, got {error.positive!r} and {error.negative!r}"
                )
            for values in (entries(error.positive), entries(error.negative), error.bias):
                if not (np.isfinite(values).all() and (values >= 0.0).all()):
                    raise ValueError(f"the errors of layer {index} must be finite numbers >= 0")


def differential_bound(
    target: ReluNetwork, errors: Sequence[LayerErrors], domain: Domain, norm: str = "l2"
) -> MethodBound:
    """Bound sup ||f - g|| over ``domain`` for every g whose effective layers have at most these errors.

    See :class:`DifferentialRecursion`, which is faster for repeated calls, for parameters and errors raised.

    Examples
    --------
    >>> from subsetsum_nets.networks import Ball, Dense, ReluNetwork
    >>> from subsetsum_nets.verification import LayerErrors
    >>> error = LayerErrors(np.array([[0.3, 0.4]]), np.array([[0.3, 0.4]]), np.zeros(1))
    >>> round(differential_bound(ReluNetwork([Dense([[1.0, 2.0]])]), [error], Ball(1.0)).upper, 12)
    0.5

    """
    return DifferentialRecursion(target, domain).bound(errors, norm)


def own_errors_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| by the errors of g's own effective layers.

    Raises
    ------
    UnsupportedStructureError
        If the networks cannot be compared layer by layer.
    BoundOverflowError
        If a bound exceeds the range of float64.

    """
    errors = [error.magnitudes() for error in comparison.errors]
    return differential_bound(comparison.target, errors, comparison.domain, comparison.norm)


def box_error(error: LayerErrors, inputs: Range) -> FloatArray:
    """Return an upper bound of ``|E+ max(x, 0) + E- min(x, 0)|`` over a box of inputs, shape (d_out,)."""
    above, below = np.maximum(inputs.high, 0.0), np.maximum(-inputs.low, 0.0)
    if not below.any():
        return product_up(error.positive, above)
    if not above.any():
        return product_up(error.negative, below)
    return larger_products_up(error.positive, error.negative, above, below)


def ball_error(error: LayerErrors, inputs: Range, ball: Ball) -> FloatArray:
    """Return the same over a ball whose surrounding box is ``inputs``, by Cauchy-Schwarz.

    With e_ij the larger of the two errors that some input makes count, ``|error_i| <= sum_j e_ij |x_j|
    <= sum_j e_ij |center_j| + radius ||e_i||_2``.
    """
    counted = _counted(error, inputs.high > 0.0, inputs.low < 0.0)
    center = np.abs(np.broadcast_to(ball.center, inputs.low.shape))
    return inflate(product_up(counted, center) + times_up(row_norms_up(counted), np.array(ball.radius)), 1)


def _counted(error: LayerErrors, may_be_positive: Bools, may_be_negative: Bools) -> Matrix:
    """Return the larger of the two errors that some input makes count; for images, at some pixel."""
    positive = seen_entries(error.positive, may_be_positive)
    negative = seen_entries(error.negative, may_be_negative)
    return with_entries(error.positive, np.maximum(positive, negative))


def relu_deviation(deviation: FloatArray, before: Range) -> FloatArray:
    """Return how far the deviation reaches after a ReLU, where f's unit lies in ``before``.

    ReLU is 1-Lipschitz, and both units lie in [0, max(high + deviation, 0)] after it: a unit that is off in
    both networks deviates by 0.
    """
    return np.minimum(deviation, before.widened(deviation).relu().high)
