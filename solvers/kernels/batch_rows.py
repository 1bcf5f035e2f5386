"""Many small scalar instances, row by row: exact nearest subsets of up to 32 float64 items each.

Every float is an integer times a power of two. A row's numbers are written in two limbs on a grid of its own:

    value = high * 2^p + low * 2^(p - q),    0 <= low < 2^q,

with p as small as 61 bits allow. When no item has a low limb, half sums are exact int64 (the target's low
limb only decides between the nearest sum below and the nearest sum above). Otherwise half sums of the high
limbs are searched first, and every pair that the dropped low limbs leave a chance is then ranked in both
limbs. Rows whose exponents are too mixed for two limbs are left to the caller.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Bytes = NDArray[np.uint8]

MOST_ITEMS = 32
UNSOLVED = 255  # a status that solvers.Status does not have: the row needs another method
_HALF = 1 << (MOST_ITEMS // 2)
_HIGH_BITS = 61
_LOW_BITS = 56
_ENDLESS = 1 << 62  # larger than any sum of high limbs
_MOST_RIVALS = 1 << 14
_OPTIMAL, _FEASIBLE, _INFEASIBLE = 1, 2, 3  # values of solvers.Status


@compiled
def _bit_length(value: int) -> int:
    """Return the number of bits of a non-negative int64."""
    bits = math.frexp(float(value))[1]
    if bits > 0 and value < (1 << (bits - 1)):  # the conversion rounded up to a power of two
        bits -= 1
    return bits


@compiled
def _odd_form(x: float) -> tuple[int, int]:
    """Write a finite float as odd * 2^exponent; (0, 0) for zero."""
    if x == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(x)
    mantissa = int(fraction * 9007199254740992.0)  # 2^53: exact
    trailing = _bit_length(mantissa & -mantissa) - 1
    return mantissa >> trailing, exponent - 53 + trailing


@compiled
def _limbs(odd: int, exponent: int, p: int, q: int) -> tuple[int, int]:
    """Split odd * 2^exponent into (high, low); needs exponent >= p - q and a high limb that fits."""
    if odd == 0:
        return 0, 0
    if exponent >= p:
        return odd << (exponent - p), 0
    below = p - exponent  # at most q <= 56 bits lie below the grid
    high = odd >> below
    return high, (odd - (high << below)) << (q - below)


@compiled
def _tolerance_limbs(tolerance: float, p: int, q: int) -> tuple[int, int]:
    """Round a tolerance >= 0 down to whole units, in limbs; beyond the grid it becomes endless."""
    odd, exponent = _odd_form(tolerance)
    if odd == 0:
        return 0, 0
    if exponent + _bit_length(odd) > p + _HIGH_BITS:
        return _ENDLESS, 0
    if exponent >= p:
        return odd << (exponent - p), 0
    below = p - exponent
    high = odd >> below if below < 63 else 0
    rest = odd - (high << below) if below < 63 else odd
    finer = below - q  # bits of the tolerance that are finer than a unit
    if finer <= 0:
        return high, rest << -finer
    return high, rest >> finer if finer < 63 else 0


@compiled
def _distance(high: int, low: int, target_high: int, target_low: int, q: int) -> tuple[int, int]:
    """Return |sum - target| in limbs; ``low`` may be a sum of several low limbs."""
    h = high - target_high
    d = low - target_low
    carry = d >> q
    h, d = h + carry, d - (carry << q)
    if h < 0:  # negate: -(h 2^q + d) = (-h - 1) 2^q + (2^q - d)
        h, d = -h, -d
        if d < 0:
            h, d = h - 1, d + (1 << q)
    return h, d


@compiled
def _bounds_as_floats(high: int, low: int, p: int, q: int) -> tuple[float, float]:
    """Return high * 2^p + low * 2^(p - q) >= 0 rounded down and rounded up to float64."""
    exponent = p - q
    sticky = False
    if high == 0:
        mantissa = low
    else:
        bits = _bit_length(high)
        dropped = max(0, bits + q - 62)
        mantissa = (high << (q - dropped)) | (low >> dropped)
        sticky = (low & ((1 << dropped) - 1)) != 0
        exponent += dropped
    excess = _bit_length(mantissa) - 53
    if excess > 0:
        sticky = sticky or (mantissa & ((1 << excess) - 1)) != 0
        mantissa >>= excess
        exponent += excess
    down = math.ldexp(float(mantissa), exponent)
    return down, math.ldexp(float(mantissa + 1), exponent) if sticky else down


@compiled
def _sorted_sums(items: Ints, first: int, last: int, sums: Ints, spare: Ints) -> int:
    """Fill ``sums`` with the sorted sums of items[first:last]; returns their number.

    Each list ends with an endless sentinel, so that the merge needs no bounds checks.
    """
    sums[0] = 0
    size = 1
    for index in range(first, last):
        item = items[index]
        sums[size] = _ENDLESS
        i = j = 0
        for out in range(2 * size):
            without, taking = sums[i], sums[j] + item
            leave = without <= taking
            spare[out] = without if leave else taking
            i += leave
            j += not leave
        size *= 2
        for out in range(size):
            sums[out] = spare[out]
    return size


@compiled
def _nearest_sums(
    left: Ints, lefts: int, right: Ints, rights: int, target: int, stop: int
) -> tuple[int, int, int, int]:
    """Return (i, j) of the largest sum <= target and (i, j) of the smallest sum > target; -1 where none.

    Stops early at a sum at most ``stop`` away (stop < 0: never).
    """
    i, j = 0, rights - 1
    below, above = -_ENDLESS, _ENDLESS
    below_i = below_j = above_i = above_j = -1
    while i < lefts and j >= 0:
        difference = left[i] + right[j] - target
        if difference > 0:
            if difference < above:
                above, above_i, above_j = difference, i, j
                if above <= stop:
                    break
            j -= 1
        else:
            if difference > below:
                below, below_i, below_j = difference, i, j
                if -below <= stop:
                    break
            i += 1
    return below_i, below_j, above_i, above_j


@compiled
def _mask_with_sum(items: Ints, first: int, last: int, wanted: int) -> int:
    """Return a mask over items[first:last] (bit 0 is ``first``) with this sum, in Gray-code order."""
    total = 0
    gray = 0
    for step in range(1, 1 << (last - first)):
        if total == wanted:
            return gray
        bit = _bit_length(step & -step) - 1
        gray ^= 1 << bit
        total += items[first + bit] if (gray >> bit) & 1 else -items[first + bit]
    return gray


@compiled
def _low_sum(low: Ints, first: int, mask: int) -> int:
    total = 0
    index = first
    while mask:
        if mask & 1:
            total += low[index]
        mask >>= 1
        index += 1
    return total


@compiled
def _alone_in_window(left: Ints, lefts: int, right: Ints, rights: int, low: int, high: int) -> bool:
    """Tell whether at most one pair has ``low <= left[i] + right[j] <= high``."""
    found = 0
    top = rights - 1
    for i in range(lefts):
        while top >= 0 and left[i] + right[top] > high:
            top -= 1
        j = top
        while j >= 0 and left[i] + right[j] >= low:
            found += 1
            if found > 1:
                return False
            j -= 1
    return True


@compiled
def _masked_half(items: Ints, first: int, last: int, masks: Ints) -> Ints:
    """Return the sorted sums of items[first:last]; ``masks`` receives the mask of each."""
    size = 1 << (last - first)
    sums = np.zeros(size, np.int64)
    for mask in range(1, size):
        rest = mask & (mask - 1)
        sums[mask] = sums[rest] + items[first + _bit_length(mask & -mask) - 1]
    order = np.argsort(sums, kind="mergesort")
    for place in range(size):
        masks[place] = order[place]
    return sums[order]


@compiled
def _best_rival(
    high: Ints, low: Ints, n: int, target_high: int, target_low: int, q: int, window: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Rank in both limbs every subset whose sum of high limbs lies in the window.

    Returns (mask, high, low, 1), or (0, 0, 0, 0) when there are too many.
    """
    middle = n // 2
    left_masks = np.empty(1 << middle, np.int64)
    right_masks = np.empty(1 << (n - middle), np.int64)
    left = _masked_half(high, 0, middle, left_masks)
    right = _masked_half(high, middle, n, right_masks)
    best_mask, best_h, best_l = -1, _ENDLESS, 0
    rivals = 0
    top = right.size - 1
    for i in range(left.size):
        while top >= 0 and left[i] + right[top] > window[1]:
            top -= 1
        j = top
        while j >= 0 and left[i] + right[j] >= window[0]:
            rivals += 1
            if rivals > _MOST_RIVALS:
                return 0, 0, 0, 0
            mask = left_masks[i] | (right_masks[j] << middle)
            h, d = _distance(left[i] + right[j], _low_sum(low, 0, mask), target_high, target_low, q)
            if h < best_h or (h == best_h and (d < best_l or (d == best_l and mask < best_mask))):
                best_mask, best_h, best_l = mask, h, d
            j -= 1
    return best_mask, best_h, best_l, 1


