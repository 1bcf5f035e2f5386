"""Pruning beats sign flips: Proposition 1 of Sreenivasan et al. (2021), decided by exhaustion.

The function f(x) = sum_i i x_i on x >= 0 is a pruned network of d units sum_j v_j relu(w_j . x), with weights
0, +1 and -1: unit j takes all inputs from j on. It is none where every weight is +1 or -1. The paper's proof
replaces v_j w_j by one sign, which is right on x >= 0 for a reason that it does not give: a unit with weights
of both signs bends inside the orthant, so that its bend must cancel with another's; what is left is linear.

On all of R^d the pruned network of width d is not f either: relu bends at 0, f does not. There it takes units
in pairs.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vectors = NDArray[np.int64]

_MOST_INPUTS = 6


def signs_alone_give(coefficients: Sequence[int]) -> bool:
    """Whether d units with all weights +1 or -1 give sum_i c_i x_i on x >= 0: decided by exhaustion.

    Proposition 1 of Sreenivasan et al. (2021) says that they do not for c_i = i.

    A unit v relu(w . x) is a vector: v w, and v once more at the place of the pair {w, -w} if w has both
    signs, for relu(w . x) = (w . x + |w . x|) / 2 there. Networks are equal on x >= 0 just where their
    vectors add up alike. All multisets of half as many units are listed, and a sum of two of them is sought.

    Parameters
    ----------
    coefficients : sequence of int
        c_1, .., c_d; d from 1 to 6.

    Raises
    ------
    ValueError
        If there are more.

    Examples
    --------
    Proposition 1: sum_i i x_i is none of these, but a pruned network of the same width.

    >>> [signs_alone_give(range(1, d + 1)) for d in (1, 2, 3, 4)]
    [True, False, False, False]
    >>> signs_alone_give([1, -1]), signs_alone_give([2, 2])
    (True, True)

    """
    d = checked_integer(len(coefficients), "the number of coefficients", 1, _MOST_INPUTS)
    units = unit_vectors(d)
    wanted = np.zeros(units.shape[1], np.int64)
    wanted[:d] = 2 * np.array(coefficients)
    first, second = (np.unique(_sums(units, count), axis=0) for count in (d // 2, d - d // 2))
    others = wanted - second
    keys = np.random.default_rng(0).integers(1, 1 << 20, units.shape[1])  # like rows have like keys
    likely = np.flatnonzero(np.isin(others @ keys, first @ keys))
    return any((first == others[row]).all(axis=1).any() for row in likely)


def unit_vectors(inputs: int) -> Vectors:
    """Return a row for each unit v relu(w . x) with signs v and w: twice what is linear, and its bend.

    >>> unit_vectors(1)
    array([[ 2],
           [ 0],
           [-2],
           [ 0]])

    """
    signs = np.array(list(itertools.product([1, -1], repeat=inputs)))
    bends = {tuple(w): k for k, w in enumerate(signs[1 : len(signs) // 2])}  # one of each pair
    rows = []
    for v, w in itertools.product((1, -1), signs):
        row = np.zeros(inputs + len(bends), np.int64)
        mixed = abs(w.sum()) < inputs
        row[:inputs] = v * (w if mixed else w + 1)  # all +: twice w; all -: 0
        if mixed:
            row[inputs + bends[tuple(w if w[0] > 0 else -w)]] = v
        rows.append(row)
    return np.array(rows)


def _sums(vectors: Vectors, count: int) -> Vectors:
    """Return the sums of all multisets of ``count`` vectors."""
    sums, least = np.zeros((1, vectors.shape[1]), np.int64), np.zeros(1, np.int64)
    for _ in range(count):
        rows, added = np.nonzero(np.arange(len(vectors)) >= least[:, np.newaxis])
        sums, least = sums[rows] + vectors[added], added
    return sums
