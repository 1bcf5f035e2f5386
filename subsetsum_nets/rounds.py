"""Rounds of a compile: draw, offer, solve, mask, verify; and once more where that proves too little."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers import BatchSolution, Status
from subsetsum_nets.allocation.compile_task import NORM, Allocation, CompileTask, Offer
from subsetsum_nets.mask_structure import check_structure
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.pruned_network import Shortfall
from subsetsum_nets.row_batches import by_group
from subsetsum_nets.stages import stage
from subsetsum_nets.verification import VerificationResult, verify
from subsetsum_nets.work_estimate import announce, estimated_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork

_MORE_ROUNDS = 2  # where the first proves too little
_USEFUL = 0.5  # a round that leaves a larger part of the bound is followed by a wider network


class Draw(NamedTuple):
    """A random network, its recipe if it was drawn, and its number of candidates."""

    random: ReluNetwork
    recipe: RandomRecipe | None
    candidates: int


@dataclass(frozen=True, eq=False)
class Compiled:
    """One network pruned and verified.

    ``exact`` is what a construction says of a network that equals the rounded target; None for others.
    """

    draw: Draw
    solution: BatchSolution
    masks: NetworkMasks
    network: ReluNetwork
    result: VerificationResult
    shortfall: Shortfall | None
    exact: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Round(Compiled):
    """One that was solved from an offer."""

    offer: Offer


@dataclass(frozen=True, eq=False)
class Rounds:
    """Solve, mask and verify; where that proves too little, again with what the allocation has left."""

    task: CompileTask
    allocation: Allocation
    solve: Callable[..., BatchSolution]
    threads: int | None = None

    def run(
        self,
        candidates: int | None,
        seed: int,
        into: ReluNetwork | None,
        checkpoint: str | PathLike[str] | None,
    ) -> Round:
        """Return the first round that is verified, or else the one with the least bound."""
        found = best = self._round(*self._first_offer(candidates, seed, into), checkpoint)
        before = math.inf
        for number in range(1, _MORE_ROUNDS + 1):
            if best.result.verified:
                break
            draw, again = found.draw, None
            if found.result.upper < _USEFUL * before:
                with stage("planning"):
                    again = self.allocation.tightened(draw.random, found.offer, found.result.upper)
            before = found.result.upper
            if again is None:
                with stage("planning"):
                    wider = self.allocation.wider(draw.candidates, found.result.upper)
                if wider is None or candidates is not None or into is not None:
                    break
                draw = self._random_network(wider, seed, None)
                again = self._offer(draw)
            folder = None if checkpoint is None else Path(checkpoint) / f"round-{number}"
            found = self._round(draw, again, folder)
            if found.result.upper < best.result.upper:
                best = found
        return best

    def _first_offer(self, candidates: int | None, seed: int, into: ReluNetwork | None) -> tuple[Draw, Offer]:
        """Return the first network drawn whose offer is enough, or the last one."""
        if candidates is not None or into is not None:
            draw = self._random_network(candidates, seed, into)
            return draw, self._offer(draw)
        for size in self._sizes():
            draw = self._random_network(size, seed, None)
            offer = self._offer(draw)
            if offer.enough:
                break
        return draw, offer

    def _sizes(self) -> Iterator[int]:
        """Yield the allocation's numbers of candidates; finding the first one is what takes long."""
        with stage("planning"):
            sizes = self.allocation.sizes()
            first = next(sizes)
        yield first
        yield from sizes

    def _offer(self, draw: Draw) -> Offer:
        with stage("planning"):
            return self.allocation.offer(draw.random)

    @stage("drawing")
    def _random_network(self, candidates: int | None, seed: int, into: ReluNetwork | None) -> Draw:
        construction, target = self.task.construction, self.task.target
        if into is not None:
            offered = construction.candidates_in(target, into)
            if candidates not in (None, offered):
                raise ValueError(f"the network given offers {offered} candidates, not {candidates}")
            return Draw(into, None, offered)
        if candidates is None:
            raise ValueError("give candidates or a network")
        recipe = construction.recipe(target, int(candidates))
        return Draw(recipe.draw(seed, domain=target.domain), recipe, int(candidates))

    def _round(self, draw: Draw, offer: Offer, checkpoint: str | PathLike[str] | None) -> Round:
        task = self.task
        searched = [g for g in offer.groups if g.place.dimension == 1 or not task.construction.one_pass]
        announce(estimated_work(searched, objective=task.objective, threads=self.threads))
        with stage("solving"):
            solution = self.solve(offer.groups, offer.tolerances, checkpoint=checkpoint)
        with stage("masking"):
            kept = by_group(offer.groups, solution.masks)
            masks = task.construction.masks(task.target, draw.random, offer.groups, kept)
            if (whole := task.construction.whole) is not None:
                check_structure(masks, task.target, whole)
            small = sparse_form(masks.apply(draw.random))  # verifying takes less memory so
        result = verify(task.target, small, domain=task.domain, norm=NORM, epsilon=task.epsilon)
        shortfall = self._shortfall(offer, draw.candidates, solution, result)
        network = masks.apply(draw.random)
        return Round(draw, solution, masks, network, result, shortfall, offer=offer)

    def _shortfall(
        self, offer: Offer, candidates: int, solution: BatchSolution, result: VerificationResult
    ) -> Shortfall | None:
        """Say which rows missed their tolerance, if any; or that none did and the bound is too large."""
        missed = solution.status != Status.FEASIBLE
        missed &= solution.status != Status.OPTIMAL
        if result.verified and not self.allocation.met_is_proven:
            return None  # nothing is short of epsilon; the statuses tell what missed
        excess = 0.0
        if missed.any() and solution.tolerances is not None:
            errors, tolerances = solution.errors[missed], solution.tolerances[missed]
            with np.errstate(over="ignore"):
                ratios = errors / np.maximum(tolerances, np.finfo(float).tiny)
            ratio = min(float(ratios.max()), np.finfo(float).max)
            excess = float(np.max(errors - tolerances))
        elif result.verified:
            return None
        else:
            ratio = min(result.upper / self.task.epsilon, np.finfo(float).max)
        enough = self.allocation.enough(candidates, ratio, offer.groups)
        return Shortfall(int(missed.sum()), excess, ratio, enough, self.allocation.advice(ratio))
