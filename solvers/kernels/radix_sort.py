"""Sorting non-negative integers, 11 bits at a time.

Numba's own sorts are closures. Cached by different processes their machine code can get equal names for
unequal bodies (``sort`` and ``argsort``, say), and a process that loads both calls the wrong one and crashes:
https://github.com/numba/numba/issues/10486. Kernels therefore sort with these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints

_RADIX_BITS = 11


@compiled
def sort(values: Ints, largest: int) -> None:
    """Sort numbers in [0, largest] in place."""
    source, spare = values, np.empty(values.size, np.int64)
    places = np.empty(1 << _RADIX_BITS, np.int64)
    passes = shift = 0
    while shift < 63 and largest >> shift > 0:  # a shift beyond the word is undefined
        _starts_of_digits(source, shift, places)
        for k in range(values.size):
            digit = (source[k] >> shift) & (places.size - 1)
            spare[places[digit]] = source[k]
            places[digit] += 1
        source, spare = spare, source
        shift += _RADIX_BITS
        passes += 1
    if passes % 2 == 1:
        _copy(source, values)


@compiled
def sort_with(values: Ints, companions: Ints, largest: int) -> None:
    """Sort numbers in [0, largest] in place, stably, and move their companions along."""
    source, spare = values, np.empty(values.size, np.int64)
    beside, spare_beside = companions, np.empty(values.size, np.int64)
    places = np.empty(1 << _RADIX_BITS, np.int64)
    passes = shift = 0
    while shift < 63 and largest >> shift > 0:
        _starts_of_digits(source, shift, places)
        for k in range(values.size):
            digit = (source[k] >> shift) & (places.size - 1)
            spare[places[digit]], spare_beside[places[digit]] = source[k], beside[k]
            places[digit] += 1
        source, spare = spare, source
        beside, spare_beside = spare_beside, beside
        shift += _RADIX_BITS
        passes += 1
    if passes % 2 == 1:
        _copy(source, values)
        _copy(beside, companions)


@compiled
def _copy(source: Ints, target: Ints) -> None:
    """Do ``target[:] = source``, of which numba compiles an error message, too, for two seconds."""
    for k in range(source.size):
        target[k] = source[k]


@compiled
def _starts_of_digits(values: Ints, shift: int, places: Ints) -> None:
    """Fill ``places`` with where the numbers of each digit begin once they are sorted by it."""
    places[:] = 0
    for k in range(values.size):
        places[(values[k] >> shift) & (places.size - 1)] += 1
    total = 0
    for digit in range(places.size):
        count = places[digit]
        places[digit] = total
        total += count
