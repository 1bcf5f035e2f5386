"""The sparse form of a network, in which pruned ones are kept: every weight as CSR of its nonzeros."""

from __future__ import annotations

from subsetsum_nets.networks.relu_network import Dense, ReluNetwork, is_sparse


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every weight as CSR of its nonzero entries.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    from scipy.sparse import csr_array

    layers = []
    for layer in network.layers:
        weight = csr_array(layer.weight)
        if is_sparse(layer.weight):
            weight = weight.copy()
            weight.eliminate_zeros()
        layers.append(Dense(weight, layer.bias))
    return ReluNetwork(
        layers, final_relu=network.final_relu, linear_after=network.linear_after, domain=network.domain
    )
