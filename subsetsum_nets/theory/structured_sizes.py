"""How large a random convolutional network must be for structured pruning: da Cunha et al. (2023).

Theorem 2 prunes 2 l random layers of normal weights: for target layer i, with kernel d_i x d_i x c_(i-1) x
c_i, one layer of kernels 1 x 1 x c_(i-1) x 2 n_i c_(i-1), and one of d_i x d_i x 2 n_i c_(i-1) x c_i. Whole
filters and contiguous blocks are removed. Constants are unknown; those assumed are in the record.

The exponents of the theorem do not follow from its proof. Lemma 12 applies Corollary 19 to vectors of D =
d^2 c_1 coordinates, which asks for n >= C_1 D k^2 log(1/epsilon) with k >= C_2 D^3 log(D/epsilon): that is
D^7 log^3 = d^14 c_1^7 log^3, where the theorem prints d^13 c_1^6 log^3. Both are here.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.theory.requirement import (
    Requirement,
    checked_constant,
    checked_count,
    checked_share,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATED = (13, 6)
_FROM_COROLLARY = (14, 7)
_LARGEST_KERNEL = 10**3
_MOST_CHANNELS = 10**6


def da_cunha_2023(
    kernels: Sequence[int], channels: Sequence[int], epsilon: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size by Theorem 2 as it is printed: n_i >= C d_i^13 c_i^6 log^3(d_i^2 c_i c_(i-1) l / eps).

    Channels; da Cunha et al. (2023). The probability is at least 1 - epsilon: there is no delta. Kernels of
    the target must have l1 norms of at most 1 and inputs entries in [-1, 1]; the error is in the max norm.

    Parameters
    ----------
    kernels : sequence of int
        d_1, ..., d_l: rows (and columns) of the target's kernels, up to 1000.
    channels : sequence of int
        c_0, ..., c_l: channels of input and layers, up to 10**6.
    epsilon : float
        In [1e-100, 1).
    constant : float
        C, which is assumed.

    Raises
    ------
    ValueError
        If a number is out of range, or there is not one channel count more than kernels.

    Examples
    --------
    >>> bound = da_cunha_2023([1], [1, 1], 0.5)  # log2(2) = 1, so n_1 = 1
    >>> bound.width, bound.depth, bound.parameters
    (2, 2, 4)
    >>> da_cunha_2023([2], [1, 1], 0.5).width  # n_1 = 2^13 * 3^3
    442368

    """
    formula = "n_i >= C d_i^13 c_i^6 log2(d_i^2 c_i c_(i-1) l / epsilon)^3, width 2 n_i c_(i-1)"
    source = "da Cunha et al. 2023, Theorem 2"
    return _requirement(kernels, channels, epsilon, constant, _STATED, source, formula)


def da_cunha_2023_from_corollary(
    kernels: Sequence[int], channels: Sequence[int], epsilon: float, *, constant: float = 1.0
) -> Requirement:
    """Return the size that Corollary 19 gives in the proof of Lemma 12: d^14 c^7 instead of d^13 c^6.

    Channels (da Cunha et al. 2023); all else as for :func:`da_cunha_2023`. See the head of this module.

    Parameters
    ----------
    kernels, channels, epsilon, constant
        As for :func:`da_cunha_2023`.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> da_cunha_2023_from_corollary([2], [1, 3], 0.375).width  # n_1 = 2^14 * 3^7 * log2(32)^3
    8957952000

    """
    formula = "n_i >= C d_i^14 c_i^7 log2(d_i^2 c_i c_(i-1) l / epsilon)^3, width 2 n_i c_(i-1)"
    source = "da Cunha et al. 2023, Lemma 12 by Corollary 19"
    return _requirement(kernels, channels, epsilon, constant, _FROM_COROLLARY, source, formula)


def kept_filters(units: int, dimension: int, epsilon: float, *, constant: float = 1.0) -> int:
    """Return how many of n filters the proof keeps: floor(sqrt(n / (C_1 D log2(1 / epsilon)))).

    Filters of one sign and input channel; Corollary 19 of da Cunha et al. (2023), whose subsets have that
    size k. D is the dimension of its vectors, d^2 c_1 (Theorem 2 and Remark 13 print d in its place).

    Parameters
    ----------
    units : int
        n, at least 1.
    dimension : int
        D.
    epsilon : float
        In [1e-100, 1).
    constant : float
        C_1, which is assumed.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> kept_filters(1000, 10, 0.5)
    10

    """
    checked_integer(units, "units")
    bits = math.log2(1 / checked_share(epsilon, "epsilon"))
    return math.isqrt(
        int(units / (checked_constant(constant, "C_1") * checked_count(dimension, "dimension") * bits))
    )


def _requirement(
    kernels: Sequence[int],
    channels: Sequence[int],
    epsilon: float,
    constant: float,
    exponents: tuple[int, int],
    source: str,
    formula: str,
) -> Requirement:
    sizes = [checked_integer(d, f"kernel {i}", 1, _LARGEST_KERNEL) for i, d in enumerate(kernels)]
    counts = [checked_integer(c, f"channels {i}", 1, _MOST_CHANNELS) for i, c in enumerate(channels)]
    if not sizes or len(counts) != len(sizes) + 1:
        raise ValueError(
            "channels must be one more than kernels (the input's come first), and kernels at least one; "
            f"got {len(counts)} and {len(sizes)}"
        )
    error, c = checked_share(epsilon, "epsilon"), checked_constant(constant, "C")
    of_size, of_channels = exponents
    widths, parameters = [], 0
    for d, (before, after) in zip(sizes, pairwise(counts), strict=True):
        bits = math.log2(d * d * after * before * len(sizes) / error)
        n = whole(c * float(d) ** of_size * float(after) ** of_channels * bits**3)
        widths.append(2 * n * before)
        parameters += before * widths[-1] + d * d * widths[-1] * after
    return Requirement(
        source=source,
        width=max(widths),
        depth=2 * len(sizes),
        units=sum(widths) + sum(counts[1:-1]),
        parameters=parameters,
        formula=formula,
        weights="N(0, 1)",
        constants={"C": c},
    )
