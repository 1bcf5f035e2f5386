"""Weights of PyTorch modules in our order and back, and the names modules are written under."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.files.onnx_layouts import (
    columns_from_channels_first,
    columns_to_channels_first,
    kernel_from_channels_first,
    kernel_to_channels_first,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.relu_network import ReluNetwork

    Array = NDArray[Any]
    Image = tuple[int, int, int]


WINDOWS = "windows"  # the metadata of our own files that says what modules do beside their weights
Windows = Mapping[str, Mapping[str, Any]]
_OPTIONS = {"stride", "padding", "dilation", "groups", "fixed"}


def layers_from_torch(
    modules: Sequence[str], tensors: Sequence[Array], image: Image | None, windows: Windows
) -> list[Array]:
    """Return the weights of successive layers, or masks or scores of their shapes, in our order.

    ``tensors`` have the shapes (d_out, d_in) or (c_out, c_in, rows, columns), and messages call them by their
    ``modules``; ``image``, (h, w, c), is the size of the images that a convolutional first layer gets, and
    ``windows`` are the keyword arguments of Conv2d for modules that are no plain ones.
    InvalidNetworkError for other shapes, or a dense layer behind images of unknown or another size.
    """
    weights = []
    images = False
    for module, tensor in zip(modules, tensors, strict=True):
        if tensor.ndim not in (2, 4) or 0 in tensor.shape:
            raise InvalidNetworkError(
                f"the weight of {module!r} has shape {tensor.shape}; layers have 2 or 4 axes"
            )
        if tensor.ndim == 4:
            images = True
            weights.append(np.ascontiguousarray(kernel_from_channels_first(tensor)))
            if image is not None:
                like = Conv2d(np.zeros(weights[-1].shape), **windows.get(module, {}))
                h, w, c = like.gives((*image[:2], like.c_in), len(weights) - 1)
                image = h or 0, w or 0, c or 0
            continue
        if not images:
            weights.append(tensor)
            continue
        if image is None or tensor.shape[1] != math.prod(image):
            raise InvalidNetworkError(
                f"{module!r} takes {tensor.shape[1]} values behind images of "
                f"{'unknown size' if image is None else image}: give input_shape=(h, w, c)"
            )
        weights.append(columns_from_channels_first(tensor, image))
        images = False
    return weights


def windows_of(metadata: Mapping[str, str], given: Windows | None) -> Windows:
    """Return the keyword arguments of Conv2d by module: those given, or else those that the file tells.

    InvalidNetworkError for anything else than tables of them.
    """
    try:
        found = json.loads(metadata.get(WINDOWS, "{}")) if given is None else given
        for module, options in found.items():
            if not isinstance(module, str) or set(options) - {
                "stride",
                "padding",
                "dilation",
                "groups",
                "fixed",
            }:
                raise ValueError(options)  # noqa: TRY301
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidNetworkError(
            "windows must map names of modules to keyword arguments of Conv2d, such as "
            f"{{'features.0': {{'stride': 2}}}}; got {metadata.get(WINDOWS) if given is None else given!r}"
        ) from error
    tables: Windows = found
    return tables


def module_names(network: ReluNetwork, names: Sequence[str] | None) -> list[str]:
    """Return the names of the layers' modules: those given, or their places in a ``torch.nn.Sequential``.

    ValueError if there are not as many different names as layers.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> module_names(ReluNetwork([Dense([[1.0]]), Dense([[1.0]])]), None)
    ['0', '2']

    """
    if names is not None:
        if not len(set(names)) == len(names) == len(network.layers):
            raise ValueError(f"{len(network.layers)} layers need as many different names, got {list(names)}")
        return list(names)
    places, place = [], 0
    for layer, shape, relu in zip(network.layers, network.shapes, network.relu_after, strict=False):
        if len(layer.takes) < len(shape):
            place += 1  # the Flatten
        places.append(str(place))
        place += 2 if relu else 1
    return places


def dense_images(network: ReluNetwork) -> list[Image | None]:
    """Return for each layer the image that it gets when it is the first dense one behind images."""
    images: list[Image | None] = []
    for layer, shape in zip(network.layers, network.shapes, strict=False):
        if len(layer.takes) == len(shape):
            images.append(None)
            continue
        h, w, c = shape
        if h is None or w is None or c is None:
            raise InvalidNetworkError(
                "the order of a dense layer's inputs behind images depends on their size: give the network "
                "its input_shape=(h, w, c)"
            )
        images.append((h, w, c))
    return images


def to_torch_order(weight: Array, image: Image | None) -> Array:
    """Undo :func:`layers_from_torch` for one layer; ``image`` is one of :func:`dense_images`."""
    if weight.ndim == 4:
        return np.ascontiguousarray(kernel_to_channels_first(weight))
    return weight if image is None else columns_to_channels_first(weight, image)
