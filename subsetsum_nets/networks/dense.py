"""Dense: an affine layer, its weight an array or sparse."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from subsetsum_nets.networks.arrays import (
    FloatArray,
    Ints,
    Shape,
    csr_of_nonzeros,
    exact_float64,
    frozen,
    is_sparse,
)
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Weight = FloatArray | csr_array[Any, Any]


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

    fixed = False  # its weights are there to be drawn and pruned

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
            self.weight = csr_array((data, frozen(matrix.indices), frozen(matrix.indptr)), shape=matrix.shape)
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

    @property
    def whole_weights(self) -> int:
        """How many weights verification works with: those that are stored."""
        return self.parameters

    @property
    def least_outputs(self) -> int:
        """How many outputs it has."""
        return self.d_out

    @property
    def offset(self) -> FloatArray:
        """The bias, zeros where there is none."""
        return np.zeros(self.d_out) if self.bias is None else self.bias

    @property
    def stored(self) -> Weight:
        """The array that a mask of this layer has the shape of."""
        return self.weight

    channel_axes: ClassVar[tuple[int, int]] = (1, 0)
    """Which axes of :attr:`stored` are inputs, and outputs; of images they are channels."""

    groups: ClassVar[int] = 1
    """Every output sees every input."""

    def with_stored(self, weight: Any, bias: Any) -> Dense:
        """Return a layer of this kind with other weights and biases."""
        return Dense(weight, bias)

    @property
    def matrix(self) -> Weight:
        """The weights as rows over the inputs, shape (d_out, d_in)."""
        return self.weight

    def from_matrix(self, matrix: Any) -> Any:
        """Return what has the shape of :attr:`matrix` in that of :attr:`stored`."""
        return matrix

    def weight_parts(self, shape: Shape, index: int) -> list[tuple[Ints, Ints]]:  # noqa: ARG002 - as every layer is asked
        """Return (rows, columns) of :attr:`matrix` that hold weights; the bias is one more column."""
        return [(np.arange(self.d_out), np.arange(self.d_in + (self.bias is not None)))]

    @property
    def options(self) -> dict[str, Any]:
        """What makes it what it is beside its weights: nothing."""
        return {}

    def sparse(self) -> Dense:
        """Return the same layer with its weight as CSR of the nonzero entries."""
        return Dense(csr_of_nonzeros(self.weight), self.bias)

    @property
    def takes(self) -> Shape:
        """The shape of the values that it takes; images flattened."""
        return (self.d_in,)

    def gives(self, shape: Shape, index: int) -> Shape:
        """Return the shape of what it makes of values of ``shape``; ``index`` names it in messages.

        Raises
        ------
        InvalidNetworkError
            If it does not take such values.

        """
        if None in shape:
            if self.d_in % (channels := shape[-1] or 1):
                raise InvalidNetworkError(
                    f"layer {index - 1} gives images of {channels} channels, but layer {index} takes "
                    f"{self.d_in} values, which is no multiple of {channels}"
                )
        elif (given := math.prod(size or 0 for size in shape)) != self.d_in:
            raise InvalidNetworkError(
                f"layer {index - 1} gives {given} values, but layer {index} takes {self.d_in}"
            )
        return (self.d_out,)

    def on(self, shape: Shape) -> Dense:  # noqa: ARG002 - as every layer is asked
        """Return the layer as an affine map of flattened values: itself."""
        return self

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate in float64 for ``x`` of shape (batch, d_in); returns shape (batch, d_out)."""
        y: FloatArray = (self.weight @ x.T).T if is_sparse(self.weight) else x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        notes = (", sparse" if is_sparse(self.weight) else "") + (", bias" if self.bias is not None else "")
        return f"Dense({self.d_in} -> {self.d_out}{notes})"
