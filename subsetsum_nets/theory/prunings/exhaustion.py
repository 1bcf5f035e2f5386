"""A proof that no pruning meets given conditions: all of them are gone through, unit by unit, in integers.

A hidden unit has one of ``1 + (2^d - 1)^2`` states, and adds to the left side of every condition a number
that only its state decides. Partial sums that the units still to come cannot bring into every condition's
window are dropped; if none are left, no pruning is. Independent of any solver: CP-SAT has been seen to call
programs infeasible that are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import root_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray

    Integers = NDArray[np.int64]

MOST_SUMS = 400_000  # that are kept at a time
_BITS = 50  # of all numbers of a condition, added up


@dataclass(frozen=True, eq=False)
class Probe:
    """A necessary condition: ``|c . (g(x) - W x)| <= epsilon ||c|| ||x||`` for one point x and direction c.

    Both are positive-homogeneous, so x need not lie in the ball.
    """

    point: FloatArray  # shape (d,)
    direction: FloatArray  # shape (d,)


def excludes_all(
    first: FloatArray, second: FloatArray, member: FloatArray, epsilon: float, probes: Sequence[Probe]
) -> bool:
    """Prove that no pruning of V relu(U x) meets all conditions; False proves nothing.

    ``first`` and ``second`` are U (s, d) and V (d, s), ``member`` is W (d, d).

    Examples
    --------
    >>> u, v, w = np.array([[1.0], [-1.0]]), np.array([[0.5, 1.0]]), np.array([[0.5]])
    >>> excludes_all(u, v, w, 0.125, [Probe(np.ones(1), np.ones(1))])
    False
    >>> excludes_all(u, v, w, 0.125, [Probe(-np.ones(1), np.ones(1))])
    True

    """
    if not probes:
        return False
    columns = [_condition(first, second, member, epsilon, probe) for probe in probes]
    added = np.stack([numbers for numbers, _, _ in columns], axis=2)  # (s, states, probes)
    low = np.array([lowest for _, lowest, _ in columns])
    high = np.array([highest for _, _, highest in columns])
    least, most = added.min(axis=1), added.max(axis=1)
    rest_least, rest_most = least.sum(axis=0), most.sum(axis=0)
    sums = np.zeros((1, len(probes)), dtype=np.int64)
    for unit in np.argsort(-(most - least).astype(float).sum(axis=1)):
        rest_least, rest_most = rest_least - least[unit], rest_most - most[unit]
        parts = []
        for step in added[unit]:
            moved = sums + step
            open_still = ((moved + rest_least <= high) & (moved + rest_most >= low)).all(axis=1)
            parts.append(moved[open_still])
        sums = np.concatenate(parts)
        if not len(sums):
            return True
        if len(sums) > MOST_SUMS:
            return False
    return False


def _condition(
    first: FloatArray, second: FloatArray, member: FloatArray, epsilon: float, probe: Probe
) -> tuple[Integers, int, int]:
    """Return what each unit adds in each state, rounded down, and the window of the sum of all, outward."""
    s, d = first.shape
    x, c = ([Fraction(value) for value in part.tolist()] for part in (probe.point, probe.direction))
    goal = sum((c[k] * Fraction(member[k, j]) * x[j] for k in range(d) for j in range(d)), Fraction(0))
    lengths = [sum((a * a for a in vector), Fraction(0)) for vector in (x, c)]
    reach = Fraction(epsilon) * root_up(lengths[0] * lengths[1])
    kept = [chosen for chosen in product((False, True), repeat=d) if any(chosen)]
    exact = []
    for i in range(s):
        hidden = [
            max(Fraction(0), sum((Fraction(first[i, j]) * x[j] for j in range(d) if p[j]), Fraction(0)))
            for p in kept
        ]
        outputs = [sum((c[k] * Fraction(second[k, i]) for k in range(d) if q[k]), Fraction(0)) for q in kept]
        exact.append([Fraction(0), *(h * w for h in hidden for w in outputs)])
    total = sum((max(map(abs, row)) for row in exact), abs(goal) + reach + Fraction(1, 2**1000))
    size = total.numerator.bit_length() - total.denominator.bit_length() + 1
    scale = Fraction(2) ** (_BITS - size)
    numbers = np.array([[math.floor(value * scale) for value in row] for row in exact], dtype=np.int64)
    # Rounding down takes less than 1 from each of the s numbers added up.
    return numbers, math.ceil((goal - reach) * scale) - s, math.floor((goal + reach) * scale)
