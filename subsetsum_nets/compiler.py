"""prune(): plan, solve, mask, verify. A random network becomes a proven approximation of the target."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from solvers.batch.prepared import prepare_kernels
from solvers.solution import Objective, checked_objective
from subsetsum_nets.allocation import allocation_named
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.constructions import (
    DEFAULT,
    EXACT,
    Construction,
    RandomSigns,
    construction_named,
    removed_whole,
)
from subsetsum_nets.exact_rounds import ExactTask, refuse_others
from subsetsum_nets.masks import parameter_counts
from subsetsum_nets.networks.arguments import checked_integer, checked_limit, checked_number
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.domains import Ball, Box, Domain
from subsetsum_nets.networks.relu_network import ReluNetwork, sparse_form
from subsetsum_nets.pruned_network import PrunedNetwork
from subsetsum_nets.rounds import Compiled, Rounds
from subsetsum_nets.row_batches import solve_groups
from subsetsum_nets.stage_lines import shown
from subsetsum_nets.stages import stage, stages_told_to
from subsetsum_nets.verification.certificate import Certificate, solution_digest
from subsetsum_nets.version import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    from subsetsum_nets.allocation.compile_task import Allocation
    from subsetsum_nets.choices import AllocationName, LayoutName, ScaleName
    from subsetsum_nets.stages import Stage


def prune(
    target: ReluNetwork,
    *,
    construction: str = DEFAULT,
    epsilon: float = 0.01,
    candidates: int | None = None,
    delta: float = 0.01,
    seed: int = 0,
    into: ReluNetwork | None = None,
    domain: Domain | None = None,
    objective: Objective = "nearest",
    allocation: AllocationName | None = None,
    bits: int | Sequence[int] | None = None,
    layout: LayoutName | None = None,
    scale: ScaleName | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | Callable[[int, int], object] = False,
    on_stage: Callable[[Stage], object] | None = None,
) -> PrunedNetwork:
    """Prune a random network until it approximates ``target``, and prove how well.

    Parameters
    ----------
    target : ReluNetwork
    construction : str
        One of :data:`subsetsum_nets.constructions.CONSTRUCTIONS`: "relu", "structured", "linear", .., or of
        :data:`subsetsum_nets.constructions.EXACT`: "binary".
    epsilon : float
        Required bound on sup ||f(x) - g(x)||_2 over the domain.
    candidates : int, optional
        n, the number of random units from which each subset sum draws (Lemma 1; a block has 2n of them).
        None chooses it: see ``allocation``. Of "structured" and its kind n is so many times D, the numbers
        that a subset serves (:mod:`subsetsum_nets.constructions.structured`). Of "binary": the copies of each
        input and the base of its digits, 2, 3 or 4; more is wider and less deep.
    delta : float
        The probability, over the random network, of not reaching epsilon that is accepted in that choice.
    seed : int
        Of the random network.
    into : ReluNetwork, optional
        A random network to prune instead of a drawn one, with the layers that the construction asks for, of
        any width: hidden units are shared out as evenly as they go. Of "binary": weights +-1, a power of two
        in the last layer, and enough layers of any widths. If it is too small, the finest precision that fits
        is taken, and the shortfall says which layer lacks what.
    domain : Box or Ball, optional
        None takes the one stored with the target, else Box(-1, 1).
    objective : {"nearest", "within", "sparsest"}
        What each subset sum asks for; its tolerance comes from epsilon.
    allocation : {"tight", "recursion", "one-pass"}, optional
        How candidates and tolerances are found, where the construction offers it; None takes its first.
        "tight" simulates the weight errors and asks the tightest
        methods of the verifier (:mod:`subsetsum_nets.allocation.tight`). Where verification
        then proves less than predicted, up to two more rounds solve over more items, then, with
        ``candidates`` and ``into`` None, prune a wider network. "recursion" takes all errors to be the worst
        at once (:mod:`subsetsum_nets.allocation.recursion`): rows met are epsilon proven. "one-pass" is that
        of "structured" and its kind (:mod:`subsetsum_nets.allocation.one_pass`).
    bits : int or sequence of int, optional
        Of "binary": s, or s_l for each target layer, whose weights and biases are rounded to multiples of
        2^-s_l. None takes the cheapest bits that prove epsilon.
    layout : {"auto", "accumulate", "select"}, optional
        Of "binary": how a target layer becomes random layers; None and "auto" take what is smaller, layer by
        layer.
    scale : {"last", "every", "none"}, optional
        Of "binary": whether the last random layer is +-2^-t with t = s_1 + s_2 + .., or the last one that
        stands for target layer l is +-2^-s_l, for every l, or all weights are +-1 (Remark 5, Corollary 1 of
        Sreenivasan et al. 2021). The outputs of g are then 2^t times as large, and what is compared with f is
        2^-t g (:attr:`PrunedNetwork.compared`). None takes "last" unless that leaves the range of float64.
    threads, executor, checkpoint, progress
        As for :func:`solvers.solve_many`. Further rounds have folders of their own in ``checkpoint``. Where
        the subset sums are expected to take over a minute, a warning of the logger "subsetsum_nets" says
        before how long, and what is cheaper.
    progress : bool or callable(done, total)
        True shows a line a stage on stderr, with its time and, of the subset sums, a bar and the time left. A
        callable is told how many subset sums are answered.
    on_stage : callable(Stage), optional
        Told when a stage begins and ends: planning, drawing, solving, masking, verifying, attack, certifying
        (:class:`~subsetsum_nets.stages.Stage`). The logger "subsetsum_nets" has them too, at level INFO.

    Returns
    -------
    PrunedNetwork
        Also when epsilon was not reached: see its ``certificate.verified`` and ``shortfall``.

    Raises
    ------
    ValueError
        For epsilon or delta out of range, candidates that are no integer >= 1 or not those of ``into``, an
        unknown construction, objective or allocation; for bits, layout or scale with a construction that has
        none.
    InvalidNetworkError
        If ``into`` has another shape, the domain another dimension, or a layer is not for the construction.
    TypeError
        If ``target`` or ``into`` is not a ReluNetwork, ``domain`` neither Box nor Ball, or ``on_stage``
        cannot be called.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> target = ReluNetwork([Dense([[0.5, -0.25]]), Dense([[0.75]])])
    >>> pruned = prune(target, epsilon=0.01)
    >>> pruned.certificate.verified, pruned.certificate.bound <= 0.01
    (True, True)

    """
    exact = EXACT.get(construction)
    others: dict[str, Any] = {"bits": bits, "layout": layout, "scale": scale}
    method = exact or construction_named(construction)
    _check_networks(method, target, into, domain)
    number = checked_integer(seed, "seed", 0)
    for name, count in (("candidates", candidates), ("threads", threads)):
        if count is not None:
            checked_integer(count, name)
    area = domain or target.domain or Box(-1, 1)
    area.bounds(target.widths[0])
    limit = checked_limit(epsilon, "epsilon")
    failing = checked_number(delta, "delta", 0, 1, "()")
    options: dict[str, Any] = {"objective": checked_objective(objective), "threads": threads}
    options |= {"executor": executor}
    run: Callable[..., Compiled]
    if exact is not None:
        refuse_others(construction, {"allocation": allocation})
        wanted = ExactTask(exact, target, area, limit, growth=candidates, seed=number, into=into, **others)
        run = partial(wanted.run, **options)
    else:
        method = construction_named(construction)
        refuse_others(construction, others)
        task = CompileTask(method, target, area, limit, failing, options["objective"])
        shared_out = allocation_named(allocation, method)
        run = partial(_in_rounds, task, shared_out, options, candidates, number, into)
    with ExitStack() as watched:
        watched.enter_context(stages_told_to(on_stage))
        if progress is True:
            progress = watched.enter_context(shown()).rows
        found = run(checkpoint=checkpoint, progress=progress)
        with stage("certifying"):
            return _certified(found, target, construction, limit, failing, number)


def _in_rounds(
    task: CompileTask,
    shared_out: type[Allocation],
    options: dict[str, Any],
    candidates: int | None,
    seed: int,
    into: ReluNetwork | None,
    *,
    checkpoint: str | PathLike[str] | None,
    progress: bool | Callable[[int, int], object],
) -> Compiled:
    scalars = any(task.construction.dimension(layer) == 1 for layer in task.target.layers)
    if scalars and options["executor"] is None:  # the kernels for rows will be needed in this process
        prepare_kernels(options["objective"])
    with stage("planning"):
        allocation = shared_out(task)
    solve = partial(solve_groups, one_pass=task.construction.one_pass, progress=progress, **options)
    return Rounds(task, allocation, solve, options["threads"]).run(candidates, seed, into, checkpoint)


def _certified(
    found: Compiled,
    target: ReluNetwork,
    construction: str,
    epsilon: float,
    delta: float,
    seed: int,
) -> PrunedNetwork:
    random, recipe, chosen = found.draw
    masks, network, solution, shortfall = found.masks, found.network, found.solution, found.shortfall
    drawn = None if recipe is None else seed
    certificate = Certificate(
        target_digest=network_digest(target),
        random_digest=network_digest(random),
        masks_digest=masks.digest(),
        pruned_digest=network_digest(sparse_form(network)),
        seed=drawn,
        recipe=None if recipe is None else recipe.to_json(),
        construction=construction,
        candidates=chosen,
        epsilon=epsilon,
        delta=delta,
        counts={
            **parameter_counts(target, random, masks, recipe),
            "subset_sums": len(solution),
        },
        status_counts=solution.summary()["status"],
        shortfall=None if shortfall is None else shortfall.to_json(),
        versions=versions(),
        solution_digest=solution_digest(solution.arrays()),
        exact=found.exact,
        structure=removed_whole(construction),
        **Certificate.findings(found.result),
    )
    return PrunedNetwork(
        target=target,
        random=random,
        all_masks=masks,
        network=network,
        construction=construction,
        epsilon=epsilon,
        seed=drawn,
        recipe=recipe,
        candidates=chosen,
        solution=solution,
        certificate=certificate,
        shortfall=shortfall,
    )


def _check_networks(
    construction: Construction | RandomSigns,
    target: ReluNetwork,
    into: ReluNetwork | None,
    domain: Domain | None,
) -> None:
    given = {"target": target} if into is None else {"target": target, "into": into}
    for role, network in given.items():
        if not isinstance(network, ReluNetwork):
            raise TypeError(f"{role} must be a ReluNetwork, got a {type(network).__name__}; see load_network")
        construction.check_layers(network, role)
    if domain is not None and not isinstance(domain, Box | Ball):
        raise TypeError(f"domain must be a Box or a Ball, got {domain!r}")
