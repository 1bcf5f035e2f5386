"""The sparse form of a network, in which pruned ones are kept: every dense weight as CSR of its nonzeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from subsetsum_nets.networks.convolution import Conv2d


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every dense weight as CSR of its nonzero entries.

    Kernels of convolutional layers stay as they are.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    from scipy.sparse import csr_array

    layers: list[Dense | Conv2d] = []
    for layer in network.layers:
        if not isinstance(layer, Dense):
            layers.append(layer)
            continue
        weight = csr_array(layer.weight)
        if is_sparse(layer.weight):
            weight = weight.copy()
            weight.eliminate_zeros()
        layers.append(Dense(weight, layer.bias))
    return ReluNetwork(
        layers,
        final_relu=network.final_relu,
        linear_after=network.linear_after,
        domain=network.domain,
        input_shape=network.input_shape,
    )
