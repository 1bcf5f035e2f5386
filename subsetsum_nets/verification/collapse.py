"""collapse(): a deep network whose layers mostly carry, as the small one that it equals, in exact integers.

What units are, as long as nothing bends, is a matrix of integers applied to a *basis*: of the inputs, as
halves max(x, 0) and max(-x, 0) where either sign can occur, or of the units of the last layer that did
bend; and of 1. The basis is never negative. So a ReLU keeps a unit whose row has no negative entry,
switches off one whose row has no positive one, and takes the positive part of a row that looks at one input
only. A hidden layer all of whose units are of these kinds is *transparent*. Any other layer becomes a layer
of the small network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import csr_of_nonzeros
from subsetsum_nets.networks.convolution_matrix import has_kernel
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import UnsupportedStructureError
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.layer_shapes import AffineLayer

    Integers = NDArray[Any]  # int64, or Python's integers

_WORD = 2**62


def collapse(
    network: ReluNetwork, domain: Domain | None = None, *, keep: Collection[int] = ()
) -> ReluNetwork:
    """Return a network without transparent layers that equals the given one, exactly, on the domain.

    Parameters
    ----------
    network : ReluNetwork
        Of dense layers.
    domain : Box or Ball, optional
        Tells which inputs are never negative, or never positive. All real inputs when None.
    keep : collection of int
        Hidden layers with a ReLU that stay, even if they are transparent.

    Returns
    -------
    ReluNetwork
        The network itself where no layer is transparent.

    Raises
    ------
    UnsupportedStructureError
        If a layer is a convolution, or a weight of the small network is no float64; it names layer and unit.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box
    >>> twice = Dense([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> net = ReluNetwork([twice, Dense([[1.0, 1.0, -1.0]]), Dense([[-1.0]])])
    >>> collapse(net, Box(0, 1))
    ReluNetwork(2-1-1, 3 parameters)
    >>> collapse(net, Box(0, 1)).layers[0].weight
    array([[ 2., -1.]])

    """
    low, high = np.full(network.widths[0], -np.inf), np.full(network.widths[0], np.inf)
    if domain is not None:
        low, high = domain.bounds(network.widths[0])
    basis: _Inputs | _Units = _Inputs(low < 0.0, high > 0.0)
    values, made, kept = basis.values, [], 0
    for index, (layer, relu) in enumerate(zip(network.affine_layers, network.relu_after, strict=True)):
        if has_kernel(layer.weight):
            raise UnsupportedStructureError(f"layer {index} is a convolution; only dense layers collapse")
        values = values.through(layer)
        inside = index + 1 < len(network.layers) and not (relu and index in keep)
        if inside and (not relu or basis.is_transparent(values.whole)):
            if relu:
                values = IntegerRows(values.whole.clip(0), values.exponent)
            continue
        if isinstance(basis, _Inputs):
            if basis.is_linear(values.whole):
                values = IntegerRows(basis.joined(values.whole), values.exponent)
            else:
                made.append(basis.splitting)
        made.append(values.as_layer(index))
        kept += 1
        basis = _Units(len(values.whole))
        values = basis.values
    if kept == len(network.layers):
        return network
    return ReluNetwork(made, final_relu=network.final_relu, domain=network.domain)


@dataclass(frozen=True, eq=False)
class _Inputs:
    """The basis of the inputs: max(x, 0) where x can be > 0, max(-x, 0) where it can be < 0, and 1."""

    negative: Bools
    positive: Bools

    @property
    def columns(self) -> tuple[Ints, Ints]:
        """The inputs of the first part of the basis, and of the second."""
        return np.flatnonzero(self.positive), np.flatnonzero(self.negative)

    @property
    def values(self) -> IntegerRows:
        """The inputs in this basis."""
        plus, minus = self.columns
        whole = np.zeros((len(self.positive), len(plus) + len(minus) + 1), np.int64)
        whole[plus, np.arange(len(plus))] = 1
        whole[minus, len(plus) + np.arange(len(minus))] = -1
        return IntegerRows(whole, 0)

    def is_transparent(self, whole: Integers) -> bool:
        """Whether a ReLU does nothing but take positive parts of these rows."""
        plus, minus = self.columns
        mixed = np.flatnonzero((whole > 0).any(axis=1) & (whole < 0).any(axis=1))
        inputs = np.append(np.concatenate([plus, minus]), -1)
        for row in whole[mixed]:
            seen = inputs[np.flatnonzero(row != 0)]
            if seen[0] != seen[-1] or len(seen) != 2 or seen[0] < 0:
                return False
        return True

    def is_linear(self, whole: Integers) -> bool:
        """Whether rows are linear in the inputs, not only in their halves."""
        plus, minus = self.columns
        both = np.intersect1d(plus, minus)
        first, second = np.searchsorted(plus, both), len(plus) + np.searchsorted(minus, both)
        return bool((whole[:, first] == -whole[:, second]).all())

    def joined(self, whole: Integers) -> Integers:
        """Return linear rows in terms of the inputs and 1."""
        (plus, minus), d = self.columns, len(self.positive)
        rows = np.zeros((len(whole), d + 1), whole.dtype)
        rows[:, minus] = -whole[:, len(plus) : -1]
        rows[:, plus] = whole[:, : len(plus)]
        rows[:, -1] = whole[:, -1]
        return rows

    @property
    def splitting(self) -> Dense:
        """The layer that makes the basis, but for 1, of the inputs."""
        return Dense(csr_of_nonzeros(self.values.whole[:, :-1].T.astype(np.float64)))


@dataclass(frozen=True, eq=False)
class _Units:
    """The basis of the units behind a ReLU, and 1."""

    count: int

    @property
    def values(self) -> IntegerRows:
        """The units in this basis."""
        return IntegerRows(np.eye(self.count, self.count + 1, dtype=np.int64), 0)

    def is_transparent(self, whole: Integers) -> bool:
        """Whether a ReLU does nothing but switch units off."""
        return not ((whole > 0).any(axis=1) & (whole < 0).any(axis=1)).any()


@dataclass(frozen=True, eq=False)
class IntegerRows:
    """Units as integers times 2^exponent of a basis, the last column of 1; int64 or Python's integers."""

    whole: Integers
    exponent: int

    def through(self, layer: AffineLayer) -> IntegerRows:
        """Return the units of a layer that takes these."""
        weight = csr_of_nonzeros(layer.weight)
        factors, exponent = _as_integers(weight.data)
        product = IntegerRows(_product(weight, factors, self.whole), exponent + self.exponent)
        if not layer.offset.any():
            return product
        bias, exponent = _as_integers(layer.offset)
        least = min(exponent, product.exponent)
        whole = _shifted(product.whole, product.exponent - least)
        bias = _shifted(bias, exponent - least)
        if (
            whole.dtype == bias.dtype != object and max(_largest(whole), _largest(bias)) >= _WORD // 2
        ) or whole.dtype != bias.dtype:
            whole = whole.astype(object)
        whole[:, -1] = whole[:, -1] + bias
        return IntegerRows(whole, least)

    def as_layer(self, index: int) -> Dense:
        """Return a layer of these weights and biases; ``index`` names it in messages."""
        exact, same = _as_floats(self.whole, self.exponent)
        if not same.all():
            unit, column = (int(k[0]) for k in np.nonzero(~same))
            what = "bias" if column + 1 == self.whole.shape[1] else f"weight {column}"
            raise UnsupportedStructureError(
                f"unit {unit} of layer {index} has, of the layers before it, {what} "
                f"{self.whole[unit, column]} * 2^{self.exponent}, which is no float64"
            )
        return Dense(exact[:, :-1], exact[:, -1] if exact[:, -1].any() else None)


def _as_floats(whole: Integers, exponent: int) -> tuple[FloatArray, Bools]:
    """Return integers times 2^exponent as floats, and which of them are exact."""
    if whole.dtype != object and _largest(whole) < 2**53:
        mantissas, exponents = whole.astype(np.float64), np.full(whole.shape, exponent)
    else:
        stripped = [_stripped(int(number)) for number in whole.ravel()]
        mantissas = np.array([float(m) if abs(m) < 2**53 else np.nan for m, _ in stripped])
        mantissas = mantissas.reshape(whole.shape)
        exponents = np.array([exponent + places for _, places in stripped]).reshape(whole.shape)
    with np.errstate(over="ignore", under="ignore"):
        floats: FloatArray = np.ldexp(mantissas, exponents)
        return floats, np.ldexp(floats, -exponents) == mantissas


def _stripped(number: int) -> tuple[int, int]:
    """Return m and e with number = m 2^e and m odd, or 0."""
    places = (number & -number).bit_length() - 1 if number else 0
    return number >> places, places


def _as_integers(numbers: FloatArray) -> tuple[Integers, int]:
    """Return floats as integers times a power of two."""
    if not numbers.any():
        return np.zeros(numbers.shape, np.int64), 0
    mantissas, exponents = np.frexp(numbers)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    places = exponents - 53 + np.frexp((whole & -whole).astype(np.float64))[1] - 1
    least, most = int(places[whole != 0].min()), int(exponents[whole != 0].max())
    if most - least < 62:
        return np.ldexp(numbers, -least).astype(np.int64), least
    shifts = np.where(whole == 0, 0, exponents - 53 - least)
    return np.array(
        [int(w) << int(s) if s >= 0 else int(w) >> -int(s) for w, s in zip(whole, shifts, strict=True)],
        object,
    ), least


def _product(weight: Any, factors: Integers, whole: Integers) -> Integers:
    """Return the product of a sparse matrix of integers and a dense one."""
    if object not in (factors.dtype, whole.dtype):
        ends = np.concatenate([[0.0], np.cumsum(np.abs(factors).astype(np.float64))])
        most = float((ends[weight.indptr[1:]] - ends[weight.indptr[:-1]]).max(initial=0.0))
        if 2.0 * (most + 1.0) * (_largest(whole) + 1.0) < _WORD:  # twice, for rounding
            from scipy.sparse import csr_array

            same = csr_array((factors, weight.indices, weight.indptr), shape=weight.shape)
            product: Integers = same @ whole
            return product
    rows = np.zeros((weight.shape[0], whole.shape[1]), object)
    exact = whole.astype(object)
    for row in range(len(rows)):
        for k in range(weight.indptr[row], weight.indptr[row + 1]):
            rows[row] += int(factors[k]) * exact[weight.indices[k]]
    return rows if _largest(rows) >= _WORD else rows.astype(np.int64)


def _shifted(whole: Integers, places: int) -> Integers:
    """Return integers times 2^places."""
    if whole.dtype == object or _largest(whole) << places >= _WORD:
        return whole.astype(object) * (1 << places)
    return whole << places


def _largest(whole: Integers) -> int:
    return int(max(whole.max(initial=0), -whole.min(initial=0)))
