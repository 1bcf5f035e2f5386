"""How large a random network of weights +-1 must be to hold integer networks: Sreenivasan et al. (2021).

The paper gives orders of magnitude; the constants here are those of its own proofs. Lemma 3's gadget is a
diamond of four weights +1. A power of two times an input, of either sign, with either sign of the weight,
takes two gadgets of two units each for x and for -x: 8 units. Lemma 7 draws k times as many, so that each of
the d l log^2 W diamonds is there k times over; (15/16)^k bounds the chance that none of these is all +1.
"""

from __future__ import annotations

import math
from itertools import pairwise

from subsetsum_nets.constructions.binary.growing import last_width, level_width
from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.theory.network_sizes import decimal_digits
from subsetsum_nets.theory.requirement import Requirement, checked_count, checked_share, whole

_UNITS = 8  # of a power of two times an input
_MOST_BITS = 2_000


def sreenivasan_2021_integers(width: int, depth: int, bits: int, delta: float = 0.01) -> Requirement:
    """Return the size by Theorem 2 and Lemma 7 of Sreenivasan et al. (2021), with their constants.

    Parameters
    ----------
    width, depth : int
        d and l of the target, whose weights are integers.
    bits : int
        log2(W): binary digits of the largest weight.
    delta : float
        In [1e-100, 1).

    Returns
    -------
    Requirement
        Width 8 d log2(W) k with k = ceil(log_{16/15}(d l log2(W)^2 / delta)), depth l (log2(W) + 1).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> found = sreenivasan_2021_integers(64, 1, 8)
    >>> found.width, found.depth, found.parameters
    (823296, 9, 4744819507200)

    """
    d, layers = checked_count(width, "width"), checked_count(depth, "depth")
    digits = checked_integer(bits, "bits", 1, _MOST_BITS)
    diamonds = d * layers * digits**2
    copies = whole(math.log(diamonds / checked_share(delta, "delta")) / math.log(16 / 15))
    units, total = _UNITS * d * digits * copies, layers * (digits + 1)
    return Requirement(
        source="Sreenivasan et al. 2021, Lemma 7",
        width=units,
        depth=total,
        units=units * (total - 1),
        parameters=2 * d * units + units**2 * (total - 2),
        formula="8 d log2(W) ceil(log_{16/15}(d l log2(W)^2 / delta))",
        weights="+-1",
    )


def weight_bits(width: int, depth: int, epsilon: float) -> int:
    """Return the binary digits of the p decimal ones of Lemma 2: ceil(p log2(10)).

    Examples
    --------
    >>> weight_bits(64, 2, 0.01)
    20

    """
    return math.ceil(decimal_digits(width, depth, epsilon) * math.log2(10))


def planned_size(width: int, depth: int, bits: int, *, universal: bool = False) -> Requirement:
    """Return the size that construction "binary" plans, layout accumulate, where all weights have all digits.

    No theorem: at these widths most seeds do, and the others are drawn a tenth wider.

    Parameters
    ----------
    width, depth, bits
        As for :func:`sreenivasan_2021_integers`.
    universal : bool
        Whether the network is to hold every target of this shape and precision, not one.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> planned_size(64, 1, 8).width, planned_size(64, 1, 8, universal=True).width
    (320, 400)

    """
    d, layers = checked_count(width, "width"), checked_count(depth, "depth")
    digits = checked_integer(bits, "bits", 1, _MOST_BITS)
    hidden = [level_width(2, d, (d, d, level), universal=universal) for level in range(digits)]
    hidden.append(last_width(d, d, d, universal=universal))
    block = sum(before * after for before, after in pairwise([d, *hidden, d]))
    return Requirement(
        source=f"binary, {'every' if universal else 'one'} target (as planned)",
        width=max(hidden),
        depth=layers * (digits + 2),
        units=layers * sum(hidden) + (layers - 1) * d,
        parameters=layers * block,
        formula="about 6 d" if universal else "about 4 d",
        weights="+-1, last layer scaled",
    )


def counting_size(width: int, depth: int, bits: int) -> Requirement:
    """Return what counting says any network of signs needs whose prunings hold every target of such integers.

    Parameters
    ----------
    width, depth, bits
        As for :func:`sreenivasan_2021_integers`; weights are the integers below 2^bits in size.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> counting_size(64, 1, 8).parameters
    36853

    """
    d, layers = checked_count(width, "width"), checked_count(depth, "depth")
    digits = checked_integer(bits, "bits", 1, _MOST_BITS)
    signs = whole(layers * d * d * math.log2(2 ** (digits + 1) - 1))
    return Requirement(
        source="counting of prunings (lower bound)",
        width=whole(signs / (2 * d * layers)),
        depth=2 * layers,
        units=0,
        parameters=signs,
        formula="d^2 l log2(2 W + 1) signs",
        weights="+-1",
        sufficient=False,
    )


def signs_by_counting(width_in: int, width_out: int, largest: int) -> int:
    """Return how many random signs any network needs whose prunings hold every integer layer.

    N signs have 2^N prunings, and there are (2 W + 1)^(d_out d_in) layers of weights up to W.

    Parameters
    ----------
    width_in, width_out : int
        d_in and d_out of the layer.
    largest : int
        W.

    Raises
    ------
    ValueError
        If a number is no integer >= 1.

    Examples
    --------
    >>> signs_by_counting(64, 32, 255)
    18427

    """
    targets = checked_count(width_in, "width_in") * checked_count(width_out, "width_out")
    return whole(targets * math.log2(2 * checked_integer(largest, "largest") + 1))
