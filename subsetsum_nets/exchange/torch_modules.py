"""from_torch(): a PyTorch module, traced by torch.fx, as a network with exactly its weights.

What was traced is written down as an ONNX graph in memory and read as an ONNX file is: one reader knows what
each operator means, what folds exactly and what cannot be read. Nodes are called as the modules are, and so
are they in refusals.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning, warning_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

_NEEDED = "from_torch() needs the packages torch and onnx: pip install 'subsetsum-nets[torch]'"


def from_torch(
    module: Any, *, input_shape: Sequence[int] | None = None, domain: Domain | None = None
) -> ReluNetwork:
    """Return the network that a PyTorch module computes, as at inference.

    Parameters
    ----------
    module : torch.nn.Module
        Of Linear, Conv1d, Conv2d, BatchNorm, ReLU, LeakyReLU, PReLU, ReLU6, Hardtanh, pooling, padding,
        Flatten, Dropout and Identity, their functional forms, sums and concatenations, in any order and
        nesting; traced by ``torch.fx``. It is not changed, and it does not matter whether it is training.
    input_shape : (h, w, c) or (d,), optional
        Of one input; needed where the first layer does not tell it, as for images.
    domain : Box or Ball, optional
        The inputs it is meant for, in the order of the network's inputs.

    Returns
    -------
    ReluNetwork
        With exactly the module's weights, in real arithmetic. Images are (h, w, c) here, (c, h, w) there.

    Raises
    ------
    ImportError
        If torch or onnx is missing.
    TypeError
        If it is no module.
    NetworkFileError
        If it cannot be traced, or holds anything else; the message names the module.
    InvalidNetworkError
        If weights are not finite, or the shape of the input is needed.

    Warns
    -----
    RoundedFoldingWarning
        If float64 cannot hold a weight, such as one of a batch normalisation.

    Examples
    --------
    >>> from torch import nn                                      # doctest: +SKIP
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))      # doctest: +SKIP
    >>> from_torch(model)                                         # doctest: +SKIP
    ReluNetwork(3-4-2, 26 parameters)

    """
    try:
        import onnx  # noqa: F401 - said here, where the extra can be named
        import torch
    except ImportError as error:
        raise ImportError(_NEEDED) from error
    from subsetsum_nets.exchange.torch_tracing import traced_model
    from subsetsum_nets.networks.files.onnx_external import ExternalData
    from subsetsum_nets.networks.files.onnx_graphs import read_graph

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch() takes a torch.nn.Module, got a {type(module).__name__}")
    with _as_at_inference(module):
        model, rounded = traced_model(module, _sample(module, input_shape))
    network, tracer = read_graph(
        model, file_size=model.ByteSize(), external=ExternalData(None), output=None, domain=domain
    )
    rounded += tracer.roundings
    if rounded:
        warnings.warn(warning_of(rounded), RoundedFoldingWarning, stacklevel=2)
    return network


@contextmanager
def _as_at_inference(module: Any) -> Iterator[None]:
    """Let a module and its parts be in eval mode inside, and without gradients."""
    import torch

    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, training in modes.items():
            part.training = training


def _sample(module: Any, input_shape: Sequence[int] | None) -> Any:
    """Return zeros of the shape of one input, with a batch axis."""
    import torch

    first = next((part for part in module.modules() if _tells_its_input(part)), None)
    parameter = next(iter(module.parameters()), torch.zeros(()))
    if input_shape is None:
        if not isinstance(first, torch.nn.Linear):
            told = (
                "no layer tells it" if first is None else f"a {type(first).__name__} takes images of any size"
            )
            raise InvalidNetworkError(f"give the shape of an input, input_shape=(h, w, c) for images: {told}")
        return torch.zeros((1, first.in_features), dtype=parameter.dtype, device=parameter.device)
    shape = tuple(int(size) for size in input_shape)
    if len(shape) == 3:
        shape = (shape[2], shape[0], shape[1])
    channels = getattr(first, "in_channels", None)
    if len(shape) > 1 and channels is not None and shape[0] != channels:
        raise InvalidNetworkError(
            f"input_shape is (h, w, c), channels last: {tuple(input_shape)} has {shape[0]} channels, and the "
            f"first convolution takes {channels}"
        )
    return torch.zeros((1, *shape), dtype=parameter.dtype, device=parameter.device)


def _tells_its_input(part: Any) -> bool:
    return hasattr(part, "in_features") or hasattr(part, "in_channels")
