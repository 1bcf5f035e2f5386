"""Weight by weight on convolutions: coefficients of their own, and ReLU blocks beside them.

The only public code for random CNNs, of da Cunha, Natale and Viennot (2022), draws n coefficients U[-1, 1] of
its own for every weight and bias of LeNet-5's convolutions, takes the nearest subset by a MIP, and plots for
n = 5 to 30 the largest relative error of a weight and of an output on the images; there are no ReLU blocks,
and nothing is proven. ``"per-weight"`` is that experiment, with subsets proven nearest. ``"relu"`` is a
random network: blocks of 2 n units an input channel, shared by all weights that read it (Lemma 11 of da Cunha
et al. 2023). For both, a bound over all images is proven: no output is farther off than the recursion of
Lemma 20, in exact arithmetic; a max pool does not spread max norms.

``python -m subsetsum_nets.experiments.conv_weights --out conv_weights`` trains LeNet-5 and runs it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers import Status, solve_many
from solvers.exact import float_up
from subsetsum_nets.compiler import prune
from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.pooling import MaxPool2d
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIZES = (5, 10, 15, 20, 25, 30)
_MOST_ITEMS = 32
_TINY = 1e-9  # a tolerance that no block meets early, so that all units are offered


@dataclass(frozen=True)
class Row:
    """One way and one n; errors are relative, as the public code has them.

    Attributes
    ----------
    way : str
    n : int
        Coefficients for every weight, or half the units for every input channel.
    random, kept : int
        Random parameters drawn, and kept.
    weight_error : float
        The largest error of a weight over the largest weight of its array, the worst of all arrays.
    output_errors : dict
        For "train", "test", ..: the largest error of an output over the largest output of these images.
    proven : float
        At least the largest error of an output over all images with pixels in [0, 1], in the same measure as
        that of the first images; rounded up.

    """

    way: str
    n: int
    random: int
    kept: int
    weight_error: float
    output_errors: dict[str, float]
    proven: float


@dataclass(frozen=True)
class ConvWeights:
    """What the experiment found."""

    network: str  # its digest
    seed: int
    images: dict[str, int]  # how many of each part
    rows: list[Row]

    def summary(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return asdict(self)


def run_conv_weights(
    convolutions: Sequence[Conv2d],
    images: Mapping[str, Floats],
    sizes: Iterable[int] = SIZES,
    *,
    seed: int = 0,
    threads: int | None = None,
) -> ConvWeights:
    """Approximate the weights and biases of convolutions by subset sums, in both ways.

    Parameters
    ----------
    convolutions : sequence of Conv2d
        Plain ones with biases, behind each other; ReLU and 2x2 max pooling follow each.
    images : mapping of str to array, shape (count, h, w, c)
        Pixels in [0, 1]; at least one part, on which outputs are compared.
    sizes : iterable of int
        The n, from 2 to 32.
    seed : int
    threads : int, optional

    Returns
    -------
    ConvWeights

    Raises
    ------
    ValueError
        If a number is out of range, a layer is of another kind, or there are no images, or not of [0, 1].
    RuntimeError
        If a subset is not proven nearest.

    Examples
    --------
    >>> layer = Conv2d(np.full((3, 3, 1, 2), 0.25), [0.1, 0.2])
    >>> found = run_conv_weights([layer], {"test": np.ones((1, 4, 4, 1))}, [16], threads=1)
    >>> [row.output_errors["test"] <= row.proven < 0.1 for row in found.rows]
    [True, True]

    """
    checked_integer(seed, "seed", 0)
    many = sorted({checked_integer(n, "each of sizes", 2, _MOST_ITEMS) for n in sizes})
    parts = {name: np.asarray(part, dtype=np.float64) for name, part in images.items()}
    _check(convolutions, parts)
    target = pooled(convolutions, next(iter(parts.values())).shape[1:])
    outputs = {name: target(part) for name, part in parts.items()}
    rows = []
    for n in many:
        for way, approximate in _WAYS.items():
            found = approximate(convolutions, n, seed, threads)
            rows.append(_row(way, n, convolutions, found, parts, outputs))
    counts = {name: len(part) for name, part in parts.items()}
    return ConvWeights(network_digest(target), seed, counts, rows)


def pooled(convolutions: Sequence[Conv2d], shape: tuple[int, ...]) -> ReluNetwork:
    """Return the network of convolutions with ReLU and 2x2 max pooling behind each, for images of a shape."""
    layers = [part for layer in convolutions for part in (layer, MaxPool2d(2))]
    return ReluNetwork(layers, input_shape=shape, domain=Box(0, 1), final_relu=True)


def _check(convolutions: Sequence[Conv2d], images: Mapping[str, Floats]) -> None:
    for index, layer in enumerate(convolutions):
        if layer.bias is None or layer.options:
            raise ValueError(
                f"convolution {index} is {layer!r}; the experiment takes plain Conv2d layers with biases"
            )
    if not images or any(not part.size or part.min() < 0 or part.max() > 1 for part in images.values()):
        raise ValueError("there must be images to compare outputs on, with pixels in [0, 1]")


# -- two ways ------------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The convolutions that subset sums make, and how many random parameters were drawn and kept."""

    convolutions: list[Conv2d]
    random: int
    kept: int


