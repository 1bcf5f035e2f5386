"""The packing experiment: what share of a packing random two-layer networks serve, by width.

Theorem 2 of Pensia et al. (2020) says that a random network whose prunings approximate every matrix of norm
at most 1, each with probability at least 1/2, must be wide: otherwise some member of a 2 epsilon-separated
set is served too seldom, since a pruning serves one member at most. Here packings are made, random networks
drawn, and every member drawn is decided with proof (:mod:`subsetsum_nets.theory.prunings`); the
width at which half of the members are served stands beside the theorem's bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.intervals import clopper_pearson
from subsetsum_nets.experiments.packing.cells import Cell, CellAnswer, answered
from subsetsum_nets.networks.arguments import checked_integer, checked_seconds
from subsetsum_nets.theory.network_sizes import pensia_2020, pensia_2020_lower
from subsetsum_nets.theory.packings import Packing, greedy_packing, lattice_packing
from subsetsum_nets.theory.prunings import PruningStatus, different_prunings
from subsetsum_nets.theory.requirement import checked_constant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

CONFIDENCE = 0.95
PACKINGS = {"lattice": lattice_packing, "greedy": greedy_packing}
WIDEST = {1: 64, 2: 24, 3: 12}  # where a search for half the members ends unless told otherwise
SAMPLED: dict[int, int | None] = {1: None, 2: 4, 3: 4}  # members a network; None: all
CELLS = "cells"


@dataclass(frozen=True)
class WidthRow:
    """What was found at one width."""

    epsilon: float
    width: int
    trials: int  # random networks
    asked: int  # members, over all trials
    served: int
    not_served: int
    unknown: int
    share_low: float  # the share of members served, with the unknown ones counted as not served and as served
    share_high: float
    # 95 % interval (Clopper and Pearson) of P(success), the probability that a random network serves a member
    # drawn at random: from the first member of each trial, which are independent
    success_low: float
    success_high: float
    # by counting: no network of this width serves a larger share of the packing, as no pruning serves two
    largest_share: float


@dataclass(frozen=True)
class EpsilonRow:
    """What was found for one epsilon."""

    epsilon: float
    members: int  # size of the packing
    volume_bound: float  # at least so many members has a maximal packing
    most: float  # at most so many members has any packing
    # the least width at which half of the members asked about were served; None where there was none
    half_width: int | None
    open_width: int | None  # the least width at which half may have been served, unknown ones included
    theorem_2: float  # s must exceed (d^2 log2(1 / (2 epsilon)) - 1) / (2 d)
    theorem_2_width: int  # the least such s >= 1
    # the least s with 2 (1 + (2^d - 1)^2)^s >= members, which serving half of this packing needs
    counting_width: int
    theorem_1_width: int  # C d log2(d^2 / min(epsilon, 1/2)), enough for the right C
    pairs: int  # pairs on which Step 1 of the proof was checked


@dataclass(frozen=True)
class PackingResult:
    """The whole experiment: a row an epsilon, and a row an epsilon and width."""

    question: dict[str, Any]
    epsilons: tuple[EpsilonRow, ...]
    widths: tuple[WidthRow, ...]


def run_packing(
    dimension: int,
    epsilons: Sequence[float],
    *,
    width_to: int | None = None,
    trials: int = 20,
    members: int | None = None,
    kind: str = "lattice",
    time_limit: float = 60.0,
    constant: float = 1.0,
    seed: int = 0,
    out: str | PathLike[str] | None = None,
    progress: Callable[[WidthRow], object] | None = None,
) -> PackingResult:
    """Measure what Theorem 2 of Pensia et al. (2020) bounds; run what is missing of the experiment.

    Parameters
    ----------
    dimension : int
        d, from 1 to 3.
    epsilons : sequence of float
        In [2^-20, 1/2].
    width_to : int, optional
        Every width from 1 to this one. None stops at the first width at which half are served.
    trials : int
        Random networks a width.
    members : int, optional
        Members drawn for each network. None takes all for d = 1, else 4.
    kind : {"lattice", "greedy"}
    time_limit : float
        Seconds a member, after which it is unknown.
    constant : float
        C of Theorem 1, which has no known value.
    seed : int
        Of one SeedSequence; the network of a (trial, width) has its own child.
    out : path, optional
        A folder: finished cells are kept there, and a second call computes only what is missing.
    progress : callable(WidthRow), optional
        Called after every width.

    Returns
    -------
    PackingResult

    Raises
    ------
    ValueError
        For numbers out of range, an unknown kind, or a folder with cells of another experiment.

    Examples
    --------
    >>> result = run_packing(1, [0.25], trials=5)
    >>> result.epsilons[0].members, result.epsilons[0].half_width
    (4, 9)

    """
    _check(epsilons, width_to, trials, members, kind, time_limit, seed)
    checked_constant(constant, "C")
    packings = [PACKINGS[kind](dimension, epsilon) for epsilon in epsilons]
    sampled = SAMPLED[dimension] if members is None else int(members)
    folder = None
    if out is not None:
        folder = Path(out) / CELLS
        folder.mkdir(parents=True, exist_ok=True)
    widths: list[WidthRow] = []
    rows = []
    for packing in packings:
        packing.check()
        found: list[WidthRow] = []
        pairs = 0
        for width in range(1, (width_to or WIDEST[dimension]) + 1):
            answers = [
                answered(
                    Cell(
                        dimension, packing.epsilon, kind, sampled, float(time_limit), int(seed), width, trial
                    ),
                    packing,
                    folder,
                )
                for trial in range(trials)
            ]
            found.append(summary(packing, width, answers))
            pairs += sum(answer.pairs for answer in answers)
            if progress is not None:
                progress(found[-1])
            if width_to is None and found[-1].share_low >= 0.5:
                break
        widths += found
        rows.append(_epsilon_row(packing, found, pairs, constant))
    question = {
        "dimension": dimension,
        "epsilons": [float(epsilon) for epsilon in epsilons],
        "width_to": width_to,
        "trials": trials,
        "members": sampled,
        "kind": kind,
        "time_limit": float(time_limit),
        "constant": float(constant),
        "seed": int(seed),
        "confidence": CONFIDENCE,
    }
    return PackingResult(question, tuple(rows), tuple(widths))


def summary(packing: Packing, width: int, answers: Sequence[CellAnswer]) -> WidthRow:
    """Sum the trials of one width up."""
    served, unknown = sum(a.served for a in answers), sum(a.unknown for a in answers)
    asked, trials = sum(a.asked for a in answers), len(answers)
    first = [a.first for a in answers]
    wins, opens = first.count(PruningStatus.SERVED), first.count(PruningStatus.UNKNOWN)
    return WidthRow(
        epsilon=packing.epsilon,
        width=width,
        trials=trials,
        asked=asked,
        served=served,
        not_served=sum(a.not_served for a in answers),
        unknown=unknown,
        share_low=served / asked,
        share_high=(served + unknown) / asked,
        success_low=clopper_pearson(wins, trials, confidence=CONFIDENCE)[0],
        success_high=clopper_pearson(wins + opens, trials, confidence=CONFIDENCE)[1],
        largest_share=min(1.0, different_prunings(width, packing.dimension) / len(packing)),
    )


def _epsilon_row(packing: Packing, found: Sequence[WidthRow], pairs: int, constant: float) -> EpsilonRow:
    d, epsilon = packing.dimension, packing.epsilon
    counting = 1
    while 2 * different_prunings(counting, d) < len(packing):
        counting += 1
    return EpsilonRow(
        epsilon=epsilon,
        members=len(packing),
        volume_bound=packing.volume_bound,
        most=packing.most,
        half_width=next((row.width for row in found if row.share_low >= 0.5), None),
        open_width=next((row.width for row in found if row.share_high >= 0.5), None),
        theorem_2=(d * d * math.log2(0.5 / epsilon) - 1) / (2 * d),
        theorem_2_width=pensia_2020_lower(d, epsilon).width,
        counting_width=counting,
        theorem_1_width=pensia_2020(d, 1, epsilon, 0.5, constant=constant).width,
        pairs=pairs,
    )


def _check(
    epsilons: Sequence[float],
    width_to: int | None,
    trials: int,
    members: int | None,
    kind: str,
    time_limit: float,
    seed: int,
) -> None:
    if not len(epsilons) or len(set(epsilons)) < len(epsilons):
        raise ValueError(f"epsilons must be one or more different numbers, got {list(epsilons)!r}")
    if kind not in PACKINGS:
        raise ValueError(f"unknown kind of packing {kind!r}; available are {', '.join(PACKINGS)}")
    counts: list[tuple[str, Any, int]] = [("trials", trials, 1), ("seed", seed, 0)]
    counts += [(n, v, 1) for n, v in (("width_to", width_to), ("members", members)) if v is not None]
    for name, value, least in counts:
        checked_integer(value, name, least)
    checked_seconds(time_limit)
