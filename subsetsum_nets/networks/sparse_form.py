"""The sparse form of a network, in which pruned ones are kept: every dense weight as CSR of its nonzeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.relu_network import Dense, ReluNetwork

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every dense weight as CSR of its nonzero entries.

    Kernels of convolutional layers stay as they are.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    return ReluNetwork(
        [
            Dense(csr_of_nonzeros(layer.weight), layer.bias) if isinstance(layer, Dense) else layer
            for layer in network.layers
        ],
        final_relu=network.final_relu,
        linear_after=network.linear_after,
        domain=network.domain,
        input_shape=network.input_shape,
    )


def csr_of_nonzeros(weight: Any) -> csr_array[Any, Any]:
    """Return a matrix, numpy or scipy.sparse, as CSR of its nonzero entries; that one stays as it is."""
    from scipy.sparse import csr_array

    matrix = csr_array(weight.tocsr() if hasattr(weight, "tocsr") else weight)
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix
