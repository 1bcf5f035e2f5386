"""What is asked of a method: two networks, a domain and a norm; and of a search, how far to go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer, checked_limit, checked_norm, checked_seconds
from subsetsum_nets.networks.domains import Ball, Box, Domain
from subsetsum_nets.networks.like_shapes import like_shaped, widened
from subsetsum_nets.networks.relu_network import ReluNetwork
from subsetsum_nets.verification.alignment import small_like
from subsetsum_nets.verification.enclosures.effective import TwoSlope, effective_layers
from subsetsum_nets.verification.enclosures.midrad import entries
from subsetsum_nets.verification.errors import BoundOverflowError, UnsupportedStructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.layer_shapes import AffineLayer
    from subsetsum_nets.verification.results import LowerBound

_ATTACK_SHARE = 0.2  # of the time limit, for the search for a lower bound


@dataclass(frozen=True, eq=False)
class Comparison:
    """The question how large ||f(x) - g(x)|| gets over a domain; what g is layer by layer is found out once.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g, with equally many inputs and equally many outputs.
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
        Of the outputs.
    known : sequence of TwoSlope, optional
        g's effective layers, where they are not to be read off ``pruned``. They are believed: what is proven
        is true of a g that has them.

    Raises
    ------
    TypeError
        If ``target`` or ``pruned`` is no network, or ``domain`` is neither Box nor Ball.
    ValueError
        For networks of other sizes, an unknown norm, or another number of effective layers.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -3.0]])])
    >>> (layer,) = Comparison(f, g, Box(-1, 1)).errors
    >>> layer.positive.mid, layer.negative.mid
    (array([[0.]]), array([[0.5]]))

    """

    target: ReluNetwork
    pruned: ReluNetwork
    domain: Domain
    norm: str = "l2"
    known: Sequence[TwoSlope] | None = None

    def __post_init__(self) -> None:
        for role in ("target", "pruned"):
            given = getattr(self, role)
            if not isinstance(given, ReluNetwork):
                kind = type(given).__name__
                raise TypeError(f"{role} must be a ReluNetwork (a PrunedNetwork's .network is), got {kind}")
        f, g = self.target.widths, self.pruned.widths
        if (f[0], f[-1]) != (g[0], g[-1]):
            raise ValueError(
                f"the target maps {f[0]} inputs to {f[-1]} outputs, the pruned network {g[0]} to {g[-1]}"
            )
        if not isinstance(self.domain, Box | Ball):
            raise TypeError(f"the domain must be a Box or a Ball, got {type(self.domain).__name__}")
        checked_norm(self.norm)
        if self.known is not None and len(self.known) != len(self.target.layers):
            raise ValueError(f"got {len(self.known)} effective layers, the target has {len(f) - 1}")

    @cached_property
    def effective_or_none(self) -> tuple[TwoSlope, ...] | None:
        """The effective layers of g; None where it has none, or they leave the range of float64."""
        if self.known is not None:
            return tuple(self.known)
        try:
            return effective_layers(self.target, self.pruned)
        except (UnsupportedStructureError, BoundOverflowError):
            return None

    @property
    def effective(self) -> tuple[TwoSlope, ...]:
        """The effective layers of g.

        Raises
        ------
        UnsupportedStructureError
            If g cannot be compared with f layer by layer.
        BoundOverflowError
            If an effective weight exceeds the range of float64.

        """
        found = self.effective_or_none
        return effective_layers(self.target, self.pruned) if found is None else found

    @cached_property
    def widened(self) -> Comparison:
        """The same question of two networks of equal widths, where units that are 0 do it; else this one."""
        if self.effective_or_none is not None:
            return self
        pair = widened(self.target, self.pruned)
        return self if pair is None else self._about(*pair)

    @cached_property
    def layered(self) -> Comparison:
        """The same question of two networks that can be compared layer by layer, of unlike ones f - g and 0.

        Raises
        ------
        UnsupportedStructureError
            If they are too large for that.

        """
        if self.effective_or_none is not None:
            return self
        return self._about(*like_shaped(self.target, self.pruned))

    @cached_property
    def collapsed(self) -> Comparison:
        """The same question of the small network that g equals, where layers of g only carry; else this one.

        A network that can be compared as it is stays, if it has at most two layers for each of f's and
        weights like f's; a deeper one, or one of other weights, if what it equals has not f's shape.
        """
        shallow = len(self.pruned.layers) <= 2 * len(self.target.layers)
        if shallow and self.effective_or_none is not None and self._alike():
            return self
        try:
            small = small_like(self.pruned, self.target, self.domain)
        except UnsupportedStructureError:
            return self
        if small is self.pruned:
            return self
        if small.widths != self.target.widths and self.effective_or_none is not None:
            return self
        return self._about(self.target, small)

    def _alike(self) -> bool:
        """Whether g's weights are nearer to f's than 0 is: layer by layer, not in other units."""
        try:
            errors = self.errors
        except BoundOverflowError:  # what methods say themselves
            return True
        pairs = zip(errors, self.target.affine_layers, strict=True)
        return all(error.magnitudes().worst <= largest_entry(layer) for error, layer in pairs)

    def _about(self, target: ReluNetwork, pruned: ReluNetwork) -> Comparison:
        return Comparison(target, pruned, self.domain, self.norm)

    @cached_property
    def errors(self) -> tuple[TwoSlope, ...]:
        """Enclosures of ``effective - target``, layer by layer; raises what :attr:`effective` raises."""
        return tuple(g.minus(f) for g, f in zip(self.effective, self.target.affine_layers, strict=True))


def largest_entry(layer: AffineLayer) -> float:
    """Return the largest size of a weight or bias."""
    return float(max(np.abs(entries(layer.weight)).max(initial=0.0), np.abs(layer.offset).max(initial=0.0)))


@dataclass(frozen=True, eq=False)
class SearchOptions:
    """How far an anytime method goes, and what it starts from.

    Parameters
    ----------
    time_limit : float, optional
        Seconds; what has begun and cannot stop midway is finished.
    node_limit : int, optional
        Parts to bound, for "splitting"; a round that has begun is finished.
    epsilon : float, optional
        "splitting" stops as soon as ``upper <= epsilon`` or ``lower > epsilon``.
    threads : int, optional
        For "splitting"; all cores by default.
    record : bool
        Whether to keep what a replay needs: memory for every part.
    found : LowerBound, optional
        A lower bound to start from. Without one the method attacks the pair itself.

    Raises
    ------
    ValueError
        For a limit or an epsilon that is no finite number > 0, or counts that are no integer >= 1.

    """

    time_limit: float | None = None
    node_limit: int | None = None
    epsilon: float | None = None
    threads: int | None = None
    record: bool = False
    found: LowerBound | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None:
            checked_seconds(self.time_limit)
        if self.epsilon is not None:
            object.__setattr__(self, "epsilon", checked_limit(self.epsilon, "epsilon"))
        for name in ("node_limit", "threads"):
            if getattr(self, name) is not None:
                checked_integer(getattr(self, name), name)

    @property
    def attack_limit(self) -> float | None:
        """Seconds for the search for a lower bound."""
        return None if self.time_limit is None else _ATTACK_SHARE * self.time_limit
