"""Compile of an exact construction: bits, random network, subset sums, masks, proof; all once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, NORM
from subsetsum_nets.allocation.fitting import FinestFit
from subsetsum_nets.allocation.precision import Precision, given_bits
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.rounding import with_outputs_times
from subsetsum_nets.pruned_network import Shortfall
from subsetsum_nets.rounds import Compiled, Draw
from subsetsum_nets.row_batches import solve_rows
from subsetsum_nets.stages import stage
from subsetsum_nets.verification import proven_bound, verify

_MOST_SLACK = 32  # units; rows of signed digits are answered fast up to some more

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solvers import BatchSolution
    from subsetsum_nets.constructions import BlockNetwork, RandomSigns
    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification import VerificationResult


@dataclass(frozen=True, eq=False)
class ExactTask:
    """What ``prune`` was asked of an exact construction.

    Parameters
    ----------
    construction : RandomSigns
    target : ReluNetwork
    domain : Box or Ball
    epsilon : float
    bits : int or sequence of int, optional
        Chosen from epsilon when None.
    growth : int or None
        How many copies of an input there are, and by what they grow from layer to layer.
    seed : int
    layout, scale : str, optional
    into : ReluNetwork, optional

    Raises
    ------
    ValueError
        For options that the construction does not have.

    """

    construction: RandomSigns
    target: ReluNetwork
    domain: Domain
    epsilon: float
    bits: int | Sequence[int] | None
    growth: int | None
    seed: int
    layout: str | None = None
    scale: str | None = None
    into: ReluNetwork | None = None

    def __post_init__(self) -> None:
        method = self.construction
        for name, value, known in (
            ("candidates", self.growth, (None, *method.growths)),
            ("layout", self.layout, (None, *method.layouts)),
            ("scale", self.scale, (None, *(method.scales if self.into is None else method.given_scales))),
        ):
            if value not in known:
                choices = ", ".join(repr(each) for each in known if each is not None)
                raise ValueError(f"{name} of construction {method.name!r} is one of {choices}, got {value!r}")

    def run(self, **options: Any) -> Compiled:
        """Compile; ``options`` are those of :func:`solvers.solve_many`."""
        with stage("planning"):
            bits, grown, lacks = self._network()
        with stage("drawing"):
            random = grown.random(self.target.domain) if self.into is None else self.into
        wanted = _Wanted(self, bits, grown, random, options)
        with stage("solving"):
            slack = wanted.slack() if options.get("objective") == "sparsest" else 0
            solution, masks, compared = wanted.pruned(slack)
        with stage("masking"):
            network = masks.apply(random)
        result = verify(self.target, compared, domain=self.domain, norm=NORM, epsilon=self.epsilon)
        claim = self._claim(bits, grown) | ({"slack": slack} if slack else {})
        return Compiled(
            Draw(random, grown.recipe, self.growth or self.construction.growths[0]),
            solution,
            masks,
            network,
            result,
            self._shortfall(bits, result, lacks),
            claim,
        )

    def _network(self) -> tuple[tuple[int, ...], BlockNetwork, str | None]:
        """Return the bits, the network with its blocks, and what lacks in a network that was given."""
        bits = self._bits()
        if self.into is None:
            growth = self.growth or self.construction.growths[0]
            asked: dict[str, Any] = {"scale": self.scale, "layout": self.layout}
            grown = self.construction.grow(self.target, bits, self.domain, growth, self.seed, **asked)
            return bits, grown, None
        fit = FinestFit(self.construction, self.target, self.domain, self.into, self.growth, self.layout)
        found = fit.of(bits)
        end, needed = found.network.ends[-1], sum(found.bits)
        if self.scale == "last" and end != needed:
            raise InvalidNetworkError(
                f"the last layer of into is +-2^-{end}, and bits {list(found.bits)} need +-2^-{needed}: "
                "leave scale=None, which compares outputs times a power of two"
            )
        return found

    def _bits(self) -> tuple[int, ...]:
        if self.bits is not None:
            return given_bits(self.bits, self.target)
        growth = self.growth or self.construction.growths[0]
        question = self.construction, self.target, self.domain, self.epsilon, growth, self.layout
        return Precision(*question).cheapest()

    def _shortfall(
        self, bits: Sequence[int], result: VerificationResult, lacks: str | None
    ) -> Shortfall | None:
        if result.verified and lacks is None:
            return None
        ratio = min(result.upper / self.epsilon, float(np.finfo(float).max))
        if lacks is not None:
            return Shortfall(0, 0.0, ratio, None, f"bits are {list(bits)}: {lacks}")
        given = "more bits, or none given," if self.bits is not None else "a larger epsilon"
        return Shortfall(0, 0.0, ratio, None, f"{given} should do: bits were {list(bits)}")

    def _claim(self, bits: Sequence[int], grown: BlockNetwork) -> dict[str, Any]:
        outputs = sum(bits) - sum(grown.ends)
        return {
            "bits": list(bits),
            "layouts": [each.layout for each in grown.rows],
            "ends": list(grown.ends),
            "held": [each.held for each in grown.rows],
            "inputs": self.construction.valid_inputs(self.target, self.domain),
            **({"outputs": outputs} if outputs else {}),
        }


@dataclass(frozen=True, eq=False)
class _Wanted:
    """The subset sums of a network with its blocks, asked with more or less tolerance."""

    task: ExactTask
    bits: Sequence[int]
    grown: BlockNetwork
    random: ReluNetwork
    options: dict[str, Any]

    def pruned(self, slack: int) -> tuple[BatchSolution, NetworkMasks, ReluNetwork]:
        """Return solution, masks, and what is compared with f; weights are up to slack + 1/2 units off."""
        rows, options = self.grown.rows, dict(self.options)
        if slack and options.get("checkpoint"):
            options["checkpoint"] = Path(options["checkpoint"]) / f"slack-{slack}"
        solution = solve_rows(
            [each.items for each in rows],
            [each.targets for each in rows],
            [each.valid for each in rows],
            [np.where(each.free, 0.5 + slack, 0.5) * each.unit for each in rows],
            **options,
        )
        masks = self.grown.masks(solution.masks)
        network = masks.apply(self.random)
        return solution, masks, with_outputs_times(network, sum(self.grown.ends) - sum(self.bits))

    def slack(self) -> int:
        """Return the most units, beside a half, that weights may be off with epsilon still proven."""
        good, bad = 0, 1
        while bad <= _MOST_SLACK and self._proven(bad):
            good, bad = bad, 2 * bad
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if self._proven(middle) else (good, middle)
        return good

    def _proven(self, slack: int) -> bool:
        task = self.task
        *_, compared = self.pruned(slack)
        return proven_bound(task.target, compared, domain=task.domain, norm=NORM) <= task.epsilon * ALLOWANCE


def refuse_others(construction: str, options: dict[str, Any]) -> None:
    """Raise ValueError for options of exact constructions that another construction was given."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"construction {construction!r} takes no {name}, got {name}={value!r}")
