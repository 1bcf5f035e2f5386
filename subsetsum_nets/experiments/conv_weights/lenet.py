"""LeNet-5 as da Cunha, Natale and Viennot (2022) prune it, trained with PyTorch.

Convolutions 5x5 1->6 and 6->16 with zero padding, each followed by ReLU and 2x2 max pooling, then Dense
784-120-84-10. Only the convolutions are pruned, so only they are returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.convolution import Conv2d

if TYPE_CHECKING:
    from subsetsum_nets.experiments.images import Images

BATCH = 64
RATE = 0.001
_SIDE = 28


def train_lenet(images: Images, *, seed: int = 0, epochs: int = 10) -> tuple[list[Conv2d], float]:
    """Train LeNet-5; return its two convolutions, and the test accuracy of the whole.

    Parameters
    ----------
    images : Images
    seed, epochs : int

    Raises
    ------
    ImportError
        If PyTorch is not installed.

    """
    torch = _torch()
    torch.manual_seed(seed)
    model = _lenet(torch)
    inputs, labels = _tensors(torch, images, "train")
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            optimizer.step()
    tested, wanted = _tensors(torch, images, "test")
    with torch.no_grad():
        accuracy = float((model(tested).argmax(dim=1) == wanted).float().mean())
    return [_convolution(model[place]) for place in (0, 3)], accuracy


def _convolution(module: Any) -> Conv2d:
    """Return a torch Conv2d as ours: its kernel flipped, channels last."""
    weight = module.weight.detach().numpy().transpose(2, 3, 1, 0)[::-1, ::-1]
    return Conv2d(weight, module.bias.detach().numpy())


def _lenet(torch: Any) -> Any:
    nn = torch.nn
    pool = nn.MaxPool2d(2)
    convolutions = [
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        pool,
        nn.Conv2d(6, 16, 5, padding=2),
        nn.ReLU(),
        pool,
    ]
    dense = [nn.Linear(784, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*convolutions, nn.Flatten(), *dense)


def _tensors(torch: Any, images: Images, part: str) -> tuple[Any, Any]:
    pixels = images.inputs(_SIDE * _SIDE, part).astype(np.float32).reshape(-1, 1, _SIDE, _SIDE)
    labels = images.train_labels if part == "train" else images.test_labels
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'training LeNet-5 needs PyTorch; install it with: pip install "subsetsum-nets[torch]"'
        ) from error
    return torch
