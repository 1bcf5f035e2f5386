"""The question "is sup ||f - g||_inf <= epsilon over this box?" as VNN-LIB properties 1.0 and 2.0.

A property describes a counterexample: a verifier that answers *unsat* has proven the bound, one that answers
*sat* has found an input where it fails. Every number is written as the exact decimal expansion of its float64
and without an exponent, which the grammar of 2.0 does not know.

Sources: VNN-LIB 1.0 (Demarchi, Guidotti, Pulina, Tacchella 2023) in the form that VNN-COMP uses; VNN-LIB 2.0
(standard of December 2025, https://www.vnnlib.org): sections "Network Declarations", "Multiple networks" and
"Queries over R". Its element type ``real`` asks about real arithmetic, which is what this package proves.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subsetsum_nets.networks.arrays import FloatArray


class Tensor(NamedTuple):
    """The input or the output of a network in its ONNX file."""

    shape: tuple[int, ...]  # with the batch axis
    places: list[tuple[int, ...]]  # where in it each of the values of our flattened input or output stands


def decimal_literal(number: float) -> str:
    """Return a finite float64's exact decimal expansion, with a point and no exponent, or raise ValueError.

    Examples
    --------
    >>> decimal_literal(-0.25), decimal_literal(3.0), decimal_literal(2.0**-10)
    ('-0.25', '3.0', '0.0009765625')
    >>> decimal_literal(0.1)
    '0.1000000000000000055511151231257827021181583404541015625'

    """
    if not math.isfinite(number):
        raise ValueError(f"a property can only hold finite numbers, got {number!r}")
    text = format(Decimal(float(number) + 0.0), "f")  # + 0.0 makes -0.0 the 0.0 it is
    return text if "." in text else f"{text}.0"


def difference_property(
    low: FloatArray, high: FloatArray, outputs: int, epsilon: float, *, notes: Iterable[str] = ()
) -> str:
    """Return the VNN-LIB 1.0 property of the one network f - g: some |Y_j| >= epsilon for an X in the box.

    Parameters
    ----------
    low, high : array, shape (d,)
        The box.
    outputs : int
        Number of outputs.
    epsilon : float
        At least 0.
    notes : iterable of str
        Comment lines to start with.

    Returns
    -------
    str
        1.0 has no strict comparisons in the form that all verifiers read, so ``|Y_j| = epsilon`` counts as a
        counterexample too; *unsat* proves ``sup < epsilon``.

    Examples
    --------
    >>> import numpy as np
    >>> print(difference_property(np.array([0.0]), np.array([1.0]), 1, 0.5))
    (declare-const X_0 Real)
    <BLANKLINE>
    (declare-const Y_0 Real)
    <BLANKLINE>
    (assert (>= X_0 0.0))
    (assert (<= X_0 1.0))
    <BLANKLINE>
    (assert (or
        (and (>= Y_0 0.5))
        (and (<= Y_0 -0.5))
    ))
    <BLANKLINE>

    """
    above, below = decimal_literal(epsilon), decimal_literal(-epsilon)
    cases = [
        f"    (and ({relation} Y_{index} {bound}))"
        for index in range(outputs)
        for relation, bound in ((">=", above), ("<=", below))
    ]
    return _text(
        [f"; {note}" for note in notes],
        [f"(declare-const X_{index} Real)" for index in range(len(low))],
        [f"(declare-const Y_{index} Real)" for index in range(outputs)],
        _bounds([f"X_{index}" for index in range(len(low))], low, high),
        ["(assert (or", *cases, "))"],
    )


def pair_property(
    low: FloatArray,
    high: FloatArray,
    epsilon: float,
    *,
    inputs: tuple[Tensor, Tensor],
    outputs: tuple[Tensor, Tensor],
    notes: Iterable[str] = (),
) -> str:
    """Return the VNN-LIB 2.0 query about two networks f and g with equal inputs: some |Y_j - V_j| > epsilon.

    Parameters
    ----------
    low, high : array, shape (d,)
        The box.
    epsilon : float
        At least 0.
    inputs, outputs : pairs of Tensor
        In the ONNX files of f and of g.
    notes : iterable of str
        Comment lines to start with.

    Returns
    -------
    str
        *sat* holds exactly if ``sup > epsilon`` in real arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> box = np.array([0.0]), np.array([1.0])
    >>> one = Tensor((1, 1), [(0, 0)])
    >>> print(pair_property(*box, 0.5, inputs=(one, one), outputs=(one, one)))
    (vnnlib-version <2.0>)
    <BLANKLINE>
    (declare-network f
        (declare-input X real [1,1])
        (declare-output Y real [1,1])
    )
    (declare-network g
        (declare-input U real [1,1])
        (declare-output V real [1,1])
    )
    <BLANKLINE>
    (assert (>= X[0,0] 0.0))
    (assert (<= X[0,0] 1.0))
    <BLANKLINE>
    (assert (== X[0,0] U[0,0]))
    <BLANKLINE>
    (assert (or
        (> (- Y[0,0] V[0,0]) 0.5)
        (< (- Y[0,0] V[0,0]) -0.5)
    ))
    <BLANKLINE>

    """
    above, below = decimal_literal(epsilon), decimal_literal(-epsilon)
    (x, u), (y, v) = (
        [
            [f"{name}{_list(place)}" for place in tensor.places]
            for name, tensor in zip(names, pair, strict=True)
        ]
        for names, pair in (("XU", inputs), ("YV", outputs))
    )
    cases = [
        f"    ({relation} (- {of_f} {of_g}) {bound})"
        for of_f, of_g in zip(y, v, strict=True)
        for relation, bound in ((">", above), ("<", below))
    ]
    networks = [
        line
        for name, x_name, y_name, x_of, y_of in zip("fg", "XU", "YV", inputs, outputs, strict=True)
        for line in (
            f"(declare-network {name}",
            f"    (declare-input {x_name} real {_list(x_of.shape)})",
            f"    (declare-output {y_name} real {_list(y_of.shape)})",
            ")",
        )
    ]
    return _text(
        [f"; {note}" for note in notes],
        ["(vnnlib-version <2.0>)"],
        networks,
        _bounds(x, low, high),
        [f"(assert (== {of_f} {of_g}))" for of_f, of_g in zip(x, u, strict=True)],
        ["(assert (or", *cases, "))"],
    )


def _bounds(names: Sequence[str], low: FloatArray, high: FloatArray) -> list[str]:
    return [
        f"(assert ({relation} {name} {decimal_literal(bound)}))"
        for name, least, most in zip(names, low.tolist(), high.tolist(), strict=True)
        for relation, bound in ((">=", least), ("<=", most))
    ]


def _list(numbers: Sequence[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def _text(*parts: Sequence[str]) -> str:
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
