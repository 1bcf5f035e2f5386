"""Laws of random vectors with a shared scale: X = V G, where G is standard normal in d dimensions.

A filter of a pruned random CNN is such a vector: one weight V of the 1x1 layer scales a whole slice G of the
next kernel. With V ~ N(0, 1) it is a normally-scaled normal (NSN) vector, Definition 4 of da Cunha et al.
(2023). With |V| log-uniform in [2^-L, 1] and a fair sign there are as many items of every magnitude, which is
what greedy rounding needs (Orseau et al. 2020 sampled such a "hyperbolic" law).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BITS = 48  # after the point, so that sums of items stay exact in 64 bits
_MOST_BITS = 40  # of the scales


@dataclass(frozen=True)
class VectorLaw:
    """A law of random vectors V G.

    Attributes
    ----------
    name : str
    scales : callable(rng, size) -> float array of that size
        Draws V.

    """

    name: str
    scales: Callable[[np.random.Generator, int], Floats]

    def draw(self, rng: np.random.Generator, count: int, dimension: int) -> Floats:
        """Return ``count`` vectors, shape (count, dimension): multiples of 2^-48."""
        drawn = self.scales(rng, count)[:, None] * rng.standard_normal((count, dimension))
        return np.ldexp(np.rint(np.ldexp(drawn, _BITS)), -_BITS)


NSN = VectorLaw("nsn", lambda rng, size: rng.standard_normal(size))
"""Normally-scaled normal vectors: Definition 4 of da Cunha et al. (2023)."""


def log_uniform(bits: int = 16) -> VectorLaw:
    """Return the law with a fair sign and |V| log-uniform in [2^-bits, 1].

    Parameters
    ----------
    bits : int
        L, from 1 to 40.

    Raises
    ------
    ValueError
        If it is out of range.

    Examples
    --------
    >>> law = log_uniform(8)
    >>> law.name, law.draw(np.random.default_rng(0), 5, 3).shape
    ('log-uniform-8', (5, 3))

    """
    depth = checked_integer(bits, "bits", 1, _MOST_BITS)

    def scales(rng: np.random.Generator, size: int) -> Floats:
        return np.copysign(np.exp2(-depth * rng.random(size)), rng.random(size) - 0.5)

    return VectorLaw(f"log-uniform-{depth}", scales)


def vector_law(name: str) -> VectorLaw:
    """Return the law of that name: "nsn", "log-uniform" (L = 16) or "log-uniform-L".

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> vector_law("nsn") is NSN, vector_law("log-uniform").name
    (True, 'log-uniform-16')

    """
    head, _, bits = name.rpartition("-")
    if name == NSN.name:
        return NSN
    if name == "log-uniform":
        return log_uniform()
    if head == "log-uniform" and bits.isdecimal():
        return log_uniform(int(bits))
    raise ValueError(f"no law of vectors {name!r}; there are: nsn, log-uniform, log-uniform-L")
