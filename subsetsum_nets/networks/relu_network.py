"""ReluNetwork: dense layers with ReLU between them, evaluated in float64.

The stored float64 weights *are* the network: every proof in this package speaks of the real-arithmetic
function with exactly these weights, and evaluation in floating point is only for looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, exact_float64
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.domains import Domain

    Weight = FloatArray | csr_array[Any, Any]


def is_sparse(weight: object) -> TypeGuard[csr_array[Any, Any]]:
    """Tell whether ``weight`` is a scipy.sparse array or matrix, without importing scipy to find out."""
    return hasattr(weight, "tocsr")


def _frozen(indices: NDArray[Any]) -> NDArray[Any]:
    """Return ``indices`` as a read-only array that nobody else can write to."""
    frozen = indices.copy() if indices.flags.writeable else indices
    frozen.flags.writeable = False
    return frozen


class Dense:
    """An affine layer ``x -> weight @ x + bias``.

    Parameters
    ----------
    weight : array_like or scipy.sparse array, shape (d_out, d_in)
        Sparse weights are kept as float64 CSR with sorted indices; an entry that is stored as zero stays
        stored, entries given twice are added up in floating point. The arrays kept are read-only, and
        copies where the caller could still write to what was given.
    bias : array_like, shape (d_out,), optional
        The weights on a constant-one input.

    Raises
    ------
    InvalidNetworkError
        For an empty or non-2-D weight, a bias of another length, sparse indices out of range, or entries
        that are not finite or that float64 would round.

    Examples
    --------
    >>> Dense([[1.0, -2.0]], bias=[0.5])
    Dense(2 -> 1, bias)

    """

    __slots__ = ("bias", "weight")

    weight: Weight
    bias: FloatArray | None

    def __init__(self, weight: Any, bias: Any = None) -> None:
        if is_sparse(weight):
            from scipy.sparse import csr_array

            matrix = csr_array(weight)
            try:
                matrix.check_format(full_check=True)  # an index out of range would read foreign memory
            except ValueError as error:
                raise InvalidNetworkError(f"the sparse weight is broken: {error}") from error
            if not matrix.has_canonical_format:
                matrix = matrix.copy()  # a CSR weight still shares its arrays with the caller's
                matrix.sum_duplicates()
            data = exact_float64(matrix.data, "a sparse weight")
            self.weight = csr_array(
                (data, _frozen(matrix.indices), _frozen(matrix.indptr)), shape=matrix.shape
            )
        else:
            self.weight = exact_float64(weight, "the weight")
        if self.weight.ndim != 2 or 0 in self.weight.shape:
            raise InvalidNetworkError(
                f"a dense weight must have shape (d_out, d_in), got {self.weight.shape}"
            )
        self.bias = None if bias is None else exact_float64(bias, "the bias")
        if self.bias is not None and self.bias.shape != (self.weight.shape[0],):
            raise InvalidNetworkError(
                f"the bias has shape {self.bias.shape}, but the weight {self.weight.shape} "
                f"needs ({self.weight.shape[0]},)"
            )

    @property
    def d_in(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])

    @property
    def d_out(self) -> int:
        """Number of outputs."""
        return int(self.weight.shape[0])

    @property
    def parameters(self) -> int:
        """Number of stored weights and biases (stored entries for a sparse weight)."""
        stored = int(self.weight.nnz) if is_sparse(self.weight) else int(self.weight.size)
        return stored + (0 if self.bias is None else int(self.bias.size))

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate in float64 for ``x`` of shape (batch, d_in); returns shape (batch, d_out)."""
        y: FloatArray = (self.weight @ x.T).T if is_sparse(self.weight) else x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        notes = (", sparse" if is_sparse(self.weight) else "") + (", bias" if self.bias is not None else "")
        return f"Dense({self.d_in} -> {self.d_out}{notes})"


class ReluNetwork:
    """A feed-forward network of :class:`Dense` layers with ReLU between them.

    Parameters
    ----------
    layers : sequence of Dense
        In the order of evaluation.
    final_relu : bool
        Whether a ReLU follows the last layer too.
    linear_after : iterable of int
        Hidden layers (by index) that no ReLU follows, such as the linear hidden layer of the one-layer
        toy in Pensia et al. 2020, section 3.1. Empty for an ordinary ReLU network.
    domain : Box or Ball, optional
        The inputs this network is meant for; stored with it in files and used by default where a bound
        is asked.

    Raises
    ------
    InvalidNetworkError
        For an empty list, something that is not a layer, or shapes that do not follow one another.

    Examples
    --------
    >>> net = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])])   # |x|
    >>> net([-3.0])
    array([3.])
    >>> net([[-3.0], [2.0]])
    array([[3.],
           [2.]])

    """

    __slots__ = ("domain", "layers", "relu_after")

    layers: tuple[Dense, ...]
    relu_after: tuple[bool, ...]
    domain: Domain | None

    def __init__(
        self,
        layers: Sequence[Dense],
        *,
        final_relu: bool = False,
        linear_after: Iterable[int] = (),
        domain: Domain | None = None,
    ) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise InvalidNetworkError("a network needs at least one layer")
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Dense):
                raise InvalidNetworkError(f"layer {index} is a {type(layer).__name__}, not a Dense layer")
        for index in range(1, len(self.layers)):
            before, after = self.layers[index - 1], self.layers[index]
            if before.d_out != after.d_in:
                raise InvalidNetworkError(
                    f"layer {index - 1} gives {before.d_out} values, but layer {index} takes {after.d_in}"
                )
        linear = set(linear_after)
        if not linear <= set(range(len(self.layers) - 1)):
            raise InvalidNetworkError(
                f"linear_after must name hidden layers 0..{len(self.layers) - 2}, got {linear}"
            )
        hidden = [index not in linear for index in range(len(self.layers) - 1)]
        self.relu_after = (*hidden, bool(final_relu))
        if domain is not None:
            if not isinstance(domain, Box | Ball):
                raise InvalidNetworkError(f"the domain must be a Box or a Ball, got {domain!r}")
            domain.bounds(self.layers[0].d_in)  # raises when the dimensions differ
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
    def widths(self) -> tuple[int, ...]:
        """(d_0, d_1, ..., d_l): the number of inputs and of units of each layer."""
        return (self.layers[0].d_in, *(layer.d_out for layer in self.layers))

    @property
    def parameters(self) -> int:
        """Number of stored weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    def __call__(self, x: Any) -> FloatArray:
        """Evaluate in float64.

        Parameters
        ----------
        x : array_like, shape (d_0,) or (batch, d_0)

        Returns
        -------
        array, shape (d_l,) or (batch, d_l)

        Raises
        ------
        InvalidNetworkError
            If ``x`` is not finite or has another number of inputs.

        """
        points = exact_float64(x, "the input")
        if points.ndim not in (1, 2) or points.shape[-1] != self.widths[0]:
            raise InvalidNetworkError(
                f"the network takes inputs of shape ({self.widths[0]},) or (batch, {self.widths[0]}), "
                f"got {points.shape}"
            )
        values = np.atleast_2d(points)
        for layer, relu in zip(self.layers, self.relu_after, strict=True):
            values = layer(values)
            if relu:
                values = np.maximum(values, 0.0)
        return values if points.ndim == 2 else values[0]

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths))
        return (
            f"ReluNetwork({shape}{', final ReLU' if self.final_relu else ''}, {self.parameters} parameters)"
        )
