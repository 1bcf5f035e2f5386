"""The bounds of all papers side by side, as a table and over epsilon, with what our construction took."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.records import (
    COLOURS,
    INK,
    new_figure,
    write_figure,
    write_provenance,
    write_table,
)
from subsetsum_nets.experiments.requirements.measured import Measured, measured_requirement
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.theory import network_sizes as bounds
from subsetsum_nets.theory.structured_sizes import da_cunha_2023

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from matplotlib.figure import Figure

    from subsetsum_nets.theory.requirement import Requirement

THEOREMS = ("malach", "orseau", "pensia", "diffenderfer", "sreenivasan", "structured", "lower")
FIGURE = "requirements"
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
    >>> found["pensia"].width, found["lower"].width
    (216, 4)

    """
    chosen = dict(constants or {})
    with_constant = [name for name in THEOREMS if name != "lower"]
    for name in chosen:
        if name not in with_constant:
            raise ValueError(f"no theorem {name!r} with a constant; there are: {', '.join(with_constant)}")
    c = {name: chosen.get(name, 1.0) for name in with_constant}
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

    def save(self, folder: str | PathLike[str], command: Sequence[str] | None = None) -> None:
        """Write requirements.csv, measured.csv, summary.json, provenance.json and the figure."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        write_table(
            place / "requirements.csv",
            (
                "epsilon",
                "theorem",
                "source",
                "width",
                "depth",
                "units",
                "parameters",
                "constant",
                "sufficient",
            ),
            (
                (
                    epsilon,
                    name,
                    r.source,
                    r.width,
                    r.depth,
                    r.units,
                    r.parameters,
                    r.constants.get("C"),
                    r.sufficient,
                )
                for epsilon, row in self.curves.items()
                for name, r in row.items()
            ),
        )
        write_table(
            place / "measured.csv",
            tuple(Measured.__dataclass_fields__),
            (tuple(asdict(found).values()) for found in self.measured),
        )
        with atomic_write(place / "summary.json") as file:
            file.write((json.dumps(self.summary(), indent=1) + "\n").encode())
        write_provenance(place, "bounds", self.parameters, command)
        write_figure(place, FIGURE, self._draw)

    def _draw(self) -> Figure:
        figure = new_figure(4.2)
        axes = figure.subplots()
        epsilons = sorted(self.curves)
        for colour, name in zip(COLOURS, THEOREMS, strict=False):
            curve = [self.curves[epsilon][name] for epsilon in epsilons]
            label = f"{curve[0].source}, C = {curve[0].constants['C']:g}"
            axes.plot(
                epsilons, [float(r.parameters) for r in curve], color=colour, linewidth=1.3, label=label
            )
        least = [max(1.0, float(self.curves[epsilon]["lower"].parameters)) for epsilon in epsilons]
        label = "needed by two layers: " + self.table["lower"].source.removesuffix(" (lower bound)")
        axes.plot(epsilons, least, color=INK, linewidth=1.3, linestyle="--", label=label)
        for proven, filled in ((True, INK), (False, "white")):
            found = [m for m in self.measured if m.proven == proven]
            if found:
                what = "pruned here, bound proven" if proven else "pruned here, epsilon not reached"
                axes.plot(
                    [m.epsilon for m in found], [m.parameters for m in found], "o", markersize=6,
                    markerfacecolor=filled, markeredgecolor=INK, label=what,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("ε")
        axes.set_ylabel("random parameters")
        p = self.parameters
        title = f"Parameters to approximate {p['depth']} layers of width {p['width']}, δ = {p['delta']:g}"
        axes.set_title(title)
        figure.legend(loc="outside lower left", ncols=2, fontsize=8)
        return figure


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
