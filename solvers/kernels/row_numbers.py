"""The numbers of one row of float64 items, exactly and as images of 31 bits.

Every float is an integer times a power of two. A row's numbers are written in two limbs on a grid of its own:

    value = high * 2^p + low * 2^(p - 56),    |low| < 2^56,

with 2^p so that sums of high limbs stay below 2^60. An *image* is the number times a scale, rounded to an
int32, such that no sum of images leaves 31 bits: sums of images are off by at most ``slack_of(m)``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Bytes, Floats, Images, Ints

    Limbs = tuple[Ints, Ints, int, int, int]  # high, low, how many; the target's high and low

MOST_ITEMS = 32
# Statuses that solvers.Status does not have: the row needs another method; no kernel for rows can read it.
UNSOLVED, UNREAD = 255, 254
OPTIMAL, FEASIBLE, INFEASIBLE = 1, 2, 3  # values of solvers.Status
ENDLESS = 1 << 62  # larger than any sum of high limbs
_HIGH_BITS = 61
_LOW_BITS = 56
_LOW_UNIT = 72057594037927936.0  # 2^56
_LARGEST_IMAGE = 2147483584.0  # 2^31 - 64: no sum of 33 rounded images reaches 2^31
_SMALLEST_EXPONENT = -1018  # of the grid: the low limb then ends at the last bit of the subnormals
_LARGEST_EXPONENT = 1000  # of the row: errors beyond float64 are not for float64 kernels


class RowInputs(NamedTuple):
    """N rows of up to n items. All arrays are C-contiguous: kernels are compiled anew for other layouts."""

    items: Floats  # shape (N, n), finite
    targets: Floats  # shape (N,), finite
    valid: Bools  # shape (N, n): the items that may be used in each row
    tolerances: Floats  # shape (N,); ``inf`` for none


class RowAnswers(NamedTuple):
    """Receive the answers to N rows; C-contiguous and writable."""

    masks: Bools  # shape (N, n)
    upper: Floats  # errors rounded up
    lower: Floats  # bounds on them rounded down
    status: Bytes  # values of :class:`solvers.Status`, or UNSOLVED


@compiled
def room_for_numbers() -> tuple[Ints, Floats, Ints, Ints]:
    """Return room for one row: columns and values, high and low limbs of its valid items and its target."""
    return (
        np.empty(MOST_ITEMS + 1, np.int64),
        np.empty(MOST_ITEMS + 1, np.float64),
        np.empty(MOST_ITEMS + 1, np.int64),
        np.empty(MOST_ITEMS + 1, np.int64),
    )


@compiled
def read_row(
    items: Floats, targets: Floats, valid: Bools, row: int, numbers: tuple[Ints, Floats, Ints, Ints]
) -> tuple[int, int, float]:
    """Read a row: its valid items and last its target. Returns (items, p, sum of absolute values).

    The number of items is -1 where they are too many, or do not fit in two limbs.
    """
    columns, values, high, low = numbers
    m = 0
    for column in range(items.shape[1]):
        if valid[row, column]:
            if m == MOST_ITEMS:
                return -1, 0, 0.0
            values[m], columns[m] = items[row, column], column
            m += 1
    values[m] = targets[row]
    total = 0.0
    for k in range(m + 1):
        total += abs(values[k])
    if not total < math.inf:
        return -1, 0, 0.0
    top = math.frexp(total)[1] + 1
    p = max(top - _HIGH_BITS, _SMALLEST_EXPONENT)
    if top > _LARGEST_EXPONENT or not _split(values, m + 1, p, high, low):
        return -1, 0, 0.0
    return m, p, total


@compiled
def write_row(
    row: int,
    mask: int,
    columns: Ints,
    m: int,
    error: tuple[int, int],
    p: int,
    tolerance: float,
    within: bool,
    answers: RowAnswers,
) -> None:
    """Write the answer of a row, whose nearest error, or one within the tolerance, is ``error``."""
    masks, upper, lower, status = answers
    for column in range(masks.shape[1]):
        masks[row, column] = False
    for k in range(m):
        masks[row, columns[k]] = (mask >> k) & 1
    lower[row], upper[row] = _bounds_as_floats(error[0], error[1], p)
    if not is_within(error, tolerance, p):
        status[row] = INFEASIBLE
    elif within:
        status[row] = FEASIBLE
        lower[row] = 0.0
    else:
        status[row] = OPTIMAL


@compiled
def _split(values: Floats, count: int, p: int, high: Ints, low: Ints) -> bool:
    """Write floats in limbs; returns whether two limbs hold them. The last one's low limb is not negative."""
    to_grid = math.ldexp(1.0, -p)
    held = True
    for k in range(count):
        value = values[k] * to_grid  # exact, unless it is too small for two limbs
        whole = int(value)
        rest = (value - float(whole)) * _LOW_UNIT
        fine = int(rest)
        held = held & (float(fine) == rest) & ((value == 0.0) == (values[k] == 0.0))
        high[k], low[k] = whole, fine
    if low[count - 1] < 0:
        high[count - 1] -= 1
        low[count - 1] += 1 << _LOW_BITS
    return held


