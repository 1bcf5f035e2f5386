"""The sparse form of a network, in which pruned ones are kept: every dense weight as CSR of its nonzeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.relu_network import ReluNetwork


def sparse_form(network: ReluNetwork) -> ReluNetwork:
    """Return the same function with every dense weight as CSR of its nonzero entries.

    Kernels of convolutional layers stay as they are.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> sparse_form(ReluNetwork([Dense([[0.0, 2.0]])])).parameters
    1
    """
    return network.with_layers([layer.sparse() for layer in network.layers])


def csr_of_nonzeros(weight: Any) -> csr_array[Any, Any]:
    """Return a matrix, numpy or scipy.sparse, as CSR of its nonzero entries; that one stays as it is."""
    from scipy.sparse import csr_array

    matrix = csr_array(weight.tocsr() if hasattr(weight, "tocsr") else weight)
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix
