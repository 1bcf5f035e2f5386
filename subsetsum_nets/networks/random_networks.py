"""Recipes: random networks that can be redrawn bit for bit from a seed and a description.

A certificate needs to keep only the recipe and the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.arguments import checked_integer, is_integer
from subsetsum_nets.networks.distributions import UNIT_UNIFORM, Distribution, json_fields
from subsetsum_nets.networks.draw_kinds import KINDS, layer_draw_from_json
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.layer_draws import DenseDraw, LayerDraw, check_size
from subsetsum_nets.networks.layer_shapes import ImageShape, checked_shape, layer_shapes
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from subsetsum_nets.networks.domains import Domain


@dataclass(frozen=True)
class RandomRecipe:
    """Everything but the seed that a random network is drawn from; certificates keep it as JSON.

    Parameters
    ----------
    layers : sequence of LayerDraw
        Such as DenseDraw, or LinkDraw with its OnesDraw.
    linear_after : sequence of int
        Hidden layers that no ReLU follows.
    final_relu : bool
        Whether a ReLU follows the last layer.
    input_shape : (h, w, c), optional
        The size of the images that a network starting with a convolution takes.

    Raises
    ------
    InvalidNetworkError
        For no layers, shapes that do not follow one another, a hidden layer that does not exist,
        or more than ``LARGEST_DRAW`` numbers in all.

    Examples
    --------
    >>> from subsetsum_nets.networks import LinkDraw, OnesDraw
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
    input_shape: ImageShape | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "linear_after", tuple(self.linear_after))
        if not self.layers:
            raise InvalidNetworkError("a recipe needs at least one layer")
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, tuple(KINDS.values())):
                known = ", ".join(draw.__name__ for draw in KINDS.values())
                raise InvalidNetworkError(f"layer {index} of the recipe is {layer!r}, none of {known}")
        for index in self.linear_after:
            if not is_integer(index) or not 0 <= index < len(self.layers) - 1:
                raise InvalidNetworkError(
                    f"linear_after must name hidden layers 0..{len(self.layers) - 2}, got {index!r}"
                )
        object.__setattr__(self, "linear_after", tuple(map(int, self.linear_after)))
        if not isinstance(self.final_relu, bool):
            raise InvalidNetworkError(f"final_relu must be True or False, got {self.final_relu!r}")
        if self.input_shape is not None:
            object.__setattr__(self, "input_shape", checked_shape(self.input_shape, self.layers[0]))
        layer_shapes(self.layers, self.input_shape or self.layers[0].takes)
        check_size(sum(layer.size for layer in self.layers), "the recipe")

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn; the ones of an :class:`OnesDraw` are not."""
        return sum(layer.random_parameters for layer in self.layers)

    @property
    def whole_parameters(self) -> int:
        """How many numbers would be drawn if layers of blocks were drawn whole."""
        return sum(layer.whole_parameters for layer in self.layers)

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
        number = checked_integer(seed, "seed", 0)
        return ReluNetwork(
            [layer.draw(number, index) for index, layer in enumerate(self.layers)],
            final_relu=self.final_relu,
            linear_after=self.linear_after,
            domain=domain,
            input_shape=self.input_shape,
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`random_recipe_from_json` reads it back.

        Raises
        ------
        InvalidNetworkError
            If a layer has a sampler: a function cannot be written down.

        """
        images = {} if self.input_shape is None else {"input_shape": list(self.input_shape)}
        return {
            "layers": [layer.to_json() for layer in self.layers],
            "linear_after": list(self.linear_after),
            "final_relu": self.final_relu,
            **images,
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
    names = ["layers", "linear_after", "final_relu"]
    if "input_shape" in description:
        names.append("input_shape")
    layers, linear_after, final_relu, *images = json_fields(description, names, kind=False)
    if not all(isinstance(value, list) for value in (layers, linear_after, *images)):
        raise InvalidNetworkError("layers, linear_after and input_shape of a recipe must be lists")
    return RandomRecipe(
        tuple(map(layer_draw_from_json, layers)), tuple(linear_after), final_relu, *map(tuple, images)
    )


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
    distribution : Uniform, Normal, Signs, LogUniform or sampler
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
