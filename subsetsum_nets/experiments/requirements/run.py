"""The bounds of all papers side by side, as a table and over epsilon, with what our construction took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.requirements.measured import measured_requirement
from subsetsum_nets.theory import binary_sizes as signs
from subsetsum_nets.theory import network_sizes as bounds
from subsetsum_nets.theory.structured_sizes import da_cunha_2023

if TYPE_CHECKING:
    from collections.abc import Mapping

    from subsetsum_nets.experiments.requirements.measured import Measured
    from subsetsum_nets.theory.requirement import Requirement

WITH_CONSTANT = ("malach", "orseau", "pensia", "diffenderfer", "sreenivasan", "structured")
SIGNS = (
    "proofs",
    "planned",
    "universal",
    "counting",
)  # weights of +-1 and targets of integers: all is stated
THEOREMS = (*WITH_CONSTANT, "lower", *SIGNS)
_GRID = tuple(10.0 ** -(k / 2) for k in range(1, 13))  # of epsilon, in the figure
_LARGEST_MEASURED = 0.5


def requirements(
    width: int,
    depth: int,
    epsilon: float,
    delta: float,
    *,
    kernel: int = 1,
    constants: Mapping[str, float] | None = None,
) -> dict[str, Requirement]:
    """Return the requirement of every theorem, by its name in ``THEOREMS``.

    Parameters
    ----------
    width, depth : int
        Of the target; for the structured theorem width counts channels.
    epsilon, delta : float
        In [1e-100, 1).
    kernel : int
        Rows and columns of the kernels in the structured theorem; 1 for dense layers.
    constants : mapping of str to float, optional
        C of the theorems named; 1 for the others.

    Raises
    ------
    ValueError
        If a number is out of range, or a theorem is unknown or has no constant.

    Examples
    --------
    >>> found = requirements(8, 2, 0.25, 0.25, constants={"pensia": 3})
    >>> found["pensia"].width, found["lower"].width, found["planned"].width
    (216, 4, 44)

    """
    chosen = dict(constants or {})
    for name in chosen:
        if name not in WITH_CONSTANT:
            raise ValueError(f"no theorem {name!r} with a constant; there are: {', '.join(WITH_CONSTANT)}")
    c = {name: chosen.get(name, 1.0) for name in WITH_CONSTANT}
    return {
        "malach": bounds.malach_2020(width, depth, epsilon, constant=c["malach"]),
        "orseau": bounds.orseau_2020(width, depth, epsilon, constant=c["orseau"]),
        "pensia": bounds.pensia_2020(width, depth, epsilon, delta, constant=c["pensia"]),
        "diffenderfer": bounds.diffenderfer_2021(width, depth, epsilon, delta, constant=c["diffenderfer"]),
        "sreenivasan": bounds.sreenivasan_2021(width, depth, epsilon, delta, constant=c["sreenivasan"]),
        "structured": da_cunha_2023(
            [kernel] * depth, [width] * (depth + 1), epsilon, constant=c["structured"]
        ),
        "lower": bounds.pensia_2020_lower(width, epsilon),
        **_networks_of_signs(width, depth, epsilon, delta),
    }


def _networks_of_signs(width: int, depth: int, epsilon: float, delta: float) -> dict[str, Requirement]:
    """Return the sizes at the number of binary digits that Lemma 2 of Sreenivasan et al. asks for."""
    bits = signs.weight_bits(width, depth, epsilon)
    return {
        "proofs": signs.sreenivasan_2021_integers(width, depth, bits, delta),
        "planned": signs.planned_size(width, depth, bits),
        "universal": signs.planned_size(width, depth, bits, universal=True),
        "counting": signs.counting_size(width, depth, bits),
    }


@dataclass(frozen=True)
class RequirementTable:
    """The bounds at one epsilon and over a range, and what was measured."""

    parameters: dict[str, Any]
    table: dict[str, Requirement]
    curves: dict[float, dict[str, Requirement]]
    measured: list[Measured]

    def summary(self) -> dict[str, Any]:
        """Return the table and the measurements, JSON-able."""
        return {
            **self.parameters,
            "requirements": {name: asdict(found) for name, found in self.table.items()},
            "measured": [asdict(found) for found in self.measured],
        }


def requirement_table(
    width: int,
    depth: int,
    epsilon: float,
    delta: float = 0.01,
    *,
    kernel: int = 1,
    constants: Mapping[str, float] | None = None,
    measure: bool = True,
    seed: int = 0,
    threads: int | None = None,
) -> RequirementTable:
    """Return all bounds at epsilon and over a range of it, and measure our construction around it.

    Parameters
    ----------
    width, depth, epsilon, delta, kernel, constants
        As for :func:`requirements`.
    measure : bool
        Whether to prune random networks into a random target, at 10, 1 and 0.1 times epsilon.
    seed, threads
        Of the measurement.

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> found = requirement_table(2, 1, 0.1, measure=False)
    >>> sorted(found.table) == sorted(THEOREMS)
    True

    """
    table = requirements(width, depth, epsilon, delta, kernel=kernel, constants=constants)
    curves = {
        e: requirements(width, depth, e, delta, kernel=kernel, constants=constants)
        for e in sorted({*_GRID, float(epsilon)}, reverse=True)
    }
    wanted = [e for e in (epsilon * 10, epsilon, epsilon / 10) if 1e-12 <= e <= _LARGEST_MEASURED]
    measured = (
        measured_requirement(width, depth, wanted, delta, seed=seed, threads=threads) if measure else []
    )
    parameters = {
        "width": int(width),
        "depth": int(depth),
        "epsilon": float(epsilon),
        "delta": float(delta),
        "kernel": int(kernel),
        "constants": {name: r.constants["C"] for name, r in table.items() if r.constants},
        "seed": int(seed),
    }
    return RequirementTable(parameters, table, curves, measured)
