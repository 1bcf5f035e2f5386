"""Random streams and distributions: every number has its own key (layer, parameter kind, index).

Results depend on neither threads, nor chunking, nor the order of drawing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.random import Generator, Philox, SeedSequence

from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.arrays import FloatArray, exact_float64, locked
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

_BLOCK = 1 << 14  # numbers drawn at a time; a multiple of 64 that stays in the cache


def keyed_words(seed: int, layer: int, kind: int, start: int, count: int) -> Words:
    """Return words ``start .. start + count - 1`` of the random stream with key (layer, kind).

    The stream is numpy's Philox4x64-10 keyed by ``SeedSequence(seed, spawn_key=(layer, kind))``. It is
    counter-based, so any slice is drawn without drawing what stands before it.

    Parameters
    ----------
    seed : int
        At least 0, of any size.
    layer, kind : int
        The layer index, and 0 for weights or 1 for biases.
    start, count : int
        The slice, both at least 0.

    Returns
    -------
    uint64 array, shape (count,)

    Raises
    ------
    ValueError
        If the seed is not an integer >= 0.

    Examples
    --------
    >>> whole = keyed_words(7, 0, 0, 0, 100)
    >>> bool((keyed_words(7, 0, 0, 41, 10) == whole[41:51]).all())
    True

    """
    bits = Philox(SeedSequence(checked_integer(seed, "seed", 0), spawn_key=(layer, kind)))
    steps, skipped = divmod(start, 4)  # one step of the counter makes four words
    bits.advance(steps)
    words: Words = bits.random_raw(skipped + count)
    return words[skipped:]


def _positive(value: Any, what: str) -> float:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    # The range keeps products of weights clear of overflow and of subnormal numbers.
    if number and 2.0**-400 <= value <= 2.0**400:
        return float(value)
    raise InvalidNetworkError(f"{what} must be a number between 2**-400 and 2**400, got {value!r}")


def _power_of_two(value: Any) -> float:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if number and 2.0**-1022 <= value <= 2.0**1022 and math.frexp(value)[0] == 0.5:
        return float(value)
    raise InvalidNetworkError(
        f"the scale of Signs must be a power of two between 2**-1022 and 2**1022, got {value!r}"
    )


@dataclass(frozen=True)
class Uniform:
    r"""The uniform distribution on [-scale, scale], on a grid that keeps products of weights exact.

    A weight is an odd multiple of ``2**-24 * scale``, uniform among those in the interval: symmetric and
    never 0.
    For a scale that is a power of two every weight is a float32, and the product of any two weights a
    float64, without rounding. Such products are the items of the subset-sum problems by which a
    random network is pruned, so that exactness starts here and no solver has to reason about rounding.
    For other scales each weight is the multiple rounded to float64, and products may need 106 bits.

    Parameters
    ----------
    scale : float
        Between 2**-400 and 2**400.

    Raises
    ------
    InvalidNetworkError
        If the scale is not such a number.

    Examples
    --------
    >>> Uniform().from_words(np.array([0, 2**64 - 1], dtype=np.uint64)) * 2**24
    array([-16777215.,  16777215.])

    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _positive(self.scale, "the scale of Uniform"))

    def from_words(self, words: Words) -> FloatArray:
        """Turn random words, uint64 of any shape, into weights of the same shape; uses the top 24 bits."""
        weights: FloatArray = (words >> np.uint64(40)).astype(np.float64)
        weights *= 2.0
        weights -= 2.0**24 - 1
        weights *= self.scale * 2.0**-24
        return weights

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`distribution_from_json` reads it back exactly."""
        return {"kind": "uniform", "scale": self.scale}


@dataclass(frozen=True)
class Normal:
    """The normal distribution with mean 0, rounded to a grid that keeps products of weights exact.

    A weight is a normal deviate, symmetric in sign and never beyond 8.3 deviations, rounded to the nearest
    multiple of ``2**-23 * 2**ceil(log2(std))``. It then has at most 27 significant bits and the product
    of any two weights at most 53: products are exact in float64, for the reason given at :class:`Uniform`.
    (On a grid of 2**-24 two extreme weights would have a product of 55 bits.)

    The deviates come from scipy's inverse normal distribution function. Another build of scipy may differ in
    its last bit, which moves a weight to the next grid point about once in 10**9 weights;
    where bit-for-bit redrawing across machines matters, prefer :class:`Uniform`.

    Parameters
    ----------
    std : float
        The standard deviation, between 2**-400 and 2**400.

    Raises
    ------
    InvalidNetworkError
        If ``std`` is not such a number.

    Examples
    --------
    >>> bool(abs(Normal(0.5).from_words(keyed_words(0, 0, 0, 0, 10_000)).std() - 0.5) < 0.01)
    True

    """

    std: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "std", _positive(self.std, "the std of Normal"))

    def from_words(self, words: Words) -> FloatArray:
        """Turn random words, uint64 of any shape, into weights of the same shape; uses the top 53 bits."""
        from scipy.special import ndtri

        # The sign has a bit of its own, so that the other 52 and the half fit a float64 and 1.0 never
        # comes up.
        deviates: FloatArray = ((words >> np.uint64(11)) & np.uint64(2**52 - 1)).astype(np.float64)
        deviates += 0.5
        deviates *= 2.0**-53
        ndtri(deviates, out=deviates)
        np.negative(deviates, out=deviates, where=words >> np.uint64(63) != 0)
        mantissa, exponent = math.frexp(self.std)
        grid = math.ldexp(1.0, (exponent - 1 if mantissa == 0.5 else exponent) - 23)
        deviates *= self.std / grid
        np.rint(deviates, out=deviates)
        deviates *= grid
        return deviates

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`distribution_from_json` reads it back exactly."""
        return {"kind": "normal", "std": self.std}


