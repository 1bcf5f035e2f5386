"""How large a random network must be, by the theorems: sizes that are enough, and one that is needed.

The target has ``depth`` layers of at most ``width`` units and spectral norms of at most 1; it is approximated
within epsilon on the unit ball with probability at least 1 - delta. Where a theorem has a constant without
a value, it is the keyword ``constant`` (1 unless given), and the record says so: such numbers show how a size
grows, not what it is. Logarithms of unstated base are to base 2; another base is another constant.

Table 1 of Sreenivasan et al. (2021) collects the upper bounds. Its column "Total Params" is width times
depth, which counts units: with W units between layers of d there are 2 d W weights a target layer, and
fewer than d^2 log(1/epsilon) would contradict the lower bound of Pensia et al. The records give both counts,
from the shapes.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from subsetsum_nets.theory.requirement import (
    Requirement,
    checked_constant,
    checked_count,
    checked_share,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def malach_2020(width: int, depth: int, epsilon: float, *, constant: float = 1.0) -> Requirement:
    """Return the size by Malach et al. (2020), Theorem 2.1: polynomial in everything.

    Units; the rate O(d^2 l^2 / epsilon^2) is that of Table 1 of Sreenivasan et al. (2021), which leaves out
    the factor log(1/delta).

    Parameters
    ----------
    width, depth : int
        d and l of the target.
    epsilon : float
        In [1e-100, 1).
    constant : float
        C, which is assumed.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> malach_2020(10, 2, 0.5).width
    1600

    """
    d, layers, error = _size_and_error(width, depth, epsilon)
    c = checked_constant(constant, "C")
    units = whole(Fraction(c) * (d * layers) ** 2 / Fraction(error) ** 2)
    formula = "C d^2 l^2 / epsilon^2"
    return _equal_pairs("Malach et al. 2020, Theorem 2.1", d, layers, units, formula, "U[-1, 1]", c)


def orseau_2020(width: int, depth: int, epsilon: float, *, constant: float = 1.0) -> Requirement:
    """Return the size by Orseau et al. (2020): logarithmic in epsilon, for hyperbolic weights.

    Units; the rate O(d^2 log(d l / epsilon)) is that of Table 1 of Sreenivasan et al. (2021).

    Parameters
    ----------
    width, depth, epsilon, constant
        As for :func:`malach_2020`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> orseau_2020(8, 4, 0.5).width
    384

    """
    d, layers, error = _size_and_error(width, depth, epsilon)
    c = checked_constant(constant, "C")
    units = whole(c * d * d * math.log2(d * layers / error))
    formula = "C d^2 log2(d l / epsilon)"
    return _equal_pairs("Orseau et al. 2020", d, layers, units, formula, "hyperbolic", c)


def pensia_2020(
    width: int, depth: int, epsilon: float, delta: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size by Pensia et al. (2020), Theorem 1, for a target of equal widths.

    Units; see :func:`pensia_2020_layers`. The experiments of the paper take C = 3, which it does not prove.

    Parameters
    ----------
    width, depth, epsilon, constant
        As for :func:`malach_2020`.
    delta : float
        In [1e-100, 1).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> pensia_2020(8, 4, 0.5, 0.25).width  # 8 log2(8 * 8 * 4 / 0.25)
    80

    """
    d, layers = checked_count(width, "width"), checked_count(depth, "depth")
    if layers > _MOST_LISTED:
        raise ValueError(f"depth must be at most {_MOST_LISTED}, got {depth!r}")
    return pensia_2020_layers([d] * (layers + 1), epsilon, delta, constant=constant)


