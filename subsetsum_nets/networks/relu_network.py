"""ReluNetwork: dense and convolutional layers with ReLU between them, evaluated in float64.

The stored float64 weights *are* the network: every proof in this package speaks of the real-arithmetic
function with exactly these weights, and evaluation in floating point is only for looking.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, Shape, exact_float64
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import Ball, Box, Domain
from subsetsum_nets.networks.errors import InvalidNetworkError, needs_input_shape
from subsetsum_nets.networks.layer_shapes import (
    AffineLayer,
    ImageShape,
    Layer,
    checked_shape,
    layer_shapes,
    without_pools,
)
from subsetsum_nets.networks.pooling import Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST_VALUES = 1 << 23  # of one layer at a time; a batch that needs more is evaluated in parts


class ReluNetwork:
    """A feed-forward network of Dense and Conv2d layers with ReLU between them.

    Parameters
    ----------
    layers : sequence of Dense, Conv2d, AvgPool2d and MaxPool2d
        In the order of evaluation. Convolutional layers come first; a dense layer after one takes its images
        flattened in row-major order (rows, columns, channels). Pooling is kept as the Conv2d layers that it
        is, see :mod:`~subsetsum_nets.networks.pooling`: they stand in ``layers``, ``fixed``.
    final_relu : bool
        Whether a ReLU follows the last layer too.
    linear_after : iterable of int
        Hidden layers (by index) that no ReLU follows, such as the linear hidden layer of the one-layer
        toy in Pensia et al. 2020, section 3.1. Empty for an ordinary ReLU network. The indices are those of
        the list given.
    domain : Box or Ball, optional
        The inputs this network is meant for; stored with it in files and used by default where a bound
        is asked. Bounds of single coordinates stand in the order of the flattened input.
    input_shape : (h, w, c), optional
        The size of the images that a network starting with Conv2d takes. Without it such a network can be
        evaluated on images of every size that its dense layers take, but not verified or compiled.

    Raises
    ------
    InvalidNetworkError
        For an empty list, something that is not a layer, shapes that do not follow one another, or an
        ``input_shape`` that does not fit.

    Examples
    --------
    >>> net = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])])   # |x|
    >>> net([-3.0])
    array([3.])
    >>> net([[-3.0], [2.0]])
    array([[3.],
           [2.]])
    >>> from subsetsum_nets.networks import Conv2d
    >>> mean = Dense(np.full((1, 4), 0.25))
    >>> images = ReluNetwork([Conv2d(np.full((1, 1, 1, 1), 2.0)), mean], input_shape=(2, 2, 1))
    >>> images
    ReluNetwork(2x2x1-2x2x1-1, 5 parameters)
    >>> images(np.ones((2, 2, 1))), images([1.0, -1.0, 3.0, -1.0])
    (array([2.]), array([2.]))

    """

    __slots__ = ("domain", "input_shape", "layers", "relu_after", "shapes")

    layers: tuple[Layer, ...]
    relu_after: tuple[bool, ...]
    domain: Domain | None
    input_shape: ImageShape | None
    shapes: tuple[Shape, ...]  # of the input and of what each layer gives

    def __init__(
        self,
        layers: Sequence[Layer | Pool],
        *,
        final_relu: bool = False,
        linear_after: Iterable[int] = (),
        domain: Domain | None = None,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        given = tuple(layers)
        if not given:
            raise InvalidNetworkError("a network needs at least one layer")
        for index, layer in enumerate(given):
            if not isinstance(layer, Layer | Pool):
                raise InvalidNetworkError(
                    f"layer {index} is a {type(layer).__name__}, not a Dense or Conv2d layer"
                )
        linear = set(linear_after)
        if not linear <= set(range(len(given) - 1)):
            raise InvalidNetworkError(
                f"linear_after must name hidden layers 0..{len(given) - 2}, got {linear}"
            )
        self.input_shape = None if input_shape is None else checked_shape(input_shape, given[0])
        start = self.input_shape or given[0].takes
        relus = [*(index not in linear for index in range(len(given) - 1)), bool(final_relu)]
        self.layers, self.relu_after = without_pools(given, relus, start)
        self.shapes = layer_shapes(self.layers, start)
        if domain is not None:
            if not isinstance(domain, Box | Ball):
                raise InvalidNetworkError(f"the domain must be a Box or a Ball, got {domain!r}")
            if domain.dimension is not None:
                domain.bounds(self.widths[0])  # raises when the dimensions differ
        self.domain = domain

    @property
    def final_relu(self) -> bool:
        """Whether a ReLU follows the last layer."""
        return self.relu_after[-1]

    @property
    def linear_after(self) -> tuple[int, ...]:
        """Indices of the hidden layers that no ReLU follows."""
        return tuple(index for index, relu in enumerate(self.relu_after[:-1]) if not relu)

    @property
    def convolutional(self) -> bool:
        """Whether the network starts with Conv2d, and so takes images."""
        return len(self.shapes[0]) > 1

    @property
    def dense_layers(self) -> tuple[Dense, ...]:
        """The layers of a network of dense layers alone.

        Raises
        ------
        InvalidNetworkError
            If a layer is of another kind.

        """
        dense = []
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Dense):
                raise InvalidNetworkError(f"layer {index} is a {layer!r}, not a Dense layer")
            dense.append(layer)
        return tuple(dense)

    @property
    def affine_layers(self) -> tuple[AffineLayer, ...]:
        """The layers as affine maps of flattened values, for images of ``input_shape``.

        Each has ``weight`` (d_out, d_in), ``bias`` (d_out,) or None, ``d_in`` and ``d_out``. A dense layer is
        itself; the weight of a convolutional one is a
        :class:`~subsetsum_nets.networks.convolution_matrix.ConvolutionMatrix`.

        Raises
        ------
        InvalidNetworkError
            If the network starts with Conv2d and has no ``input_shape``.

        """
        return tuple(layer.on(shape) for layer, shape in zip(self.layers, self.shapes, strict=False))

    @property
    def widths(self) -> tuple[int, ...]:
        """(d_0, d_1, ..., d_l): the number of inputs and of units of each layer.

        Raises
        ------
        InvalidNetworkError
            If the network starts with Conv2d and has no ``input_shape``.

        """
        if self.convolutional and self.input_shape is None:
            raise needs_input_shape("the number of units")
        return tuple(math.prod(size or 0 for size in shape) for shape in self.shapes)

    @property
    def parameters(self) -> int:
        """Number of stored weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    def with_layers(self, layers: Sequence[Layer]) -> ReluNetwork:
        """Return a network with other layers between the same ReLUs, for the same inputs."""
        return ReluNetwork(
            layers,
            final_relu=self.final_relu,
            linear_after=self.linear_after,
            domain=self.domain,
            input_shape=self.input_shape,
        )

    def __call__(self, x: Any) -> FloatArray:
        """Evaluate in float64.

        Parameters
        ----------
        x : array_like, shape (d_0,) or (batch, d_0)
            A network that starts with Conv2d also takes images, (h, w, c) or (batch, h, w, c); their values
            alone only when its ``input_shape`` is known.

        Returns
        -------
        array, shape (d_l,) or (batch, d_l)
            Images (h, w, c_out) or (batch, h, w, c_out) when images were given and the last layer is a
            Conv2d.

        Raises
        ------
        InvalidNetworkError
            If ``x`` is not finite or has another number of inputs.

        """
        points = exact_float64(x, "the input")
        batch = self._images(points) if self.convolutional else self._vectors(points)
        most = max(1, _MOST_VALUES // self._widest(math.prod(batch.shape[1:-1])))
        starts = range(0, max(1, len(batch)), most)
        parts = [self._evaluated(batch[i : i + most], points.shape) for i in starts]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if points.ndim < 3:
            values = _flat(values)
        return values if points.ndim in (2, 4) else values[0]

    def _widest(self, pixels: int) -> int:
        """Return how many values the widest layer gives for one input, for images of so many pixels."""
        sizes = (math.prod(size or 1 for size in shape) for shape in self.shapes)
        return max(n * pixels if None in shape else n for n, shape in zip(sizes, self.shapes, strict=True))

    def _evaluated(self, values: FloatArray, given: tuple[int, ...]) -> FloatArray:
        """Evaluate a batch of vectors or images, which came in an array of shape ``given``."""
        for index, (layer, relu) in enumerate(zip(self.layers, self.relu_after, strict=True)):
            if values.ndim == 4 and len(layer.takes) == 1:
                values = _flat(values)
                if values.shape[1:] != layer.takes:
                    raise InvalidNetworkError(
                        f"images of shape {given} give layer {index} {values.shape[1]} values, "
                        f"but it takes {layer.takes[0]}"
                    )
            values = layer(values)
            if relu:
                values = np.maximum(values, 0.0)
        return values

    def _vectors(self, points: FloatArray) -> FloatArray:
        """Return the input of a dense network as a batch (batch, d_0)."""
        if points.ndim not in (1, 2) or points.shape[-1] != self.widths[0]:
            raise InvalidNetworkError(
                f"the network takes inputs of shape ({self.widths[0]},) or (batch, {self.widths[0]}), "
                f"got {points.shape}"
            )
        return np.atleast_2d(points)

    def _images(self, points: FloatArray) -> FloatArray:
        """Return the input of a convolutional network as a batch of images (batch, h, w, c)."""
        shape = self.input_shape
        if points.ndim in (1, 2):
            if shape is None:
                raise needs_input_shape(f"an input of shape {points.shape}, which is no image")
            if points.shape[-1] == math.prod(shape):
                return points.reshape(-1 if points.size else 0, *shape)
        elif points.ndim in (3, 4) and 0 not in points.shape[-3:]:
            fits = points.shape[-1] == self.shapes[0][-1] if shape is None else points.shape[-3:] == shape
            if fits:
                return points if points.ndim == 4 else points[np.newaxis]
        wanted = f"(h, w, {self.shapes[0][-1]})" if shape is None else str(shape)
        flat = "" if shape is None else f", or {math.prod(shape)} values an image"
        raise InvalidNetworkError(
            f"the network takes images of shape {wanted}, alone or in a batch{flat}; got {points.shape}"
        )

    def __repr__(self) -> str:
        shape = "-".join("x".join(str(size or "?") for size in shape) for shape in self.shapes)
        return (
            f"ReluNetwork({shape}{', final ReLU' if self.final_relu else ''}, {self.parameters} parameters)"
        )


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every dense weight as CSR of its nonzeros: how pruned ones are kept.

    Kernels of convolutional layers stay as they are.

    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    return network.with_layers([layer.sparse() for layer in network.layers])


def _flat(values: FloatArray) -> FloatArray:
    """Return every entry of a batch as a vector in row-major order."""
    return values.reshape(len(values), math.prod(values.shape[1:]))