@dataclass(frozen=True)
class Signs:
    """Fair random signs: every weight is +scale or -scale, by one random bit.

    Weight n is made of bit n % 64, counted from the least, of word n // 64 of its stream. The scale is a
    power of two, so that a network of such weights computes integers in its units (Sreenivasan et al. 2021).

    Parameters
    ----------
    scale : float
        A power of two between 2**-1022 and 2**1022.

    Raises
    ------
    InvalidNetworkError
        If the scale is not such a number.

    Examples
    --------
    >>> Signs(0.5).from_words(np.array([0b1101], dtype=np.uint64), 4)
    array([ 0.5, -0.5,  0.5,  0.5])

    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _power_of_two(self.scale))

    def from_words(self, words: Words, count: int) -> FloatArray:
        """Turn random words, uint64, into ``count`` weights, at most 64 a word."""
        bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=count, bitorder="little")
        weights: FloatArray = bits.astype(np.float64)
        weights *= 2.0 * self.scale
        weights -= self.scale
        return weights

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`distribution_from_json` reads it back exactly."""
        return {"kind": "signs", "scale": self.scale}


@dataclass(frozen=True)
class LogUniform:
    """A log-uniform size in [2^-octaves, 1] with a fair sign: every factor of two is equally likely.

    Of weights of this law there are as many small ones as large ones, on every scale (Orseau et al. 2020 drew
    from such a law and called it hyperbolic). Each is rounded to 24 significant bits: it is a float32, and
    its product with a weight of :class:`Uniform` or :class:`Normal` is exact in float64. Only additions,
    products and square roots of IEEE arithmetic make it, so that it is the same number on every machine.

    Parameters
    ----------
    octaves : float
        L, the number of factors of two that sizes range over, between 0 and 400.

    Raises
    ------
    InvalidNetworkError
        If ``octaves`` is not such a number.

    Examples
    --------
    >>> sizes = np.abs(LogUniform(8.0).from_words(keyed_words(0, 0, 0, 0, 10_000)))
    >>> bool(sizes.min() >= 2.0**-8), bool(sizes.max() <= 1.0), round(float((sizes < 0.0625).mean()), 1)
    (True, True, 0.5)

    """

    octaves: float

    def __post_init__(self) -> None:
        number = isinstance(self.octaves, int | float | np.integer | np.floating)
        if not number or isinstance(self.octaves, bool) or not 0.0 < self.octaves <= 400.0:
            raise InvalidNetworkError(
                f"the octaves of LogUniform must be a number above 0 and at most 400, got {self.octaves!r}"
            )
        object.__setattr__(self, "octaves", float(self.octaves))

    def from_words(self, words: Words) -> FloatArray:
        """Turn random words, uint64 of any shape, into weights of the same shape; uses the top 53 bits."""
        depths: FloatArray = ((words >> np.uint64(11)) & np.uint64(2**52 - 1)).astype(np.float64)
        depths += 0.5
        depths *= 2.0**-52
        depths *= self.octaves
        whole = np.floor(depths)
        fine = ((depths - whole) * 2.0**24).astype(np.int64)
        coarse_powers, fine_powers = _powers_of_half()
        sizes = (coarse_powers[fine >> 12] * fine_powers[fine & 4095]).astype(np.float32).astype(np.float64)
        weights: FloatArray = np.ldexp(sizes, -whole.astype(np.int64))
        np.negative(weights, out=weights, where=words >> np.uint64(63) != 0)
        return weights

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description; :func:`distribution_from_json` reads it back exactly."""
        return {"kind": "log-uniform", "octaves": self.octaves}


@cache
def _powers_of_half() -> tuple[FloatArray, FloatArray]:
    """Return 2^-(i / 2^12) and 2^-(i / 2^24) for i < 2^12, of square roots and products alone."""
    places, root = np.arange(1 << 12), 0.5
    tables = [np.ones(1 << 12), np.ones(1 << 12)]
    for table in tables:
        for bit in range(11, -1, -1):
            root = math.sqrt(root)
            table[(places >> bit) & 1 == 1] *= root
    return tables[0], tables[1]


Sampler: TypeAlias = Callable[[Generator, tuple[int, ...]], Any]
"""``sampler(rng, shape)`` returns an array of that shape; accepted wherever a distribution is."""

Described: TypeAlias = Uniform | Normal | Signs | LogUniform
"""The distributions that can be written as JSON."""

Distribution: TypeAlias = Described | Sampler

UNIT_UNIFORM = Uniform()
"""U[-1, 1], as in Theorem 1 of Pensia et al. 2020: the default everywhere."""


def distribution_from_json(description: Any) -> Described:
    """Read back what ``to_json`` of a distribution wrote.

    Raises
    ------
    InvalidNetworkError
        If ``description`` is none of them.

    Examples
    --------
    >>> distribution_from_json(Uniform(0.5).to_json())
    Uniform(scale=0.5)

    """
    kind = json_kind(description, "a distribution")
    if kind == "uniform":
        return Uniform(*json_fields(description, ("scale",)))
    if kind == "normal":
        return Normal(*json_fields(description, ("std",)))
    if kind == "signs":
        return Signs(*json_fields(description, ("scale",)))
    if kind == "log-uniform":
        return LogUniform(*json_fields(description, ("octaves",)))
    raise InvalidNetworkError(
        f"unknown distribution {kind!r}; known are 'uniform', 'normal', 'signs' and 'log-uniform'"
    )


def draw_array(
    distribution: Distribution, seed: int, layer: int, kind: int, shape: tuple[int, ...]
) -> FloatArray:
    """Draw one parameter array, block by block so that memory stays near the size of the result."""
    if not isinstance(distribution, Described):
        rng = Generator(Philox(SeedSequence(seed, spawn_key=(layer, kind))))
        what = f"what the sampler returned for the {'bias' if kind else 'weight'} of layer {layer}"
        drawn = exact_float64(distribution(rng, shape), what)
        if drawn.shape != shape:
            raise InvalidNetworkError(f"{what} has shape {drawn.shape}, not {shape}")
        return drawn
    numbers = np.empty(math.prod(shape))
    for start in range(0, numbers.size, _BLOCK):
        block = numbers[start : start + _BLOCK]
        if isinstance(distribution, Signs):
            words = keyed_words(seed, layer, kind, start // 64, -(-block.size // 64))
            block[:] = distribution.from_words(words, block.size)
        else:
            block[:] = distribution.from_words(keyed_words(seed, layer, kind, start, block.size))
    return locked(numbers.reshape(shape))


def json_kind(description: Any, what: str) -> Any:
    """Return the "kind" of a JSON object; ``what`` names in messages what it should have been."""
    if not isinstance(description, Mapping) or "kind" not in description:
        raise InvalidNetworkError(f"not {what}: {description!r}")
    return description["kind"]


def json_fields(description: Mapping[str, Any], names: Iterable[str], *, kind: bool = True) -> list[Any]:
    """Return the named values of a JSON object, which must have these, a kind, and nothing else."""
    names = list(names)
    if set(description) != {*names, *(["kind"] if kind else [])}:
        raise InvalidNetworkError(f"expected the fields {names}, got {sorted(map(str, description))}")
    return [description[name] for name in names]
