"""prune(): plan, solve, mask, verify. A random network becomes a proven approximation of the target."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import BatchSolution, Status, solve_many
from solvers.solution import checked_objective
from subsetsum_nets.constructions import InputSigns, construction_named
from subsetsum_nets.constructions.candidates import Sizing, predicted_errors, size_network, wider
from subsetsum_nets.masks import random_counts
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.relu_network import ReluNetwork
from subsetsum_nets.networks.sparse_form import sparse_form
from subsetsum_nets.pruned_network import PrunedNetwork, Shortfall
from subsetsum_nets.verification import LayerErrors, verify
from subsetsum_nets.verification.certificate import Certificate
from subsetsum_nets.verification.differential import DifferentialRecursion
from subsetsum_nets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.constructions import Construction, RowGroup
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import Dense

NORM = "l2"
_ALLOWANCE = 1 - 2**-10  # of epsilon goes to weight errors; the rest covers rounding in the verifier


def prune(
    target: ReluNetwork,
    *,
    construction: str = "relu",
    epsilon: float = 0.01,
    candidates: int | None = None,
    delta: float = 0.01,
    seed: int = 0,
    into: ReluNetwork | None = None,
    domain: Domain | None = None,
    objective: str = "nearest",
    threads: int | None = None,
    executor: Executor | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> PrunedNetwork:
    """Prune a random network until it approximates ``target``, and prove how well.

    Parameters
    ----------
    target : ReluNetwork
    construction : {"relu", "relu-paper", "linear"}
        See :mod:`subsetsum_nets.constructions`.
    epsilon : float
        Required bound on sup ||f(x) - g(x)||_2 over the domain.
    candidates : int, optional
        n, the number of random units from which each subset sum draws (Lemma 1; a block has 2n of them).
        None chooses it by the formula of :mod:`subsetsum_nets.constructions.candidates`.
    delta : float
        The probability, over the random network, of not reaching epsilon that is accepted in that choice.
    seed : int
        Of the random network.
    into : ReluNetwork, optional
        A random network to prune instead of a drawn one, of the shape that the construction asks for.
    domain : Box or Ball, optional
        None takes the one stored with the target, else Box(-1, 1).
    objective : {"nearest", "within", "sparsest"}
        What each subset sum asks for; its tolerance comes from epsilon.
    threads, executor, checkpoint, progress
        As for :func:`solvers.solve_many`.

    Returns
    -------
    PrunedNetwork
        Also when epsilon was not reached: see its ``certificate.verified`` and ``shortfall``.

    Raises
    ------
    ValueError
        For epsilon or delta out of range, candidates that are no integer >= 1 or not those of ``into``, an
        unknown construction or objective.
    InvalidNetworkError
        If ``into`` has another shape, the domain another dimension, or a layer is a Conv2d.
    TypeError
        If ``target`` or ``into`` is not a ReluNetwork, or ``domain`` neither Box nor Ball.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> target = ReluNetwork([Dense([[0.5, -0.25]]), Dense([[0.75]])])
    >>> pruned = prune(target, epsilon=0.01)
    >>> pruned.certificate.verified, pruned.certificate.bound <= 0.01
    (True, True)

    """
    _check(target, epsilon, candidates, delta, into, domain)
    method = construction_named(construction)
    area = domain or target.domain or Box(-1, 1)
    area.bounds(target.widths[0])
    compilation = _Compilation.prepare(method, target, area, epsilon, delta)
    random, recipe, chosen = compilation.random_network(candidates, seed, into)
    groups = method.rows(target, random, compilation.signs, compilation.sizing.items)
    tolerances = compilation.tolerances(groups)
    solution = _solve(groups, tolerances, objective, threads, executor, checkpoint, progress)
    masks = method.masks(target, random, groups, _by_group(groups, solution.masks))
    network = masks.apply(random)
    shortfall = compilation.shortfall(groups, chosen, solution)
    result = verify(target, network, domain=area, norm=NORM, epsilon=epsilon)
    drawn = None if recipe is None else seed
    parameters, kept = random_counts(random, masks, recipe)
    certificate = Certificate(
        target_digest=network_digest(target),
        random_digest=network_digest(random),
        masks_digest=masks.digest(),
        pruned_digest=network_digest(sparse_form(network)),
        seed=drawn,
        recipe=None if recipe is None else recipe.to_json(),
        construction=construction,
        candidates=chosen,
        epsilon=float(epsilon),
        delta=float(delta),
        counts={
            "weights": target.parameters,
            "random_parameters": parameters,
            "kept_parameters": kept,
            "subset_sums": len(solution),
        },
        status_counts=solution.summary()["status"],
        shortfall=None if shortfall is None else asdict(shortfall),
        versions=_versions(),
        **Certificate.findings(result),
    )
    return PrunedNetwork(
        target=target,
        random=random,
        all_masks=masks,
        network=network,
        construction=construction,
        epsilon=float(epsilon),
        seed=drawn,
        recipe=recipe,
        candidates=chosen,
        solution=solution,
        certificate=certificate,
        shortfall=shortfall,
    )


def _check(
    target: ReluNetwork,
    epsilon: float,
    candidates: int | None,
    delta: float,
    into: ReluNetwork | None,
    domain: Domain | None,
) -> None:
    if not isinstance(target, ReluNetwork):
        raise TypeError(f"target must be a ReluNetwork, got a {type(target).__name__}; see load_network")
    if into is not None and not isinstance(into, ReluNetwork):
        raise TypeError(f"into must be a ReluNetwork, got a {type(into).__name__}; see load_network")
    if domain is not None and not isinstance(domain, Box | Ball):
        raise TypeError(f"domain must be a Box or a Ball, got {domain!r}")
    for role, network in (("target", target), ("into", into)):
        for index, layer in enumerate(() if network is None else network.layers):
            if isinstance(layer, Conv2d):
                raise InvalidNetworkError(
                    f"layer {index} of {role} is a {layer!r}; constructions are there for Dense layers"
                )
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be a positive number, got {epsilon!r}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie between 0 and 1, got {delta!r}")
    if candidates is None:
        return
    number: Any = candidates
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
        raise ValueError(f"candidates must be an integer >= 1, got {candidates!r}")


@dataclass(frozen=True, eq=False)
class _Compilation:
    """The question as numbers: what weight error epsilon allows, and what network that takes."""

    method: Construction
    target: ReluNetwork
    recursion: DifferentialRecursion
    signs: list[InputSigns]
    epsilon: float
    delta: float
    rows: int
    sizing: Sizing

    @classmethod
    def prepare(
        cls, method: Construction, target: ReluNetwork, domain: Domain, epsilon: float, delta: float
    ) -> _Compilation:
        recursion = DifferentialRecursion(target, domain)
        signs = InputSigns.of_layers(target, domain)
        rows = sum(
            layer.d_out * len(method.columns(sign, side))
            for layer, sign in zip(target.layers, signs, strict=True)
            for side in method.sides(sign)
        )
        uniform = [_unit_errors(layer) for layer in target.layers]
        weight_error = _largest_scale(recursion, uniform, epsilon)
        with np.errstate(over="ignore", invalid="ignore"):  # weights near the ends of float64
            sizing = size_network(method, target, weight_error, max(1, rows), delta)
        return cls(method, target, recursion, signs, epsilon, delta, max(1, rows), sizing)

    def random_network(
        self, candidates: int | None, seed: int, into: ReluNetwork | None
    ) -> tuple[ReluNetwork, RandomRecipe | None, int]:
        """Return the random network, its recipe if it was drawn, and its number of candidates."""
        if into is not None:
            offered = self.method.candidates_in(self.target, into)
            if candidates not in (None, offered):
                raise ValueError(f"the network given offers {offered} candidates, not {candidates}")
            return into, None, offered
        chosen = self.sizing.candidates if candidates is None else int(candidates)
        recipe = self.method.recipe(self.target, chosen)
        return recipe.draw(seed, domain=self.target.domain), recipe, chosen

    def tolerances(self, groups: Sequence[RowGroup]) -> list[FloatArray]:
        """Return the tolerance of every row, shape (d_out, J) a group, such that all together give epsilon.

        Tolerances are in proportion to the errors predicted from each row's own items, so that a block with
        few usable units borrows from the others; the factor is solved for through the very bound that
        verifies the result.
        """
        predicted = [predicted_errors(group, self.rows, self.delta) for group in groups]
        errors = _layer_errors(self.target, groups, predicted)
        scale = _largest_scale(self.recursion, errors, self.epsilon)
        return [scale * error for error in predicted]

    def shortfall(
        self, groups: Sequence[RowGroup], candidates: int, solution: BatchSolution
    ) -> Shortfall | None:
        """Say which rows missed their tolerance, if any."""
        missed = solution.status != Status.FEASIBLE
        missed &= solution.status != Status.OPTIMAL
        if not missed.any() or solution.tolerances is None:
            return None
        errors, tolerances = solution.errors[missed], solution.tolerances[missed]
        with np.errstate(over="ignore"):
            ratios = errors / np.maximum(tolerances, np.finfo(float).tiny)
        ratio = min(float(ratios.max()), np.finfo(float).max)
        return Shortfall(
            int(missed.sum()),
            float(np.max(errors - tolerances)),
            ratio,
            wider(self.method, self.sizing, candidates, ratio, groups),
        )


def _largest_scale(recursion: DifferentialRecursion, errors: Sequence[LayerErrors], epsilon: float) -> float:
    """Return nearly the largest factor on all errors that keeps the differential bound within epsilon."""

    def bound(scale: float) -> float:
        if not scale * worst < 1e300:
            return math.inf
        scaled = [LayerErrors(scale * e.positive, scale * e.negative, scale * e.bias) for e in errors]
        try:
            return recursion.bound(scaled, NORM).upper
        except OverflowError:
            return math.inf

    allowed = epsilon * _ALLOWANCE
    worst = max((e.worst for e in errors), default=0.0)
    if worst == 0.0:
        return 1.0
    most = 1e299 / worst
    if bound(most) <= allowed:  # no error counts, as over a domain of zeros
        return most
    high = min(allowed / worst, most)
    while bound(high) <= allowed:  # few steps: the bound is nearly linear
        high *= 2
    low = high / 2
    while low > 0 and bound(low) > allowed:
        high, low = low, low / 2
    for _ in range(30):
        middle = math.sqrt(low * high) if low > 0 else high / 2
        if bound(middle) <= allowed:
            low = middle
        else:
            high = middle
    return low


def _unit_errors(layer: Dense) -> LayerErrors:
    """Return an error of 1 for every weight, and for every bias if the layer has any."""
    ones = np.ones(layer.weight.shape)
    return LayerErrors(ones, ones, np.full(layer.d_out, 0.0 if layer.bias is None else 1.0))


def _layer_errors(
    target: ReluNetwork, groups: Sequence[RowGroup], errors: Sequence[FloatArray]
) -> list[LayerErrors]:
    """Arrange row errors as errors of effective weights; where no row is needed no error counts."""
    arranged = []
    for index, layer in enumerate(target.layers):
        columns = layer.d_in + (layer.bias is not None)
        sides = {side: np.zeros((layer.d_out, columns)) for side in ("positive", "negative")}
        for group, error in zip(groups, errors, strict=True):
            if group.layer != index:
                continue
            for side in ("positive", "negative") if group.side == "both" else (group.side,):
                sides[side][:, group.columns] = error
        bias = sides["positive"][:, layer.d_in] if layer.bias is not None else np.zeros(layer.d_out)
        arranged.append(
            LayerErrors(sides["positive"][:, : layer.d_in], sides["negative"][:, : layer.d_in], bias)
        )
    return arranged


def _solve(
    groups: Sequence[RowGroup],
    tolerances: Sequence[FloatArray],
    objective: str,
    threads: int | None,
    executor: Executor | None,
    checkpoint: str | PathLike[str] | None,
    progress: bool | Callable[[int, int], object],
) -> BatchSolution:
    """Answer all rows of all groups in one batch; narrower groups are padded with unusable items."""
    if not groups:  # over a domain of zeros no weight counts
        none = np.zeros(0)
        masks, status = np.zeros((0, 1), dtype=bool), np.zeros(0, dtype=np.uint8)
        return BatchSolution(masks, none, none, status, checked_objective(objective), none)
    widest = max(group.items.shape[2] for group in groups)
    rows = sum(group.rows for group in groups)
    items = np.zeros((rows, widest))
    valid = np.zeros((rows, widest), dtype=bool)
    first = 0
    for group in groups:
        last, width = first + group.rows, group.items.shape[2]
        items[first:last, :width] = group.items.reshape(-1, width)
        valid[first:last, :width] = group.valid.reshape(-1, width)
        first = last
    return solve_many(
        items,
        np.concatenate([group.targets.reshape(-1) for group in groups]),
        valid=valid,
        objective=objective,
        tolerance=np.concatenate([tolerance.reshape(-1) for tolerance in tolerances]),
        threads=threads,
        executor=executor,
        checkpoint=checkpoint,
        progress=progress,
    )


def _by_group(groups: Sequence[RowGroup], masks: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Cut the batch's masks back to (d_out, J, m) a group."""
    cut, first = [], 0
    for group in groups:
        cut.append(masks[first : first + group.rows, : group.items.shape[2]].reshape(group.items.shape))
        first += group.rows
    return cut


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "scipy", "numba")}
    return {"subsetsum-nets": __version__, "python": platform.python_version(), **libraries}
