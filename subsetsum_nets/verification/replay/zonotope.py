"""Method "zonotope", replayed in exact arithmetic: see ``methods.zonotope``.

The slopes of the relaxations are on record, and any slopes in [0, 1] are sound. With those of the floating
method the replay never proves less: f, g and g - f are then the same linear functions of the inputs
and of the errors e of the relaxations, only that each e has its exact interval here and a wider one there.
By induction over the layers everything here lies within its floating counterpart: the values of the forms,
since each is a linear image of a smaller set; their ranges, the largest and least of these values (over a
ball with split inputs, bounds that are sublinear in the coefficients); the intersections, sums and halves of
these ranges; so that the next intervals of e, which grow with the ranges, are no wider either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, half, maximum, positive_part, zeros
from subsetsum_nets.verification.replay.forms import (
    ExactFeatures,
    ExactForms,
    complement,
    error_of_relu,
    scaled_rows,
    where,
)
from subsetsum_nets.verification.replay.ranges import (
    ExactRange,
    image,
    network_ranges,
    point,
    two_slope_image,
)
from subsetsum_nets.verification.replay.zonotope_norms import forms_norm_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.records import ChosenSlopes, ReluSlopes
    from subsetsum_nets.verification.replay.exact_comparison import ExactComparison


class ExactPairRanges(NamedTuple):
    """Ranges of the units of g and f, and of g - f, before or after a ReLU."""

    g: ExactRange
    f: ExactRange
    deviation: ExactRange

    def meet(self, other: ExactPairRanges) -> ExactPairRanges:
        """Return the intersection with other ranges of the same units."""
        return ExactPairRanges(*(a.intersected(b) for a, b in zip(self, other, strict=True)))

    def tightened(self) -> ExactPairRanges:
        """Return the same set with ``g = f + deviation`` used to narrow each range by the other two."""
        g, f, d = self.g, self.f, self.deviation
        for _ in range(2):
            g = g.intersected(f.plus(d))
            f = f.intersected(_minus(g, d))
            d = d.intersected(_minus(g, f))
        return ExactPairRanges(g, f, d)

    def relu(self) -> ExactPairRanges:
        """Return the ranges after a ReLU in both networks, which moves g - f towards 0 or not at all."""
        low, high, on = self.deviation.low, self.deviation.high, self.both_on()
        between = ExactRange(where(on, low, -positive_part(-low)), where(on, high, positive_part(high)))
        return ExactPairRanges(self.g.relu(), self.f.relu(), between).tightened()

    def both_on(self) -> list[bool]:
        """Tell for each unit whether its ReLUs change nothing, in g and in f."""
        return [g >= 0 and f >= 0 for g, f in zip(self.g.low.signs(), self.f.low.signs(), strict=True)]

    def both_off(self) -> list[bool]:
        """Tell for each unit whether its ReLUs give 0, in g and in f."""
        return [g <= 0 and f <= 0 for g, f in zip(self.g.high.signs(), self.f.high.signs(), strict=True)]

    def empty(self) -> bool:
        """Tell whether no values are left: no input reaches them."""
        return any(-1 in (r.high - r.low).signs() for r in self)


class ReplayedZonotope:
    """The exact zonotope of one pair of networks; domains and slopes may vary from call to call.

    Examples
    --------
    >>> import numpy as np
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.records import ChosenSlopes
    >>> from subsetsum_nets.verification.replay.exact_comparison import ExactComparison
    >>> f, g = ReluNetwork([Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[1.5, 0.5]])])
    >>> slopes = ChosenSlopes(relus=(None,), signs=(None,), inputs=np.full(2, 0.5))    # there is no ReLU
    >>> ReplayedZonotope(ExactComparison(f, g, Box(-1, 1), "linf")).bound(Box(-1, 1), slopes)
    Fraction(1, 1)

    """

    def __init__(self, pair: ExactComparison) -> None:
        self._norm, self._relu_after = pair.norm, pair.relu_after
        self._layers, self._effective, self._errors = pair.layers, pair.effective, pair.errors

    def features(self, domain: Domain) -> ExactFeatures:
        """Return the features of a domain."""
        first = self._effective[0]
        linear = first.negative is first.positive
        return ExactFeatures.of(domain, first.positive.shape[1], linear=linear)

    def enclose(
        self, domain: Domain, chosen: ChosenSlopes, known: Sequence[ExactPairRanges] | None = None
    ) -> tuple[ExactForms, ExactRange, list[ExactPairRanges]]:
        """Enclose g - f at the outputs.

        Parameters
        ----------
        domain : Box or Ball
        chosen : ChosenSlopes
        known : sequence of ExactPairRanges, optional
            Ranges before each layer's ReLU that were proven otherwise.

        Returns
        -------
        deviation : ExactForms
        ranges : ExactRange
            Of the deviation, often narrower than what the forms alone say.
        before : list of ExactPairRanges
            The ranges before each layer's ReLU.

        Raises
        ------
        ValueError
            If the slopes are not those of so many layers and units, or one is not in [0, 1].

        """
        self._check(chosen)
        features = self.features(domain)
        y, d = (ExactForms.first(features, part[0]) for part in (self._effective, self._errors))
        still = point(zeros(features.inputs))
        after = ExactPairRanges(features.box, features.box, still)
        befores = []
        for index, slopes in enumerate(chosen.relus):
            if index:
                y, d = self._through_layer(index, y, d, after.g, chosen.signs[index])
            before = self._ranges(index, domain, after, y, d)
            if known is not None:
                before = before.meet(known[index]).tightened()
            befores.append(before)
            after = before
            if slopes is not None:
                y, d = _through_relu(y, d, before, slopes)
                after = before.relu()
        ranges = after.deviation
        if chosen.relus[-1] is not None:
            ranges = ranges.intersected(d.range())
        return d, ranges, befores

    def norm_up(self, forms: ExactForms, ranges: ExactRange, chosen: ChosenSlopes) -> Fraction:
        """Return a bound of the norm of g - f, given what :meth:`enclose` says of it."""
        return forms_norm_up(forms, ranges, self._norm, exact_slope(chosen.inputs))

    def bound(self, domain: Domain, chosen: ChosenSlopes) -> Fraction:
        """Return a bound of sup ||f - g|| over a domain."""
        forms, ranges, _ = self.enclose(domain, chosen)
        return self.norm_up(forms, ranges, chosen)

    def _check(self, chosen: ChosenSlopes) -> None:
        """Check that there are slopes for every ReLU and every sign that matters, and no others."""
        if not len(chosen.relus) == len(chosen.signs) == len(self._layers):
            raise ValueError(f"the record is not one of {len(self._layers)} layers")
        before = (True, *self._relu_after)
        for index, (slopes, signs) in enumerate(zip(chosen.relus, chosen.signs, strict=True)):
            if (slopes is not None) != self._relu_after[index] or (signs is not None) == before[index]:
                raise ValueError(f"the record does not fit the ReLUs around layer {index}")

    def _through_layer(
        self, index: int, y: ExactForms, d: ExactForms, inputs: ExactRange, signs: FloatArray | None
    ) -> tuple[ExactForms, ExactForms]:
        """Return the forms of g and of the deviation before the ReLU of a layer after the first."""
        of_g, error, weight = self._effective[index], self._errors[index], self._layers[index].positive
        if of_g.negative is of_g.positive or signs is None:
            return (
                y.mapped(of_g.positive).shifted(of_g.bias),
                d.mapped(weight).plus(y.mapped(error.positive)).shifted(error.bias),
            )
        # Where no ReLU stands before, max(y, 0) = s y + e and min(y, 0) = (1 - s) y - e.
        above, below, d = _signed_parts(y, d, inputs, exact_slope(signs))
        return (
            above.mapped(of_g.positive).plus(below.mapped(of_g.negative)).shifted(of_g.bias),
            d.mapped(weight)
            .plus(above.mapped(error.positive))
            .plus(below.mapped(error.negative))
            .shifted(error.bias),
        )

    def _ranges(
        self, index: int, domain: Domain, inputs: ExactPairRanges, y: ExactForms, d: ExactForms
    ) -> ExactPairRanges:
        """Return the ranges before a ReLU, from the forms and from the ranges of the layer's inputs."""
        layer = self._layers[index]
        from_forms = ExactPairRanges(y.range(), y.minus(d).range(), d.range())
        of_f = image(layer.positive, inputs.f).plus(point(layer.bias))
        if index == 0:
            of_f = of_f.intersected(network_ranges(self._layers[:1], [False], domain)[0])
        moved = image(layer.positive, inputs.deviation).plus(two_slope_image(self._errors[index], inputs.g))
        from_inputs = ExactPairRanges(two_slope_image(self._effective[index], inputs.g), of_f, moved)
        return from_forms.meet(from_inputs).tightened()


def replayed_zonotope(pair: ExactComparison, record: ChosenSlopes) -> Fraction:
    """Bound sup ||f - g|| by the exact zonotope; for errors raised see :meth:`ReplayedZonotope.enclose`."""
    return ReplayedZonotope(pair).bound(pair.domain, record)


def _through_relu(
    y: ExactForms, d: ExactForms, before: ExactPairRanges, chosen: ReluSlopes
) -> tuple[ExactForms, ExactForms]:
    """Return the forms of g and of the deviation D after a ReLU.

    Relaxed together, D' = s D + e, where D' lies between 0 and D; apart, max(z, 0) - max(z - D, 0) =
    (s_g - s_f) z + s_f D + e_g - e_f.
    """
    of_g, of_f, together = (exact_slope(s) for s in (chosen.g, chosen.f, chosen.deviation))
    error_g, error_f = half(error_of_relu(before.g, of_g)), half(error_of_relu(before.f, of_f))
    low, high = deviation_error(before, together)
    apart, nothing = chosen.apart.tolist(), zeros(chosen.apart.size)
    carriers = [i for i, sign in enumerate(error_g.signs()) if sign]
    of_d = d.scaled(where(apart, of_f, together)).plus(y.scaled(where(apart, of_g - of_f, nothing)))
    of_d = of_d.shifted(where(apart, error_g - error_f, half(low + high))).with_shared(
        where(apart, error_g, nothing), carriers
    )
    return (
        y.scaled(of_g).shifted(error_g).with_shared(error_g, carriers),
        of_d.with_own(where(apart, error_f, half(high - low))),
    )


def deviation_error(before: ExactPairRanges, slope: ExactMatrix) -> tuple[ExactMatrix, ExactMatrix]:
    """Return bounds of ``D' - slope D``, for slopes in [0, 1]: D' is between 0 and D."""
    below, above = positive_part(-before.deviation.low), positive_part(before.deviation.high)
    rest = complement(slope)
    high = maximum(scaled_rows(above, rest), scaled_rows(below, slope))
    low = -maximum(scaled_rows(above, slope), scaled_rows(below, rest))
    # On in both, D' = D; off in both, D' = 0.
    known = [
        (on and one_less == 0) or (off and s == 0)
        for on, off, one_less, s in zip(
            before.both_on(), before.both_off(), rest.signs(), slope.signs(), strict=True
        )
    ]
    nothing = zeros(slope.shape[0])
    return where(known, nothing, low), where(known, nothing, high)


def _signed_parts(
    y: ExactForms, d: ExactForms, ranges: ExactRange, slope: ExactMatrix
) -> tuple[ExactForms, ExactForms, ExactForms]:
    """Return forms of max(y, 0) and min(y, 0), and ``d`` with as many joint columns."""
    error = half(error_of_relu(ranges, slope))
    carriers = [i for i, sign in enumerate(error.signs()) if sign]
    return (
        y.scaled(slope).shifted(error).with_shared(error, carriers),
        y.scaled(complement(slope)).shifted(-error).with_shared(-error, carriers),
        d.with_shared(zeros(slope.shape[0]), carriers),
    )


def _minus(a: ExactRange, b: ExactRange) -> ExactRange:
    """Return the range of x - y."""
    return ExactRange(a.low - b.high, a.high - b.low)


def exact_slope(values: FloatArray) -> ExactMatrix:
    """Return floating slopes exactly: a matrix, or a column for a vector.

    Raises
    ------
    ValueError
        If one is not in [0, 1].

    """
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(f"slopes of ReLUs must lie in [0, 1], got {values!r}")
    return ExactMatrix.from_floats(values)
