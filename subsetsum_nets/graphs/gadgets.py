"""Diamond gadgets: integer weights from weights of 1 and -1 alone.

The networks of Sreenivasan et al. 2021, Lemmas 3 and 5 (their Figures 2-5), as graphs. Where two units of one
value feed two units, all by weights of 1, the value doubles: n such layers in a row make ``2**n``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, Edges
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.face import LayeredDag

if TYPE_CHECKING:
    from collections.abc import Sequence

    Span = tuple[int, int]
    Edge = tuple[int, int, float, bool]  # source, sink, weight, kept

_LARGEST_POWER = 30


def diamond(power: int, depth: int | None = None) -> LayeredDag:
    """Return ``2**power * max(x, 0)`` as a gadget of two units a layer, all weights 1.

    Lemma 3 of Sreenivasan et al. (2021).

    Parameters
    ----------
    power : int
    depth : int, optional
        Hidden layers, at least ``power`` and 1; by default as few as possible. In the first ``depth - power``
        of them the second unit is pruned, so that nothing doubles there (Figure 2b; Figure 2a has none).

    Raises
    ------
    InvalidGraphError
        If ``power`` is not in 0..30, or ``depth`` is less than it.

    Examples
    --------
    >>> diamond(3)([[5.0], [-1.0]]).ravel()
    array([40.,  0.])
    >>> diamond(1, depth=3)([5.0])
    array([10.])

    """
    depth = _checked(power, depth)
    return _graph([_gadget(0, 1.0, {0: (1.0, True)}, power, depth)], 1, 1, relu_output=False)


def mirrored(power: int, *, sign: int = 1, depth: int | None = None) -> LayeredDag:
    """Return ``sign * 2**power * x``: gadgets for x and -x (Lemma 3, Figure 3 of Sreenivasan et al.).

    Raises
    ------
    InvalidGraphError
        If ``power`` or ``depth`` are not possible, or ``sign`` is not 1 or -1.

    Examples
    --------
    >>> mirrored(2, sign=-1)([[3.0], [-3.0]]).ravel()
    array([-12.,  12.])

    """
    if sign not in (1, -1):
        raise InvalidGraphError(f"sign must be 1 or -1, got {sign!r}")
    depth = _checked(power, depth)
    gadgets = [_gadget(0, side, {0: (float(sign * side), True)}, power, depth) for side in (1.0, -1.0)]
    return _graph(gadgets, 1, 1, relu_output=False)


def integer_layer(weight: Sequence[Sequence[int]], *, largest: int | None = None) -> LayeredDag:
    """Return ``max(weight @ x, 0)`` from gadgets whose last edges alone are pruned (Figures 4 and 5).

    Every input has, for each power of two up to the largest weight, mirrored gadgets of both signs; every
    output keeps those of its weight's binary digits, and all outputs share the gadgets: Lemma 5 of
    Sreenivasan et al. (2021).

    Parameters
    ----------
    weight : sequence of sequence of int, shape (d_out, d_in)
    largest : int, optional
        The largest weight that other outputs could still have; by default that of ``weight``.

    Raises
    ------
    InvalidGraphError
        If weights are not integers of at most ``largest``, which is at most ``2**31 - 1``.

    Examples
    --------
    >>> layer = integer_layer([[5, -3], [0, 2]])
    >>> layer([[1.0, 1.0], [1.0, 2.0], [-1.0, -2.0]])
    array([[2., 2.],
           [0., 4.],
           [1., 0.]])
    >>> {float(w) for block in layer.blocks.values() for w in block.all_edges().weight}
    {1.0, -1.0}

    """
    matrix = np.array(weight, dtype=object)
    if matrix.ndim != 2 or not matrix.size or not all(isinstance(w, int | np.integer) for w in matrix.flat):
        raise InvalidGraphError(f"weights must be rows of integers, got {weight!r}")
    most = max(abs(int(w)) for w in matrix.flat)
    largest = max(most, 1) if largest is None else largest
    if not max(most, 1) <= largest < 2 ** (_LARGEST_POWER + 1):
        raise InvalidGraphError(
            f"weights reach {most}; largest={largest} must be from {max(most, 1)} to {2**31 - 1}"
        )
    depth = max(1, largest.bit_length() - 1)
    d_out, d_in = matrix.shape
    gadgets = []
    for column in range(d_in):
        for power in range(largest.bit_length()):
            for sign in (1, -1):
                keeps = [
                    int(w) * sign > 0 and bool(abs(int(w)) >> power & 1) for w in matrix[:, column].tolist()
                ]
                for side in (1.0, -1.0):
                    last = {row: (sign * side, kept) for row, kept in enumerate(keeps)}
                    gadgets.append(_gadget(column, side, last, power, depth))
    return _graph(gadgets, d_in, d_out, relu_output=True)


def _checked(power: int, depth: int | None) -> int:
    if not 0 <= power <= _LARGEST_POWER:
        raise InvalidGraphError(f"power must be from 0 to {_LARGEST_POWER}, got {power!r}")
    least = max(1, power)
    if depth is None:
        return least
    if not least <= depth <= 1000:
        raise InvalidGraphError(f"2**{power} takes from {least} to 1000 hidden layers, got {depth!r}")
    return depth


def _gadget(
    source: int, side: float, last: dict[int, tuple[float, bool]], power: int, depth: int
) -> list[list[Edge]]:
    """Return the edges of one gadget, a list for each pair of layers, its units numbered 0 and 1.

    ``side`` is the weight at the input; ``last`` has weight and mask of the edges to each output. Both units
    of the last ``power`` hidden layers are used, one unit of those before.
    """
    single = depth - power  # hidden layers where one unit alone carries the value
    edges: list[list[Edge]] = [[(source, unit, side, unit == 0 or single == 0) for unit in (0, 1)]]
    for layer in range(1, depth):
        here, there = (layer > single or single == 0), (layer >= single)
        edges.append([(a, b, 1.0, (a == 0 or here) and (b == 0 or there)) for a in (0, 1) for b in (0, 1)])
    double = power > 0
    edges.append(
        [(a, row, w, kept and (a == 0 or double)) for a in (0, 1) for row, (w, kept) in last.items()]
    )
    return edges


def _graph(gadgets: list[list[list[Edge]]], d_in: int, d_out: int, *, relu_output: bool) -> LayeredDag:
    """Put gadgets, two units each, one below the other."""
    depth = len(gadgets[0]) - 1
    widths = [d_in, *[2 * len(gadgets)] * depth, d_out]
    blocks: dict[Span, EdgeBlock] = {}
    for layer in range(depth + 1):
        found = [
            (a + (2 * number if layer else 0), b + (2 * number if layer < depth else 0), weight, kept)
            for number, gadget in enumerate(gadgets)
            for a, b, weight, kept in gadget[layer]
        ]
        columns, rows, weights, kept = (np.array(values) for values in zip(*found, strict=True))
        edges = Edges(rows, columns, weights, kept, np.full(len(rows), -1))
        blocks[layer, layer + 1] = EdgeBlock.from_edges((widths[layer + 1], widths[layer]), edges)
    relu = [False, *[True] * depth, relu_output]
    layers = [NodeLayer.of(np.full(width, active)) for width, active in zip(widths, relu, strict=True)]
    return LayeredDag(layers, blocks)
