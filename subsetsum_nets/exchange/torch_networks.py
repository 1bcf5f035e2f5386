"""to_torch(): a network as a ``torch.nn.Sequential`` that computes the same; masks as PyTorch has them.

PyTorch orders images channels first and does not turn kernels. Kernels are turned, and the columns of the
first dense layer behind images permuted: every weight is exactly that of the network, in another place.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.torch_tensors import dense_images, module_names, to_torch_order
from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.networks.arrays import Shape
    from subsetsum_nets.networks.layer_shapes import Layer

_NEEDED = "to_torch() needs the package torch: pip install 'subsetsum-nets[torch]'"


def to_torch(network: Any, *, dtype: Any = None) -> Any:
    """Return a network as a PyTorch module.

    Parameters
    ----------
    network : ReluNetwork or PrunedNetwork
        A pruned network becomes its random one with the masks of every layer applied, by
        ``torch.nn.utils.prune.custom_from_mask``: ``weight_orig`` and ``weight_mask`` are there.
    dtype : torch.dtype, optional
        torch.float64 if not given, which holds every weight; others may round them.

    Returns
    -------
    torch.nn.Sequential
        Of Linear, Conv2d, ZeroPad2d, Flatten and ReLU, in eval mode. It takes (batch, d_0), or images
        (batch, c, h, w); images that it gives are (batch, c, h, w) too. Layers have the names under which
        :func:`~subsetsum_nets.exchange.write_state_dict` and ``write_masks`` write them.

    Raises
    ------
    ImportError
        If torch is missing.
    TypeError
        If ``network`` is no network.
    InvalidNetworkError
        If the sizes of images matter, and the network has no ``input_shape``.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> to_torch(ReluNetwork([Dense([[1.0]]), Dense([[1.0]])]))   # doctest: +SKIP
    Sequential(
      (0): Linear(in_features=1, out_features=1, bias=False)
      (relu_0): ReLU()
      (2): Linear(in_features=1, out_features=1, bias=False)
    )

    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(_NEEDED) from error
    masks = getattr(network, "all_masks", None)
    plain = network if masks is None else network.random
    if not isinstance(plain, ReluNetwork):
        raise TypeError(f"a ReluNetwork or a PrunedNetwork becomes a module, got a {type(network).__name__}")
    chosen = torch.float64 if dtype is None else dtype
    modules: dict[str, Any] = {}
    images, names = dense_images(plain), module_names(plain, None)
    layers = zip(plain.layers, plain.shapes, images, plain.relu_after, names, strict=False)
    for layer, shape, image, relu, name in layers:
        before, module = _modules(layer, shape)
        _set(module, "weight", to_torch_order(dense_array(layer.stored), image), chosen)
        if layer.bias is not None:
            _set(module, "bias", layer.bias, chosen)
        if before is not None:
            modules[f"before_{name}"] = before
        modules[name] = module
        if relu:
            modules[f"relu_{name}"] = torch.nn.ReLU()
    if masks is not None:
        _prune([modules[name] for name in names], images, masks)
    return torch.nn.Sequential(OrderedDict(modules)).eval()


def _modules(layer: Layer, shape: Shape) -> tuple[Any, Any]:
    """Return what stands before a layer, if anything, and the layer with weights to be set."""
    from torch import nn

    bias = layer.bias is not None
    if not isinstance(layer, Conv2d):
        return nn.Flatten() if len(shape) > 1 else None, nn.Linear(layer.d_in, layer.d_out, bias=bias)
    (top, bottom), (left, right) = _zeros(layer, shape)
    even = top == bottom and left == right
    module = nn.Conv2d(
        layer.c_in,
        layer.c_out,
        layer.size,
        stride=layer.stride,
        padding=(top, left) if even else 0,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=bias,
    )
    return None if even else nn.ZeroPad2d((left, right, top, bottom)), module


def _zeros(layer: Conv2d, shape: Shape) -> Any:
    """Return the zeros around images; where they depend on the size, it must be known."""
    h, w = shape[:2]
    if h is not None and w is not None:
        return layer.geometry.zeros(layer.size, (h, w))
    if isinstance(layer.padding, str) and layer.stride != (1, 1):
        from subsetsum_nets.networks.errors import needs_input_shape

        raise needs_input_shape(f"the padding {layer.padding!r} of a stride of {layer.stride}")
    return layer.geometry.zeros(layer.size, (1, 1))  # at stride 1 for images of every size


def _set(module: Any, name: str, numbers: Any, dtype: Any) -> None:
    import torch

    tensor = torch.tensor(np.array(numbers, dtype=np.float64), dtype=dtype)
    setattr(module, name, torch.nn.Parameter(tensor))


def _prune(modules: list[Any], images: list[Any], masks: Any) -> None:
    """Apply the masks of weights and biases, kept as PyTorch's pruning keeps them."""
    for module, image, *pair in zip(modules, images, masks.weights, masks.biases, strict=True):
        for name, mask in _masks(image, *pair):
            _apply_mask(module, name, mask)


def _masks(image: Any, weight: Any, bias: Any) -> Iterator[tuple[str, Any]]:
    yield "weight", to_torch_order(dense_array(weight), image)
    if bias is not None:
        yield "bias", bias


def _apply_mask(module: Any, name: str, mask: Any) -> None:
    import torch
    from torch.nn.utils import prune

    kept = torch.tensor(np.array(mask, dtype=np.float64), dtype=getattr(module, name).dtype)
    apply: Any = prune.custom_from_mask
    apply(module, name, kept)
