"""Trains the small convolutional digit classifier: 3x3 1->4, 3x3 4->8, Dense 512->10, with biases.

It is trained as the dense ones of :mod:`.train_digits` are, which runs it; it needs PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.torch_modules import from_torch
from subsetsum_nets.networks.domains import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.relu_network import ReluNetwork

CHANNELS = (4, 8)
EPOCHS = 300
BATCH = 200
RATE = 0.003


def classifier(seed: int = 0) -> Any:
    """Return the untrained torch module: images (batch, 1, 8, 8), zero padding that keeps their size."""
    torch = _torch()
    torch.manual_seed(seed)
    first, second = CHANNELS
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, first, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(first, second, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(64 * second, 10),
    )


def train(
    alpha: float, images: NDArray[np.uint8], labels: NDArray[np.uint8], *, seed: int = 0, epochs: int = EPOCHS
) -> ReluNetwork:
    """Train a network on images, uint8 of shape (n, 64) with values 0..16; its weights are float32.

    The loss of a batch of b images is the mean cross-entropy plus alpha / (2 b) times the sum of the squared
    weights, biases left out, as scikit-learn's classifiers have it.
    """
    torch = _torch()
    model = classifier(seed)
    inputs = torch.from_numpy((images / 16.0).astype(np.float32)).reshape(-1, 1, 8, 8)
    wanted = torch.from_numpy(labels.astype(np.int64))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs[batch]), wanted[batch])
            squares = sum(weight.square().sum() for weight in weights)
            (loss + alpha / (2 * len(batch)) * squares).backward()
            optimizer.step()
    return from_torch(model.double(), input_shape=(8, 8, 1), domain=Box(0, 1))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'training convolutions needs PyTorch; install it with: pip install "subsetsum-nets[torch]"'
        ) from error
    return torch
