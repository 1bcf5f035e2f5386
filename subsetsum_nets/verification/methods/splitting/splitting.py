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
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box
from subsetsum_nets.verification.errors import BoundOverflowError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify
from subsetsum_nets.verification.methods.splitting.input_splitting import InputSplitting
from subsetsum_nets.verification.methods.splitting.unit_splitting import UnitSplitting
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, Enclosure
from subsetsum_nets.verification.records import SplitProof
from subsetsum_nets.verification.results import Bracket

if TYPE_CHECKING:
    from subsetsum_nets.verification.comparison import Comparison, SearchOptions

_FEW_INPUTS = 6


@np.errstate(over="ignore", invalid="ignore")
def splitting_bound(comparison: Comparison, options: SearchOptions) -> Bracket:
    """Bracket sup ||f - g|| over a domain by branch and bound.

    Stops when the bounds meet to one part in 10**9, when ``epsilon`` is decided, or at a limit. With a limit
    of nodes and none of time the result does not depend on the number of threads.

    Parameters
    ----------
    comparison : Comparison
    options : SearchOptions
        With at least one limit, of time or nodes.

    Raises
    ------
    ValueError
        Without a limit.
    UnsupportedStructureError
        If g does not follow f layer by layer.
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison, SearchOptions
    >>> f = ReluNetwork([Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, -1.0]])])
    >>> g = ReluNetwork([Dense([[1.25, 1.0], [1.0, -0.75]]), Dense([[1.0, -1.0]])])
    >>> result = splitting_bound(Comparison(f, g, Box(-1, 1), "linf"), SearchOptions(node_limit=400))
    >>> bool(result.lower <= result.upper < result.lower * 1.01)
    True

    """
    started = time.perf_counter()
    if options.time_limit is None and options.node_limit is None:
        raise ValueError("splitting needs a time_limit or a node_limit: it may go on for ever")
    epsilon, node_limit = options.epsilon, options.node_limit
    deadline = math.inf if options.time_limit is None else started + options.time_limit
    zonotope = DifferentialZonotope(comparison)
    whole = zonotope.enclose_whole()
    upper = whole.norm_up(comparison.norm)
    history = [(time.perf_counter() - started, upper)]
    found = options.found or falsify(comparison, time_limit=options.attack_limit)

    def open_question() -> bool:
        decided = epsilon is not None and (upper <= epsilon or found.lower > epsilon)
        return not decided and upper > found.lower * (1.0 + 1e-9)

    nodes = 1
    proof = None
    quiet = partial(np.seterr, over="ignore", invalid="ignore")  # a thread does not take that over
    with ThreadPoolExecutor(options.threads or os.cpu_count() or 1, initializer=quiet) as pool:
        search: InputSplitting | UnitSplitting | None = None
        try:
            if open_question() and (node_limit is None or node_limit > 1):
                search = _search(comparison, zonotope, whole, pool, deadline, record=options.record)
                proof = None if search is None else search.proof
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
    return Bracket(
        upper=upper,
        layers=whole.layers,
        record=SplitProof(upper, whole.record(), proof) if options.record else None,
        lower=found.lower,
        witness=found.witness,
        nodes=nodes,
        history=tuple(history),
    )


def _search(
    comparison: Comparison,
    zonotope: DifferentialZonotope,
    whole: Enclosure,
    pool: ThreadPoolExecutor,
    deadline: float,
    *,
    record: bool,
) -> InputSplitting | UnitSplitting | None:
    """Return the kind of search that suits the domain and the networks; None if neither does."""
    boxed = isinstance(comparison.domain, Box)
    if not (boxed and comparison.target.widths[0] <= _FEW_INPUTS):
        try:
            return UnitSplitting(comparison, zonotope, whole, pool, deadline, record=record)
        except UnsupportedStructureError:
            pass
    return InputSplitting(comparison, zonotope, whole, pool, record=record) if boxed else None
