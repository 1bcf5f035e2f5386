"""Method "zonotope": f, g and their deviation as affine forms over the same inputs and error symbols.

With z = W x + b in f and z' = P max(x', 0) + N min(x', 0) + c in g, the deviation D = x' - x obeys

    z' - z = W D + E+ max(x', 0) + E- min(x', 0) + e_b,    E+ = P - W, E- = N - W, e_b = c - b.

The forms of x' and D are carried through this equation, f's units are x' - D, and each ReLU is relaxed for
the pair of units (:mod:`~subsetsum_nets.verification.methods.relu_relaxations`), so that whatever cancels
between inputs, units and layers cancels in the bound. Every range is also intersected with what interval
arithmetic proves from the ranges before, so that the bound is never worse than those of "interval" and
"differential".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import MidRad, affine
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range, first_layer_range, layer_range
from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.methods.relu_relaxations import (
    PairRanges,
    choose_slopes,
    chord_slope,
    deviation_error,
    on_grid,
    relu_error,
)
from subsetsum_nets.verification.methods.zonotope.affine_forms import (
    AffineForms,
    first_forms,
    linear_map,
    scaled_sum,
    with_errors,
)
from subsetsum_nets.verification.methods.zonotope.input_features import InputFeatures
from subsetsum_nets.verification.methods.zonotope.norms import forms_norm_up
from subsetsum_nets.verification.records import ChosenSlopes, ReluSlopes
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.comparison import Comparison

_MAX_ENTRIES = 2**27  # float64 entries of one array of generators: 1 GiB
_MOST_INPUT_ENTRIES = 2**28  # symbols of the inputs times units; cannot be left out


@dataclass(frozen=True, eq=False)
class Enclosure:
    """What the zonotope proves about the outputs, and how.

    Parameters
    ----------
    deviation : AffineForms
        Of g - f at the outputs.
    outputs : PairRanges
        Ranges of the outputs.
    layers : tuple of LayerBound
    before : tuple of PairRanges
        The ranges before each layer's ReLU (of the values, where none follows).
    slopes : tuple of ReluSlopes or None
        The slopes chosen at each layer's ReLU; None where none follows.

    """

    deviation: AffineForms
    outputs: PairRanges
    layers: tuple[LayerBound, ...]
    before: tuple[PairRanges, ...]
    slopes: tuple[ReluSlopes | None, ...]

    def norm_up(self, norm: str) -> float:
        """Return an upper bound of the norm of g - f."""
        return forms_norm_up(self.deviation, self.outputs.deviation, norm)

    def record(self) -> ChosenSlopes:
        """Return the slopes that the enclosure was computed with."""
        signs: list[FloatArray | None] = [None]
        for before, slopes in zip(self.before[:-1], self.slopes[:-1], strict=True):
            signs.append(chord_slope(before.g) if slopes is None else None)
        return ChosenSlopes(self.slopes, tuple(signs), chord_slope(self.deviation.features.box))


class DifferentialZonotope:
    """The zonotope for one pair of networks; domains and slopes may vary from call to call.

    Parameters
    ----------
    comparison : Comparison
    max_entries : int
        How many entries an array of generators may have. Beyond it the largest errors of each layer get
        symbols and the others are carried as intervals: sound, less memory, a weaker bound.

    Raises
    ------
    UnsupportedStructureError
        If g does not follow f layer by layer, or the symbols of the inputs alone, which cannot be left out,
        would take gigabytes.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[1.5, 0.5]])])
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> zonotope = DifferentialZonotope(Comparison(f, g, Box(-1, 1)))
    >>> round(zonotope.enclose_whole().norm_up("linf"), 12)
    1.0

    """

    def __init__(self, comparison: Comparison, *, max_entries: int = _MAX_ENTRIES) -> None:
        target = comparison.target
        self._domain = comparison.domain
        self._layers = target.affine_layers
        self._relu_after = target.relu_after
        self._effective, self._errors = comparison.effective, comparison.errors
        self._max_entries = max_entries
        entries = 2 * target.widths[0] * max(target.widths)
        if entries > _MOST_INPUT_ENTRIES:
            raise UnsupportedStructureError(
                f"a zonotope over {target.widths[0]} inputs with layers of up to {max(target.widths)} units "
                f"needs arrays of {entries} entries, more than {_MOST_INPUT_ENTRIES}; use 'differential'"
            )

    def enclose(
        self,
        domain: Domain,
        *,
        slopes: Sequence[ReluSlopes | None] | None = None,
        known: Sequence[PairRanges] | None = None,
    ) -> Enclosure:
        """Enclose g - f over a domain.

        Parameters
        ----------
        domain : Box or Ball
        slopes : sequence of ReluSlopes or None, optional
            For each layer, slopes to use in place of those that leave the narrowest errors.
        known : sequence of PairRanges, optional
            Ranges before each layer's ReLU that were proven otherwise.

        Raises
        ------
        InvalidNetworkError
            If the domain has another dimension than the input.
        BoundOverflowError
            If a bound exceeds the range of float64.

        """
        linear = self._effective[0].negative is self._effective[0].positive
        features = InputFeatures.of(domain, self._layers[0].d_in, linear=linear)
        y, d = (
            first_forms(features, features.coefficients(layer), layer.bias)
            for layer in (self._effective[0], self._errors[0])
        )
        inputs = domain_range(domain, self._layers[0].d_in)
        still = np.zeros(inputs.low.size)
        after = PairRanges(inputs, inputs, Range(still, still))
        layers, befores, chosen = [], [], []
        for index in range(len(self._layers)):
            if index:
                y, d = self._linear_layer(index, y, d, after)
            before = self._ranges(index, domain, after, y, d)
            if known is not None:
                before = before.meet(known[index]).tightened()
            slope = None
            after = before
            if self._relu_after[index]:
                slope = slopes[index] if slopes is not None else None
                slope = choose_slopes(before) if slope is None else on_grid(slope)
                y, d = self._relu(y, d, before, slope)
                after = before.relu()
                if index == len(self._layers) - 1:
                    after = after._replace(deviation=after.deviation.meet(d.range()))
            layers.append(self._layer_bound(index, inputs, before, after))
            befores.append(before)
            chosen.append(slope)
            inputs = after.g
        return Enclosure(d, after, tuple(layers), tuple(befores), tuple(chosen))

    def enclose_whole(self) -> Enclosure:
        """Enclose g - f over the whole domain of the comparison."""
        return self.enclose(self._domain)

    def _linear_layer(
        self, index: int, y: AffineForms, d: AffineForms, inputs: PairRanges
    ) -> tuple[AffineForms, AffineForms]:
        """Return the forms of g and of the deviation before the ReLU of a layer after the first."""
        two_slope, error = self._effective[index], self._errors[index]
        weight = self._layers[index].weight
        if two_slope.negative is two_slope.positive or not (inputs.g.low < 0.0).any():
            parts = [(two_slope.positive, error.positive, y)]
        else:
            above, below, d = _signed_parts(y, d, inputs.g)
            parts = [(two_slope.positive, error.positive, above), (two_slope.negative, error.negative, below)]
        of_g = [(slope.mid, slope.rad, forms) for slope, _, forms in parts]
        of_error = [(slope.mid, slope.rad, forms) for _, slope, forms in parts]
        return linear_map(of_g, two_slope.bias), linear_map([(weight, None, d), *of_error], error.bias)

    def _ranges(
        self, index: int, domain: Domain, inputs: PairRanges, y: AffineForms, d: AffineForms
    ) -> PairRanges:
        """Return the ranges before a ReLU, from the forms and from the ranges of the layer's inputs."""
        layer = self._layers[index]
        from_forms = PairRanges(y.range(), y.minus(d).range(), d.range())
        f = layer_range(layer, inputs.f)
        x = MidRad.from_bounds(*inputs.g)
        carried = affine(layer.weight, MidRad.from_bounds(*inputs.deviation))
        fresh = self._errors[index].image(x)
        # A sum of two enclosures is the difference to the negated one.
        moved = carried.minus(MidRad(-fresh.mid, fresh.rad))
        of_g = Range(*self._effective[index].image(x).bounds())
        from_inputs = PairRanges(of_g, f, Range(*moved.bounds()))
        ranges = from_forms.meet(from_inputs)
        if index == 0:
            ranges = ranges._replace(f=ranges.f.meet(first_layer_range(layer, domain)))
        return ranges.tightened()

    def _relu(
        self, y: AffineForms, d: AffineForms, before: PairRanges, slopes: ReluSlopes
    ) -> tuple[AffineForms, AffineForms]:
        """Return the forms of g and of the deviation after a ReLU."""
        error_g, error_f = relu_error(before.g, slopes.g), relu_error(before.f, slopes.f)
        together = deviation_error(before, slopes.deviation)
        apart = slopes.apart
        # Apart: max(z, 0) - max(z - D, 0) = (s_g - s_f) z + s_f D + e_g - e_f.
        scale = np.where(apart, slopes.f, slopes.deviation)
        scale_y = np.where(apart, slopes.g - slopes.f, 0.0)
        own = MidRad(np.where(apart, -error_f.mid, together.mid), np.where(apart, error_f.rad, together.rad))
        shared = MidRad(np.where(apart, error_g.mid, 0.0), np.where(apart, error_g.rad, 0.0))
        zero = np.zeros_like(scale)
        nothing = MidRad(zero, zero)
        room = self._max_entries // max(y.centre.size, 1)
        carriers = _largest(error_g.rad, room - y.joint.shape[1])
        owners = _largest(own.rad, room - d.joint.shape[1] - d.own.shape[1] - carriers.size)
        none = np.zeros(0, np.intp)
        return (
            with_errors(scaled_sum(slopes.g, y, zero, y), nothing, error_g, carriers, none),
            with_errors(scaled_sum(scale, d, scale_y, y), own, shared, carriers, owners),
        )

    def _layer_bound(self, index: int, inputs: Range, before: PairRanges, after: PairRanges) -> LayerBound:
        worst = self._errors[index].magnitudes().worst_counted(inputs.high > 0.0, inputs.low < 0.0)
        return LayerBound(index, worst, _largest_size(before.deviation), _largest_size(after.deviation))


