"""How one layer of a random network is drawn: a kind of layer is a class of its own.

They are listed in :mod:`subsetsum_nets.networks.draw_kinds`; those of convolutions are in
:mod:`subsetsum_nets.networks.convolution_draws`.

A draw is a frozen description of a few fields; seed and index of the layer give the rest, bit for bit.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from subsetsum_nets.networks.arguments import is_integer
from subsetsum_nets.networks.arrays import FloatArray, locked
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.distributions import (
    UNIT_UNIFORM,
    Described,
    Distribution,
    draw_array,
)
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.window_geometry import checked_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Shape
    from subsetsum_nets.networks.layer_shapes import Layer

LARGEST_DRAW = 2**31 - 1
"""The most units and weights that a recipe may ask for: 16 GiB of float64, and within 32-bit indices."""

WEIGHT, BIAS = 0, 1  # parameter kinds, the second half of a random stream's key


@dataclass(frozen=True)
class LayerDraw(ABC):
    """How to draw one layer: what the kinds of layers have in common.

    A further kind is a frozen dataclass with a ``kind`` of its own, entered in
    :data:`subsetsum_nets.networks.draw_kinds.KINDS`. Its fields are checked, written and read by their names:
    ``bias`` is True or False, ``distribution`` is one, ``scale``, ``shift`` and ``kernel`` are numbers,
    ``stride``, ``padding`` and ``dilation`` those of a Conv2d, and every other field is a size, an integer
    >= 1.

    Raises
    ------
    InvalidNetworkError
        For a field that is not of its kind, or a layer of more than :data:`LARGEST_DRAW` numbers.

    """

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            check: Callable[[Any, str], Any] = _CHECKED.get(field.name, _size)
            value = check(getattr(self, field.name), f"{field.name} of {type(self).__name__}")
            object.__setattr__(self, field.name, value)
        check_size(self.size, type(self).__name__)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight of the drawn layer, or of its kernel."""

    @property
    def takes(self) -> Shape:
        """The shape of the values that the drawn layer takes."""
        return (self.shape[1],)

    def gives(self, shape: Shape, index: int) -> Shape:
        """Return the shape of what the layer makes of values of ``shape``, as layer ``index``.

        Raises
        ------
        InvalidNetworkError
            If it does not take such values.

        """
        d_out, d_in = self.shape
        known = None not in shape
        given = math.prod(size or 1 for size in shape)
        if given != d_in if known else d_in % given:
            images = "" if known else "images of a multiple of "
            raise InvalidNetworkError(
                f"layer {index - 1} of the recipe gives {images}{given} values, "
                f"but layer {index} takes {d_in}"
            )
        return (d_out,)

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers the drawn layer holds."""

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn: all that the layer holds."""
        return self.size

    @property
    def whole_parameters(self) -> int:
        """How many numbers would be drawn if none were left out that a mask removes anyway."""
        return self.random_parameters

    @abstractmethod
    def draw(self, seed: int, layer: int) -> Layer:
        """Draw the layer that stands at index ``layer``."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`layer_draw_from_json` reads it back.

        Raises
        ------
        InvalidNetworkError
            If the layer has a sampler: a function cannot be written down.

        """
        written = {field.name: _described(getattr(self, field.name)) for field in fields(self)}
        return {"kind": self.kind, **written}


@dataclass(frozen=True)
class DenseDraw(LayerDraw):
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

    kind = "dense"

    d_out: int
    d_in: int
    bias: bool = False
    distribution: Distribution = UNIT_UNIFORM

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the drawn layer."""
        return (self.d_out, self.d_in)

    @property
    def size(self) -> int:
        """How many numbers the drawn layer holds."""
        return self.d_out * self.d_in + self.bias * self.d_out

    def draw(self, seed: int, layer: int) -> Dense:
        """Draw the layer that stands at index ``layer``."""
        weight = draw_array(self.distribution, seed, layer, WEIGHT, self.shape)
        return Dense(
            weight, draw_array(self.distribution, seed, layer, BIAS, (self.d_out,)) if self.bias else None
        )


@dataclass(frozen=True)
class _LinkSizes(LayerDraw):
    """The sizes of a target layer whose weights have ``per_link`` units each, biases too with ``bias``."""

    d_out: int
    d_in: int
    per_link: int
    bias: bool = False

    @property
    def size(self) -> int:
        """How many numbers the drawn layer holds: one for every unit, ``per_link`` a target weight."""
        return self.per_link * self.d_out * (self.d_in + self.bias)

    units = size


@dataclass(frozen=True)
class LinkDraw(_LinkSizes):
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

    kind = "link"

    distribution: Distribution = UNIT_UNIFORM

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the drawn layer."""
        return (self.units, self.d_in)

    def draw(self, seed: int, layer: int) -> Dense:
        """Draw the layer at index ``layer``: its weight is sparse, its bias 0 but for the constants."""
        coefficients = draw_array(self.distribution, seed, layer, WEIGHT, (self.units,))
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


@dataclass(frozen=True)
class OnesDraw(_LinkSizes):
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

    kind = "ones"

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the layer."""
        return (self.d_out, self.units)

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn: none."""
        return 0

    def draw(self, seed: int, layer: int) -> Dense:  # noqa: ARG002 - every kind of layer is drawn alike
        """Return the layer."""
        indptr = np.arange(self.d_out + 1, dtype=np.int32) * np.int32(self.units // self.d_out)
        indices = np.arange(self.units, dtype=np.int32)
        return Dense(_csr(np.ones(self.units), indices, indptr, self.shape))


@dataclass(frozen=True)
class ScalingDraw(LayerDraw):
    """A layer that scales and shifts every input, as the target does; nothing in it is random.

    Parameters
    ----------
    scale : tuple of float
        Of every input. The weight is sparse: zeros are not stored.
    shift : tuple of float
        Of every input, or none for a layer without bias.

    Raises
    ------
    InvalidNetworkError
        For numbers that are not finite, or shifts that are neither none nor as many as scales.

    Examples
    --------
    >>> ScalingDraw((0.5, 2.0), (0.0, 1.0)).draw(seed=0, layer=0)(np.array([[2.0, 2.0]]))
    array([[1., 5.]])

    """

    kind = "scaling"

    scale: tuple[float, ...]
    shift: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scale or len(self.shift) not in (0, len(self.scale)):
            raise InvalidNetworkError(
                f"{len(self.shift)} shifts do not go with {len(self.scale)} scales of a ScalingDraw"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the layer."""
        return (len(self.scale), len(self.scale))

    @property
    def size(self) -> int:
        """How many numbers the layer holds."""
        return len(self.scale) + len(self.shift)

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn: none."""
        return 0

    def draw(self, seed: int, layer: int) -> Dense:  # noqa: ARG002 - every kind of layer is drawn alike
        """Return the layer."""
        factors = np.array(self.scale)
        (at,) = np.nonzero(factors)
        indptr = np.concatenate([[0], np.cumsum(factors != 0.0)]).astype(np.int32)
        weight = _csr(factors[at], at.astype(np.int32), indptr, self.shape)
        return Dense(weight, np.array(self.shift) if self.shift else None)


def check_size(size: int, what: str) -> None:
    """Raise InvalidNetworkError if ``what`` asks for more than :data:`LARGEST_DRAW` numbers."""
    if size > LARGEST_DRAW:
        raise InvalidNetworkError(f"{what} asks for {size} numbers; at most {LARGEST_DRAW} can be drawn")


def _size(value: Any, what: str) -> int:
    if not is_integer(value) or value < 1:
        raise InvalidNetworkError(f"{what} must be an integer >= 1, got {value!r}")
    return int(value)


def _flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidNetworkError(f"{what} must be True or False, got {value!r}")
    return value


def _distribution(value: Any, what: str) -> Distribution:
    if isinstance(value, Described) or callable(value):
        return value  # type: ignore[no-any-return]
    raise InvalidNetworkError(
        f"the {what} must be Uniform, Normal, Signs, LogUniform or a sampler, got {value!r}"
    )


def _numbers(value: Any, what: str) -> tuple[float, ...]:
    proper = isinstance(value, list | tuple)
    if not proper or not all(type(x) in (int, float) and math.isfinite(x) for x in value):
        raise InvalidNetworkError(f"{what} must hold finite numbers, got {value!r}")
    return tuple(map(float, value))


_CHECKED: dict[str, Callable[[Any, str], Any]] = {
    "bias": _flag,
    "distribution": _distribution,
    "scale": _numbers,
    "shift": _numbers,
    "kernel": _numbers,
    "stride": checked_pair,
    "dilation": checked_pair,
    "padding": lambda value, _: value,  # what zeros there are depends on the other two
}
"""How a field is checked, by its name; every other field is a size."""


def _described(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_described(part) for part in value]
    if isinstance(value, Described):
        return value.to_json()
    if callable(value):
        raise InvalidNetworkError(
            f"the sampler {value!r} cannot be written as JSON; save the drawn network itself instead"
        )
    return value


def _csr(data: FloatArray, indices: NDArray[Any], indptr: NDArray[Any], shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    return csr_array((locked(data), locked(indices), locked(indptr)), shape=shape)
