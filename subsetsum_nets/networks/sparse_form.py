"""The sparse form of a network, in which pruned ones are kept: every dense weight as CSR of its nonzeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subsetsum_nets.networks.relu_network import ReluNetwork


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every dense weight as CSR of its nonzero entries.

    Kernels of convolutional layers stay as they are.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    return network.with_layers([layer.sparse() for layer in network.layers])
