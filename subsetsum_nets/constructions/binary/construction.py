"""Construction "binary": a random network of weights +-1 that, pruned, equals the rounded target exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.constructions.binary.chains import MOST, ChainBlock
from subsetsum_nets.constructions.binary.given import Fit, GivenNetwork, Misfit, output_scale
from subsetsum_nets.constructions.binary.integers import integer_layers
from subsetsum_nets.constructions.binary.network import GrownNetwork, planned_widths
from subsetsum_nets.constructions.protocol import InputSigns
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

LAYOUTS = ("accumulate", "select")
_MOST_EXPONENT = 900  # of the last layer's 2^-t: far from the ends of float64


def _layouts(layer: IntegerLayer, asked: str | None) -> list[str]:
    """Return the layouts of a block that are what was asked for."""
    found = list(LAYOUTS) if asked in (None, "auto") else [str(asked)]
    if "select" in found and 0 < np.abs(layer.weight).max(initial=0) <= MOST:
        found.append(ChainBlock.layout)
    return found


class RandomSigns:
    """Digits of integer weights picked up on the way through deep random layers of signs.

    In place of the diamonds of Lemma 4 to Lemma 7 of Sreenivasan et al. (2021).

    Its name, the theorem, and what it takes; of a compile, the plan, the growing of the random network and
    the widths. It neither chooses the precision nor solves nor verifies.
    """

    name: ClassVar[str] = "binary"
    source: ClassVar[str] = (
        "Sreenivasan et al. 2021, Theorems 1 and 2; digits picked up least significant first"
    )
    growths: ClassVar[tuple[int, ...]] = (2, 3, 4)
    layouts: ClassVar[tuple[str, ...]] = ("auto", *LAYOUTS)
    scales: ClassVar[tuple[str, ...]] = ("last", "every", "none")
    given_scales: ClassVar[tuple[str, ...]] = ("last", "none")  # of a network that is given

    def check_layers(self, network: ReluNetwork, role: str) -> None:
        """Raise InvalidNetworkError unless all layers are Dense, with a ReLU after every hidden one."""
        for index, layer in enumerate(network.layers):
            if not isinstance(layer, Dense):
                raise InvalidNetworkError(
                    f"layer {index} of {role} is a {layer!r}; construction {self.name!r} takes Dense layers"
                )
        if network.linear_after:
            raise InvalidNetworkError(
                f"no ReLU follows layer {network.linear_after[0]} of {role}, and construction {self.name!r} "
                "takes a ReLU after every hidden layer: multiply the linear layers together"
            )

    def plan(
        self,
        target: ReluNetwork,
        bits: Sequence[int],
        domain: Domain,
        growth: int,
        layout: str | None = None,
    ) -> tuple[list[str], list[list[int]]]:
        """Return the layout of each block, and its planned widths: its hidden layers, then its outputs.

        "auto", or None, takes the layout with the fewest random parameters, layer by layer; "select" has one
        hidden layer, or three ("select-3"), where that is fewer.
        """
        before, layouts, widths = target.widths[0], [], []
        for layer in integer_layers(target, bits, domain):
            choices = []
            for name in _layouts(layer, layout):
                planned = [*planned_widths(layer, growth, name), len(layer.weight)]
                size = sum(a * b for a, b in pairwise([before, *planned]))
                choices.append((size, name, planned))
            _, name, planned = min(choices)
            layouts.append(name)
            widths.append(planned)
            before = planned[-1]
        return layouts, widths

    def grow(
        self,
        target: ReluNetwork,
        bits: Sequence[int],
        domain: Domain,
        growth: int,
        seed: int,
        scale: str | None = None,
        layout: str | None = None,
    ) -> GrownNetwork:
        """Draw and choose, layer by layer, a random network that holds the rounded target.

        Parameters
        ----------
        target : ReluNetwork
        bits : sequence of int
            s_l: layer l's weights are multiples of 2^-s_l.
        domain : Box or Ball
            Tells which signs inputs can have.
        growth, seed : int
        scale : {"last", "every", "none"}, optional
            Where the powers of two go: into the last layer, into the last one of every block, or nowhere:
            the outputs are then 2^(s_1 + s_2 + ..) times as large. None takes "last", unless that leaves the
            range in which float64 evaluates comfortably.
        layout : {"auto", "accumulate", "select"}, optional

        Raises
        ------
        ValueError
            If outputs that are not scaled would leave the range of float64.

        """
        where = scale or ("last" if sum(bits) <= _MOST_EXPONENT else "every")
        if where == "none" and sum(bits) > _MOST_EXPONENT:
            raise ValueError(
                f"scale='none' makes outputs 2^{sum(bits)} times larger, beyond 2^{_MOST_EXPONENT} and near "
                "the end of float64: take scale='every', or fewer bits"
            )
        ends = list(bits) if where == "every" else [0] * len(bits)
        if where == "last":
            ends[-1] = sum(bits)
        layouts, _ = self.plan(target, bits, domain, growth, layout)
        return GrownNetwork(target, integer_layers(target, bits, domain), growth, seed, ends, layouts)

    def given_scale(self, target: ReluNetwork, into: ReluNetwork) -> int:
        """Return c where a given network's last layer is +-2^-c; InvalidNetworkError where it does not do."""
        return output_scale(target, into, self.name)

    def fit(
        self,
        target: ReluNetwork,
        bits: Sequence[int],
        domain: Domain,
        into: ReluNetwork,
        growth: int | None = None,
        layout: str | None = None,
        *,
        universal: bool = False,
    ) -> GivenNetwork | Misfit:
        """Find a place for the rounded target in a given network; parameters as for :meth:`grow`.

        Parameters
        ----------
        target, bits, domain, layout
            As for :meth:`grow`.
        into : ReluNetwork
        growth : int, optional
            The largest growth of a layer; it is smaller where the layer's width asks for it. None tries all.
        universal : bool
            Whether accumulators are chosen so that the network holds every target with as many digits.

        Raises
        ------
        InvalidNetworkError
            If ``into`` is no network of signs for this target.

        """
        scale, layers = self.given_scale(target, into), integer_layers(target, bits, domain)
        needs_bias = any(
            (layer.columns == f.d_in).any() for layer, f in zip(layers, target.dense_layers, strict=True)
        )
        if needs_bias and into.layers[0].bias is None:
            raise InvalidNetworkError(
                "the target has biases, which are made of those of the first layer, and into has none there"
            )
        growths = [g for g in self.growths if growth is None or g <= growth]
        layouts = LAYOUTS if layout in (None, "auto") else (layout,)
        search = Fit(target, layers, into, growths, layouts, universal=universal)
        blocks = search.run()
        if blocks is None:
            assert search.misfit is not None  # noqa: S101 - a search that fails has met something
            return search.misfit
        return GivenNetwork(target, into, blocks, scale)

    def valid_inputs(self, target: ReluNetwork, domain: Domain) -> str:
        """Return for which real inputs the pruned network equals the rounded target."""
        first = InputSigns.of_layers(target, domain)[0]
        d = target.widths[0]
        if (first.positive & first.negative)[:d].all():
            return "all real x"
        return "x >= 0" if not first.negative[:d].any() else "x with the signs that the domain allows"
