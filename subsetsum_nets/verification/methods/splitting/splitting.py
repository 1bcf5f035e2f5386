"""Splitting: branch and bound that brackets sup ||f - g|| ever more closely.

The domain is cut into parts that cover it, and every part gets a bound of its own: few inputs are cut into
boxes (:mod:`.input_splitting`), many are left whole and the ReLUs are cut into their two phases
(:mod:`.unit_splitting`). The largest bound of all open parts is always proven, so that it may be stopped at
any time.
"""

from __future__ import annotations

import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from subsetsum_nets.networks.domains import Box, Domain
from subsetsum_nets.verification.enclosures.effective import TwoSlope, effective_layers
from subsetsum_nets.verification.enclosures.midrad import check_norm
from subsetsum_nets.verification.errors import BoundOverflowError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify
from subsetsum_nets.verification.methods.splitting.input_splitting import InputSplitting
from subsetsum_nets.verification.methods.splitting.unit_splitting import UnitSplitting
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, Enclosure
from subsetsum_nets.verification.records import ChosenSlopes, SplitProof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.results import LayerBound

_FEW_INPUTS = 6
_FALSIFY_SHARE = 0.2  # of the time


@dataclass(frozen=True, eq=False)
class SplitResult:
    """What branch and bound proved: ``lower <= sup ||f - g|| <= upper``.

    Attributes
    ----------
    upper : float
        Rounded up.
    lower : float
        ``||f - g||`` at the witness, rounded down.
    witness : array, shape (d_0,)
    nodes : int
        How many parts were bounded.
    layers : tuple of LayerBound
        What is proven about each layer over the whole domain.
    history : tuple of (seconds, upper)
        How the bound fell.
    seconds : float
    proof : SplitProof or None
        For the replay, where it was asked for.

    """

    upper: float
    lower: float
    witness: FloatArray
    nodes: int
    layers: tuple[LayerBound, ...]
    history: tuple[tuple[float, float], ...]
    seconds: float
    proof: SplitProof | None = None


def splitting_bound(
    target: ReluNetwork,
    pruned: ReluNetwork,
    domain: Domain,
    norm: str,
    *,
    time_limit: float | None = None,
    node_limit: int | None = None,
    epsilon: float | None = None,
    effective: Sequence[TwoSlope] | None = None,
    threads: int | None = None,
    record: bool = False,
) -> SplitResult:
    """Bracket sup ||f - g|| over a domain by branch and bound.

    Stops when the bounds meet to one part in 10**9, when ``epsilon`` is decided, or at a limit. With a limit
    of nodes and none of time the result does not depend on the number of threads.

    Parameters
    ----------
    target, pruned : ReluNetwork
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
    time_limit : float, optional
        Seconds; a round of bounds that has begun is finished.
    node_limit : int, optional
        Parts to bound; a round that has begun is finished.
    epsilon : float, optional
        Stop as soon as ``upper <= epsilon`` or ``lower > epsilon``.
    effective : sequence of TwoSlope, optional
        ``effective_layers(target, pruned)``, where already known.
    threads : int, optional
        All cores by default.
    record : bool
        Whether to keep what a replay needs: memory for every part.

    Raises
    ------
    ValueError
        For another norm, no limit at all, or a limit that is not > 0.
    UnsupportedStructureError
        If g does not follow f layer by layer.
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, -1.0]])])
    >>> g = ReluNetwork([Dense([[1.25, 1.0], [1.0, -0.75]]), Dense([[1.0, -1.0]])])
    >>> result = splitting_bound(f, g, Box(-1, 1), "linf", node_limit=400)
    >>> bool(result.lower <= result.upper < result.lower * 1.01)
    True

    """
    started = time.perf_counter()
    check_norm(norm)
    if time_limit is None and node_limit is None:
        raise ValueError("splitting needs a time_limit or a node_limit: it may go on for ever")
    for name, value in (
        ("time_limit", time_limit),
        ("node_limit", node_limit),
        ("epsilon", epsilon),
        ("threads", threads),
    ):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be > 0, got {value!r}")
    layers = tuple(effective_layers(target, pruned) if effective is None else effective)
    deadline = math.inf if time_limit is None else started + time_limit
    zonotope = DifferentialZonotope(target, layers)
    whole = zonotope.enclose(domain)
    if whole is None:
        raise ValueError("without phases the whole domain is enclosed, so that nothing can be empty")
    upper = whole.norm_up(norm)
    history = [(time.perf_counter() - started, upper)]
    share = None if time_limit is None else _FALSIFY_SHARE * time_limit
    found = falsify(target, pruned, domain, norm, effective=layers, time_limit=share)

    def open_question() -> bool:
        decided = epsilon is not None and (upper <= epsilon or found.lower > epsilon)
        return not decided and upper > found.lower * (1.0 + 1e-9)

    nodes = 1
    proof_of_search = None
    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as pool:
        search: InputSplitting | UnitSplitting | None = None
        try:
            if open_question() and (node_limit is None or node_limit > 1):
                search = _search(target, layers, zonotope, domain, norm, whole, pool, deadline, record=record)
                proof_of_search = None if search is None else search.proof
            while search is not None:
                upper = min(upper, max(search.upper(), found.lower))
                history.append((time.perf_counter() - started, upper))
                out_of_nodes = node_limit is not None and nodes >= node_limit
                if out_of_nodes or time.perf_counter() >= deadline or not open_question():
                    break
                bounded = search.round(found.lower)
                nodes += bounded
                if not bounded:  # nothing is left to split
                    search = None
        except BoundOverflowError:
            pass  # what was proven before holds
    return SplitResult(
        upper=upper,
        lower=found.lower,
        witness=found.witness,
        nodes=nodes,
        layers=whole.layers,
        history=tuple(history),
        seconds=time.perf_counter() - started,
        proof=SplitProof(upper, ChosenSlopes.of(whole), proof_of_search) if record else None,
    )


def _search(
    target: ReluNetwork,
    effective: Sequence[TwoSlope],
    zonotope: DifferentialZonotope,
    domain: Domain,
    norm: str,
    whole: Enclosure,
    pool: ThreadPoolExecutor,
    deadline: float,
    *,
    record: bool,
) -> InputSplitting | UnitSplitting | None:
    """Return the kind of search that suits the domain and the networks; None if neither does."""
    if not (isinstance(domain, Box) and target.widths[0] <= _FEW_INPUTS):
        try:
            return UnitSplitting(
                target, effective, zonotope, domain, norm, whole, pool, deadline, record=record
            )
        except UnsupportedStructureError:
            pass
    if isinstance(domain, Box):
        return InputSplitting(zonotope, domain, norm, whole, pool, record=record)
    return None