def _per_weight(convolutions: Sequence[Conv2d], n: int, seed: int, threads: int | None) -> _Found:
    """Give every weight and bias n coefficients U[-1, 1] of its own, and its nearest subset."""
    made, kept = [], 0
    for index, layer in enumerate(convolutions):
        weights = np.concatenate([layer.kernel.ravel(), _bias(layer)])
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, index)))
        items = rng.uniform(-1.0, 1.0, (len(weights), n))
        batch = solve_many(items, weights, threads=threads)
        if (batch.status != Status.OPTIMAL).any():
            raise RuntimeError(f"{int((batch.status != Status.OPTIMAL).sum())} nearest subsets are unproven")
        sums = np.array([math.fsum(row[mask]) for row, mask in zip(items, batch.masks, strict=True)])
        made.append(Conv2d(sums[: layer.kernel.size].reshape(layer.kernel.shape), sums[layer.kernel.size :]))
        kept += int(batch.sizes.sum())
    return _Found(made, n * sum(layer.parameters for layer in convolutions), kept)


def _relu(convolutions: Sequence[Conv2d], n: int, seed: int, threads: int | None) -> _Found:
    """Prune a random network of blocks for each convolution; its inputs are non-negative."""
    made, random, kept = [], 0, 0
    for layer in convolutions:
        # The subset sums do not depend on the size of the images, so that one pixel is enough.
        alone = ReluNetwork([layer], input_shape=(1, 1, layer.c_in), domain=Box(0, 1))
        pruned = prune(alone, candidates=n, epsilon=_TINY, allocation="recursion", seed=seed, threads=threads)
        counts = pruned.certificate.counts if pruned.certificate is not None else {}
        made.append(_effective(*pruned.network.layers))
        random, kept = random + counts["random_parameters"], kept + counts["kept_parameters"]
    return _Found(made, random, kept)


def _effective(first: Any, second: Any) -> Conv2d:
    """Return the convolution that a pair of blocks is on non-negative inputs.

    Weights are odd multiples of 2^-24, so that products are of 2^-48, and no sum is rounded.
    """
    kernel = np.einsum("tk,rsko->rsto", np.maximum(first.kernel[0, 0], 0.0), second.kernel)
    return Conv2d(kernel, np.einsum("k,rsko->o", np.maximum(_bias(first), 0.0), second.kernel))


_WAYS = {"per-weight": _per_weight, "relu": _relu}


# -- errors --------------------------------------------------------------------------------------------


def _row(
    way: str,
    n: int,
    target: Sequence[Conv2d],
    found: _Found,
    images: Mapping[str, Floats],
    outputs: Mapping[str, Floats],
) -> Row:
    shape = next(iter(images.values())).shape[1:]
    approximation = pooled(found.convolutions, shape)
    errors = {}
    for name, part in images.items():
        errors[name] = float(abs(approximation(part) - outputs[name]).max() / abs(outputs[name]).max())
    largest = abs(next(iter(outputs.values()))).max()
    bound = output_bound(target, found.convolutions) / Fraction(float(largest))
    error = max(map(_weight_error, target, found.convolutions))
    return Row(way, n, found.random, found.kept, error, errors, float_up(bound))


def _weight_error(layer: Conv2d, found: Conv2d) -> float:
    pairs = ((layer.kernel, found.kernel), (_bias(layer), _bias(found)))
    return max(float(abs(given - made).max() / abs(given).max()) for given, made in pairs if given.any())


def output_bound(target: Sequence[Conv2d], found: Sequence[Conv2d]) -> Fraction:
    """Return a bound on how far outputs are apart over all images with pixels in [0, 1], exactly.

    Lemma 20 of da Cunha et al. (2023), layer by layer and output by output: with errors of at most e and
    values in [0, M], the next errors are at most |K'| e + |K - K'| M + |b - b'|. ReLU and max pooling do not
    spread the max norm.

    Examples
    --------
    >>> one = Conv2d(np.full((1, 1, 2, 1), 0.5), [0.25])
    >>> output_bound([one, one], [one, Conv2d(np.full((1, 1, 2, 1), 0.75), [0.25])])  # no input is above 5/4
    Traceback (most recent call last):
    ...
    ValueError: layer 1 takes 2 channels, but layer 0 gives 1
    >>> output_bound([one], [Conv2d(np.full((1, 1, 2, 1), 0.75), [0.25])])
    Fraction(1, 2)

    """
    error, most = Fraction(0), Fraction(1)
    for index, (layer, other) in enumerate(zip(target, found, strict=True)):
        if index and layer.c_in != target[index - 1].c_out:
            raise ValueError(
                f"layer {index} takes {layer.c_in} channels, but layer {index - 1} gives "
                f"{target[index - 1].c_out}"
            )
        errors, values = [], []
        for o in range(layer.c_out):
            right, wrong = (_fractions(one.kernel[..., o]) for one in (layer, other))
            shift, apart = Fraction(float(_bias(layer)[o])), Fraction(float(_bias(other)[o]))
            off = sum((abs(a - b) for a, b in zip(right, wrong, strict=True)), Fraction(0))
            errors.append(sum(map(abs, wrong), Fraction(0)) * error + off * most + abs(shift - apart))
            values.append(sum((w for w in right if w > 0), Fraction(0)) * most + shift)
        error, most = max(errors), max(Fraction(0), *values)
    return error


def _fractions(values: Floats) -> list[Fraction]:
    return [Fraction(x) for x in values.ravel().tolist()]


def _bias(layer: Conv2d) -> Floats:
    return np.zeros(layer.c_out) if layer.bias is None else layer.bias
