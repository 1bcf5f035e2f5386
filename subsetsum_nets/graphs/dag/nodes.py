"""NodeLayer: the nodes of one layer of a graph, in arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, exact_float64


@dataclass(frozen=True, eq=False)
class NodeLayer:
    """The nodes of one layer.

    Attributes
    ----------
    relu : read-only bool array, shape (size,)
        Which nodes have a ReLU; the others are linear.
    bias : read-only float64 array, shape (size,), or None
    bias_kept : read-only bool array, shape (size,), or None
        None when every bias is kept.
    index : read-only int64 array, shape (size,)
        The number of each node in its layer, increasing. 0, 1, 2, .. in a whole network; a graph that was
        cut from another keeps the numbers, so that its nodes can be found there.

    """

    relu: Bools
    bias: FloatArray | None
    bias_kept: Bools | None
    index: Ints

    @classmethod
    def of(cls, relu: Any, bias: Any = None, bias_kept: Any = None, index: Any = None) -> NodeLayer:
        """Check and freeze the arrays.

        Raises
        ------
        InvalidGraphError
            For arrays of different lengths, or numbers of nodes that do not increase.
        InvalidNetworkError
            For a bias that is not finite.

        """
        active = np.array(relu, dtype=bool)
        size = active.size
        values = None if bias is None else exact_float64(bias, "the bias of a layer")
        kept = None if bias_kept is None or values is None else np.array(bias_kept, dtype=bool)
        numbers = np.arange(size) if index is None else np.array(index)
        for what, array in (("relu", active), ("bias", values), ("bias_kept", kept), ("index", numbers)):
            if array is not None and array.shape != (size,):
                raise InvalidGraphError(
                    f"{what} of a layer has shape {array.shape}; its {size} nodes need ({size},)"
                )
        numbers = numbers.astype(np.int64)
        if size and (numbers[0] < 0 or np.any(np.diff(numbers) <= 0)):
            raise InvalidGraphError("the numbers of a layer's nodes must be at least 0 and increase")
        if kept is not None and kept.all():
            kept = None
        for array in (active, kept, numbers):
            if array is not None:
                array.flags.writeable = False
        return cls(active, values, kept, numbers)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(self.relu.size)

    @property
    def kept_bias(self) -> FloatArray | None:
        """The bias with 0 where it is not kept."""
        if self.bias is None or self.bias_kept is None:
            return self.bias
        return np.where(self.bias_kept, self.bias, 0.0)

    @property
    def offset(self) -> FloatArray:
        """The kept bias, zeros where there is none."""
        return np.zeros(self.size) if self.kept_bias is None else self.kept_bias

    @property
    def keeps_bias(self) -> Bools:
        """Which biases are kept, shape (size,)."""
        return np.ones(self.size, dtype=bool) if self.bias_kept is None else self.bias_kept

    def select(self, chosen: Any) -> NodeLayer:
        """Return some of the nodes; ``chosen`` is a mask or increasing positions."""
        bias = None if self.bias is None else self.bias[chosen]
        kept = None if self.bias_kept is None else self.bias_kept[chosen]
        return NodeLayer.of(self.relu[chosen], bias, kept, self.index[chosen])
