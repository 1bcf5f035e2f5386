"""sparsify(): a trained network with fewer parameters, and on request a proof of how far it is off."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.coresets.edges import checked_points, edge_matrices, network_of
from subsetsum_nets.coresets.methods import METHODS, TABLE, Method
from subsetsum_nets.coresets.paper_sizes import Budget
from subsetsum_nets.coresets.proven import Judge, OverDomain, fewest
from subsetsum_nets.coresets.sparsified_network import SparsifiedNetwork
from subsetsum_nets.coresets.task import Size, Task, TooFewEdgesError
from subsetsum_nets.networks.arguments import (
    checked_integer,
    checked_limit,
    checked_norm,
    checked_number,
    is_integer,
    is_number,
)
from subsetsum_nets.networks.domains import Ball, Box, Domain
from subsetsum_nets.verification.near import Neighbourhoods

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.choices import CoresetMethod, Norm
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork

_SIZES = ("keep", "samples", "relative_error", "epsilon")
_MOST_TRIAL_POINTS = 500


def sparsify(
    target: ReluNetwork,
    data: Any,
    *,
    method: CoresetMethod = "obs",
    keep: float | None = None,
    samples: int | None = None,
    relative_error: float | None = None,
    epsilon: float | None = None,
    near: Any = None,
    radius: float | None = None,
    domain: Domain | None = None,
    norm: Norm = "linf",
    delta: float = 0.1,
    seed: int = 0,
    sample_size: int | None = None,
    trials: int | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> SparsifiedNetwork:
    """Remove parameters of a trained network; exactly one of four arguments says how many.

    Parameters
    ----------
    target : ReluNetwork
        Of Dense layers with ReLU between them.
    data : array_like, shape (n, d_0)
        Points of the distribution that counts.
    method : str
        "obs" (saliency by second moments, then least squares), the samplers "corenet", "corenet+",
        "corenet++" (Baykal et al. 2018, Algorithms 1 and 2) and "uniform", and "magnitude",
        "magnitude-shift", "svd", "box-cost", "exact-mask" (neurons of up to 128 edges).
    keep : float or int, optional
        A share in (0, 1] of the target's non-zero parameters, biases included, or an integer of them. The
        result has so many; for the samplers within 10 %, for "svd" at most, and more where a layer would lose
        all its edges.
    samples : int, optional
        m, the same for every neuron and sign.
    relative_error : float, optional
        The paper's epsilon, with ``delta``: m as in Algorithm 2. It keeps nearly everything: see
        :func:`~subsetsum_nets.coresets.paper_sizes`. It guarantees nothing.
    epsilon : float, optional
        The fewest parameters whose error is proven to be at most this: over the domain or, with ``near``
        and ``radius``, near those points.
    near : array_like, shape (k, d_0), optional
    radius : float, optional
        > 0: the proof is for the boxes ``[p - radius, p + radius]``, cut to the domain.
    domain : Box or Ball, optional
        The target's own if not given.
    norm : {"linf", "l2", "l1"}
        Of the outputs, for the proof.
    delta : float
        In (0, 1): the paper's, for its sizes.
    seed : int
        The same seed gives the same network, whatever the number of threads.
    sample_size : int, optional
        Points of S; by default as in Algorithm 1 for "corenet*", 40 for "exact-mask", else up
        to 3,000.
    trials : int, optional
        tau of "corenet++"; by default as in Theorem 8.
    threads : int, optional
        For the draws of "corenet++".
    progress : bool or callable(done, total)
        Of the search that ``epsilon`` asks for.

    Returns
    -------
    SparsifiedNetwork

    Raises
    ------
    InvalidNetworkError
        For a target with other layers, or data of another width, not finite, or none.
    ValueError
        For an unknown method, no or several sizes or one that the method does not take, numbers out of
        range, fewer points than S needs, or a size that the method cannot reach.

    Warns
    -----
    WholeLayerWarning
        Where a layer would lose all its edges.

    Examples
    --------
    >>> import numpy as np
    >>> from subsetsum_nets import load_network, shipped_network
    >>> target = load_network(shipped_network())
    >>> data = np.random.default_rng(0).random((200, 64))
    >>> half = sparsify(target, data, keep=0.5)
    >>> half.size, half.network
    (1096, ReluNetwork(64-32-10, 2410 parameters))
    >>> sure = sparsify(target, data, method="box-cost", epsilon=1.0)
    >>> sure.bound.verified, sure.size < target.parameters
    (True, True)

    """
    matrices = edge_matrices(target)
    points = checked_points(data, target.widths[0])
    asked = _asked(method, keep=keep, samples=samples, relative_error=relative_error, epsilon=epsilon)
    _check_near(near, radius, epsilon)
    checked_norm(norm)
    checked_number(delta, "delta", 0.0, 1.0, "()")
    checked_integer(seed, "seed", 0)
    if threads is not None:
        checked_integer(threads, "threads")
    domain = target.domain if domain is None else domain
    if not isinstance(domain, Box | Ball | None):
        raise TypeError(f"the domain must be a Box or a Ball, got {type(domain).__name__}")
    budget = Budget(target.widths, float(delta), relative_error, bool((points < 0.0).any()))
    drawn = _Points(asked, points, budget, sample_size, trials, seed)
    task = Task(
        target=target,
        matrices=matrices,
        points=points,
        sample=drawn.sample,
        trial_points=drawn.trial_points,
        seed=seed,
        trials=drawn.trials,
        threads=threads,
        domain=domain,
        norm=norm,
    )
    if epsilon is None:
        size = _size(task, keep, samples, budget)
        found, bound = asked.sparser(task, size), None
    else:
        judge = _judge(task, near, radius)
        found, bound = fewest(task, asked, judge, checked_limit(epsilon, "epsilon"), _reporter(progress))
    return SparsifiedNetwork(
        network=network_of(target, found.matrices),
        target=target,
        method=method,
        seed=seed,
        size=found.size,
        sample=drawn.sample,
        trial_points=drawn.trial_points if asked.amplified else None,
        bound=bound,
        norm=norm,
    )


def _asked(method: str, **sizes: Any) -> Method:
    """Return the method, if it takes the one size that is given."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; available are {', '.join(METHODS)}")
    given = [name for name, value in sizes.items() if value is not None]
    if len(given) != 1:
        said = " and ".join(given) or "none"
        raise ValueError(f"give exactly one of {', '.join(_SIZES)}; got {said}")
    asked = TABLE[method]
    if given[0] not in asked.sizes:
        raise ValueError(f"method {method!r} takes no {given[0]}; it takes {', '.join(asked.sizes)}")
    if sizes["relative_error"] is not None:
        checked_number(sizes["relative_error"], "relative_error", 0.0, 1.0, "()")
    if sizes["samples"] is not None:
        checked_integer(sizes["samples"], "samples")
    return asked