@compiled
def scale_of(total: float, p: int) -> float:
    """Return the scale of images, per grid step, of numbers whose absolute values sum up to ``total``."""
    return _LARGEST_IMAGE / (total * math.ldexp(1.0, -p)) if total > 0.0 else 0.0


@compiled
def write_images(values: Floats, count: int, p: int, scale: float, images: Images) -> None:
    """Write the images of floats."""
    to_grid = math.ldexp(1.0, -p)
    for k in range(count):
        images[k] = np.int32(np.rint(values[k] * to_grid * scale))


@compiled
def slack_of(count: int) -> int:
    """Return a bound on how far a difference of a target and a sum of images is from its true value.

    Each of the count + 1 numbers is rounded by 1/2, and by a little before that.
    """
    return count // 2 + 2


@compiled
def is_within(error: tuple[int, int], tolerance: float, p: int) -> bool:
    """Tell whether an error in limbs is at most the tolerance, exactly."""
    value = tolerance * math.ldexp(1.0, -p)
    if not value < math.ldexp(1.0, _HIGH_BITS):
        return True
    whole = int(value)
    fine = int((value - float(whole)) * _LOW_UNIT)  # rounded down to what errors are multiples of
    return error[0] < whole or (error[0] == whole and error[1] <= fine)


@compiled
def image_of_tolerance(tolerance: float, p: int, scale: float) -> int:
    """Return the image of a tolerance, rounded down, or one that is larger than all distances of images."""
    return int(min(tolerance * math.ldexp(1.0, -p) * scale, 2.0 * _LARGEST_IMAGE))


@compiled
def taken(limbs: Ints, mask: int, count: int) -> int:
    """Return the sum of the limbs whose bits are set in the mask."""
    total = 0
    for k in range(count):
        total += limbs[k] * ((mask >> k) & 1)
    return total


@compiled
def distance(high: int, low: int, target_high: int, target_low: int) -> tuple[int, int]:
    """Return |sum - target| in limbs, 0 <= low < 2^56; the arguments' low limbs may be sums of several."""
    h = high - target_high
    d = low - target_low
    carry = d >> _LOW_BITS
    h, d = h + carry, d - (carry << _LOW_BITS)
    if h < 0:  # negate: -(h 2^56 + d) = (-h - 1) 2^56 + (2^56 - d)
        h, d = -h, -d
        if d < 0:
            h, d = h - 1, d + (1 << _LOW_BITS)
    return h, d


@compiled
def error_of(mask: int, limbs: Limbs) -> tuple[int, int]:
    """Return the error, in limbs, of the subset in a mask."""
    high, low, m, target_high, target_low = limbs
    return distance(taken(high, mask, m), taken(low, mask, m), target_high, target_low)


@compiled
def _bit_length(value: int) -> int:
    """Return the number of bits of a non-negative int64."""
    bits = math.frexp(float(value))[1]
    if bits > 0 and value < (1 << (bits - 1)):  # the conversion rounded up to a power of two
        bits -= 1
    return bits


@compiled
def _bounds_as_floats(high: int, low: int, p: int) -> tuple[float, float]:
    """Return high * 2^p + low * 2^(p - 56) >= 0 rounded down and rounded up to float64."""
    exponent = p - _LOW_BITS
    sticky = False
    if high == 0:
        mantissa = low
    else:
        dropped = max(0, _bit_length(high) + _LOW_BITS - 62)
        mantissa = (high << (_LOW_BITS - dropped)) | (low >> dropped)
        sticky = (low & ((1 << dropped) - 1)) != 0
        exponent += dropped
    excess = _bit_length(mantissa) - 53
    if excess > 0:
        sticky = sticky or (mantissa & ((1 << excess) - 1)) != 0
        mantissa >>= excess
        exponent += excess
    down = math.ldexp(float(mantissa), exponent)
    return down, math.ldexp(float(mantissa + 1), exponent) if sticky else down
