"""The tensors of PyTorch's files: .safetensors, and .pt or .pth by ``torch.load(weights_only=True)``.

A .pt file is a pickle. With ``weights_only`` PyTorch makes tensors, numbers, texts and containers of it and
nothing else: no code of the file is ever run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.exchange.module_order import TENSORS
from subsetsum_nets.networks.errors import NetworkFileError, unreadable
from subsetsum_nets.networks.files.budget import check_demand, check_regular
from subsetsum_nets.networks.files.network_files import HEADER, TensorFile, read_safetensors
from subsetsum_nets.networks.files.suffixes import TORCH_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

_NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
_WITHOUT_TORCH = (
    "reading {path} needs the package torch: pip install 'subsetsum-nets[torch]'. Or save safetensors where "
    "there is one, in two lines: from safetensors.torch import save_file; "
    "save_file(model.state_dict(), 'net.safetensors')"
)


def read_tensor_file(path: str | PathLike[str]) -> TensorFile:
    """Read the tensors of a .safetensors, .pt or .pth file.

    Parameters
    ----------
    path : path
        A .pt or .pth file holds a state dict, or a dict with one under "state_dict", "model" or the like.

    Returns
    -------
    TensorFile
        bfloat16 becomes float32, which changes no number. For .pt files the metadata lists the tensors in the
        file's order.

    Raises
    ------
    ImportError
        For a .pt or .pth file where torch is missing.
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is none of these files, or a pickle of anything else than tensors.

    """
    if Path(path).suffix.lower() not in TORCH_SUFFIXES:
        return read_safetensors(path)
    found = _state_dict(path, _loaded(path))
    check_demand(sum(8 * tensor.numel() for tensor in found.values()), f"the tensors of {Path(path)}")
    tensors = {name: _array(path, name, tensor) for name, tensor in found.items()}
    return TensorFile({TENSORS: json.dumps(list(tensors))}, tensors)


def is_state_dict(path: str | PathLike[str]) -> bool:
    """Whether a file is PyTorch's: .pt, .pth, or a .safetensors file without a header of ours."""
    suffix = Path(path).suffix.lower()
    if suffix != ".safetensors":
        return suffix in TORCH_SUFFIXES
    return HEADER not in read_safetensors(path).metadata


def _loaded(path: str | PathLike[str]) -> Any:
    check_regular(path)
    try:
        import torch
    except ImportError as error:
        raise ImportError(_WITHOUT_TORCH.format(path=Path(path))) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # zip archives, pickles and their checks fail in many ways
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise unreadable(
            path,
            f"torch.load(weights_only=True) refuses it ({first[:200]}). A pickled module is never run: save "
            "its state dict, torch.save(model.state_dict(), 'net.pt')",
        ) from error


def _state_dict(path: str | PathLike[str], page: Any) -> Mapping[str, Any]:
    """Return the dict of tensors that a file holds, itself or one level down."""
    candidates = [page]
    if isinstance(page, dict):
        candidates += [page[key] for key in _NESTED if key in page]
    for found in candidates:
        if isinstance(found, dict) and found and all(map(_is_tensor, found, found.values())):
            return found
    held = (
        f"a dict of {', '.join(map(repr, list(page)[:6]))}" if isinstance(page, dict) else type(page).__name__
    )
    raise unreadable(
        path, f"it holds {held}, and no state dict, at the top or under {' or '.join(map(repr, _NESTED[:3]))}"
    )


def _is_tensor(name: Any, value: Any) -> bool:
    import torch

    return isinstance(name, str) and isinstance(value, torch.Tensor)


def _array(path: str | PathLike[str], name: str, tensor: Any) -> Any:
    """Return a tensor's numbers, exactly."""
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_complex():
        kind = (
            "quantized"
            if tensor.is_quantized
            else "meta"
            if tensor.is_meta
            else f"{tensor.dtype}, {tensor.layout}"
        )
        raise NetworkFileError(f"{Path(path)}: the tensor {name!r} is {kind}; plain real tensors are read")
    plain = tensor.detach()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).contiguous().numpy()
