"""A graph with one node for each channel of a convolution: to look at, not to evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.networks.conversion import Pruned, network_parts
from subsetsum_nets.networks.arrays import dense_array

if TYPE_CHECKING:
    from subsetsum_nets.networks.relu_network import ReluNetwork


def channel_graph(network: ReluNetwork | Pruned) -> Dag:
    """Return the graph of a network with one node for each channel.

    The weight of an edge between two channels is the Euclidean norm of the kernel's slice
    ``kernel[:, :, c_in, c_out]``; into a dense layer it is the norm of the weights on all values of the
    channel. It is kept where any of these weights is kept. Units of dense layers are nodes as ever, and an
    edge between two of them has its weight, sign included.

    Raises
    ------
    TypeError
        For anything else.

    """
    parts = network_parts(network)
    channels = parts.network.shapes[0][-1] or 0
    layers, blocks = [NodeLayer.of(np.zeros(channels, dtype=bool))], {}
    for number, layer in enumerate(parts.network.layers):
        mask, bias_mask = parts.masks[number], parts.bias_masks[number]
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            weight, kept = _dense_edges(layer, mask, channels)
        else:
            weight = _of_groups(np.linalg.norm(kernel, axis=(0, 1)), layer.groups)
            kept = None if mask is None else _of_groups(np.asarray(mask).any(axis=(0, 1)), layer.groups)
        blocks[number, number + 1] = EdgeBlock.of(weight, kept)
        channels = weight.shape[0]
        layers.append(
            NodeLayer.of(np.full(channels, parts.network.relu_after[number]), layer.bias, bias_mask)
        )
    return Dag(layers, blocks, summary=True)


def _of_groups(entries: Any, groups: int) -> Any:
    """Return entries (c_in, c_out) as (c_out, c_in), sparse where channels of different groups have none."""
    if groups == 1:
        return entries.T
    from scipy.sparse import csr_array

    c_in, c_out = entries.shape
    outputs = np.arange(c_out)
    inputs = outputs[:, np.newaxis] // (c_out // groups) * c_in + np.arange(c_in)
    stored = entries.T.ravel(), inputs.ravel(), c_in * np.arange(c_out + 1)
    return csr_array(stored, shape=(c_out, groups * c_in))


def _dense_edges(layer: Any, mask: Any, channels: int) -> tuple[Any, Any]:
    """Return weights and mask of a dense layer by the channel of its input, the last axis of an image."""
    weight = layer.weight
    if weight.shape[1] == channels:
        return weight, mask
    if weight.shape[1] % channels:
        raise InvalidGraphError(f"a layer of {weight.shape[1]} inputs does not read {channels} channels")
    entries = dense_array(weight)
    by_channel = entries.reshape(len(entries), -1, channels)
    kept = None
    if mask is not None:
        stored = dense_array(mask)
        kept = stored.reshape(len(entries), -1, channels).any(axis=1)
    return np.linalg.norm(by_channel, axis=1), kept
