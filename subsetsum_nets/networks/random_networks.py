"""Recipes: random networks that can be redrawn bit for bit from a seed and a description.

A certificate needs to keep only the recipe and the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.distributions import (
    UNIT_UNIFORM,
    Distribution,
    Normal,
    Uniform,
    checked_seed,
    distribution_from_json,
    draw_array,
    is_integer,
    json_fields,
    json_kind,
    locked,
)
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain

LARGEST_DRAW = 2**31 - 1
"""The most units and weights that a recipe may ask for: 16 GiB of float64, and within 32-bit indices."""

_WEIGHT, _BIAS = 0, 1  # parameter kinds, the second half of a random stream's key


@dataclass(frozen=True)
class DenseDraw:
    """How to draw a dense layer: weight (d_out, d_in), and a bias (d_out,) from the same distribution.

    The number with row-major index n is made of word n of stream (layer, 0), for the bias of stream
    (layer, 1).

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, or a weight of more than :data:`LARGEST_DRAW` entries.

    Examples
    --------
    >>> DenseDraw(3, 2, bias=True).draw(seed=0, layer=0)
    Dense(2 -> 3, bias)

    """

    d_out: int
    d_in: int
    bias: bool = False
    distribution: Distribution = UNIT_UNIFORM

    def __post_init__(self) -> None:
        _checkjson_fields(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the drawn layer."""
        return (self.d_out, self.d_in)

    @property
    def size(self) -> int:
        """How many numbers the drawn layer holds."""
        return self.d_out * self.d_in + self.bias * self.d_out

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn."""
        return self.size

    def draw(self, seed: int, layer: int) -> Dense:
        """Draw the layer that stands at index ``layer``."""
        weight = draw_array(self.distribution, seed, layer, _WEIGHT, self.shape)
        return Dense(
            weight, draw_array(self.distribution, seed, layer, _BIAS, (self.d_out,)) if self.bias else None
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "kind": "dense",
            "d_out": self.d_out,
            "d_in": self.d_in,
            "bias": self.bias,
            "distribution": _described(self.distribution),
        }


@dataclass(frozen=True)
class LinkDraw:
    """How to draw a linear link: the first layer that approximates one target layer, weight by weight.

    The target weight (i, j) of a (d_out, d_in) matrix has ``per_link`` units of its own, each reading
    input j alone through a random coefficient (Pensia et al. 2020, section 3.1). With ``bias`` the
    target has one more column, j = d_in, for the constant-one input: its units have an empty weight row,
    and their coefficient is their bias.

    With ``columns = d_in + bias`` the unit ``(i * columns + j) * per_link + c`` is number c of target
    weight (i, j). Coefficients, constants included, are made of the words of stream (layer, 0) with the
    same index.

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, or more than :data:`LARGEST_DRAW` units.

    Examples
    --------
    >>> LinkDraw(2, 3, per_link=5, bias=True).draw(seed=0, layer=0)
    Dense(3 -> 40, sparse, bias)

    """

    d_out: int
    d_in: int
    per_link: int
    bias: bool = False
    distribution: Distribution = UNIT_UNIFORM

    def __post_init__(self) -> None:
        _checkjson_fields(self)

    @property
    def units(self) -> int:
        """Number of units: ``per_link`` for every target weight."""
        return self.per_link * self.d_out * (self.d_in + self.bias)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the drawn layer."""
        return (self.units, self.d_in)

    @property
    def size(self) -> int:
        """How many numbers the drawn layer holds."""
        return self.units

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn."""
        return self.units

    def draw(self, seed: int, layer: int) -> Dense:
        """Draw the layer at index ``layer``: its weight is sparse, its bias 0 but for the constants."""
        coefficients = draw_array(self.distribution, seed, layer, _WEIGHT, (self.units,))
        inputs = np.arange(self.d_in, dtype=np.int32)[np.newaxis, :, np.newaxis]
        indices = np.broadcast_to(inputs, (self.d_out, self.d_in, self.per_link)).reshape(-1)
        indptr = np.arange(self.units + 1, dtype=np.int32)
        if not self.bias:
            return Dense(_csr(coefficients, indices, indptr, self.shape))
        by_link = coefficients.reshape(self.d_out, self.d_in + 1, self.per_link)
        entries = np.ones(by_link.shape, dtype=np.int32)
        entries[:, -1] = 0
        np.cumsum(entries.reshape(-1), out=indptr[1:])
        bias = np.zeros(by_link.shape)
        bias[:, -1] = by_link[:, -1]
        weight = _csr(by_link[:, :-1].reshape(-1), indices, indptr, self.shape)
        return Dense(weight, locked(bias.reshape(-1)))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "kind": "link",
            "d_out": self.d_out,
            "d_in": self.d_in,
            "per_link": self.per_link,
            "bias": self.bias,
            "distribution": _described(self.distribution),
        }


@dataclass(frozen=True)
class OnesDraw:
    """The layer behind a :class:`LinkDraw` of the same sizes: output i adds up the units of row i.

    Its weight is sparse, of exact ones, with no bias; nothing in it is random.

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, or more than :data:`LARGEST_DRAW` units.

    Examples
    --------
    >>> OnesDraw(2, 1, per_link=2).draw(seed=0, layer=1).weight.toarray()
    array([[1., 1., 0., 0.],
           [0., 0., 1., 1.]])

    """

    d_out: int
    d_in: int
    per_link: int
    bias: bool = False

    def __post_init__(self) -> None:
        _checkjson_fields(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the layer."""
        return (self.d_out, self.size)

    @property
    def size(self) -> int:
        """How many numbers the layer holds: a one for every unit of the link."""
        return self.per_link * self.d_out * (self.d_in + self.bias)

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn: none."""
        return 0

    def draw(self, seed: int, layer: int) -> Dense:  # noqa: ARG002 - every kind of layer is drawn alike
        """Return the layer."""
        indptr = np.arange(self.d_out + 1, dtype=np.int32) * np.int32(self.size // self.d_out)
        indices = np.arange(self.size, dtype=np.int32)
        return Dense(_csr(np.ones(self.size), indices, indptr, self.shape))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {
            "kind": "ones",
            "d_out": self.d_out,
            "d_in": self.d_in,
            "per_link": self.per_link,
            "bias": self.bias,
        }


LayerDraw: TypeAlias = DenseDraw | LinkDraw | OnesDraw


@dataclass(frozen=True)
class RandomRecipe:
    """Everything but the seed that a random network is drawn from; certificates keep it as JSON.

    Parameters
    ----------
    layers : sequence of DenseDraw, LinkDraw or OnesDraw
    linear_after : sequence of int
        Hidden layers that no ReLU follows.
    final_relu : bool
        Whether a ReLU follows the last layer.

    Raises
    ------
    InvalidNetworkError
        For no layers, shapes that do not follow one another, a hidden layer that does not exist,
        or more than :data:`LARGEST_DRAW` numbers in all.

    Examples
    --------
    >>> recipe = RandomRecipe((LinkDraw(2, 3, per_link=5), OnesDraw(2, 3, per_link=5)), linear_after=(0,))
    >>> recipe.draw(seed=1)
    ReluNetwork(3-30-2, 60 parameters)
    >>> recipe.random_parameters
    30
    >>> random_recipe_from_json(recipe.to_json()) == recipe
    True

    """

    layers: tuple[LayerDraw, ...]
    linear_after: tuple[int, ...] = ()
    final_relu: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "linear_after", tuple(self.linear_after))
        if not self.layers:
            raise InvalidNetworkError("a recipe needs at least one layer")
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, LayerDraw):
                raise InvalidNetworkError(
                    f"layer {index} of the recipe is {layer!r}, not a DenseDraw, LinkDraw or OnesDraw"
                )
            if index and layer.shape[1] != self.layers[index - 1].shape[0]:
                raise InvalidNetworkError(
                    f"layer {index - 1} of the recipe gives {self.layers[index - 1].shape[0]} values, "
                    f"but layer {index} takes {layer.shape[1]}"
                )
        for index in self.linear_after:
            if not is_integer(index) or not 0 <= index < len(self.layers) - 1:
                raise InvalidNetworkError(
                    f"linear_after must name hidden layers 0..{len(self.layers) - 2}, got {index!r}"
                )
        object.__setattr__(self, "linear_after", tuple(map(int, self.linear_after)))
        if not isinstance(self.final_relu, bool):
            raise InvalidNetworkError(f"final_relu must be True or False, got {self.final_relu!r}")
        _check_size(sum(layer.size for layer in self.layers), "the recipe")

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn; the ones of an :class:`OnesDraw` are not."""
        return sum(layer.random_parameters for layer in self.layers)

    @property
    def random_layers(self) -> tuple[int, ...]:
        """Indices of the layers that are drawn; an :class:`OnesDraw` is not."""
        return tuple(index for index, layer in enumerate(self.layers) if layer.random_parameters)

    def draw(self, seed: int, *, domain: Domain | None = None) -> ReluNetwork:
        """Draw the network; the same seed gives the same network, bit for bit.

        Parameters
        ----------
        seed : int
            At least 0.
        domain : Box or Ball, optional
            Stored with the network.

        Raises
        ------
        ValueError
            If the seed is not an integer >= 0.
        InvalidNetworkError
            If a sampler returns anything but finite numbers of the shape it was asked for.

        """
        number = checked_seed(seed)
        return ReluNetwork(
            [layer.draw(number, index) for index, layer in enumerate(self.layers)],
            final_relu=self.final_relu,
            linear_after=self.linear_after,
            domain=domain,
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`random_recipe_from_json` reads it back.

        Raises
        ------
        InvalidNetworkError
            If a layer has a sampler: a function cannot be written down.

        """
        return {
            "layers": [layer.to_json() for layer in self.layers],
            "linear_after": list(self.linear_after),
            "final_relu": self.final_relu,
        }


def random_recipe_from_json(description: Any) -> RandomRecipe:
    """Read back what :meth:`RandomRecipe.to_json` wrote.

    Raises
    ------
    InvalidNetworkError
        For anything else, and for sizes that are negative or absurdly large.

    """
    if not isinstance(description, Mapping):
        raise InvalidNetworkError(f"not a recipe of a random network: {description!r}")
    layers, linear_after, final_relu = json_fields(
        description, ("layers", "linear_after", "final_relu"), kind=False
    )
    if not isinstance(layers, list) or not isinstance(linear_after, list):
        raise InvalidNetworkError("layers and linear_after of a recipe must be lists")
    return RandomRecipe(tuple(map(_layer_from_json, layers)), tuple(linear_after), final_relu)


def random_network(
    widths: Sequence[int],
    *,
    distribution: Distribution = UNIT_UNIFORM,
    bias: bool = False,
    seed: int = 0,
    domain: Domain | None = None,
) -> ReluNetwork:
    """Draw a fully connected ReLU network with independent random weights.

    Parameters
    ----------
    widths : sequence of int
        (d_0, d_1, ..., d_l), at least two: the number of inputs and of units of each layer.
    distribution : Uniform, Normal or sampler
        A sampler is called as ``sampler(rng, shape)`` with a :class:`numpy.random.Generator` of its own
        for every weight and bias, and returns an array of that shape.
    bias : bool
        Whether the layers have random biases.
    seed : int
        At least 0; the same seed gives the same network, bit for bit.
    domain : Box or Ball, optional
        Stored with the network.

    Raises
    ------
    ValueError
        If the seed is not an integer >= 0.
    InvalidNetworkError
        For widths that are not at least two integers >= 1, or a sampler that does not return finite
        numbers of the shape it was asked for.

    Examples
    --------
    >>> net = random_network([4, 8, 2], seed=3)
    >>> net
    ReluNetwork(4-8-2, 48 parameters)
    >>> import numpy as np
    >>> random_network([4, 8, 2], distribution=lambda rng, shape: rng.choice([-1.0, 1.0], shape))
    ReluNetwork(4-8-2, 48 parameters)

    """
    if len(widths) < 2:
        raise InvalidNetworkError(f"give at least two widths, inputs and outputs; got {list(widths)}")
    layers = tuple(
        DenseDraw(widths[index + 1], widths[index], bias, distribution) for index in range(len(widths) - 1)
    )
    return RandomRecipe(layers).draw(seed, domain=domain)


def _csr(data: FloatArray, indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    return csr_array((locked(data), locked(indices), locked(indptr)), shape=shape)


def _check_size(size: int, what: str) -> None:
    if size > LARGEST_DRAW:
        raise InvalidNetworkError(f"{what} asks for {size} numbers; at most {LARGEST_DRAW} can be drawn")


def _checkjson_fields(layer: LayerDraw) -> None:
    """Check the fields that the layer kinds have in common, and turn numpy integers into int."""
    name = type(layer).__name__
    for field in ("d_out", "d_in", "per_link"):
        value = getattr(layer, field, 1)
        if not is_integer(value) or value < 1:
            raise InvalidNetworkError(f"{field} of {name} must be an integer >= 1, got {value!r}")
        if hasattr(layer, field):
            object.__setattr__(layer, field, int(value))
    if not isinstance(layer.bias, bool):
        raise InvalidNetworkError(f"bias of {name} must be True or False, got {layer.bias!r}")
    if not isinstance(layer, OnesDraw) and not (
        isinstance(layer.distribution, Uniform | Normal) or callable(layer.distribution)
    ):
        raise InvalidNetworkError(
            f"the distribution of {name} must be Uniform, Normal or a sampler, got {layer.distribution!r}"
        )
    _check_size(layer.size, name)


def _described(distribution: Distribution) -> dict[str, Any]:
    if isinstance(distribution, Uniform | Normal):
        return distribution.to_json()
    raise InvalidNetworkError(
        f"the sampler {distribution!r} cannot be written as JSON; save the drawn network itself instead"
    )


def _layer_from_json(description: Any) -> LayerDraw:
    kind = json_kind(description, "a layer of a recipe")
    if kind == "dense":
        d_out, d_in, bias, distribution = json_fields(description, ("d_out", "d_in", "bias", "distribution"))
        return DenseDraw(d_out, d_in, bias, distribution_from_json(distribution))
    if kind == "link":
        d_out, d_in, per_link, bias, distribution = json_fields(
            description, ("d_out", "d_in", "per_link", "bias", "distribution")
        )
        return LinkDraw(d_out, d_in, per_link, bias, distribution_from_json(distribution))
    if kind == "ones":
        return OnesDraw(*json_fields(description, ("d_out", "d_in", "per_link", "bias")))
    raise InvalidNetworkError(f"unknown kind of layer {kind!r}; known are 'dense', 'link' and 'ones'")
