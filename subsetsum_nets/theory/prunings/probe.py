"""One condition that every pruning within epsilon must meet: what both sides of a decision argue with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Probe:
    """A necessary condition: ``|c . (g(x) - W x)| <= epsilon ||c|| ||x||`` for one point x and direction c.

    Both are positive-homogeneous, so x need not lie in the ball.
    """

    point: FloatArray  # shape (d,)
    direction: FloatArray  # shape (d,)
