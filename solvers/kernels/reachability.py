"""Tables over all sums of non-negative integer items, extended in place item by item (Bellman 1957).

Sum s has index s; a bit table packs 64 sums into a word, so that one item costs one shifted OR over the
words (word-parallel dynamic programming: Pisinger 2003). A table has one row, or (``sized``) one row for each
number of items chosen: then row k is extended from row k - 1, rows from high to low. Every step goes from the
high sums to the low ones, because it must read what the table held before the item.

An item is applied only to the sums between its ``lows`` and ``highs``: the caller knows which sums the items
so far can give, and from which the items still to come can reach what is looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Ints, Words

_BLOCK = 1024  # words or entries that a step copies aside; they stay in the first-level cache


@compiled
def _or_shifted(row: Words, source: Words, item: int, low: int, high: int, aside: Words) -> None:
    """OR ``source << item`` into the words of ``row`` that hold the sums low to high."""
    words, bits = item >> 6, item & 63
    first, end = max(low, item) >> 6, (high >> 6) + 1
    left, right = np.uint64(bits), np.uint64(63 - bits)
    one = np.uint64(1)
    while end > first:
        start = max(first, end - _BLOCK)
        size = end - start
        # Copied aside, since row and source may be the same memory, where compilers dare not vectorise.
        part = source[start - words : end - words]
        for i in range(size):
            aside[i] = part[i] << left
        skip = 1 if start == words else 0  # no word below the first
        below = source[start - words - 1 + skip : end - words - 1]
        for i in range(size - skip):
            aside[i + skip] |= (below[i] >> one) >> right  # two steps: a shift by 64 is undefined
        target = row[start:end]
        for i in range(size):
            target[i] |= aside[i]
        end = start


@compiled
def extend_bits(
    bits: Words,
    items: Ints,
    sized: bool,
    filled: int,
    lows: Ints,
    highs: Ints,
    tops: Ints,
    goal_low: int,
    goal_high: int,
) -> int:
    """Apply items to a bit table, shape (rows, words); returns how many were applied.

    ``filled`` items were applied before, so that only rows up to this number hold anything; ``tops`` are the
    largest sums worth keeping in each row. In a table of one row the item that makes a sum from ``goal_low``
    to ``goal_high`` reachable is the last.
    """
    aside = np.empty(_BLOCK, np.uint64)
    rows = bits.shape[0]
    for index in range(items.size):
        item = items[index]
        if sized:
            for row in range(min(rows - 1, filled + index + 1), 0, -1):
                high = min(highs[index], tops[row])
                _or_shifted(bits[row], bits[row - 1], item, lows[index], high, aside)
        elif item > 0:
            _or_shifted(bits[0], bits[0], item, lows[index], min(highs[index], tops[0]), aside)
            if goal_low <= goal_high and first_set(bits[0], goal_low, goal_high) >= 0:
                return index + 1
    return int(items.size)


@compiled
def bit_history(
    history: Words, items: Ints, sized: bool, first: int, lows: Ints, highs: Ints, tops: Ints
) -> None:
    """Fill ``history[first + 1:]``: entry i is the table of i items; shape (items + 1, rows, words).

    ``items``, ``lows`` and ``highs`` start at item ``first``.
    """
    for index in range(items.size):
        one = slice(index, index + 1)
        table = history[first + index + 1]
        table[:] = history[first + index]
        extend_bits(table, items[one], sized, first + index, lows[one], highs[one], tops, 1, 0)


@compiled
def next_subsets(
    history: Words, items: Ints, sized: bool, steps: Ints, state: Ints, subsets: NDArray[np.uint8]
) -> int:
    """List subsets that end in one (size, sum) in ``subsets``, shape (capacity, items); returns how many.

    Items are decided from the last to the first, and only as the history says that the rest can be had: no
    branch is dead. The search goes on where the last call left it, which ``steps`` (what was tried at each
    item: 0 nothing, 1 leaving it, 2 taking it) and ``state`` (items left to decide, size, sum) remember.
    Fewer than the capacity: that was all.
    """
    n = items.size
    left, size, total = state[0], state[1], state[2]
    found = 0
    while left <= n and found < subsets.shape[0]:
        if left == 0:
            for i in range(n):
                subsets[found, i] = steps[i] == 2
            found += 1
        elif steps[left - 1] < 2:
            step = steps[left - 1] + 1
            steps[left - 1] = step
            item = items[left - 1] if step == 2 else 0
            row = size - 1 if sized and step == 2 else size
            rest = total - item
            if row >= 0 and rest >= 0:
                word = history[left - 1, row, rest >> 6]
                if (word >> np.uint64(rest & 63)) & np.uint64(1):
                    left, size, total = left - 1, row, rest
                    if left > 0:
                        steps[left - 1] = 0
            continue
        left += 1  # back to the item decided before
        if left <= n and steps[left - 1] == 2:
            total += items[left - 1]
            size += 1 if sized else 0
    state[0], state[1], state[2] = left, size, total
    return found


@compiled
def first_set(row: Words, low: int, high: int) -> int:
    """Return the smallest sum in low to high whose bit is set; -1 when none is."""
    for word in range(low >> 6, (high >> 6) + 1):
        if row[word] == np.uint64(0):
            continue
        for bit in range(64):
            total = (word << 6) + bit
            if low <= total <= high and (row[word] >> np.uint64(bit)) & np.uint64(1):
                return total
    return -1


@compiled
def last_set(row: Words, low: int, high: int) -> int:
    """Return the largest sum in low to high whose bit is set; -1 when none is."""
    for word in range(high >> 6, (low >> 6) - 1, -1):
        if row[word] == np.uint64(0):
            continue
        for bit in range(63, -1, -1):
            total = (word << 6) + bit
            if low <= total <= high and (row[word] >> np.uint64(bit)) & np.uint64(1):
                return total
    return -1


@compiled
def _reversed_bits(word: np.uint64) -> np.uint64:
    """Return the word with bit 0 and bit 63 exchanged, and so on."""
    shift = 32
    mask = np.uint64(0xFFFFFFFF)
    while shift > 0:
        by = np.uint64(shift)
        word = ((word >> by) & mask) | ((word & mask) << by)
        shift >>= 1
        mask ^= mask << np.uint64(shift)
    return word


@compiled
def split_bits(first: Words, second: Words, total: int) -> int:
    """Return a sum s set in ``first`` with ``total - s`` set in ``second``; -1 when there is none."""
    for word in range(min(first.size, (total >> 6) + 1)):
        if first[word] == np.uint64(0):
            continue
        # Bits total - 64 word - 63 to total - 64 word of the second table, in reverse, face this word.
        place = total - (word << 6) - 63
        at, bits = place >> 6, np.uint64(place & 63)
        facing = np.uint64(0)
        if 0 <= at < second.size:
            facing = second[at] >> bits
        if -1 <= at < second.size - 1:
            facing |= (second[at + 1] << np.uint64(1)) << (np.uint64(63) - bits)
        common = first[word] & _reversed_bits(facing)
        if common != np.uint64(0):
            for bit in range(64):
                if (common >> np.uint64(bit)) & np.uint64(1):
                    return (word << 6) + bit
    return -1


@compiled
def extend_fewest(fewest: NDArray[Any], items: Ints, weights: NDArray[Any], lows: Ints, highs: Ints) -> None:
    """Apply items to a table of the least number of items for each sum.

    Taking item i changes the number by ``weights[i]``, +1 or -1, in the table's own unsigned type, whose
    largest value stands for "not reachable" in the table.
    """
    never = ~np.zeros(1, fewest.dtype)
    aside = np.empty(_BLOCK, fewest.dtype)
    for index in range(items.size):
        item = items[index]
        change = weights[index]
        first, end = max(lows[index], item), highs[index] + 1
        while end > first:
            start = max(first, end - _BLOCK)
            part = fewest[start - item : end - item]
            for i in range(end - start):
                aside[i] = part[i] if part[i] == never[0] else part[i] + change
            target = fewest[start:end]
            for i in range(end - start):
                target[i] = min(target[i], aside[i])
            end = start


@compiled
def fewest_history(
    history: NDArray[Any], items: Ints, weights: NDArray[Any], first: int, lows: Ints, highs: Ints
) -> None:
    """Fill ``history[first + 1:]``, shape (items + 1, sums), as :func:`bit_history` does."""
    for index in range(items.size):
        one = slice(index, index + 1)
        table = history[first + index + 1]
        table[:] = history[first + index]
        extend_fewest(table, items[one], weights[one], lows[one], highs[one])


@compiled
def nearest_at_most(fewest: NDArray[Any], low: int, middle: int, high: int, number: int) -> tuple[int, int]:
    """Return the largest sum in low to middle, and the smallest beyond it to high, of at most so many items.

    -1 where there is none.
    """
    below = min(middle, high)
    while below >= low and fewest[below] > number:
        below -= 1
    above = max(middle + 1, low)
    while above <= high and fewest[above] > number:
        above += 1
    return below if below >= low else -1, above if above <= high else -1


@compiled
def split_fewest(first: NDArray[Any], second: NDArray[Any], number: int, total: int) -> int:
    """Return a sum s with ``first[s] + second[total - s] == number``; -1 when there is none."""
    for s in range(max(0, total - second.size + 1), min(first.size, total + 1)):
        if np.int64(first[s]) + np.int64(second[total - s]) == number:
            return s
    return -1


@compiled
def extend_counts(
    counts: Words,
    items: Ints,
    sized: bool,
    filled: int,
    lows: Ints,
    highs: Ints,
    tops: Ints,
    modulus: np.uint64,
) -> None:
    """Apply items to a table of the number of subsets for each sum, shape (rows, sums), modulo ``modulus``.

    ``modulus`` is at most 2^63, so that two residues add up in a word.
    """
    aside = np.empty(_BLOCK, np.uint64)
    m = modulus
    rows = counts.shape[0]
    for index in range(items.size):
        item = items[index]
        top, bottom = (min(rows - 1, filled + index + 1), 0) if sized else (0, -1)
        for row in range(top, bottom, -1):
            source = counts[row - 1] if sized else counts[row]
            first, end = max(lows[index], item), min(highs[index], tops[row]) + 1
            while end > first:
                start = max(first, end - _BLOCK)
                part = source[start - item : end - item]
                for i in range(end - start):
                    aside[i] = part[i]
                target = counts[row, start:end]
                for i in range(end - start):
                    total = target[i] + aside[i]
                    target[i] = total - m if total >= m else total
                end = start


@compiled
def sum_of_counts(row: Words, low: int, high: int, modulus: np.uint64) -> np.uint64:
    """Return the sum of the counts of the sums low to high, modulo ``modulus``."""
    m = modulus
    total = np.uint64(0)
    for s in range(low, high + 1):
        total += row[s]
        if total >= m:
            total -= m
    return total
