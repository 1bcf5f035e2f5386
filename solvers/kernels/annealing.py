"""Simulated annealing of subsets of vectors (Kirkpatrick, Gelatt & Vecchi 1983): 2-norm first, then 6-norm.

In the 2-norm the change that an item makes is known from its inner product with the rest, so a proposal costs
a look; these products are kept up to date, a row of the items' Gram matrix for each change that is made. The
6-norm is near the max norm, and smooth; there a proposal is followed coordinate by coordinate until it is
surely refused. Random numbers are those of xorshift64* (Marsaglia 2003; Vigna 2016), the same everywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Floats, Words

_MULTIPLIER = np.uint64(0x2545F4914F6CDD1D)
_UNIT = 2.0**-53


@compiled
def _random(state: Words) -> float:
    """Return the next number, uniform in (0, 1]; ``state`` is one word, not 0."""
    word = state[0]
    word ^= word >> np.uint64(12)
    word ^= word << np.uint64(25)
    word ^= word >> np.uint64(27)
    state[0] = word
    return (float((word * _MULTIPLIER) >> np.uint64(11)) + 1.0) * _UNIT


@compiled
def anneal_length(
    gram: Floats, inner: Floats, chosen: Bools, hot: float, cooling: float, sweeps: int, state: Words
) -> None:
    """Anneal the squared length of the rest: ``sweeps`` proposals an item, from a temperature on.

    ``gram``, shape (m, m), holds the inner products of the items, ``inner``, shape (m,), those with the rest;
    that and ``chosen`` are updated. ``cooling`` is the factor of the temperature from sweep to sweep.
    """
    temperature = hot
    for _ in range(sweeps):
        for i in range(inner.size):
            sign = -1.0 if chosen[i] else 1.0
            change = gram[i, i] - 2.0 * sign * inner[i]
            if change <= 0.0 or (
                change < 30.0 * temperature and change < -temperature * math.log(_random(state))
            ):
                chosen[i] = not chosen[i]
                for j in range(inner.size):
                    inner[j] -= sign * gram[i, j]
        temperature *= cooling


@compiled
def _sixth(rest: Floats) -> float:
    total = 0.0
    for k in range(rest.size):
        square = rest[k] * rest[k]
        total += square * square * square
    return total


@compiled
def anneal_sixth(
    items: Floats,
    rest: Floats,
    chosen: Bools,
    best: Bools,
    least: float,
    hot: float,
    cooling: float,
    sweeps: int,
    state: Words,
) -> float:
    """Anneal the 6-norm of the rest, to the power 6; returns the least max norm that was seen.

    Temperatures are shares of the present value. ``rest`` and ``chosen`` are updated; ``best`` is set to what
    is chosen wherever the max norm is less than ``least``.
    """
    m, d = items.shape
    temperature = hot
    value = _sixth(rest)
    for _ in range(sweeps):
        for i in range(m):
            sign = -1.0 if chosen[i] else 1.0
            limit = value - temperature * value * math.log(_random(state))
            after = largest = 0.0
            for k in range(d):
                x = rest[k] - sign * items[i, k]
                square = x * x
                largest = max(largest, square)
                after += square * square * square
                if after > limit:
                    break
            if after > limit:
                continue
            value = after
            chosen[i] = not chosen[i]
            for k in range(d):
                rest[k] -= sign * items[i, k]
            if largest < least * least:
                least = math.sqrt(largest)
                best[:] = chosen
        temperature *= cooling
    return least
