"""Trains the small digit classifiers that are shipped as pruning targets.

Run it as ``python -m subsetsum_nets.experiments.shipped.train_digits --out instances``. It needs
scikit-learn, which brings the images and trains the dense ones, and PyTorch for the convolutional one.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.experiments.shipped import train_convolutions
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.network_files import TensorFile, save_network, write_safetensors
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ALPHAS = (0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0)
LOSS = 0.01
TEST_SPLIT = "digits-test-split.safetensors"
SOURCE = (
    "Optical Recognition of Handwritten Digits, test set, E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository, as bundled with scikit-learn"
)
LICENSE = "CC BY 4.0"


class Digits(NamedTuple):
    """Pixels, uint8 of shape (n, 64) with values 0..16, and labels, uint8 of shape (n,)."""

    train_images: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def load_digits(seed: int = 0) -> Digits:
    """Return scikit-learn's 1797 handwritten digits, split 75/25 with equal shares of each digit."""
    datasets, model_selection = _sklearn("datasets"), _sklearn("model_selection")
    digits = datasets.load_digits()
    images, labels = digits.data.astype(np.uint8), digits.target.astype(np.uint8)
    return Digits(
        *model_selection.train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=seed)
    )


def classifier(hidden: Sequence[int], alpha: float, seed: int = 0) -> Any:
    """Return the untrained classifier: ReLU, L2 regularisation ``alpha``, exactly 300 epochs of Adam.

    L-BFGS reaches the same accuracy, but with weights up to 1.5 and biases up to 4, since biases are not
    regularised; Adam leaves them below 1, and error bounds grow with both.
    """
    return _sklearn("neural_network").MLPClassifier(
        tuple(hidden),
        alpha=alpha,
        learning_rate_init=0.003,
        max_iter=300,
        n_iter_no_change=301,
        random_state=seed,
    )


def train(hidden: Sequence[int], digits: Digits, alpha: float, seed: int = 0) -> ReluNetwork:
    """Train a 64-...-10 network on the training part of ``digits``; weights are rounded once, to float32."""
    import warnings

    model = classifier(hidden, alpha, seed)
    with warnings.catch_warnings():
        # The number of epochs is fixed, so that stopping before convergence is what was asked for.
        warnings.filterwarnings("ignore", message=".*Maximum iterations.*")
        model.fit(digits.train_images / 16.0, digits.train_labels)
    layers = [
        Dense(weight.T.astype(np.float32), bias.astype(np.float32))
        for weight, bias in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    return ReluNetwork(layers, domain=Box(0, 1))


def train_convolutional(digits: Digits, alpha: float, seed: int = 0) -> ReluNetwork:
    """Train a network 3x3 1->4, 3x3 4->8, Dense 512->10 on the training part of ``digits``, likewise."""
    return train_convolutions.train(alpha, digits.train_images, digits.train_labels, seed=seed)


TRAINERS: dict[str, Callable[[Digits, float, int], ReluNetwork]] = {
    "digits-64-32-10": partial(train, (32,)),
    "digits-64-128-64-10": partial(train, (128, 64)),
    "digits-conv-8x8-4-8-10": train_convolutional,
}


def accuracy(network: ReluNetwork, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Return the share of images whose largest output is at their label."""
    return float(np.mean(np.argmax(network(images / 16.0), axis=1) == labels))


def amplification(network: ReluNetwork) -> float:
    """Return the l2 norm of ``|W_l| ... |W_1| 1``, which bounds how far the network spreads the unit box."""
    magnitudes = [layer.with_stored(abs(layer.stored), None) for layer in network.layers]
    ones = np.ones(network.widths[0])
    return float(np.linalg.norm(ReluNetwork(magnitudes, input_shape=network.input_shape)(ones)))


def cross_validated(name: str, alpha: float, digits: Digits, seed: int = 0) -> float:
    """Return the mean accuracy over five folds of the training part; the test part is not looked at."""
    folds = _sklearn("model_selection").StratifiedKFold(5, shuffle=True, random_state=seed)
    images, labels = digits.train_images, digits.train_labels
    scores = []
    for fitted, held_out in folds.split(images, labels):
        part = Digits(images[fitted], images[held_out], labels[fitted], labels[held_out])
        scores.append(accuracy(TRAINERS[name](part, alpha, seed), part.test_images, part.test_labels))
    return float(np.mean(scores))


def choose_alpha(scores: dict[float, float]) -> float:
    """Return the strongest regularisation that costs at most one point of the best cross-validated accuracy.

    Examples
    --------
    >>> choose_alpha({0.1: 0.980, 1.0: 0.971, 3.0: 0.950})
    1.0

    """
    return max(alpha for alpha, score in scores.items() if score >= max(scores.values()) - LOSS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the networks and write them with the test images they were measured on."""
    parser = argparse.ArgumentParser(description="Train the shipped digit classifiers.")
    parser.add_argument("--out", type=Path, default=Path("instances"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of the split, the folds and the training")
    parser.add_argument(
        "--alphas", type=float, nargs="+", default=ALPHAS, help="regularisations to choose from"
    )
    parser.add_argument(
        "--networks", nargs="+", choices=TRAINERS, default=list(TRAINERS), help="which to train"
    )
    options = parser.parse_args(arguments)
    digits = load_digits(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"criterion: the largest alpha within {LOSS:.0%} of the best accuracy in 5-fold cross-validation")
    for name in options.networks:
        alpha, network = _chosen(name, options.alphas, digits, options.seed)
        tested = accuracy(network, digits.test_images, digits.test_labels)
        print(f"{name}: chose alpha {alpha:g}, test accuracy {tested:.4f}", flush=True)
        notes = {
            "test_split": TEST_SPLIT,
            "source": f"trained on: {SOURCE}",
            "license": f"data {LICENSE}",
            "accuracy": f"{tested:.4f}",
            "alpha": f"{alpha:g}",
        }
        save_network(network, options.out / f"{name}.safetensors", extra=notes)
    images = TensorFile(
        {"scale": "1/16", "source": SOURCE, "license": LICENSE},
        {"images": digits.test_images, "labels": digits.test_labels},
    )
    with atomic_write(options.out / TEST_SPLIT) as file:
        write_safetensors(file, images)


def _chosen(name: str, alphas: Sequence[float], digits: Digits, seed: int) -> tuple[float, ReluNetwork]:
    """Train with every regularisation; return the one that the criterion chooses, and its network."""
    scores, networks = {}, {}
    for alpha in alphas:
        scores[alpha] = cross_validated(name, alpha, digits, seed)
        networks[alpha] = network = TRAINERS[name](digits, alpha, seed)
        largest = [f"{np.abs(np.asarray(layer.stored)).max():.3f}" for layer in network.layers]
        biases = [f"{abs(layer.bias).max():.3f}" for layer in network.layers if layer.bias is not None]
        print(
            f"{name} alpha {alpha:g}: cross-validated {scores[alpha]:.4f}, "
            f"train {accuracy(network, digits.train_images, digits.train_labels):.4f}, "
            f"max |w| {' '.join(largest)}, max |b| {' '.join(biases)}, "
            f"amplification {amplification(network):.4g}",
            flush=True,
        )
    best = choose_alpha(scores)
    return best, networks[best]


def _sklearn(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ImportError(
            'training needs scikit-learn; install it with: pip install "subsetsum-nets[experiments]"'
        ) from error


if __name__ == "__main__":
    main()
