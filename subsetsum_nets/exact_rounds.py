"""Compile of an exact construction: bits, random network, subset sums, masks, proof; all once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.allocation.compile_task import NORM
from subsetsum_nets.allocation.fitting import FinestFit
from subsetsum_nets.allocation.precision import Precision, given_bits
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.rounding import with_outputs_times
from subsetsum_nets.pruned_network import Shortfall
from subsetsum_nets.rounds import Compiled, Draw
from subsetsum_nets.row_batches import solve_rows
from subsetsum_nets.verification import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions import BlockNetwork, RandomSigns
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
        bits, grown, lacks = self._network()
        random, rows = grown.random(self.target.domain) if self.into is None else self.into, grown.rows
        solution = solve_rows(
            [each.items for each in rows],
            [each.targets for each in rows],
            [each.valid for each in rows],
            [np.full(len(each.targets), 0.5 * each.unit) for each in rows],
            **options,
        )
        masks = grown.masks(solution.masks)
        network = masks.apply(random)
        compared = with_outputs_times(network, sum(grown.ends) - sum(bits))
        result = verify(self.target, compared, domain=self.domain, norm=NORM, epsilon=self.epsilon)
        return Compiled(
            Draw(random, grown.recipe, self.growth or self.construction.growths[0]),
            solution,
            masks,
            network,
            result,
            self._shortfall(bits, result, lacks),
            self._claim(bits, grown),
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


def refuse_others(construction: str, options: dict[str, Any]) -> None:
    """Raise ValueError for options of exact constructions that another construction was given."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"construction {construction!r} takes no {name}, got {name}={value!r}")
