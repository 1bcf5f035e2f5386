"""Compile of an exact construction: bits, random network, subset sums, masks, proof. Once: it always fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.allocation.compile_task import NORM
from subsetsum_nets.allocation.precision import Precision, given_bits
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.pruned_network import Shortfall
from subsetsum_nets.rounds import Compiled, Draw
from subsetsum_nets.row_batches import solve_rows
from subsetsum_nets.stages import stage
from subsetsum_nets.verification import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions import GrownNetwork, RandomSigns
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
    growth : int
        How many copies of an input there are, and by what they grow from layer to layer.
    seed : int
    layout, scale : str, optional

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
    growth: int
    seed: int
    layout: str | None = None
    scale: str | None = None

    def __post_init__(self) -> None:
        method = self.construction
        for name, value, known in (
            ("candidates", self.growth, method.growths),
            ("layout", self.layout, (None, *method.layouts)),
            ("scale", self.scale, (None, *method.scales)),
        ):
            if value not in known:
                choices = ", ".join(repr(each) for each in known if each is not None)
                raise ValueError(f"{name} of construction {method.name!r} is one of {choices}, got {value!r}")

    def run(self, **options: Any) -> Compiled:
        """Compile; ``options`` are those of :func:`solvers.solve_many`."""
        with stage("planning"):
            bits = self._bits()
        with stage("drawing"):
            grown = self.construction.grow(
                self.target,
                bits,
                self.domain,
                self.growth,
                self.seed,
                scale=self.scale,
                layout=self.layout,
            )
            random, rows = grown.random(self.target.domain), grown.rows
        with stage("solving"):
            solution = solve_rows(
                [each.items for each in rows],
                [each.targets for each in rows],
                [each.valid for each in rows],
                [np.full(len(each.targets), 0.5 * each.unit) for each in rows],
                **options,
            )
        with stage("masking"):
            masks = grown.masks(solution.masks)
            network = masks.apply(random)
        result = verify(self.target, network, domain=self.domain, norm=NORM, epsilon=self.epsilon)
        return Compiled(
            Draw(random, grown.recipe, self.growth),
            solution,
            masks,
            network,
            result,
            self._shortfall(bits, result),
            self._claim(bits, grown),
        )

    def _bits(self) -> tuple[int, ...]:
        if self.bits is not None:
            return given_bits(self.bits, self.target)
        precision = Precision(
            self.construction, self.target, self.domain, self.epsilon, self.growth, self.layout
        )
        return precision.cheapest()

    def _shortfall(self, bits: Sequence[int], result: VerificationResult) -> Shortfall | None:
        if result.verified:
            return None
        ratio = min(result.upper / self.epsilon, float(np.finfo(float).max))
        given = "more bits, or none given," if self.bits is not None else "a larger epsilon"
        return Shortfall(0, 0.0, ratio, None, f"{given} should do: bits were {list(bits)}")

    def _claim(self, bits: Sequence[int], grown: GrownNetwork) -> dict[str, Any]:
        return {
            "bits": list(bits),
            "layouts": [each.layout for each in grown.rows],
            "ends": list(grown.ends),
            "inputs": self.construction.valid_inputs(self.target, self.domain),
        }


def refuse_others(construction: str, options: dict[str, Any]) -> None:
    """Raise ValueError for options of exact constructions that another construction was given."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"construction {construction!r} takes no {name}, got {name}={value!r}")


def refuse_given(construction: RandomSigns, into: ReluNetwork | None, allocation: str | None) -> None:
    """Refuse what exact constructions do not take."""
    if into is not None:
        raise InvalidNetworkError(
            f"construction {construction.name!r} draws its network layer by layer; it takes none with into="
        )
    refuse_others(construction.name, {"allocation": allocation})