def _check_near(near: Any, radius: Any, epsilon: Any) -> None:
    if (near is None) != (radius is None):
        missing, given = ("near", "radius") if near is None else ("radius", "near")
        raise ValueError(f"{given} needs {missing} too: points, and how far around them the proof reaches")
    if near is not None and epsilon is None:
        raise ValueError("near and radius need epsilon: the error to prove near these points")


class _Points:
    """S and T, drawn from the data without replacement."""

    def __init__(
        self,
        method: Method,
        points: FloatArray,
        budget: Budget,
        sample_size: int | None,
        trials: int | None,
        seed: int,
    ) -> None:
        self.trials = 1
        if method.amplified:
            self.trials = budget.trials if trials is None else checked_integer(trials, "trials")
        elif trials is not None:
            raise ValueError(f'method {method.name!r} takes no trials; "corenet++" does')
        size = self._sample_size(method, len(points), budget, sample_size)
        order = np.random.default_rng([seed, len(points)]).permutation(len(points))
        self.sample = np.sort(order[:size])
        others = order[size : size + _MOST_TRIAL_POINTS] if self.trials > 1 else order[:0]
        if self.trials > 1 and not len(others):
            raise ValueError(
                f"all {len(points)} points are in S; trials={self.trials} needs others to judge by: give "
                "more data, or a smaller sample_size="
            )
        self.trial_points = np.sort(others)

    @staticmethod
    def _sample_size(method: Method, count: int, budget: Budget, given: int | None) -> int:
        if given is not None:
            checked_integer(given, "sample_size")
            if method.sample == "none":
                raise ValueError(f"method {method.name!r} looks at no points and takes no sample_size")
        if method.sample == "none":
            return 0
        needed = given or (budget.sample_size if method.sample == "paper" else min(count, method.most))
        if needed > count:
            way = "sample_size= overrides it" if given is None else "give more data"
            raise ValueError(f"method {method.name!r} needs {needed} points for S, got {count}; {way}")
        return needed


def _size(task: Task, keep: Any, samples: int | None, budget: Budget) -> Size:
    if keep is not None:
        return Size(edges=_edges(keep, task.size))
    return Size(samples=samples) if samples is not None else Size(budget=budget)


def _edges(keep: Any, size: int) -> int:
    """Return the number of parameters to keep."""
    if is_integer(keep):
        return checked_integer(keep, "keep", 1, size)
    if not is_number(keep) or not 0.0 < keep <= 1.0:
        raise ValueError(f"keep must be a share in (0, 1], or an integer from 1 to {size:,}, got {keep!r}")
    edges = round(float(keep) * size)
    if not edges:
        raise TooFewEdgesError(f"keep={keep!r} of {size:,} parameters is none")
    return edges


def _judge(task: Task, near: Any, radius: float | None) -> Judge:
    if near is not None and radius is not None:
        return Neighbourhoods(task.target, near, radius, domain=task.domain, norm=task.norm)
    if task.domain is None:
        raise ValueError("epsilon needs a domain to prove the error over: the target has none, give domain=")
    return OverDomain(task.target, task.domain, task.norm)


def _reporter(progress: bool | Callable[[int, int], object]) -> Callable[[int, int], object] | None:
    if progress is True:
        return lambda done, total: print(f"size {done} of {total} judged", file=sys.stderr)  # noqa: T201
    return progress or None
