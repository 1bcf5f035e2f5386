"""Networks in the .nnet text format, such as those of ACAS Xu: dense layers with ReLU between them.

The format (Julian, https://github.com/sisl/NNet): comment lines "//", then lines of numbers that end in a
comma: layers, inputs, outputs, largest layer; the size of every layer; a flag that is not used; the least and
the largest inputs; means and ranges of the inputs and, one for all of them, of the outputs; then for each
layer its weights, a row a line, and its biases, one a line.

A decimal means the nearest float64, as everywhere. Tools normalise inputs, (x - mean) / range, *outside* the
network, and properties of ACAS Xu speak of normalised inputs: it is part of the network only where asked for.
"""

from __future__ import annotations

import math
import re
import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.domains import Box
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError, unreadable
from subsetsum_nets.networks.files.budget import read_regular
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning, Rounding, warning_of
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    import os
    from fractions import Fraction

    from subsetsum_nets.networks.arrays import FloatArray

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_LONGEST = 1100  # characters of a number


class Scaling(NamedTuple):
    """What a file says of the values that go in and come out.

    ``low``, ``high`` (d_0,) bound the inputs; ``means``, ``ranges`` (d_0 + 1,) are of the inputs and, last,
    of all outputs.
    """

    low: FloatArray
    high: FloatArray
    means: FloatArray
    ranges: FloatArray


def read_nnet(path: str | os.PathLike[str], *, normalize: bool = False) -> ReluNetwork:
    r"""Read a network from a .nnet file.

    Parameters
    ----------
    path : path
    normalize : bool
        False: exactly the file's layers, for normalised inputs. True: for raw inputs and raw outputs, with
        the normalisation as linear layers before and behind them, x - mean, times 1 / range, and
        y range + mean. Of these only the reciprocals are rounded, to the nearest float64.

    Returns
    -------
    ReluNetwork
        Its domain is the box of the file's least and largest inputs: raw, or normalised and rounded outward.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is no such file, cut off, or has more than its header says; the message names the line.

    Warns
    -----
    RoundedFoldingWarning
        If the reciprocal of a range is no float64, where the normalisation was asked for.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "net.nnet"
    >>> _ = path.write_text("1,1,1,1,\n1,1,\n0,\n0.0,\n4.0,\n2.0,10.0,\n4.0,3.0,\n0.5,\n1.0,\n")
    >>> net, raw = read_nnet(path), read_nnet(path, normalize=True)
    >>> net.domain, net([0.5]), raw.domain, raw([4.0])
    (Box([-0.5], [0.5]), array([1.25]), Box([0.0], [4.0]), array([13.75]))

    """
    lines = _Lines(path)
    layers, outputs = lines.counts("layers, inputs, outputs and the largest layer", 4)[0::2]
    sizes = lines.counts("the sizes of the layers", layers + 1)
    lines.row("a flag", None)
    low, high = lines.row("the least inputs", sizes[0]), lines.row("the largest inputs", sizes[0])
    means, ranges = (lines.row(f"the {what}", sizes[0] + 1) for what in ("means", "ranges"))
    if sizes[-1] != outputs:
        raise unreadable(path, f"it has {outputs} outputs, and its last layer {sizes[-1]} units")
    dense = []
    for index, (d_in, d_out) in enumerate(pairwise(sizes)):
        weight = [lines.row(f"row {row} of the weights of layer {index}", d_in) for row in range(d_out)]
        bias = [lines.row(f"bias {row} of layer {index}", 1)[0] for row in range(d_out)]
        dense.append(Dense(np.array(weight), np.array(bias)))
    lines.end()
    scaling = Scaling(low, high, means, ranges)
    try:
        return _raw(path, dense, scaling) if normalize else ReluNetwork(dense, domain=_normalised(scaling))
    except InvalidNetworkError as error:
        raise unreadable(path, str(error)) from error


