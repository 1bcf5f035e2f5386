"""Compiled writing of edges as text: sixteen million lines in seconds.

Floats get the shortest decimal that reads back as the same float64, as ``repr`` writes it. The method is
Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020): the decimal numbers that round to v are
an interval; of the multiples of the largest power of ten that hits it, the nearest to v is taken. Three
products with a 128-bit power of ten decide everything.

numba is imported here, so that this module is only imported where a file is written.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


LONGEST_FLOAT = 25
LONGEST_INT = 20
_LEAST_POWER, _LARGEST_POWER = -292, 324


@cache
def powers_of_ten() -> NDArray[np.uint64]:
    """Return 10**k, k = -292..324, as 128-bit numbers with the top bit set, rounded up; shape (617, 2)."""
    table = np.zeros((_LARGEST_POWER - _LEAST_POWER + 1, 2), dtype=np.uint64)
    for row, k in enumerate(range(_LEAST_POWER, _LARGEST_POWER + 1)):
        up, down = 10 ** max(k, 0), 10 ** max(-k, 0)
        shift = 127 - ((k * 1741647) >> 19)  # floor(log2(10**k)) for all k here
        value = -((-up << shift) // down) if shift >= 0 else -(-up // (down << -shift))
        table[row] = value >> 64, value & (2**64 - 1)
    return table


@compiled
def _high(a: Any, b: Any) -> Any:
    """Return the upper half of a 128-bit product."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half)


@compiled
def _round_to_odd(high: Any, low: Any, c: Any) -> Any:
    """Return floor(g * c / 2**128), with the last bit set when anything was cut off."""
    carried = _high(low, c)
    below = high * c
    cut = below + carried
    above = _high(high, c)
    if cut < below:
        above += np.uint64(1)
    return above | np.uint64(cut > np.uint64(1))


@compiled
def _shortest(bits: Any, powers: Any) -> Any:
    """Return (digits, exponent): the shortest decimal that rounds to a positive finite float64."""
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    fraction = bits & np.uint64(0xFFFFFFFFFFFFF)
    biased = np.int64(bits >> np.uint64(52)) & np.int64(0x7FF)
    c = fraction | np.uint64(1 << 52) if biased != 0 else fraction
    q = (biased if biased != 0 else np.int64(1)) - np.int64(1075)
    closer = fraction == 0 and biased > 1  # the float below is only half as far
    k = (q * np.int64(1262611) - (np.int64(524031) if closer else np.int64(0))) >> np.int64(22)
    h = np.uint64(q + ((-k * np.int64(1741647)) >> np.int64(19)) + np.int64(1))
    row = -k - np.int64(_LEAST_POWER)
    g1, g0 = powers[row, 0], powers[row, 1]
    odd = c & one
    lower = _round_to_odd(g1, g0, (four * c - (one if closer else two)) << h) + odd
    value = _round_to_odd(g1, g0, (four * c) << h)
    upper = _round_to_odd(g1, g0, (four * c + two) << h) - odd
    s = value >> two
    if s >= np.uint64(10):
        tens = s // np.uint64(10)
        below = lower <= np.uint64(40) * tens
        above = np.uint64(40) * tens + np.uint64(40) <= upper
        if below != above:
            return tens + np.uint64(above), k + np.int64(1)
    below = lower <= four * s
    above = four * s + four <= upper
    if below != above:
        return s + np.uint64(above), k
    middle = four * s + two
    up = value > middle or (value == middle and (s & one) != 0)
    return s + np.uint64(up), k


@compiled
def _put_int(out: Any, at: Any, number: Any) -> Any:
    """Write a whole number from 0 to 10**19 - 1; returns the place behind it."""
    ten = np.uint64(10)
    rest = np.uint64(number)
    power = ten
    length = 1
    while length < 19 and rest >= power:
        power *= ten
        length += 1
    place = at + length - 1
    while rest > np.uint64(0xFFFFFFFF):
        left = rest // np.uint64(100000000)
        eight = np.uint32(rest - left * np.uint64(100000000))
        for _ in range(8):
            tens = eight // np.uint32(10)
            out[place] = np.uint8(48) + np.uint8(eight - tens * np.uint32(10))
            eight = tens
            place -= 1
        rest = left
    small = np.uint32(rest)
    while place >= at:
        tens = small // np.uint32(10)
        out[place] = np.uint8(48) + np.uint8(small - tens * np.uint32(10))
        small = tens
        place -= 1
    return at + length


@compiled
def _put_zeros(out: Any, at: Any, count: Any) -> Any:
    for place in range(at, at + count):
        out[place] = 48
    return at + count


@compiled
def _put_float(out: Any, at: Any, bits: Any, powers: Any) -> Any:
    """Write a finite float64, given by its bits, as ``repr`` does; returns the place behind it."""
    if bits >> np.uint64(63):
        out[at] = 45
        at += 1
        bits &= np.uint64(0x7FFFFFFFFFFFFFFF)
    if bits == 0:
        digits, exponent = np.uint64(0), np.int64(0)
    else:
        digits, exponent = _shortest(bits, powers)
        while digits % np.uint64(10) == 0:
            digits //= np.uint64(10)
            exponent += 1
    start = at
    at = _put_int(out, at, digits)
    length = at - start
    point = length + exponent  # the decimal point stands behind so many digits
    if 0 < point <= 16:
        if exponent >= 0:
            at = _put_zeros(out, at, exponent)
            out[at] = 46
            out[at + 1] = 48
            return at + 2
        for place in range(at, start + point, -1):
            out[place] = out[place - 1]
        out[start + point] = 46
        return at + 1
    if -4 < point <= 0:
        shift = 2 - point
        for place in range(at - 1, start - 1, -1):
            out[place + shift] = out[place]
        out[start] = 48
        out[start + 1] = 46
        _put_zeros(out, start + 2, -point)
        return at + shift
    if length > 1:
        for place in range(at, start + 1, -1):
            out[place] = out[place - 1]
        out[start + 1] = 46
        at += 1
    out[at] = 101
    power = point - 1
    out[at + 1] = 45 if power < 0 else 43
    at += 2
    power = abs(power)
    if power < 10:
        out[at] = 48
        at += 1
    return _put_int(out, at, power)


@compiled
def _put(out: Any, at: Any, text: Any) -> Any:
    for place in range(text.size):
        out[at + place] = text[place]
    return at + text.size


@compiled
def put_edges(
    out: Any, sources: Any, sinks: Any, weights: Any, kept: Any, origins: Any, powers: Any, words: Any
) -> int:
    """Write a line for each edge into ``out``, its ``words`` those of EdgeWords; returns how many bytes."""
    before, between, behind, after, not_kept, origin_before, origin_behind, end = words
    at = 0
    for edge in range(sources.size):
        at = _put(out, at, before)
        at = _put_int(out, at, sources[edge])
        at = _put(out, at, between)
        at = _put_int(out, at, sinks[edge])
        at = _put(out, at, behind)
        at = _put_float(out, at, weights[edge], powers)
        at = _put(out, at, after)
        if not kept[edge]:
            at = _put(out, at, not_kept)
        if origins[edge] >= 0:
            at = _put(out, at, origin_before)
            at = _put_int(out, at, origins[edge])
            at = _put(out, at, origin_behind)
        at = _put(out, at, end)
    return at
