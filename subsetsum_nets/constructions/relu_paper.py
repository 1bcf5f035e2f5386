"""relu-paper: Theorem 1 of Pensia et al. 2020, word for word, by way of Lemmas 1, 2 and 3.

In each block of 2n units the top half keeps those with positive u and serves inputs x >= 0, the bottom half
keeps those with negative u and serves x <= 0. Each target weight is two subset sums, over about n/2 items
each. Both are solved whatever the signs of the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.constructions.protocol import InputSigns, ItemLaw, Side
from subsetsum_nets.constructions.relu_blocks import BlockConstruction

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


class ReluPaper(BlockConstruction):
    """The construction in the proof of Theorem 1 of Pensia et al. (2020)."""

    name = "relu-paper"
    source = "Theorem 1 of Pensia et al. 2020, as in its proof"
    # E[(UV)^2] = 1/9 for U, V ~ U[-1, 1]
    law: ClassVar[ItemLaw] = ItemLaw(second_moment=1 / 9, share=1, usable=0.5)

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return both sides and all inputs, always: the proof asks for them."""
        everything = np.arange(len(signs.positive))
        return {"positive": everything, "negative": everything}

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return a^+ of the top halves and c^- of the bottom halves."""
        n = slopes.shape[1] // 2
        top = np.arange(slopes.shape[1]) < n
        return {"positive": top & (slopes > 0), "negative": ~top & (slopes < 0)}

    def uncut(self, slopes: FloatArray, used: Bools) -> Bools:  # noqa: ARG002 - used or not
        """Return a^+ in the top halves and c^- in the bottom halves (steps 1 and 3 of Lemma 1)."""
        serving = self.serving(slopes)
        return serving["positive"] | serving["negative"]