def read_nnet_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the comment at the top of a .nnet file, as a note."""
    text = "\n".join(_Lines(path).comments)
    return {"comment": text} if text else {}


class _Lines:
    """The lines of numbers of a file, one after the other."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        try:
            lines = read_regular(path).decode("ascii").splitlines()
        except UnicodeDecodeError as error:
            raise unreadable(path, f"byte {error.start} is no ASCII text, and a .nnet file is") from error
        self.comments = [line.lstrip("/ ").rstrip() for line in lines if line.startswith("//")]
        self._lines = [
            (number, line)
            for number, line in enumerate(lines, 1)
            if line.strip() and not line.startswith("//")
        ]
        self._next = 0

    def row(self, what: str, count: int | None) -> FloatArray:
        """Return the numbers of the next line, of which there must be ``count``."""
        if self._next == len(self._lines):
            raise unreadable(self._path, f"it ends where {what} should follow")
        number, line = self._lines[self._next]
        self._next += 1
        cells = [cell.strip() for cell in line.strip().removesuffix(",").split(",")]
        values = [self._value(number, cell) for cell in cells]
        if count is not None and len(values) != count:
            raise unreadable(self._path, f"line {number} has {len(values)} numbers, {what} are {count}")
        return np.array(values)

    def counts(self, what: str, count: int) -> list[int]:
        """Return the next line as numbers of layers or units, each at least 1."""
        numbers = self.row(what, count)
        if not bool(np.all((numbers >= 1) & (numbers == np.floor(numbers)) & (numbers < 2**31))):
            line = self._lines[self._next - 1][0]
            raise unreadable(self._path, f"line {line} should say {what}, in whole numbers from 1")
        return [int(n) for n in numbers]

    def end(self) -> None:
        """Raise NetworkFileError if there are more numbers."""
        if self._next < len(self._lines):
            raise unreadable(
                self._path, f"line {self._lines[self._next][0]} is more than the layers of its header need"
            )

    def _value(self, line: int, cell: str) -> float:
        proper = len(cell) <= _LONGEST and _NUMBER.fullmatch(cell) is not None
        value = float(cell) if proper else math.nan
        if not math.isfinite(value):
            raise unreadable(self._path, f"line {line} holds {cell[:40]!r}, which is no finite number")
        return value


def _normalised(scaling: Scaling) -> Box:
    """Return the box of the normalised inputs, rounded outward."""
    from fractions import Fraction

    ends: list[list[float]] = [[], []]
    for low, high, mean, spread in zip(*(numbers.tolist() for numbers in scaling), strict=False):
        if low > high or spread <= 0:
            raise NetworkFileError(
                f"an input in [{low!r}, {high!r}] of range {spread!r} cannot be normalised"
            )
        exact = [(Fraction(end) - Fraction(mean)) / Fraction(spread) for end in (low, high)]
        ends[0].append(_outward(exact[0], up=False))
        ends[1].append(_outward(exact[1], up=True))
    return Box(*ends)


def _outward(value: Fraction, *, up: bool) -> float:
    from fractions import Fraction

    nearest = float(value)
    if Fraction(nearest) == value or (Fraction(nearest) > value) == up:
        return nearest
    return math.nextafter(nearest, math.inf if up else -math.inf)


def _raw(path: str | os.PathLike[str], layers: list[Dense], scaling: Scaling) -> ReluNetwork:
    """Return the network with the normalisation before and behind it."""
    from fractions import Fraction

    inputs, outputs = layers[0].d_in, layers[-1].d_out
    ranges = scaling.ranges[:inputs]
    if not bool(np.all(scaling.ranges > 0)):
        raise NetworkFileError(f"a range is {float(scaling.ranges.min())!r}, not above 0")
    reciprocals = 1.0 / ranges
    if any(
        Fraction(r) * Fraction(x) != 1 for r, x in zip(reciprocals.tolist(), ranges.tolist(), strict=True)
    ):
        rounded = Rounding(str(path), "the reciprocals of its ranges", 2.0**-53)
        warnings.warn(warning_of([rounded]), RoundedFoldingWarning, stacklevel=3)
    before = [Dense(np.eye(inputs), -scaling.means[:inputs]), Dense(np.diag(reciprocals))]
    behind = Dense(scaling.ranges[-1] * np.eye(outputs), np.full(outputs, scaling.means[-1]))
    return ReluNetwork(
        [*before, *layers, behind],
        linear_after=(0, 1, 1 + len(layers)),
        domain=Box(scaling.low, scaling.high),
    )
