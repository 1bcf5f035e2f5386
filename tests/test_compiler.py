"""prune(): what it returns holds, is reproducible, and says so when it falls short."""

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from constructions.tiny_targets import NAMES, target
from verification.tiny_networks import candidate_points, exact_sizes

from solvers import BatchSolution
from subsetsum_nets.allocation import recursion as recursion_allocation
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.allocation.recursion import RecursionAllocation
from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import construction_named
from subsetsum_nets.networks import Ball, Box, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.random_networks import random_recipe_from_json
from subsetsum_nets.row_batches import solve_groups
from subsetsum_nets.verification import LayerErrors

ONE = ReluNetwork([Dense([[0.5]])])
SMALL = target((3, 3, 2), bias=(True, False))


def same_masks(a, b):
    return a.all_masks.digest() == b.all_masks.digest() and a.certificate.bound == b.certificate.bound


# ---------------------------------------------------------------- the result holds

CASES = [
    (target((2, 3, 2), seed=1), Box(-1, 1)),
    (target((3, 2, 2, 1), seed=2, bias=False, final_relu=True), Box(0, 1)),
    (target((2, 4, 1), seed=3, bias=(False, True)), Box([-1, 0], [1, 2])),
    (target((2, 2), seed=4, scale=3.0), Ball(1.0)),
    (ReluNetwork(target((2, 3, 3), seed=5).layers, linear_after=(0,)), Box(-1, 0)),
]


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("candidates", [None, 3])
def test_the_bound_covers_every_difference(name, case, candidates):
    f, domain = CASES[case]
    pruned = prune(
        f, construction=name, epsilon=0.05, candidates=candidates, domain=domain, seed=case, threads=1
    )
    certificate = pruned.certificate
    assert certificate.verified == (certificate.bound <= 0.05)
    assert certificate.verified or pruned.shortfall is not None  # within the tolerances means verified
    points = candidate_points(f, pruned.network, domain, "l2", np.random.default_rng(0))
    worst = max(exact_sizes(f, pruned.network, points, "l2"))  # squared, exact
    assert worst <= Fraction(certificate.bound) ** 2
    assert Fraction(certificate.attack) <= Fraction(certificate.bound)
    assert certificate.domain_set == domain
    check_bookkeeping(pruned, name)


def check_bookkeeping(pruned, name):
    certificate = pruned.certificate
    pattern = zip(pruned.random.layers, pruned.network.layers, pruned.masks, pruned.bias_masks, strict=True)
    for random, kept, mask, bias_mask in pattern:
        dense = [a.toarray() if hasattr(a, "tocsr") else a for a in (random.weight, kept.weight, mask)]
        assert dense[2].dtype == bool
        assert np.array_equal(dense[1], dense[0] * dense[2])
        if random.bias is not None:
            assert np.array_equal(kept.bias, random.bias * bias_mask)
    redrawn = random_recipe_from_json(certificate.recipe).draw(certificate.seed)
    assert network_digest(redrawn) == network_digest(pruned.random) == certificate.random_digest
    assert certificate.target_digest == network_digest(pruned.target)
    assert certificate.masks_digest == pruned.all_masks.digest()
    drawn = pruned.network.layers[:: 2 if name == "linear" else 1]  # its second layers are fixed ones
    assert certificate.counts["kept_parameters"] == sum(
        np.count_nonzero(layer.weight.data if hasattr(layer.weight, "tocsr") else layer.weight)
        + (0 if layer.bias is None else np.count_nonzero(layer.bias))
        for layer in drawn
    )
    assert certificate.counts["subset_sums"] == len(pruned.solution)
    assert sum(certificate.status_counts.values()) == len(pruned.solution)
    assert (certificate.construction, certificate.candidates) == (name, pruned.candidates)
    missed = int((pruned.solution.errors > pruned.solution.tolerances).sum())
    assert (pruned.shortfall is None) == certificate.verified
    if not certificate.verified:
        assert pruned.shortfall.rows == missed == certificate.shortfall["rows"]