@compiled
def solve_rows(
    items: Floats,
    targets: Floats,
    valid: Bools,
    tolerances: Floats,
    within: bool,
    masks: Bools,
    upper: Floats,
    lower: Floats,
    status: Bytes,
) -> None:
    """Solve N rows; ``masks``, ``upper`` (errors rounded up), ``lower`` and ``status`` receive the answers.

    Parameters
    ----------
    items : float64, shape (N, n), finite
    targets : float64, shape (N,), finite
    valid : bool, shape (N, n)
        The items that may be used in each row.
    tolerances : float64, shape (N,)
        ``inf`` for none.
    within : bool
        Stop at the first subset found within the tolerance.

    """
    n = items.shape[1]
    places = np.empty(MOST_ITEMS, np.int64)
    odds = np.empty(MOST_ITEMS + 1, np.int64)
    exponents = np.empty(MOST_ITEMS + 1, np.int64)
    high = np.empty(MOST_ITEMS, np.int64)
    low = np.empty(MOST_ITEMS, np.int64)
    left = np.empty(_HALF + 1, np.int64)
    right = np.empty(_HALF + 1, np.int64)
    spare = np.empty(_HALF + 1, np.int64)
    for row in range(targets.size):
        status[row] = UNSOLVED
        m = 0
        size = abs(targets[row])
        finest_item, fits = 10_000, True
        for column in range(n):
            masks[row, column] = False
            if valid[row, column] and fits:
                if m == MOST_ITEMS:
                    fits = False
                    continue
                odd, exponent = _odd_form(items[row, column])
                odds[m], exponents[m], places[m] = odd, exponent, column
                size += abs(items[row, column])
                if odd != 0:
                    finest_item = min(finest_item, exponent)
                m += 1
        target_odd, target_exponent = _odd_form(targets[row])
        # The sum of absolute values is below 2^top; half sums, target and their difference stay below it.
        top = math.frexp(size)[1] + 1
        if not fits or top > 1000 or size == math.inf:
            continue
        finest = min(finest_item, target_exponent) if target_odd != 0 else finest_item
        if finest == 10_000:
            finest = finest_item = 0
        p = max(finest, top - _HIGH_BITS)
        if top - finest_item <= _HIGH_BITS:
            p = min(p, finest_item)  # only the target has a low limb
        q = p - finest
        if q > _LOW_BITS:
            continue
        exact_high = True
        for k in range(m):
            high[k], low[k] = _limbs(odds[k], exponents[k], p, q)
            exact_high = exact_high and low[k] == 0
        target_high, target_low = _limbs(target_odd, target_exponent, p, q)
        limit = tolerances[row]
        bounded = limit < math.inf
        limit_high, limit_low = _tolerance_limbs(limit, p, q) if bounded else (_ENDLESS, 0)

        middle = m // 2
        lefts = _sorted_sums(high, 0, middle, left, spare)
        rights = _sorted_sums(high, middle, m, right, spare)
        # A grid distance of limit_high - 1 - m is surely within the tolerance, whatever the low limbs are.
        stop = limit_high - 1 - m if within and bounded else -1
        below_i, below_j, above_i, above_j = _nearest_sums(left, lefts, right, rights, target_high, stop)
        h, d = _ENDLESS, 0
        chosen_i = chosen_j = -1
        if below_i >= 0:
            h, d = _distance(left[below_i] + right[below_j], 0, target_high, target_low, q)
            chosen_i, chosen_j = below_i, below_j
        if above_i >= 0:
            h2, d2 = _distance(left[above_i] + right[above_j], 0, target_high, target_low, q)
            if h2 < h or (h2 == h and d2 < d):
                h, d, chosen_i, chosen_j = h2, d2, above_i, above_j
        mask = _mask_with_sum(high, 0, middle, left[chosen_i])
        mask |= _mask_with_sum(high, middle, m, right[chosen_j]) << middle
        if not exact_high:
            total = left[chosen_i] + right[chosen_j]
            h, d = _distance(total, _low_sum(low, 0, mask), target_high, target_low, q)
            # Rounding m items and the target down puts the exact difference of a sum, in grid steps, into
            # (difference - 1, difference + m): no sum outside this window is nearer than h + 1 steps.
            window = (target_high - h - 1 - m, target_high + h + 2)
            done = within and (h < limit_high or (h == limit_high and d <= limit_low))
            if not done and not _alone_in_window(left, lefts, right, rights, window[0], window[1]):
                mask, h, d, ranked = _best_rival(high, low, m, target_high, target_low, q, window)
                if ranked == 0:
                    continue
        for k in range(m):
            if (mask >> k) & 1:
                masks[row, places[k]] = True
        lower[row], upper[row] = _bounds_as_floats(h, d, p, q)
        acceptable = h < limit_high or (h == limit_high and d <= limit_low)
        if not acceptable:
            status[row] = _INFEASIBLE
        elif within:
            status[row] = _FEASIBLE
            lower[row] = 0.0
        else:
            status[row] = _OPTIMAL
