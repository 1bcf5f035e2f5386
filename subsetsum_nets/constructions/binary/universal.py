"""Random networks of signs that hold every integer target.

Theorem 2 of Sreenivasan et al. (2021), "for every f".

If the accumulators P_o, and those N_o, of every output together see every input in every layer, whatever the
target is, then every weight has all digits -1, 0 and 1: all integers below 2^L in size are subset sums, for L
digits. Which units these are does not depend on the target, so that the same network holds all of them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.binary.construction import RandomSigns
from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.binary.given import GivenNetwork, Misfit
    from subsetsum_nets.networks.domains import Domain

_MOST_BITS = 50
_UNIT = Box(0, 1)


def universal(
    network: ReluNetwork,
    widths: Sequence[int],
    bits: int,
    *,
    biases: bool = False,
    domain: Domain = _UNIT,
) -> GivenNetwork | Misfit:
    """Find in a network of signs units that hold every integer target.

    Theorem 2 of Sreenivasan et al. (2021), "for every f", in which one network holds all targets.

    Parameters
    ----------
    network : ReluNetwork
        Of weights +-1, and one power of two in its last layer; of any widths.
    widths : sequence of int
        Of the targets: inputs, units of each layer.
    bits : int
        Their weights are the integers below 2^bits in size.
    biases : bool
        Whether the targets have biases, also such integers.
    domain : Box or Ball
        Tells which signs inputs can have.

    Returns
    -------
    GivenNetwork or Misfit
        A network found is proof: ``rows`` of it has ``held``, at least 2^bits - 1, for each layer of targets.
        Misfit says at which layer the search came to its end; others may be there.

    Raises
    ------
    ValueError
        If bits are no integer from 1 to 50.
    InvalidNetworkError
        If the network is none of signs for such targets.

    Examples
    --------
    >>> from subsetsum_nets.constructions.binary.universal import universal_widths
    >>> rng = np.random.default_rng(0)
    >>> shapes = pairwise(universal_widths([8, 2], 3))
    >>> signs = ReluNetwork([Dense(rng.choice([-1.0, 1.0], (after, before))) for before, after in shapes])
    >>> [rows.held for rows in universal(signs, [8, 2], 3).rows]
    [7]

    """
    largest = _largest(widths, bits, biases=biases)
    asked = largest, [0] * len(largest.layers), domain, network
    return RandomSigns().fit(*asked, 2, "accumulate", universal=True)


def universal_widths(
    widths: Sequence[int], bits: int, *, biases: bool = False, domain: Domain = _UNIT
) -> list[int]:
    """Return widths at which random networks of signs hold every integer target, with few exceptions.

    About 2 d_in + 4 d_out a layer, 6 d_out from 65 inputs on, for blocks of bits + 2 layers.

    Parameters
    ----------
    widths, bits, biases, domain
        As for :func:`universal`.

    Raises
    ------
    ValueError
        If bits are no integer from 1 to 50.

    Examples
    --------
    >>> universal_widths([64, 32], 8)
    [64, 128, 256, 256, 256, 256, 256, 256, 256, 192, 32]

    """
    from subsetsum_nets.constructions.binary.growing import Plan
    from subsetsum_nets.constructions.binary.integers import integer_layers

    largest = _largest(widths, bits, biases=biases)
    found = [widths[0]]
    for layer in integer_layers(largest, [0] * len(largest.layers), domain):
        found += [*Plan.of(layer, 2, universal=True).widths, len(layer.weight)]
    return found


def _largest(widths: Sequence[int], bits: int, *, biases: bool) -> ReluNetwork:
    """Return the target all of whose weights are as large as can be."""
    size = 2.0 ** checked_integer(bits, "bits", 1, _MOST_BITS) - 1.0
    shapes = list(pairwise(widths))
    return ReluNetwork(
        [Dense(np.full((b, a), size), np.full(b, size) if biases else None) for a, b in shapes]
    )
