"""First layers of a pair that are drawn by blocks: only what a channel-blocked mask leaves of a whole layer.

Every hidden unit looks at one input (da Cunha et al. 2023, Definition 3), so that the other weights of a
whole random layer play no part: nobody draws them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, Shape, locked
from subsetsum_nets.networks.convolution import Conv2d, convolved_shape
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.distributions import UNIT_UNIFORM, Distribution, draw_array
from subsetsum_nets.networks.layer_draws import WEIGHT, LayerDraw, check_size
from subsetsum_nets.networks.window_geometry import WindowGeometry


@dataclass(frozen=True)
class _BlockSizes(LayerDraw):
    """``per_block`` units for each input, and with ``bias`` as many that see nothing but their bias."""

    inputs: int
    per_block: int
    bias: bool = False
    distribution: Distribution = UNIT_UNIFORM

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return self.inputs + self.bias

    @property
    def units(self) -> int:
        """How many hidden units there are."""
        return self.blocks * self.per_block

    @property
    def size(self) -> int:
        """How many numbers are drawn: one for every unit."""
        return self.units

    @property
    def whole_parameters(self) -> int:
        """How many numbers the same layer has without its blocks, biases included."""
        return self.units * (self.inputs + self.bias)

    def slopes(self, seed: int, layer: int) -> FloatArray:
        """Return what is drawn, shape (blocks, per_block): unit k of block t has word t per_block + k."""
        return draw_array(self.distribution, seed, layer, WEIGHT, (self.blocks, self.per_block))

    def constants(self, slopes: FloatArray) -> FloatArray | None:
        """Return the biases of all units: 0 but for those of the last block; None without one."""
        if not self.bias:
            return None
        bias = np.zeros(slopes.shape)
        bias[-1] = slopes[-1]
        return locked(bias.reshape(-1))


@dataclass(frozen=True)
class BlocksDraw(_BlockSizes):
    """How to draw a dense layer by blocks: units [n t, n (t + 1)) look at input t, n being ``per_block``.

    The weight is sparse, one entry a unit. With ``bias`` there is one block more, whose units have a bias and
    nothing else. Unit number k is made of word k of stream (layer, 0).

    Parameters
    ----------
    inputs, per_block : int
    bias : bool
    distribution : Uniform, Normal, LogUniform or sampler

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, or too many units.

    Examples
    --------
    >>> BlocksDraw(2, 3, bias=True).draw(seed=0, layer=0)
    Dense(2 -> 9, sparse, bias)

    """

    kind = "blocks"

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weight of the drawn layer."""
        return (self.units, self.inputs)

    def draw(self, seed: int, layer: int) -> Dense:
        """Draw the layer that stands at index ``layer``."""
        from scipy.sparse import csr_array

        slopes = self.slopes(seed, layer)
        looking = self.inputs * self.per_block
        indices = np.repeat(np.arange(self.inputs, dtype=np.int32), self.per_block)
        indptr = np.minimum(np.arange(self.units + 1, dtype=np.int32), np.int32(looking))
        parts: list[Any] = [slopes.reshape(-1)[:looking], indices, indptr]
        entries = tuple(locked(part) for part in parts)
        return Dense(csr_array(entries, shape=self.shape), self.constants(slopes))


@dataclass(frozen=True)
class ConvBlocksDraw(_BlockSizes):
    """How to draw a 1x1 convolution by blocks: channels [n t, n (t + 1)) look at channel t.

    As :class:`BlocksDraw`, with a kernel (1, 1, inputs, units) that holds zeros outside the blocks.

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, or a kernel of more entries than a recipe may ask for.

    Examples
    --------
    >>> ConvBlocksDraw(2, 3).draw(seed=0, layer=0)
    Conv2d(1x1, 2 -> 6)

    """

    kind = "conv-blocks"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(self.units * self.inputs, type(self).__name__)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the kernel of the layer."""
        return (1, 1, self.inputs, self.units)

    @property
    def takes(self) -> Shape:
        """The shape of the images that the layer takes, of any size."""
        return (None, None, self.inputs)

    def gives(self, shape: Shape, index: int) -> Shape:
        """Return the shape of what the layer makes of images of ``shape``, as layer ``index``.

        Raises
        ------
        InvalidNetworkError
            If it does not take them.

        """
        return convolved_shape(
            WindowGeometry((1, 1), "same", (1, 1)), (1, 1), (self.inputs, self.units), shape, index
        )

    def draw(self, seed: int, layer: int) -> Conv2d:
        """Draw the layer that stands at index ``layer``."""
        slopes = self.slopes(seed, layer)
        kernel = np.zeros((self.inputs, self.blocks, self.per_block))
        inputs = np.arange(self.inputs)
        kernel[inputs, inputs] = slopes[: self.inputs]
        return Conv2d(locked(kernel.reshape(self.shape)), self.constants(slopes))
