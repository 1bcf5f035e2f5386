"""Two peers that look at weights alone: global magnitude, and truncated SVD of one rank for all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.coresets.task import Sparser, TooFewEdgesError, largest_of, never_empty

if TYPE_CHECKING:
    from subsetsum_nets.coresets.task import Size, Task
    from subsetsum_nets.networks.arrays import FloatArray


def magnitude(task: Task, size: Size) -> Sparser:
    """Keep the largest weights and biases of the whole network."""
    sizes = [np.abs(matrix) for matrix in task.matrices]
    masks = largest_of(sizes, int(size.edges or 0), [one > 0.0 for one in sizes])
    return Sparser.of(
        [
            never_empty(matrix, np.where(mask, matrix, 0.0), index)
            for index, (matrix, mask) in enumerate(zip(task.matrices, masks, strict=True))
        ]
    )


def svd(task: Task, size: Size) -> Sparser:
    """Keep the largest rank r, the same for all layers, whose factors have at most so many parameters.

    Baykal et al. 2018, appendix B.1: r (rows + columns) a layer; biases are kept and counted. A layer that
    is smaller than its factors stays as it is.
    """
    factors = [_Factors(matrix) for matrix in task.matrices]
    most = max(one.full_rank for one in factors)
    sizes = [sum(one.size(rank) for one in factors) for rank in range(1, most + 1)]
    edges = int(size.edges or 0)
    if sizes[0] > edges:
        raise TooFewEdgesError(f"{edges} parameters are too few for SVD: rank 1 has {sizes[0]}; keep more")
    rank = sum(one <= edges for one in sizes)
    return Sparser([one.of_rank(rank) for one in factors], sizes[rank - 1])


class _Factors:
    """The singular value decomposition of a layer's weights."""

    def __init__(self, matrix: FloatArray) -> None:
        self.matrix = matrix
        self.u, self.s, self.v = np.linalg.svd(matrix[:, :-1], full_matrices=False)

    @property
    def full_rank(self) -> int:
        """The rank from which on the layer is as it was."""
        return len(self.s)

    def stays(self, rank: int) -> bool:
        """Whether factors of this rank would have as many parameters as the layer itself."""
        own = int(np.count_nonzero(self.matrix[:, :-1]))
        return rank >= len(self.s) or self._factors(rank) >= own

    def _factors(self, rank: int) -> int:
        return rank * (len(self.u) + int(self.v.shape[1]))

    def size(self, rank: int) -> int:
        """Parameters of the factors, or of the layer where it stays as it is; its biases too."""
        if self.stays(rank):
            return int(np.count_nonzero(self.matrix))
        return self._factors(rank) + int(np.count_nonzero(self.matrix[:, -1]))

    def of_rank(self, rank: int) -> FloatArray:
        """Return the layer with its weights of this rank."""
        new = self.matrix.copy()
        if not self.stays(rank):
            new[:, :-1] = (self.u[:, :rank] * self.s[:rank]) @ self.v[:rank]
        return new