@np.errstate(over="ignore", invalid="ignore")
def zonotope_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| over a domain by the differential zonotope; its slopes are on record.

    Raises
    ------
    UnsupportedStructureError
        If g does not follow f layer by layer, or the symbols of the inputs would not fit in memory.
    InvalidNetworkError
        If the domain has another dimension than the input.
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, -1.0]])])        # x
    >>> g = ReluNetwork([Dense([[1.5], [-1.5]]), Dense([[1.0, -1.0]])])
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> round(zonotope_bound(Comparison(f, g, Box(0, 1), "linf")).upper, 6)
    0.5

    """
    enclosure = DifferentialZonotope(comparison).enclose_whole()
    return MethodBound(enclosure.norm_up(comparison.norm), enclosure.layers, enclosure.record())


def _signed_parts(
    y: AffineForms, d: AffineForms, ranges: Range
) -> tuple[AffineForms, AffineForms, AffineForms]:
    """Return forms of max(y, 0) and min(y, 0), and ``d`` with as many joint columns.

    Where no ReLU stands before a two-slope layer, its inputs have both signs: with max(y, 0) = s y + e,
    min(y, 0) = (1 - s) y - e.
    """
    slope = chord_slope(ranges)
    error = relu_error(ranges, slope)
    carriers = np.flatnonzero(error.rad > 0.0)
    zero = np.zeros_like(slope)
    nothing, none = MidRad(zero, zero), np.zeros(0, np.intp)
    above = with_errors(scaled_sum(slope, y, zero, y), nothing, error, carriers, none)
    opposite = MidRad(-error.mid, -error.rad)
    below = with_errors(scaled_sum(1.0 - slope, y, zero, y), nothing, opposite, carriers, none)
    return above, below, with_errors(d, nothing, nothing, carriers, none)


def _largest(sizes: FloatArray, count: int) -> NDArray[np.intp]:
    """Return the indices of the positive sizes, of the ``count`` largest at most, in order."""
    positive = np.flatnonzero(sizes > 0.0)
    if positive.size <= count:
        return positive
    ranked = positive[np.argsort(-sizes[positive], kind="stable")]
    return np.sort(ranked[: max(count, 0)])


def _largest_size(deviation: Range) -> float:
    return float(np.maximum(deviation.high, -deviation.low).max())
