"""The finest precision at which a rounded target fits into a network of signs that a user gives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from subsetsum_nets.constructions import GivenNetwork, Misfit
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions import RandomSigns
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

_MOST_BITS = 52


class Fitted(NamedTuple):
    """What fits: bits, the network with its blocks, and what lacks, if anything, for those wanted."""

    bits: tuple[int, ...]
    network: GivenNetwork
    lacks: str | None


@dataclass(eq=False)
class FinestFit:
    """Bits for a given network.

    Parameters
    ----------
    construction : RandomSigns
    target : ReluNetwork
    domain : Box or Ball
    into : ReluNetwork
        Its last layer is +-2^-c.
    growth : int, optional
    layout : str, optional

    """

    construction: RandomSigns
    target: ReluNetwork
    domain: Domain
    into: ReluNetwork
    growth: int | None
    layout: str | None

    def of(self, wanted: Sequence[int]) -> Fitted:
        """Return the bits that are wanted, or more, so that their sum is c; else the most that fit.

        Raises
        ------
        InvalidNetworkError
            If the network is none of signs for this target, or not even integer weights fit.

        """
        for bits in self._summing_up(wanted), tuple(wanted):
            found = self._fit(bits)
            if isinstance(found, GivenNetwork):
                return Fitted(bits, found, None)
        lacks = f"{found}; {self._enough(wanted)}"
        less, most = 1, max(wanted)
        fitting = self._fit(_fewer(wanted, most))
        if not isinstance(fitting, GivenNetwork):
            raise InvalidNetworkError(f"into holds no rounding of the target: {lacks}")
        while less < most:
            middle = (less + most) // 2
            found = self._fit(_fewer(wanted, middle))
            if isinstance(found, GivenNetwork):
                most, fitting = middle, found
            else:
                less = middle + 1
        return self._raised(_fewer(wanted, most), fitting, wanted)._replace(lacks=lacks)

    def _raised(self, bits: tuple[int, ...], network: GivenNetwork, wanted: Sequence[int]) -> Fitted:
        """Return bits of which no layer's can be more: one more after the other, layer by layer."""
        open_layers = [layer for layer in range(len(bits)) if bits[layer] < wanted[layer]]
        while open_layers:
            layer = open_layers.pop(0)
            more = (*bits[:layer], bits[layer] + 1, *bits[layer + 1 :])
            found = self._fit(more)
            if isinstance(found, GivenNetwork):
                bits, network = more, found
                open_layers += [layer] * (bits[layer] < wanted[layer])
        return Fitted(bits, network, None)

    def _fit(self, bits: Sequence[int]) -> GivenNetwork | Misfit:
        return self.construction.fit(self.target, bits, self.domain, self.into, self.growth, self.layout)

    def _summing_up(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """Return the bits with more of the last layer, so that they sum up to c, where that is more."""
        more = self.construction.given_scale(self.target, self.into) - sum(wanted)
        return (*wanted[:-1], wanted[-1] + max(0, min(more, _MOST_BITS - wanted[-1])))

    def _enough(self, wanted: Sequence[int]) -> str:
        """Say which widths should do."""
        growth = self.growth or self.construction.growths[0]
        _, planned = self.construction.plan(self.target, wanted, self.domain, growth, self.layout)
        widths = [width + width // 10 + 2 for block in planned for width in [*block[:-1], block[-1] - 2]]
        widths[-1] = self.target.widths[-1]
        return f"widths {shown_widths([self.target.widths[0], *widths])} should do for bits {list(wanted)}"


def shown_widths(widths: Sequence[int]) -> str:
    """Return widths as 64-256x30-10: what is repeated is counted.

    Examples
    --------
    >>> shown_widths([64, 256, 256, 10])
    '64-256x2-10'

    """
    runs = [(width, len(list(run))) for width, run in groupby(widths)]
    return "-".join(f"{width}x{times}" if times > 1 else str(width) for width, times in runs)


def _fewer(bits: Sequence[int], less: int) -> tuple[int, ...]:
    return tuple(max(0, number - less) for number in bits)
