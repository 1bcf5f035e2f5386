"""Two networks over a domain, their stored weights read exactly: what every replay starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.networks.like_shapes import like_shaped
from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.replay.layers import ExactLayer, exact_effective_layers, exact_layers

if TYPE_CHECKING:
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


class Compared(Protocol):
    """All that the replay sees of a :class:`~subsetsum_nets.verification.comparison.Comparison`."""

    @property
    def target(self) -> ReluNetwork:
        """Return f."""

    @property
    def pruned(self) -> ReluNetwork:
        """Return g."""

    @property
    def domain(self) -> Domain:
        """Return the domain."""

    @property
    def norm(self) -> str:
        """Return the norm of the outputs."""


@dataclass(frozen=True, eq=False)
class ExactComparison:
    """f, g, a domain and a norm, as in a :class:`~subsetsum_nets.verification.comparison.Comparison`.

    Raises
    ------
    ValueError
        For an unknown norm.

    """

    target: ReluNetwork
    pruned: ReluNetwork
    domain: Domain
    norm: str

    def __post_init__(self) -> None:
        checked_norm(self.norm)

    @classmethod
    def of(cls, compared: Compared) -> ExactComparison:
        """Return the same question, of which nothing but the networks, the domain and the norm is kept."""
        return cls(compared.target, compared.pruned, compared.domain, compared.norm)

    @property
    def layered(self) -> ExactComparison:
        """The same question of two networks that can be compared layer by layer, of unlike ones f - g and 0.

        UnsupportedStructureError if they are too large for that.
        """
        try:
            _ = self.effective
        except UnsupportedStructureError:
            return ExactComparison(*like_shaped(self.target, self.pruned), self.domain, self.norm)
        return self

    @property
    def relu_after(self) -> tuple[bool, ...]:
        """Whether a ReLU follows, for each layer of f."""
        return self.target.relu_after

    @cached_property
    def layers(self) -> list[ExactLayer]:
        """The layers of f."""
        return exact_layers(self.target)

    @cached_property
    def effective(self) -> list[ExactLayer]:
        """What g computes in place of each; UnsupportedStructureError if it cannot be said layer by layer."""
        return exact_effective_layers(self.target, self.pruned)

    @cached_property
    def errors(self) -> list[ExactLayer]:
        """``effective - layers``."""
        return [g.minus(f) for f, g in zip(self.layers, self.effective, strict=True)]
