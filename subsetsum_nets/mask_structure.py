"""Structured masks: whether only whole filters, or whole 2-D kernels, of channel-blocked layers are removed.

Definition 3 and Lemma 12 of da Cunha et al. 2023: the first layer of the pair that stands for a target layer
is cut to blocks, block t to input t, and loses whole filters beside that; behind a removed filter its slice
of the second layer goes, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import hidden_of_pairs, kept_layers, starts

if TYPE_CHECKING:
    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork

Whole = Literal["filters", "kernels"]
WHOLES: tuple[Whole, ...] = get_args(Whole)


def check_structure(masks: NetworkMasks, target: ReluNetwork, whole: Whole = "filters") -> None:
    """Raise unless the masks of a pair for each layer of the target are structured.

    A first mask is channel-blocked (da Cunha et al. 2023, Definition 3) and removes whole filters beside
    that, a second one whole slices (Lemma 12), or whole 2-D kernels of them.

    Parameters
    ----------
    masks : NetworkMasks
        Two layers for each of the target, one for those that are kept as they are. Hidden units are shared
        out to blocks as evenly as that goes: one for each input or channel, and behind those one for a bias.
    target : ReluNetwork
    whole : {"filters", "kernels"}
        What is kept or removed of a second layer: slices U[:, :, k, :], or their kernels U[:, :, k, o].

    Raises
    ------
    InvalidNetworkError
        For another ``whole``; if a first layer keeps an entry outside its block, a second one a part of a
        slice or of a kernel, or one of them what the other has no use for. It names layer, channel and entry.

    Examples
    --------
    >>> from subsetsum_nets.masks import NetworkMasks
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0, 2.0]])])
    >>> first, second = np.array([[True, False], [False, True]]), np.array([[True, True]])
    >>> check_structure(NetworkMasks([first, second], [None, None]), f)
    >>> check_structure(NetworkMasks([first[::-1], second], [None, None]), f)
    Traceback (most recent call last):
        ...
    subsetsum_nets.networks.errors.InvalidNetworkError: layer 0 keeps entry (0, 1): channel 0 is of block 0

    """
    if whole not in WHOLES:
        raise InvalidNetworkError(f"what is whole is one of {', '.join(WHOLES)}, got {whole!r}")
    needed = starts(target)[-1]
    if len(masks.weights) != needed:
        raise InvalidNetworkError(f"{len(masks.weights)} masks; pairs for the target's layers are {needed}")
    pruned = [layer for layer, kept in zip(target.layers, kept_layers(target), strict=True) if not kept]
    for layer, start in zip(pruned, hidden_of_pairs(target), strict=True):
        used = _check_second(masks, start + 1, whole)
        alive = _check_first(masks, start, layer)
        if len(used) != len(alive):
            raise InvalidNetworkError(
                f"layer {start} has {len(alive)} channels, and layer {start + 1} takes {len(used)}"
            )
        if (wrong := np.flatnonzero(used != alive)).size:
            k = int(wrong[0])
            keeper, other = (start, start + 1) if alive[k] else (start + 1, start)
            raise InvalidNetworkError(
                f"layer {keeper} keeps channel {k}, of which layer {other} keeps nothing"
            )


def _check_first(masks: NetworkMasks, index: int, layer: Layer) -> Bools:
    """See that a first layer keeps nothing outside its blocks; return which channels it keeps."""
    rows, columns, channels = _entries_of_first(masks.weights[index])
    bias = masks.biases[index]
    inputs = layer.takes[-1] or 0
    block = _block_of(channels, inputs + (layer.bias is not None))
    if (wrong := np.flatnonzero(columns != block[rows])).size:
        k, t = int(rows[wrong[0]]), int(columns[wrong[0]])
        raise InvalidNetworkError(f"layer {index} keeps entry ({k}, {t}): channel {k} is of block {block[k]}")
    alive = np.zeros(channels, dtype=bool)
    alive[rows] = True
    if bias is not None:
        if (wrong := np.flatnonzero(bias & (block < inputs))).size:
            k = int(wrong[0])
            raise InvalidNetworkError(
                f"layer {index} keeps the bias of channel {k}: it is of block {block[k]}, not of a bias's"
            )
        alive |= bias
    return alive


def _check_second(masks: NetworkMasks, index: int, whole: Whole) -> Bools:
    """See that a second layer keeps slices or kernels whole, and no bias; return which channels it uses."""
    mask, bias = masks.weights[index], masks.biases[index]
    mask = mask.toarray() if is_sparse(mask) else mask
    if mask.ndim == 2:
        mask = mask.T[np.newaxis, np.newaxis]
    axes, what = ((0, 1, 3), "slice") if whole == "filters" else ((0, 1), "kernel")
    some, every = mask.any(axis=axes), mask.all(axis=axes)
    if (wrong := np.argwhere(some & ~every)).size:
        k, *outputs = wrong[0].tolist()
        part = mask[:, :, k] if not outputs else mask[:, :, k, outputs[0]]
        p, q, *output = np.argwhere(~part)[0].tolist()
        entry = (p, q, k, *(output or outputs))
        raise InvalidNetworkError(
            f"layer {index} keeps a part of the {what} of channel {k}: entry {entry} is removed"
        )
    if bias is not None and bias.any():
        o = int(np.flatnonzero(bias)[0])
        raise InvalidNetworkError(f"layer {index} keeps the bias of output {o}; second layers have none")
    used: Bools = some if some.ndim == 1 else some.any(axis=1)
    return used


def _entries_of_first(mask: Any) -> tuple[Ints, Ints, int]:
    """Return (channels, inputs) of what the mask of a first layer keeps, and how many channels it has."""
    if is_sparse(mask):
        entries = mask.tocoo()
        kept = entries.data.astype(bool)
        return entries.row[kept], entries.col[kept], mask.shape[0]
    if mask.ndim == 4 and mask.shape[:2] != (1, 1):
        raise InvalidNetworkError(f"a first layer has a kernel of {mask.shape[0]}x{mask.shape[1]}, not 1x1")
    matrix = mask if mask.ndim == 2 else mask[0, 0].T
    rows, columns = np.nonzero(matrix)
    return rows, columns, matrix.shape[0]


def _block_of(channels: int, blocks: int) -> Ints:
    """Return the block of each channel, blocks of sizes as equal as can be, larger ones first."""
    return np.repeat(np.arange(blocks), channels // blocks + (np.arange(blocks) < channels % blocks))
