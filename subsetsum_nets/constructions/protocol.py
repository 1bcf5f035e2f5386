"""What a construction is: which subset sums stand for which weights, and what a theorem says for itself.

To add one: docs/adding_a_construction.md, and TEMPLATE.py beside this file.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, dense_array
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import scaled_ends, scaling_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.mask_structure import Whole
    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork


Side = Literal["positive", "negative", "both"]


@dataclass(frozen=True, eq=False)
class InputSigns:
    """Which signs the inputs of a target layer can take; the constant-one input, where there is one, is last.

    Attributes
    ----------
    positive, negative : bool arrays, shape (columns,)
        Whether the input can be > 0, < 0; of images the channel, at some pixel. ``columns`` is the number of
        inputs or channels, plus 1 for a layer with bias.

    """

    positive: Bools
    negative: Bools

    @classmethod
    def of_layers(cls, target: ReluNetwork, domain: Domain) -> list[InputSigns]:
        """Return the signs for each layer: from the domain for the first, non-negative behind every ReLU.

        Behind layers that only scale the inputs they are those of the scaled domain.
        """
        low, high = domain.bounds(target.widths[0])
        signs, scaled = [], scaling_layers(target)
        ends = [list(map(Fraction, end.tolist())) for end in (low, high)] if scaled else []
        for index, layer in enumerate(target.layers):
            inputs = layer.takes[-1] or 0
            if 0 < index <= scaled:
                ends = scaled_ends(target.dense_layers[index - 1], ends)
                low, high = (np.array([(x > 0) - (x < 0) for x in end], dtype=np.float64) for end in ends)
            elif index:
                low = np.zeros(inputs) if target.relu_after[index - 1] else np.full(inputs, -1.0)
                high = np.ones(inputs)
            low, high = low.reshape(-1, inputs).min(axis=0), high.reshape(-1, inputs).max(axis=0)
            constant = [] if layer.bias is None else [1.0]
            signs.append(cls(np.append(high, constant) > 0, np.append(low, constant) < 0))
        return signs

    def columns(self, side: Side) -> Ints:
        """Return the inputs for which this side counts at all."""
        if side == "both":
            return np.flatnonzero(self.positive | self.negative)
        return np.flatnonzero(self.positive if side == "positive" else self.negative)


@dataclass(frozen=True, eq=False)
class RowPlace:
    """Which weights of the target some rows stand for, before there is a random network.

    The weights of a layer are its ``matrix``: (d_out, d_in) of a dense one, (rows columns c_out, c_in) of a
    kernel. Row (r, j) stands for those of rows r d, .., r d + d - 1 of ``at`` in column ``columns[j]``.

    Attributes
    ----------
    layer : int
        The target layer.
    side : {"positive", "negative", "both"}
        Whether the effective weights count for inputs > 0, < 0, or all.
    columns : int array, shape (J,)
        Inputs of the target layer, or channels; the number behind the last stands for the constant-one input
        of its bias.
    outputs : int
        How many rows of the layer's matrix: d_out of a dense one.
    dimension : int
        d: one subset serves so many outputs at once.
    at : int array, shape (outputs,)
        Which rows; the first ones by default. Of a kernel those of all its entries for the outputs of a
        group, and for the bias those of one entry.

    """

    layer: int
    side: Side
    columns: Ints
    outputs: int
    dimension: int = 1
    at: Ints | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of a column, and columns: (R, J) with R d the number of outputs."""
        return self.outputs // self.dimension, len(self.columns)

    @property
    def entries(self) -> tuple[Ints, Ints]:
        """Where its weights stand in the matrix of the layer, with one more column for a bias: an index."""
        return self.matrix_rows[:, np.newaxis], self.columns

    @property
    def matrix_rows(self) -> Ints:
        """Which rows of the layer's matrix its outputs are."""
        return np.arange(self.outputs) if self.at is None else self.at

    @property
    def rows(self) -> int:
        """Number of rows."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class RowGroup:
    """The subset-sum problems at one place: R rows for each of its J columns.

    The items of a row (those that are ``valid``) are what each unit would add to the effective weights if its
    outgoing weights were kept.

    Attributes
    ----------
    place : RowPlace
    items : float64, shape (R, J, m), or (R, J, m, d) for d > 1
        Products of two weights are rounded to float64; for drawn networks they are exact.
    valid : bool, shape (R, J, m)
    targets : float64, shape (R, J), or (R, J, d) for d > 1
    units : int array, shape (R, J, m)
        The hidden unit behind each item.

    Raises
    ------
    ValueError
        If the arrays do not go together.

    """

    place: RowPlace
    items: FloatArray
    valid: Bools
    targets: FloatArray
    units: Ints

    def __post_init__(self) -> None:
        rows, d = self.place.shape, self.place.dimension
        offered, vector = (*rows, self.valid.shape[-1]), () if d == 1 else (d,)
        wanted = (offered + vector, offered, rows + vector, offered)
        shapes = tuple(a.shape for a in (self.items, self.valid, self.targets, self.units))
        if shapes != wanted:
            raise ValueError(f"items, valid, targets and units have shapes {shapes}; they must be {wanted}")

    def flat(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return one of the arrays with a single axis for the rows, instead of R and J."""
        return array.reshape(self.place.rows, *array.shape[2:])


@dataclass(frozen=True)
class ItemLaw:
    """The law of a row's items: what :mod:`~subsetsum_nets.allocation.sizing` needs to size a network.

    Attributes
    ----------
    second_moment : float
        E[X^2] of an item for a unit item scale.
    share : float
        Units per candidate from which a row draws: 2 when both halves serve both signs, 1 otherwise.
    usable : float
        Probability that such a unit has the right sign; 1.0 when every candidate is an item.

    """

    second_moment: float
    share: int
    usable: float

    @property
    def factors(self) -> int:
        """How many U[-1, 1] an item is a product of: E[X^2] = 3^-factors."""
        return round(-math.log(self.second_moment, 3))


class Construction(ABC):
    """A theorem made to work: how target weights become subset sums of a random network's weights.

    Attributes
    ----------
    name : str
        As users write it.
    source : str
        The theorem, for reports.
    law : ItemLaw
    least_scale : float
        The smallest range from which the pruned weights are drawn.
    allocations : tuple of str
        The ways to share epsilon out that go with its rows (:data:`subsetsum_nets.allocation.ALLOCATIONS`);
        the first is the default. "tight" is there for rows that are scalars.
    layer_types : tuple of types
        The layers of a target that it takes.
    why_not : str
        Why no others, and the nearest way out: how the message goes on that refuses one.
    whole : {"filters", "kernels"} or None
        What its masks remove as a whole (:func:`subsetsum_nets.mask_structure.check_structure`); None: any
        entries.
    one_pass : bool
        Whether rows that are vectors are decided in one pass from the largest item to the smallest, instead
        of being searched for the nearest subset.

    """

    name: ClassVar[str]
    source: ClassVar[str]
    law: ClassVar[ItemLaw]
    least_scale: ClassVar[float] = 0.0
    allocations: ClassVar[tuple[str, ...]] = ("tight", "recursion")
    layer_types: ClassVar[tuple[type, ...]] = (Dense,)
    why_not: ClassVar[str] = ""
    whole: ClassVar[Whole | None] = None
    one_pass: ClassVar[bool] = False

    def check_layers(self, network: ReluNetwork, role: str) -> None:
        """Raise InvalidNetworkError unless it can work on all layers of the network, called by its role."""
        for index, layer in enumerate(network.layers):
            if not isinstance(layer, self.layer_types):
                kinds = " and ".join(kind.__name__ for kind in self.layer_types)
                raise InvalidNetworkError(
                    f"layer {index} of {role} is a {layer!r}; construction {self.name!r} takes {kinds} "
                    f"layers{self.why_not}"
                )

    def dimension(self, layer: Layer) -> int:  # noqa: ARG002 - others may tell by the layer
        """Return how many outputs of a target layer one subset serves; it divides their number."""
        return 1

    def scale(self, layer: Layer) -> float:
        """Return the range s of weights that stand for a layer's: a power of two that covers all of these.

        On such a range drawn weights are on a dyadic grid, so that their products stay exact in float64.
        """
        needed = max(float(np.abs(weight_with_bias(layer)).max()), self.least_scale)
        return math.ldexp(1.0, math.ceil(math.log2(needed))) if needed > 0 else 1.0

    def places(self, target: ReluNetwork, domain: Domain) -> list[RowPlace]:
        """Return where rows are needed: layer by layer, side by side; all scalars before the vectors."""
        signs = InputSigns.of_layers(target, domain)
        places = [
            RowPlace(index, side, columns[part], len(outputs), self.dimension(layer), outputs)
            for index, (layer, sign) in enumerate(zip(target.layers, signs, strict=True))
            for side, columns in self.sides(sign).items()
            for outputs, inputs in layer.weight_parts(target.shapes[index], index)
            if (part := np.isin(columns, inputs)).any()
        ]
        return sorted(places, key=lambda place: place.dimension)

    @abstractmethod
    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return how to draw the random network for ``candidates`` units per subset sum."""

    @abstractmethod
    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return how many candidates a given network offers; InvalidNetworkError if it misfits."""

    @abstractmethod
    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the sides for which a layer with such inputs needs subset sums, and the inputs of each."""

    @abstractmethod
    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return the rows at a place, with all items that there are; an allocation says which are offered."""

    @abstractmethod
    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Write the solved subsets, shape (R, J, m) a group, into masks of the random network."""


def weight_with_bias(layer: Layer) -> FloatArray:
    """Return the layer's matrix, with the bias as one more column where there is one.

    That is (d_out, d_in + 1); of a kernel (rows columns c_out, c_in + 1), with the bias at every place of it.
    """
    weight = dense_array(layer.matrix)
    if layer.bias is None:
        return weight
    return np.column_stack([weight, np.tile(layer.bias, len(weight) // len(layer.bias))])


def row_targets(layer: Layer, place: RowPlace) -> FloatArray:
    """Return the target weights at a place in the shape of its rows: (R, J), or (R, J, d) for d > 1."""
    return in_rows(weight_with_bias(layer), place)


def in_rows(matrix: FloatArray, place: RowPlace) -> FloatArray:
    """Return what a matrix like :func:`weight_with_bias` has at a place: (R, J), or (R, J, d) for d > 1."""
    weights = matrix[place.entries]
    rows, columns = place.shape
    return weights if place.dimension == 1 else weights.reshape(rows, -1, columns).swapaxes(1, 2)