def pensia_2020_layers(
    widths: Sequence[int], epsilon: float, delta: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size by Pensia et al. (2020), Theorem 1, for a target of any widths.

    The random network has 2 l layers; layer 2i - 1 has C d_(i-1) log(d_(i-1) d_i l / min(epsilon, delta))
    units.

    Parameters
    ----------
    widths : sequence of int
        d_0, ..., d_l of the target: inputs, hidden layers, outputs.
    epsilon, delta, constant
        As for :func:`pensia_2020`.

    Raises
    ------
    ValueError
        If a number is out of range, or there are fewer than two widths.

    Examples
    --------
    >>> pensia_2020_layers([784, 500, 10], 0.01, 0.01, constant=3.0).width
    61680

    """
    sizes = [checked_count(d, f"width {i}") for i, d in enumerate(widths)]
    if not 2 <= len(sizes) <= _MOST_LISTED + 1:
        raise ValueError(f"widths must be those of inputs, layers and outputs, got {len(sizes)} of them")
    least = min(checked_share(epsilon, "epsilon"), checked_share(delta, "delta"))
    c = checked_constant(constant, "C")
    layers = len(sizes) - 1
    hidden = [
        whole(c * before * math.log2(before * after * layers / least)) for before, after in pairwise(sizes)
    ]
    formula = "C d log2(d^2 l / min(epsilon, delta))"
    return _pairs("Pensia et al. 2020, Theorem 1", sizes, hidden, formula, "U[-1, 1]", c)


def diffenderfer_2021(
    width: int, depth: int, epsilon: float, delta: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size by Diffenderfer and Kailkhura (2021), for weights of +-epsilon.

    Units; the rate O(l d^(3/2) / epsilon + l d log(l d / delta)) is that of Table 1 of Sreenivasan et al.
    (2021); both terms get the same constant.

    Parameters
    ----------
    width, depth, epsilon, delta, constant
        As for :func:`pensia_2020`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> diffenderfer_2021(4, 2, 0.5, 0.25).width  # 2 * 8 / 0.5 + 8 log2(8 / 0.25)
    72

    """
    d, layers, error = _size_and_error(width, depth, epsilon)
    share, c = checked_share(delta, "delta"), checked_constant(constant, "C")
    units = whole(c * (layers * d**1.5 / error + layers * d * math.log2(layers * d / share)))
    formula = "C (l d^(3/2) / epsilon + l d log2(l d / delta))"
    return _equal_pairs("Diffenderfer and Kailkhura 2021", d, layers, units, formula, "+-epsilon", c)


def sreenivasan_2021(
    width: int, depth: int, epsilon: float, delta: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size by Sreenivasan et al. (2021), Theorem 1 and Remark 1, for weights of +-1.

    Units. With p = d^2 l / epsilon, a target layer becomes floor(log p) layers (at least the two that
    Remark 1 gives different shapes), and a layer is C log(p) log(d l log^2(p) / delta) times wider. (Lemma 7
    prints a width without the factor log(p), which cannot be: Lemma 6 needs d log(p) units that work.) The
    last layer's weights are +-(epsilon / (d^2 l))^l.

    Parameters
    ----------
    width, depth, epsilon, delta, constant
        As for :func:`pensia_2020`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> bound = sreenivasan_2021(4, 2, 0.125, 0.5)  # p = 256, so 4 * 8 * log2(8 * 64 / 0.5) and 2 * 8
    >>> bound.width, bound.depth
    (320, 16)

    """
    d, layers, error = _size_and_error(width, depth, epsilon)
    share, c = checked_share(delta, "delta"), checked_constant(constant, "C")
    bits = math.log2(d * d * layers / error)
    units = whole(c * d * bits * math.log2(max(2.0, d * layers * bits**2 / share)))
    each = max(2, math.floor(bits))
    return Requirement(
        source="Sreenivasan et al. 2021, Theorem 1",
        width=max(units, d),
        depth=layers * each,
        units=layers * (each - 1) * units + (layers - 1) * d,
        parameters=layers * (2 * d * units + (each - 2) * units**2),
        formula="C d log2(p) log2(d l log2(p)^2 / delta), p = d^2 l / epsilon",
        weights="+-1, last layer scaled",
        constants={"C": c},
    )


def decimal_digits(width: int, depth: int, epsilon: float) -> int:
    """Return how many decimal digits of the weights are enough: ceil(log10(d^2 l / epsilon)).

    Digits; Lemma 2 of Sreenivasan et al. (2021): with W the weights cut to that many digits the network
    changes by at most epsilon on the unit ball, if its layers' norms are at most 1; the induction needs that
    of the cut hidden layers, too, and theirs is 1 + epsilon / l. Computed in integers.

    Parameters
    ----------
    width, depth, epsilon
        As for :func:`malach_2020`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> decimal_digits(10, 1, 0.125), decimal_digits(10, 10, 0.0009765625)
    (3, 7)

    """
    d, layers, error = _size_and_error(width, depth, epsilon)
    needed, digits = Fraction(d * d * layers) / Fraction(error), 0
    while 10**digits < needed:
        digits += 1
    return digits


# -- what is needed -------------------------------------------------------------------------------------


def packing_log2(dimension: int, epsilon: float) -> float:
    """Return log2 of (1 / (2 epsilon))^(d^2), fewer than which no maximal 2 epsilon-separated set has.

    Bits; Step 3 of the proof of Theorem 2 of Pensia et al. (2020): the d x d matrices of operator norm at
    most 1, distance in that norm, volumes in d^2 dimensions. Two displays of the paper print the exponent
    with the wrong sign. Negative for epsilon above 1/2, where the bound is void.

    Parameters
    ----------
    dimension : int
        d.
    epsilon : float
        In [1e-100, 1).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> packing_log2(3, 1 / 16)
    27.0

    """
    return checked_count(dimension, "dimension") ** 2 * math.log2(0.5 / checked_share(epsilon, "epsilon"))


def pensia_2020_lower_parameters(dimension: int, epsilon: float) -> int:
    """Return the fewest parameters of any network of two or more layers by Theorem 2 of Pensia et al.

    Weights; see :func:`pensia_2020_lower`. With m weights there are at most 2^m - 1 prunings that differ as
    functions (all that remove the last layer are the zero function), and half a packing must be among them,
    so m > d^2 log2(1 / (2 epsilon)) - 1.

    Parameters
    ----------
    dimension, epsilon
        As for :func:`packing_log2`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> pensia_2020_lower_parameters(3, 1 / 16)  # more than 26
    27

    """
    return _least_above(checked_count(dimension, "dimension"), checked_share(epsilon, "epsilon"), 1)


def pensia_2020_lower(dimension: int, epsilon: float) -> Requirement:
    """Return the least width of a two-layer network by Theorem 2 of Pensia et al. (2020).

    Units; no constant is unknown. If a random network M_2 relu(M_1 x) with s hidden units, of whatever
    distribution, can be pruned within epsilon of every linear map of R^d with operator norm at most 1, each
    with probability at least 1/2, then 2^(2 s d + 1) > (1 / (2 epsilon))^(d^2), that is

        s > (d^2 log2(1 / (2 epsilon)) - 1) / (2 d).

    The record holds the least such s, never rounded above the truth; 1 where the bound is void.

    Parameters
    ----------
    dimension, epsilon
        As for :func:`packing_log2`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> pensia_2020_lower(2, 1 / 16).width  # more than 11 / 4
    3
    >>> pensia_2020_lower(500, 0.005).width
    1661

    """
    d, error = checked_count(dimension, "dimension"), checked_share(epsilon, "epsilon")
    width = max(1, _least_above(d, error, 2 * d))
    return Requirement(
        source="Pensia et al. 2020, Theorem 2 (lower bound)",
        width=width,
        depth=2,
        units=width,
        parameters=2 * d * width,
        formula="s > (d^2 log2(1 / (2 epsilon)) - 1) / (2 d)",
        weights="any",
        sufficient=False,
    )


# -- inside ---------------------------------------------------------------------------------------------

_MOST_LISTED = 10**5  # layers, where each is listed
_SAFE = 1e-12  # relative: more than all roundings of the few float64 operations together


def _least_above(d: int, epsilon: float, divisor: int) -> int:
    """Return the least integer s >= 0 with s > (d^2 log2(1 / (2 epsilon)) - 1) / divisor, or one less."""
    mantissa, exponent = math.frexp(epsilon)
    if mantissa == 0.5:  # epsilon = 2^(exponent - 1): integers all through
        return max(0, (d * d * -exponent - 1) // divisor + 1)
    bits = d * d * math.log2(0.5 / epsilon)
    limit = (bits - 1) / divisor
    return max(0, math.floor(limit - _SAFE * (abs(bits) + 1) / divisor) + 1)


def _size_and_error(width: int, depth: int, epsilon: float) -> tuple[int, int, float]:
    return checked_count(width, "width"), checked_count(depth, "depth"), checked_share(epsilon, "epsilon")


def _equal_pairs(
    source: str, d: int, layers: int, units: int, formula: str, weights: str, constant: float
) -> Requirement:
    """Return the record of :func:`_pairs` for a target of equal widths, and equal numbers between them."""
    return _pairs(source, [d] * (layers + 1), [units] * layers, formula, weights, constant)


def _pairs(
    source: str, sizes: Sequence[int], hidden: Sequence[int], formula: str, weights: str, constant: float
) -> Requirement:
    """Return the record of two random layers a target layer, with ``hidden`` units between the two."""
    return Requirement(
        source=source,
        width=max(*hidden, *sizes),
        depth=2 * len(hidden),
        units=sum(hidden) + sum(sizes[1:-1]),
        parameters=sum(
            units * (before + after) for units, (before, after) in zip(hidden, pairwise(sizes), strict=True)
        ),
        formula=formula,
        weights=weights,
        constants={"C": constant},
    )
