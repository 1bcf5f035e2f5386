"""PyTorch's weights, masks and scores, by way of .safetensors or .pt files; no code in a file is ever run.

In PyTorch: ``safetensors.torch.save_file(model.state_dict(), path)`` and ``load_file(path)``. Masks follow
``torch.nn.utils.prune``: a pruned parameter ``weight`` is kept as ``weight_orig`` and ``weight_mask``, whose
product it is. PyTorch orders images and kernels channels first and does not turn kernels; that is translated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.module_order import MODULES, module_order
from subsetsum_nets.exchange.pruned_names import with_usual_names
from subsetsum_nets.exchange.torch_files import read_tensor_file
from subsetsum_nets.exchange.torch_tensors import (
    WINDOWS,
    Windows,
    dense_images,
    layers_from_torch,
    module_names,
    to_torch_order,
    windows_of,
)
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.arrays import dense_array, narrowed
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.network_files import TensorFile, write_safetensors
from subsetsum_nets.networks.files.suffixes import TORCH_SUFFIXES
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.networks.domains import Domain

    Array = NDArray[Any]
    Image = tuple[int, int, int]


def read_state_dict(
    path: str | PathLike[str],
    *,
    names: Sequence[str] | None = None,
    masks: str | PathLike[str] | None = None,
    final_relu: bool = False,
    linear_after: Iterable[int] = (),
    domain: Domain | None = None,
    input_shape: Image | None = None,
    windows: Windows | None = None,
) -> ReluNetwork:
    """Read a network from a PyTorch ``state_dict`` in a .safetensors, .pt or .pth file.

    A state dict holds no activations: a ReLU is taken to stand between the layers, but where
    ``linear_after`` says otherwise. Nor does it hold strides and the like: ``windows`` says what they are.

    Parameters
    ----------
    path : path
        .pt and .pth files, which need the extra ``torch``, are read by ``torch.load(weights_only=True)``.
    names : sequence of str, optional
        The layers' modules in the order of evaluation, such as ``["fc1", "fc2"]``; whatever else the file
        holds is ignored then. By default all that it has: by the numbers in their names, ``2.weight`` before
        ``10.weight``; as shapes demand where names leave it open; and as the file lists them where it does
        not list them by name.
    masks : path, optional
        A .safetensors file of masks alone, called as their parameters (``fc1.weight``), as their modules
        (``fc1``), or in one of the ways in which masks are called beside them.
    final_relu, linear_after, domain, input_shape
        As for :class:`~subsetsum_nets.networks.ReluNetwork`; dense layers behind convolutional ones need the
        size of the images.
    windows : mapping of str to mapping, optional
        Keyword arguments of :class:`~subsetsum_nets.networks.Conv2d` for modules that are not of stride 1 and
        the padding that keeps the size, such as ``{"features.0": {"stride": 2, "padding": 1}}``. What
        :func:`write_state_dict` wrote says so itself.

    Returns
    -------
    ReluNetwork
        Of the ``weight`` and ``bias`` of every module, or ``weight_orig * weight_mask`` where it is pruned:
        exactly the file's numbers. A mask may also stand beside ``weight``, as ``weight_mask``, ``mask``,
        ``weight.mask`` or ``masks.(..).weight``; ``torch.nn.utils.parametrize``'s names are known.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is no such file, or holds anything else than layers.
    InvalidNetworkError
        If shapes do not follow one another, weights are not finite, or several orders of modules fit: the
        message names them.

    """
    random, found = _read(
        path,
        names,
        masks,
        final_relu=final_relu,
        linear_after=linear_after,
        domain=domain,
        input_shape=input_shape,
        windows=windows,
    )
    return random if found is None else found.apply(random)


def write_state_dict(
    network: ReluNetwork, path: str | PathLike[str], *, names: Sequence[str] | None = None
) -> None:
    """Write a network as a PyTorch ``state_dict`` in a .safetensors file.

    Parameters
    ----------
    network : ReluNetwork
        Sparse weights are written dense.
    path : path
    names : sequence of str, optional
        The module of each layer. By default its place in a ``torch.nn.Sequential`` of layers, ReLUs and,
        between convolutional and dense layers, a Flatten. Pooling is the convolutions that stand for it.

    Raises
    ------
    ValueError
        If there are not as many names as layers.
    InvalidNetworkError
        If a network with dense layers behind convolutional ones has no ``input_shape``.
    OSError
        If the file cannot be written.

    Notes
    -----
    Each tensor is float32 where that changes none of its numbers, else float64; PyTorch's ``load_state_dict``
    casts to the type of the module.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> write_state_dict(ReluNetwork([Dense([[1.0, 2.0]]), Dense([[0.1]], [3.0])]), path)
    >>> sorted(read_tensor_file(path).tensors)
    ['0.weight', '2.bias', '2.weight']
    >>> read_state_dict(path)
    ReluNetwork(2-1-1, 4 parameters)

    """
    _write(path, _parameters(network, names), network, names)


def write_masks(
    random: ReluNetwork, masks: NetworkMasks, path: str | PathLike[str], *, names: Sequence[str] | None = None
) -> None:
    """Write a random network and its masks as ``torch.nn.utils.prune`` keeps them.

    For a layer called ``0``: ``0.weight_orig``, ``0.weight_mask``, and ``0.bias_orig``, ``0.bias_mask`` where
    it has a bias. The masks are 0 and 1 in the type of the weight; in PyTorch
    ``prune.custom_from_mask(module, "weight", mask=tensors["0.weight_mask"])`` takes them.

    Parameters
    ----------
    random : ReluNetwork
        Before pruning.
    masks : NetworkMasks
    path, names
        As for :func:`write_state_dict`.

    Raises
    ------
    ValueError, InvalidNetworkError, OSError
        As :func:`write_state_dict`, and if the masks do not have the shapes of the network's weights.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "masks.safetensors"
    >>> masks = NetworkMasks([np.array([[True, False]])], [None])
    >>> write_masks(ReluNetwork([Dense([[1.0, 2.0]])]), masks, path)
    >>> read_tensor_file(path).tensors["0.weight_mask"]
    array([[1., 0.]], dtype=float32)
    >>> read_masks(path)[1].weights
    [array([[ True, False]])]

    """
    masks.check(random)
    kept = _named(random, names, masks.weights, masks.biases)
    tensors = {}
    for name, parameter in _parameters(random, names).items():
        tensors[f"{name}_orig"] = parameter
        tensors[f"{name}_mask"] = kept[name].astype(parameter.dtype)
    _write(path, tensors, random, names)


def read_masks(
    path: str | PathLike[str],
    *,
    names: Sequence[str] | None = None,
    masks: str | PathLike[str] | None = None,
    final_relu: bool = False,
    linear_after: Iterable[int] = (),
    domain: Domain | None = None,
    input_shape: Image | None = None,
    windows: Windows | None = None,
) -> tuple[ReluNetwork, NetworkMasks]:
    """Read a random network and its masks, as :func:`write_masks` or a pruned PyTorch model wrote them.

    Parameters
    ----------
    path, names, masks, final_relu, linear_after, domain, input_shape, windows
        As for :func:`read_state_dict`.

    Returns
    -------
    random : ReluNetwork
    masks : NetworkMasks
        A parameter without mask is kept whole.

    Raises
    ------
    FileNotFoundError, NetworkFileError, InvalidNetworkError
        As :func:`read_state_dict`, and for masks that hold anything but 0 and 1.

    """
    random, found = _read(
        path,
        names,
        masks,
        final_relu=final_relu,
        linear_after=linear_after,
        domain=domain,
        input_shape=input_shape,
        windows=windows,
    )
    if found is None:
        raise NetworkFileError(
            f"{Path(path)} holds no masks (weight_orig and weight_mask); read_state_dict reads it"
        )
    return random, found


# -- reading -----------------------------------------------------------------------------------------


def _read(
    path: str | PathLike[str],
    names: Sequence[str] | None,
    mask_file: str | PathLike[str] | None,
    *,
    input_shape: Image | None,
    windows: Windows | None,
    **settings: Any,
) -> tuple[ReluNetwork, NetworkMasks | None]:
    """Return the network before pruning, and the masks when there are any."""
    contents = read_tensor_file(path)
    tensors = with_usual_names(
        path, contents.tensors, None if mask_file is None else read_tensor_file(mask_file).tensors
    )
    modules = _modules(path, tensors, contents.metadata) if names is None else list(names)
    weights = [_parameter(path, tensors, module, "weight") for module in modules]
    biases = [_parameter(path, tensors, module, "bias") for module in modules]
    present = [weight for weight, _ in weights if weight is not None]
    if len(present) < len(weights) or not modules:
        absent = [module for module, (weight, _) in zip(modules, weights, strict=True) if weight is None]
        missing = f"{absent[0]}.weight, nor {absent[0]}.weight_orig" if absent else "of a layer"
        raise NetworkFileError(f"{Path(path)} has no tensor {missing}")
    if tensors and names is None:
        raise NetworkFileError(
            f"{Path(path)} holds {min(tensors)!r} of shape {tensors[min(tensors)].shape}, which is no weight "
            "or bias of a linear or convolutional layer; names=[...] reads only the modules that it lists"
        )
    told = windows_of(contents.metadata, windows)
    masked = any(mask is not None for _, mask in (*weights, *biases))
    try:
        layers = [
            Conv2d(weight, bias, **told.get(module, {})) if weight.ndim == 4 else Dense(weight, bias)
            for module, weight, (bias, _) in zip(
                modules,
                layers_from_torch(modules, present, input_shape, told),
                biases,
                strict=True,
            )
        ]
        network = ReluNetwork(layers, input_shape=input_shape, **settings)
    except InvalidNetworkError as error:
        raise InvalidNetworkError(f"{Path(path)}: {error}") from error
    if not masked:
        return network, None
    kept = [_all_kept(weight) if mask is None else mask for weight, mask in weights]
    return network, NetworkMasks(
        layers_from_torch(modules, kept, input_shape, told),
        [None if bias is None else _all_kept(bias) if mask is None else mask for bias, mask in biases],
    )


def _modules(
    path: str | PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> list[str]:
    """Return the modules of all tensors, in the order of evaluation as far as they have weights."""
    modules = {name.rpartition(".")[0] for name in tensors}
    shapes = {}
    for module in modules:
        weight = f"{module}.weight" if module else "weight"
        tensor = tensors.get(weight, tensors.get(f"{weight}_orig"))
        shapes[module] = () if tensor is None else tensor.shape
    return module_order(path, shapes, metadata)


def _all_kept(parameter: Any) -> NDArray[np.bool_]:
    return np.ones(parameter.shape, dtype=bool)


def _parameter(
    path: str | PathLike[str], tensors: dict[str, Array], module: str, name: str
) -> tuple[Array | None, NDArray[np.bool_] | None]:
    """Take a parameter, and its mask if it is pruned, out of ``tensors``."""
    prefix = f"{module}.{name}" if module else name
    plain = tensors.pop(prefix, None)
    original, mask = tensors.pop(f"{prefix}_orig", None), tensors.pop(f"{prefix}_mask", None)
    both, neither = plain is not None and original is not None, plain is None and original is None
    if both or (original is not None and mask is None) or (neither and mask is not None):
        raise NetworkFileError(
            f"{Path(path)}: {prefix} must be there alone, or as {prefix}_orig and {prefix}_mask, or with "
            f"{prefix}_mask beside it"
        )
    values = plain if original is None else original
    if values is not None and values.dtype.kind != "f":
        raise NetworkFileError(f"{Path(path)}: {prefix} has dtype {values.dtype}; weights must be floats")
    if mask is None or values is None:
        return values, None
    if mask.shape != values.shape or not np.isin(mask, (0, 1)).all():
        raise NetworkFileError(
            f"{Path(path)}: {prefix}_mask must hold only 0 and 1, in the shape {values.shape} of the weight"
        )
    return values, mask.astype(bool)


# -- writing -----------------------------------------------------------------------------------------


def _parameters(network: ReluNetwork, names: Sequence[str] | None) -> dict[str, Array]:
    """Return the weights and biases of a network as PyTorch names and orders them, each in its own type."""
    weights, biases = zip(*((dense_array(layer.stored), layer.bias) for layer in network.layers), strict=True)
    return {name: narrowed(array) for name, array in _named(network, names, weights, biases).items()}


def _named(
    network: ReluNetwork, names: Sequence[str] | None, weights: Sequence[Any], biases: Sequence[Any]
) -> dict[str, Array]:
    """Return arrays of the shapes of a network's weights and biases as PyTorch names and orders them."""
    named: dict[str, Array] = {}
    layers = zip(module_names(network, names), dense_images(network), weights, biases, strict=True)
    for name, image, weight, bias in layers:
        named[f"{name}.weight"] = to_torch_order(dense_array(weight), image)
        if bias is not None:
            named[f"{name}.bias"] = bias
    return named


def _write(
    path: str | PathLike[str], tensors: Mapping[str, Array], network: ReluNetwork, names: Sequence[str] | None
) -> None:
    """Write tensors, and what they do not tell: the order of modules, what is special about their windows."""
    if Path(path).suffix.lower() in TORCH_SUFFIXES:
        raise ValueError(
            f"{Path(path).name!r}: what is written is a .safetensors file, for safetensors.torch.load_file"
        )
    modules = module_names(network, names)
    windows = {
        name: layer.options for name, layer in zip(modules, network.layers, strict=True) if layer.options
    }
    metadata = {"format": "pt"}
    if names is not None or windows:
        metadata[MODULES] = json.dumps(modules)
    if windows:
        metadata[WINDOWS] = json.dumps(windows)
    with atomic_write(path) as file:
        write_safetensors(file, TensorFile(metadata, dict(tensors)))
