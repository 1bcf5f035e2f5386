"""What our own construction requires, measured: random targets of Theorem 1's class, pruned and proven.

The target has weight matrices of spectral norm 1 (normal entries, scaled) and the unit ball for a domain, as
in Pensia et al. (2020). :func:`~subsetsum_nets.compiler.prune` sizes the random network from epsilon and
delta, prunes it, and verifies the bound: a size counts only if the bound is proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import DEFAULT
from subsetsum_nets.networks import Ball, Dense, ReluNetwork
from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.theory.requirement import checked_count, checked_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Measured:
    """A random network that was pruned to epsilon, or was not."""

    epsilon: float
    candidates: int  # n, units a subset sum draws from, as ``prune`` chose it
    width: int  # of the random network, as depth and parameters
    depth: int
    parameters: int
    kept: int  # weights that its pruning leaves
    bound: float  # proven on sup ||f - g||, rounded up
    proven: bool  # whether the bound is at most epsilon


def random_target(width: int, depth: int, seed: int = 0) -> ReluNetwork:
    """Return a network of Theorem 1's class: square layers of spectral norm 1 (within rounding), no biases.

    Examples
    --------
    >>> random_target(3, 2)
    ReluNetwork(3-3-3, 18 parameters)

    """
    d, layers = checked_count(width, "width"), checked_count(depth, "depth")
    rng = np.random.default_rng(
        np.random.SeedSequence(checked_integer(seed, "seed", 0), spawn_key=(d, layers))
    )
    matrices = [rng.standard_normal((d, d)) for _ in range(layers)]
    return ReluNetwork([Dense(matrix / np.linalg.norm(matrix, 2)) for matrix in matrices], domain=Ball())


def measured_requirement(
    width: int,
    depth: int,
    epsilons: Iterable[float],
    delta: float = 0.01,
    *,
    construction: str = DEFAULT,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> list[Measured]:
    """Prune a random network into a random target for every epsilon; return what it took.

    Parameters
    ----------
    width, depth : int
        Of the target.
    epsilons : iterable of float
    delta : float
        The chance of not reaching epsilon that ``prune`` accepts in its choice of size.
    construction : str
        As for ``prune``.
    seed : int
        Of target and random network.
    threads, progress
        As for ``prune``.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> [found] = measured_requirement(2, 1, [0.1])
    >>> found.proven, found.depth
    (True, 2)

    """
    target = random_target(width, depth, seed)
    listed = [checked_share(epsilon, "epsilon") for epsilon in epsilons]
    found = []
    for epsilon in listed:
        pruned = prune(
            target,
            construction=construction,
            epsilon=epsilon,
            delta=delta,
            seed=seed,
            threads=threads,
            progress=progress,
        )
        certificate = pruned.certificate
        assert certificate is not None  # noqa: S101 - prune() always makes one
        found.append(
            Measured(
                epsilon,
                certificate.candidates,
                max(pruned.random.widths),
                len(pruned.random.layers),
                certificate.counts["random_parameters"],
                certificate.counts["kept_parameters"],
                certificate.bound,
                certificate.verified,
            )
        )
    return found
