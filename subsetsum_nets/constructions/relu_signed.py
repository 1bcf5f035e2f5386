"""relu: Theorem 1 with every unit used by its sign, and no subset sum that the inputs do not need.

In each block of 2n units those with positive u serve inputs x >= 0, those with negative u serve x <= 0,
wherever they stand: each sum draws on about n items instead of n/2 of them. Where an input is proven
non-negative (behind every ReLU, in a domain such as [0, 1]^d, for the constant one) the negative sum is not
needed, and its units are pruned away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from subsetsum_nets.constructions.protocol import InputSigns, ItemLaw, Side
from subsetsum_nets.constructions.relu_blocks import BlockConstruction

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


class ReluSigned(BlockConstruction):
    """Theorem 1 of Pensia et al. (2020), units used by their sign; those that no subset uses are cut off.

    Of a convolution, the channels with v > 0 serve inputs > 0 and those with v < 0 serve inputs < 0: Lemma 11
    of da Cunha et al. (2023).
    """

    name = "relu"
    source = "Theorem 1 of Pensia et al. 2020, hidden units used by their sign"
    law: ClassVar[ItemLaw] = ItemLaw(second_moment=1 / 9, share=2, usable=0.5)

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the sides on which some input can lie."""
        return {"positive": signs.columns("positive"), "negative": signs.columns("negative")}

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return the units by the sign of their slope."""
        return {"positive": slopes > 0, "negative": slopes < 0}
