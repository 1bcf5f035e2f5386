"""What can remain of integer weights while their digits are picked up, least significant first.

Digit t of weight w is any d with -minus <= d <= plus, as many edges of either kind as there are. What remains
is r = w at first, and (r - d) / g after a digit, where g divides r - d. A set of remainders is one word: bit
k + MIDDLE stands for ``base + k``, where ``base = floor(w / g^t)``. Remainders outside the window are left
out: whatever is in it can be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Ints

    Words = NDArray[np.uint64]

REACH = 8  # of the window, either way
MIDDLE = 28  # bits below, for the window and the largest digits
MOST_DIGIT = MIDDLE - REACH - 4  # with room for residues of g <= 4
IMPOSSIBLE = 1 << 20  # a digit that no number of edges makes


@dataclass(eq=False)
class Remainders:
    """Sets of remainders of many weights, shape (outputs, inputs)."""

    base: Ints
    words: Words

    @classmethod
    def of(cls, weight: Ints) -> Remainders:
        """Return the sets {w}, before any digit."""
        return cls(weight.copy(), np.full(weight.shape, 1 << MIDDLE, np.uint64))

    def least_digits(self, growth: int, last: NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Return the fewest + edges alone, and - edges alone, after which something remains.

        Parameters
        ----------
        growth : int
            g, the base of the digit.
        last : bool array, shape (inputs,)
            Of inputs whose digit is the last one: 0 has to remain.

        """
        plus, minus = (np.full(self.base.shape, IMPOSSIBLE, np.int64) for _ in range(2))
        for k in range(-REACH, REACH + 1):
            there = (self.words >> np.uint64(MIDDLE + k)) & np.uint64(1) != 0
            value = self.base + k
            for fewest, digit in ((plus, value), (minus, -value)):
                whole = np.where(digit >= 0, digit, IMPOSSIBLE)
                needed = np.where(last, whole, digit % growth)
                np.minimum(fewest, needed, out=fewest, where=there)
        return plus, minus

    def after(self, g: int, plus: Ints, minus: Ints) -> Remainders:
        """Return what can remain after a digit in base g of up to ``plus``, ``minus`` edges <= MOST_DIGIT."""
        spread = self.words.copy()
        for digit in range(1, int(max(plus.max(initial=0), minus.max(initial=0))) + 1):
            spread |= np.where(plus >= digit, self.words >> np.uint64(digit), np.uint64(0))
            spread |= np.where(minus >= digit, self.words << np.uint64(digit), np.uint64(0))
        base, rest = np.divmod(self.base, g)
        words = np.zeros_like(self.words)
        spread <<= rest.astype(np.uint64)  # bit MIDDLE + k now stands for g base + k
        for k in range(-REACH, REACH + 1):
            place = MIDDLE + g * k
            if 0 <= place < 64:
                words |= ((spread >> np.uint64(place)) & np.uint64(1)) << np.uint64(MIDDLE + k)
        return Remainders(base, words)