def test_the_domain_is_the_targets_unless_one_is_given():
    f = ReluNetwork(SMALL.layers, domain=Box(0, 0.5))
    assert prune(f, epsilon=0.1).certificate.domain_set == Box(0, 0.5)
    assert prune(f, epsilon=0.1, domain=Box(0, 1)).certificate.domain_set == Box(0, 1)
    assert prune(SMALL, epsilon=0.1).certificate.domain_set == Box(-1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_target_with_csr_weights_prunes_like_its_dense_copy(name):
    from scipy.sparse import csr_array

    layers = [Dense(csr_array(layer.weight), layer.bias) for layer in SMALL.layers]
    sparse = prune(ReluNetwork(layers), construction=name, epsilon=0.1)
    assert same_masks(sparse, prune(SMALL, construction=name, epsilon=0.1))


# ---------------------------------------------------------------- reproducible


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_masks_however_it_runs(name):
    options = {"construction": name, "epsilon": 0.02, "seed": 5}
    once = prune(SMALL, threads=1, **options)
    assert same_masks(once, prune(SMALL, threads=2, **options))
    with ThreadPoolExecutor(2) as executor:
        assert same_masks(once, prune(SMALL, executor=executor, **options))
    other = prune(SMALL, **{**options, "seed": 6})
    assert other.certificate.random_digest != once.certificate.random_digest
    assert not same_masks(once, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_given_network_is_pruned_like_the_same_one_drawn(name):
    drawn = prune(SMALL, construction=name, epsilon=0.02, seed=3)
    before = network_digest(drawn.random)
    given = prune(SMALL, construction=name, epsilon=0.02, into=drawn.random)
    assert same_masks(drawn, given)
    assert network_digest(given.random) == before
    assert given.random is drawn.random
    assert (given.seed, given.recipe, given.candidates) == (None, None, drawn.candidates)
    assert (given.certificate.seed, given.certificate.recipe) == (None, None)


@pytest.mark.parametrize("name", ["relu", "relu-paper"])
def test_a_network_with_weights_of_full_precision_verifies(name):
    rng = np.random.default_rng(8)
    n = prune(SMALL, construction=name, epsilon=0.01).candidates
    layers = []
    for layer in SMALL.layers:
        units = 2 * n * (layer.d_in + (layer.bias is not None))
        bias = None if layer.bias is None else rng.uniform(-1, 1, units)
        layers.append(Dense(rng.uniform(-1, 1, (units, layer.d_in)), bias))
        layers.append(Dense(rng.uniform(-1, 1, (layer.d_out, units)), rng.uniform(-1, 1, layer.d_out)))
    into = ReluNetwork(layers)
    pruned = prune(SMALL, construction=name, epsilon=0.01, into=into)
    assert pruned.certificate.verified
    assert not any(mask.any() for mask in pruned.bias_masks[1::2])


# ---------------------------------------------------------------- objectives, checkpoints


@pytest.mark.parametrize("name", NAMES)
def test_within_meets_every_tolerance(name):
    pruned = prune(SMALL, construction=name, epsilon=0.05, objective="within")
    assert pruned.certificate.verified
    assert np.all(pruned.solution.errors <= pruned.solution.tolerances)
    assert pruned.certificate.status_counts["feasible"] == len(pruned.solution)


def test_sparsest_keeps_no_more_than_nearest():
    f = target((2, 1), seed=1)
    nearest, sparsest = (prune(f, epsilon=0.1, objective=o, seed=2) for o in ("nearest", "sparsest"))
    assert sparsest.certificate.verified
    assert np.all(sparsest.solution.sizes <= nearest.solution.sizes)
    assert sparsest.solution.sizes.sum() < nearest.solution.sizes.sum()


def test_a_checkpoint_resumes_after_an_interrupt(tmp_path, monkeypatch):
    # Small chunks, so that there is something finished to resume from.
    import solvers.batch.solve_many

    monkeypatch.setattr(solvers.batch.solve_many, "chunk_rows", lambda *_: 4)
    options = {"epsilon": 0.02, "seed": 1, "threads": 1}
    seen = []

    def interrupt(done, total):
        seen.append((done, total))
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(SMALL, checkpoint=tmp_path / "c", progress=interrupt, **options)
    assert 8 <= seen[-1][0] < seen[-1][1]
    resumed = []
    pruned = prune(SMALL, checkpoint=tmp_path / "c", progress=lambda done, _: resumed.append(done), **options)
    assert resumed[0] >= 8
    assert same_masks(pruned, prune(SMALL, **options))


# ---------------------------------------------------------------- falling short


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
def test_too_few_candidates_finish_with_a_shortfall_and_advice_that_works(name):
    verified = 0
    for seed in range(8):
        options = {"construction": name, "epsilon": 0.02, "seed": seed}
        short = prune(SMALL, candidates=5, **options)
        assert not short.certificate.verified
        assert short.certificate.bound > 0.02
        lack, solution = short.shortfall, short.solution
        excess = solution.errors - solution.tolerances
        assert lack.rows == (excess > 0).sum() > 0
        assert lack.worst_excess == excess.max()
        assert lack.worst_ratio > 1
        assert lack.enough_candidates > 5
        assert f"candidates={lack.enough_candidates}" in str(lack)
        again = prune(SMALL, candidates=lack.enough_candidates, **options)
        verified += again.certificate.verified
    assert verified >= 7


# ---------------------------------------------------------------- tolerances


def bound_at_the_tolerances(f, name, epsilon, domain):
    """Return the bound when every row is off by exactly its tolerance, arranged here anew."""
    task = CompileTask(construction_named(name), f, domain, epsilon, 0.01)
    allocation = RecursionAllocation(task)
    random = task.construction.recipe(f, allocation.sizing.candidates).draw(0)
    offer = allocation.offer(random)
    groups, tolerances = offer.groups, offer.tolerances
    errors = []
    for index, layer in enumerate(f.layers):
        above, below = np.zeros((2, layer.d_out, layer.d_in))
        bias = np.zeros(layer.d_out)
        for group, tolerance in zip(groups, tolerances, strict=True):
            for j, column in enumerate(group.place.columns if group.place.layer == index else ()):
                if column < layer.d_in:
                    if group.place.side != "negative":
                        above[:, column] = tolerance[:, j]
                    if group.place.side != "positive":
                        below[:, column] = tolerance[:, j]
                elif group.place.side != "negative":
                    bias = tolerance[:, j]
        errors.append(LayerErrors(above, below, bias))
    return allocation.recursion.bound(errors, "l2").upper


def tolerances_fit(epsilon):
    """Whether the tolerances add up to epsilon, and to no less than 0.99 of it, in a few cases."""
    shares = [
        bound_at_the_tolerances(f, name, epsilon, domain) / epsilon for f, domain in CASES for name in NAMES
    ]
    return all(0.99 <= share <= 1 for share in shares)


@pytest.mark.thinned
@pytest.mark.parametrize("epsilon", [0.3, 0.01, 1e-4])
def test_tolerances_use_up_epsilon_and_no_more(epsilon):
    assert tolerances_fit(epsilon)


@pytest.mark.thinned
@pytest.mark.parametrize("factor", [10.0, 1.02, 0.98, 0.1])
def test_a_wrong_scale_would_be_noticed(monkeypatch, factor):
    right = recursion_allocation.largest_scale
    monkeypatch.setattr(recursion_allocation, "largest_scale", lambda *args: factor * right(*args))
    assert not tolerances_fit(0.01)


def test_a_forgotten_bias_column_would_be_noticed(monkeypatch):
    right = recursion_allocation.layer_errors

    def forgetful(*args):
        return [LayerErrors(e.positive, e.negative, np.zeros_like(e.bias)) for e in right(*args)]

    monkeypatch.setattr(recursion_allocation, "layer_errors", forgetful)
    assert not tolerances_fit(0.01)


def test_a_forgotten_side_would_be_noticed(monkeypatch):
    right = recursion_allocation.layer_errors

    def forgetful(*args):
        return [LayerErrors(e.positive, np.zeros_like(e.negative), e.bias) for e in right(*args)]

    monkeypatch.setattr(recursion_allocation, "layer_errors", forgetful)
    assert not tolerances_fit(0.01)


# ---------------------------------------------------------------- odd targets


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("weights", "epsilon"),
    [
        ([np.zeros((2, 3)), np.zeros((1, 2))], 0.1),
        ([[[0.0, 0.0], [0.3, -0.2]], [[0.5, 0.1]]], 0.1),
        ([[[0.5]]], 0.01),
        ([[[0.0]]], 1e-12),
        ([[[1e-12]]], 0.01),
        ([[[1e6, -0.5]]], 0.1),
        ([[[1e-12, 1e6]]], 1.0),
        ([[[1.0]]], 0.1),  # as large as a weight may be before the range of the draw doubles
        ([[[0.25]]], 1e300),
    ],
)
def test_odd_targets(name, weights, epsilon):
    f = ReluNetwork([Dense(w) for w in weights])
    pruned = prune(f, construction=name, epsilon=epsilon, threads=1)
    assert pruned.certificate.verified
    if not any(np.any(w) for w in weights):
        assert pruned.certificate.bound == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_absurd_ambitions_end_with_an_honest_no(name):
    pruned = prune(ONE, construction=name, epsilon=1e-300, candidates=4)
    assert not pruned.certificate.verified
    assert pruned.shortfall.rows >= 1
    assert math.isfinite(pruned.shortfall.worst_ratio)
    big = prune(ReluNetwork([Dense([[1e6]])]), construction=name, epsilon=1e-305, candidates=1)
    assert not big.certificate.verified


@pytest.mark.parametrize("name", NAMES)
def test_weights_beyond_what_can_be_drawn_are_refused(name):
    with pytest.raises(InvalidNetworkError, match="scale of Uniform"):
        prune(ReluNetwork([Dense([[1e200]])]), construction=name, epsilon=1e198)


@pytest.mark.parametrize("name", ["linear", "relu", "relu-paper"])
def test_a_domain_of_zeros_leaves_nothing_to_do(name):
    for weight in (0.5, 1e10):
        pruned = prune(ReluNetwork([Dense([[weight]])]), construction=name, domain=Box(0, 0), epsilon=0.1)
        assert pruned.certificate.verified
        assert pruned.certificate.bound == 0.0
        assert pruned.shortfall is None


def test_no_rows_give_an_empty_solution():
    solution = solve_groups([], [], objective="nearest")
    assert isinstance(solution, BatchSolution)
    assert len(solution) == 0
    assert solution.summary()["rows"] == 0


# ---------------------------------------------------------------- errors

BAD = [
    ({"epsilon": 0}, ValueError, "epsilon"),
    ({"epsilon": -1}, ValueError, "epsilon"),
    ({"epsilon": math.nan}, ValueError, "epsilon"),
    ({"epsilon": math.inf}, ValueError, "epsilon"),
    ({"delta": 0}, ValueError, "delta"),
    ({"delta": 1}, ValueError, "delta"),
    ({"delta": math.nan}, ValueError, "delta"),
    ({"candidates": 0}, ValueError, "candidates"),
    ({"candidates": -3}, ValueError, "candidates"),
    ({"candidates": 2.5}, ValueError, "candidates"),
    ({"candidates": True}, ValueError, "candidates"),
    ({"construction": "tanh"}, ValueError, "unknown construction 'tanh'"),
    ({"objective": "best"}, ValueError, "objective"),
    (
        {"allocation": "loose"},
        ValueError,
        "construction 'relu' has no allocation 'loose'; available are tight, recursion",
    ),
    ({"seed": -1}, ValueError, "seed"),
    ({"threads": 0}, ValueError, "threads"),
    ({"domain": Box([0, 0], [1, 1])}, InvalidNetworkError, "2 coordinates"),
    ({"domain": (-1, 1)}, TypeError, "Box or a Ball"),
    ({"into": [[1.0]]}, TypeError, "into"),
    ({"into": ReluNetwork([Dense([[1.0]])])}, InvalidNetworkError, "needs 2"),
    ({"into": ReluNetwork([Dense([[1.0]]), Dense([[1.0]])])}, InvalidNetworkError, "at least 2"),
    (
        {"into": ReluNetwork([Dense([[1.0]] * 4), Dense([[1.0] * 4])], linear_after=(0,))},
        InvalidNetworkError,
        "ReLU",
    ),
    (
        {"into": ReluNetwork([Dense([[1.0]] * 4), Dense([[1.0] * 4])]), "candidates": 3},
        ValueError,
        "offers 2 candidates, not 3",
    ),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[str(sorted(b[0].items())) for b in BAD])
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        prune(ONE, **options)


@pytest.mark.parametrize("what", [None, [[0.5]], Dense([[0.5]]), "net.npz"])
def test_a_target_must_be_a_network(what):
    with pytest.raises(TypeError, match="ReluNetwork"):
        prune(what)


def test_a_given_network_needs_biases_where_the_target_has_them():
    f = ReluNetwork([Dense([[0.5]], [0.1])])
    into = ReluNetwork([Dense([[1.0]] * 8), Dense([[1.0] * 8])])
    with pytest.raises(InvalidNetworkError, match="has a bias"):
        prune(f, into=into)
