"""Edge-popup scores: masks that keep the weights with the largest scores.

Source: Ramanujan et al. 2020, "What's hidden in a randomly weighted neural network?", where a network is
pruned to the weights whose trained scores are in the top k per cent of their layer.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.module_order import module_order
from subsetsum_nets.exchange.torch_files import read_tensor_file
from subsetsum_nets.exchange.torch_tensors import layers_from_torch, windows_of
from subsetsum_nets.networks.arguments import checked_number
from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.exchange.torch_tensors import Windows

    Array = NDArray[Any]


def masks_from_scores(
    scores: Sequence[Array], sparsity: float, *, scope: str = "layerwise", absolute: bool = False
) -> list[NDArray[np.bool_]]:
    """Return the masks that keep the largest scores: all but floor(sparsity * n) of n.

    Parameters
    ----------
    scores : sequence of float arrays
        One per layer, of the shape of its weight.
    sparsity : float
        The fraction to remove, in [0, 1]; taken as the decimal number that it is written as, so that 0.7 of
        10 is 7.
    scope : "layerwise" or "global"
        Whether n counts the scores of one layer, or of all.
    absolute : bool
        Whether scores are compared by their absolute values, as the authors' code of edge-popup does.

    Returns
    -------
    list of bool arrays of the same shapes
        Of equal scores those that stand first, in row-major order and in the order of the layers, are kept.

    Raises
    ------
    ValueError
        If the sparsity is not in [0, 1], the scope is unknown, or scores are not finite numbers.

    Examples
    --------
    >>> masks_from_scores([np.array([[3.0, 1.0], [2.0, 2.0]])], 0.5)
    [array([[ True, False],
           [ True, False]])]

    """
    checked_number(sparsity, "sparsity", 0, 1)
    if scope not in ("layerwise", "global"):
        raise ValueError(f"scope must be 'layerwise' or 'global', got {scope!r}")
    flat = []
    for index, layer in enumerate(scores):
        values = np.asarray(layer)
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise ValueError(f"the scores of layer {index} must be finite real numbers")
        flat.append(np.abs(values).ravel() if absolute else values.ravel())
    groups = flat if scope == "layerwise" else [np.concatenate(flat)] if flat else []
    kept = [_largest(group, Fraction(str(float(sparsity)))) for group in groups]
    ends = np.cumsum([values.size for values in flat])[:-1]
    parts = kept if scope == "layerwise" or not flat else np.split(kept[0], ends)
    return [part.reshape(np.shape(layer)) for part, layer in zip(parts, scores, strict=True)]


def read_scores(
    path: str | PathLike[str],
    *,
    names: Sequence[str] | None = None,
    key: str = "scores",
    input_shape: tuple[int, int, int] | None = None,
    windows: Windows | None = None,
) -> list[Array]:
    """Read edge-popup scores, one array per layer, from a .safetensors file.

    Parameters
    ----------
    path : path
        With tensors such as ``fc1.scores``; others are ignored.
    names : sequence of str, optional
        As for :func:`read_state_dict`.
    key : str
        How the scores of a module are called.
    input_shape : (h, w, c), optional
        Needed for dense layers behind convolutional ones.
    windows : mapping of str to mapping, optional
        As for :func:`read_state_dict`.

    Returns
    -------
    list of float arrays
        In our shapes and order, for :func:`masks_from_scores`.

    Raises
    ------
    FileNotFoundError, NetworkFileError
        If there is no such file, it is not a .safetensors file, or it has no scores.
    InvalidNetworkError
        If they do not have the shapes of layers, or several orders of modules fit.

    """
    contents = read_tensor_file(path)
    tensors = contents.tensors
    ending = f".{key}"
    found = {name.removesuffix(ending): tensors[name] for name in tensors if name.endswith(ending)}
    shapes = {name: tensor.shape for name, tensor in found.items()}
    modules = module_order(path, shapes, contents.metadata) if names is None else list(names)
    if not modules or not set(modules) <= set(found):
        wanted = ", ".join(f"{name}{ending}" for name in modules) or f"<module>{ending}"
        raise NetworkFileError(f"{Path(path)} lacks some of the tensors {wanted}")
    told = windows_of(contents.metadata, windows)
    return layers_from_torch(modules, [found[module] for module in modules], input_shape, told)


def _largest(scores: Array, sparsity: Fraction) -> NDArray[np.bool_]:
    """Return where the largest scores stand, all but floor(sparsity * n) of them."""
    removed = int(sparsity * scores.size)
    # Reversed, a stable sort puts of equal scores those that stand last before the others.
    order = scores.size - 1 - np.argsort(scores[::-1], kind="stable")
    kept = np.ones(scores.size, dtype=bool)
    kept[order[:removed]] = False
    return kept
