"""structured, structured-kernels, structured-paper: one subset of a block serves many outputs at once.

Lemma 12 of da Cunha et al. 2023: block t of the pair for a target layer is cut to input channel t, and a
subset of its filters is kept whole, with all that the second layer makes of them. Each filter k is an item,
the vector U[:, :, k, :] v_k of D = r s c_out numbers; those kept add up to the target's L[:, :, t, :]. With
``structured-kernels`` there is a subset for each output, of vectors of D = r s numbers.

``structured-paper`` draws as the lemma says, U, V ~ N(0, 1). The others draw |v| log-uniformly with a fair
sign and U ~ N(0, s^2): :mod:`.one_pass_law` tells why. Where a subset serves one number alone, D = 1, rows
are scalars, drawn and solved as those of ``relu`` are.

A bias is one more block, whose kernel is b at one entry and 0 at all others: what is kept of it is whole too.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.constructions.kept_layers import places_of_pairs
from subsetsum_nets.constructions.one_pass_law import (
    MOST_OCTAVES,
    coordinate_error,
    items_per_octave,
    octaves_for,
)
from subsetsum_nets.constructions.protocol import (
    InputSigns,
    ItemLaw,
    RowPlace,
    in_rows,
    weight_with_bias,
)
from subsetsum_nets.constructions.relu_blocks import BlockConstruction
from subsetsum_nets.constructions.relu_paper import ReluPaper
from subsetsum_nets.constructions.relu_signed import ReluSigned
from subsetsum_nets.networks.distributions import UNIT_UNIFORM, LogUniform, Normal, Uniform
from subsetsum_nets.networks.draw_kinds import block_pair_draws

if TYPE_CHECKING:
    from subsetsum_nets.constructions.protocol import Side
    from subsetsum_nets.mask_structure import Whole
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.distributions import Distribution
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.layer_draws import LayerDraw
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork

_MANY, _FEW = 72, 9  # coordinates: octaves of scalars are counted as those of many, steps as those of few
_SCALAR_ITEMS = 4  # of a scalar, beyond one for each octave of vectors
_SCALAR_MORE = 10  # units of each sign for a scalar, beyond a factor of two for each octave of vectors


class StructuredBlocks(BlockConstruction):
    """What they have in common; each says which numbers of a layer one subset serves.

    ``candidates`` is the number of units of each sign for each of the D coordinates: n = candidates D.
    """

    least_scale: ClassVar[float] = 2.0**-100
    allocations: ClassVar[tuple[str, ...]] = ("one-pass",)
    sparse_first = True
    one_pass = True
    most_candidates: ClassVar[int] = math.floor(MOST_OCTAVES * items_per_octave(_MANY))

    @abstractmethod
    def parts(self, layer: Layer) -> list[tuple[Ints, Ints]]:
        """Return (rows, columns) of the layer's matrix: D rows after the other are served by a subset."""

    def places(self, target: ReluNetwork, domain: Domain) -> list[RowPlace]:
        """Return where rows are needed: not in layers that are kept."""
        places = [
            RowPlace(index, side, columns[part], len(outputs), self.dimension(layer), outputs)
            for index, (layer, sign) in enumerate(
                zip(target.layers, InputSigns.of_layers(target, domain), strict=True)
            )
            for side, columns in self.sides(sign).items()
            for outputs, inputs in self.parts(layer)
            if (part := np.isin(columns, inputs)).any()
        ]
        for place in places_of_pairs(target, places):
            target.layers[place.layer].weight_parts(target.shapes[place.layer], place.layer)  # or why not
        return sorted(places_of_pairs(target, places), key=lambda place: place.dimension)

    def targets(self, target: ReluNetwork, place: RowPlace) -> FloatArray:
        """Return what the rows at a place are to add up to: the bias at one entry of a kernel alone."""
        layer = target.layers[place.layer]
        weights = weight_with_bias(layer)
        if layer.bias is not None:
            last = weights.shape[1] - 1
            parts = layer.weight_parts(target.shapes[place.layer], place.layer)
            seen = np.concatenate([rows for rows, columns in parts if last in columns])
            weights[np.setdiff1d(np.arange(len(weights)), seen), last] = 0.0
        return in_rows(weights, place)

    def pair(self, layer: Layer, candidates: int) -> tuple[LayerDraw, LayerDraw]:
        """Return how to draw the two layers that stand for a layer of the target: the first one by blocks."""
        return block_pair_draws(layer, 2 * self.units(layer, candidates), *self.laws(layer, candidates))

    def laws(self, layer: Layer, candidates: int) -> tuple[Distribution, Distribution]:
        """Return how v and U are drawn."""
        if (d := self.dimension(layer)) == 1:
            return UNIT_UNIFORM, Uniform(self.scale(layer))
        return LogUniform(octaves_for(d, candidates)), Normal(self.scale(layer))

    def units(self, layer: Layer, candidates: int) -> int:
        """Return n, of 2n units a block."""
        d = self.dimension(layer)
        return candidates * d if d > 1 else math.ceil(octaves_for(_MANY, candidates)) + _SCALAR_MORE

    def offered(self, layer: Layer, n: int) -> int:
        """Return how many candidates 2n units a block are."""
        d = self.dimension(layer)
        return max(1, n // d if d > 1 else math.floor((n - _SCALAR_MORE) * items_per_octave(_MANY)))

    def scalar_items(self, candidates: int) -> int:
        """Return how many items a row that is a scalar needs."""
        return math.ceil(octaves_for(_MANY, candidates)) + _SCALAR_ITEMS

    def more_for(self, candidates: int, ratio: float) -> int:  # noqa: ARG002 - each octave takes as many
        """Return how many more candidates make errors smaller by a factor of ``ratio``; fewer below 1."""
        return math.ceil(items_per_octave(_FEW) * math.log2(ratio))

    def advice(self, ratio: float) -> str | None:  # noqa: ARG002 - more candidates do
        """Return what should do where the bound is ``ratio`` epsilon, if that is no number of candidates."""
        return None

    def expected_error(self, dimension: int, candidates: int) -> float:
        """Return the mean size of a coordinate's error, for weights U of scale 1; :mod:`.one_pass_law`."""
        octaves = octaves_for(dimension, candidates)
        return coordinate_error(dimension, octaves, candidates * dimension)


class Structured(StructuredBlocks):
    """Lemma 12 of da Cunha et al. (2023) with log-uniform filters, each used by its sign."""

    name = "structured"
    source = "Lemma 12 of da Cunha et al. 2023, |V| drawn log-uniformly, filters used by their sign"
    law: ClassVar[ItemLaw] = ReluSigned.law  # of its scalars
    whole: ClassVar[Whole | None] = "filters"

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the sides of :class:`ReluSigned`."""
        return ReluSigned().sides(signs)

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return which units serve which side, as of :class:`ReluSigned`."""
        return ReluSigned().serving(slopes)

    def dimension(self, layer: Layer) -> int:
        """Return D = r s c_out: a filter serves all outputs."""
        return int(layer.matrix.shape[0])

    def parts(self, layer: Layer) -> list[tuple[Ints, Ints]]:
        """Return all rows at once."""
        inputs = (layer.takes[-1] or 0) + (layer.bias is not None)
        return [(np.arange(self.dimension(layer)), np.arange(inputs))]


class StructuredKernels(Structured):
    """The same with a subset for each output: whole 2-D kernels are kept, or not."""

    name = "structured-kernels"
    source = "Lemma 12 of da Cunha et al. 2023, a subset for each output, |V| drawn log-uniformly"
    whole: ClassVar[Whole | None] = "kernels"

    def dimension(self, layer: Layer) -> int:
        """Return D = r s."""
        return int(layer.matrix.shape[0]) // _outputs(layer)

    def parts(self, layer: Layer) -> list[tuple[Ints, Ints]]:
        """Return the rows of one output after those of the other, for each group of channels."""
        if len(layer.takes) == 1:
            return super().parts(layer) if _outputs(layer) == 1 else layer.weight_parts(layer.takes, 0)
        count, channels, groups = _outputs(layer), layer.takes[-1] or 0, layer.groups
        taps = np.arange(self.dimension(layer)) * count
        outputs, inputs = np.arange(count).reshape(groups, -1), np.arange(channels).reshape(groups, -1)
        parts = [((each[:, np.newaxis] + taps).ravel(), inputs[g]) for g, each in enumerate(outputs)]
        if layer.bias is not None:
            parts.append(((outputs.ravel()[:, np.newaxis] + taps).ravel(), np.array([channels])))
        return parts


class StructuredPaper(Structured):
    """Lemma 12 of da Cunha et al. (2023), word for word."""

    name = "structured-paper"
    source = "Lemma 12 of da Cunha et al. 2023, as in its proof"
    # E[(UV)^2] for U, V ~ N(0, 1)
    law: ClassVar[ItemLaw] = ItemLaw(second_moment=1.0, share=1, usable=0.5)
    least_scale: ClassVar[float] = 1.0
    most_candidates = 64  # a million filters reach hardly more

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the sides of :class:`ReluPaper`."""
        return ReluPaper().sides(signs)

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return which units serve which side, as of :class:`ReluPaper`."""
        return ReluPaper().serving(slopes)

    def laws(self, layer: Layer, candidates: int) -> tuple[Distribution, Distribution]:  # noqa: ARG002 - no L
        """Return N(0, 1) twice; of a layer with weights above 1, U is drawn for the next power of two."""
        return Normal(), Normal(self.scale(layer))

    def units(self, layer: Layer, candidates: int) -> int:
        """Return n, of 2n units a block."""
        return candidates * self.dimension(layer)

    def offered(self, layer: Layer, n: int) -> int:
        """Return how many candidates 2n units a block are."""
        return max(1, n // self.dimension(layer))

    def scalar_items(self, candidates: int) -> int:
        """Return how many items a row that is a scalar has on average."""
        return candidates // 2

    def more_for(self, candidates: int, ratio: float) -> int:
        """Return how many more candidates make errors smaller by a factor of ``ratio``; fewer below 1."""
        return math.ceil(candidates * (ratio - 1.0))

    def advice(self, ratio: float) -> str | None:
        """Return what should do where the bound is ``ratio`` epsilon: another law."""
        return (
            f"errors of normal weights fall only as 1/n, so that {ratio:.3g} times the filters would be "
            "needed; construction='structured', of another law, or a larger epsilon should do"
        )

    def expected_error(self, dimension: int, candidates: int) -> float:
        """Return the mean size of a coordinate's error, for weights U of scale 1.

        Of m normal items there are none much smaller than 1/m, so that it falls no faster than 1/m. Measured:
        polished, the largest coordinate is off by about 0.3 d^1.8 / m, where m = n/2 units of a half serve.
        """
        largest = 0.6 * math.pow(dimension, 0.8) / candidates
        return largest / math.sqrt(math.pi * math.log(2 * dimension))


def _outputs(layer: Layer) -> int:
    """Return how many outputs a layer has; of a convolution, channels."""
    return int(layer.stored.shape[layer.channel_axes[1]])
