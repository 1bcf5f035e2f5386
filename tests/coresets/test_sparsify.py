"""sparsify(): the peers, what is refused, what is measured; and the statement about new points."""

import numpy as np
import pytest
from support.planting import plant

from subsetsum_nets import (
    Box,
    Conv2d,
    Dense,
    ReluNetwork,
    SparsifiedNetwork,
    load_network,
    shipped_network,
    sparsify,
)
from subsetsum_nets.coresets import population, population_bound
from subsetsum_nets.coresets.shifting import _shifted
from subsetsum_nets.networks.files.shipped import load_test_split

TARGET = load_network(shipped_network())
IMAGES, LABELS = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
DATA, TEST, TRUTH = IMAGES[:300], IMAGES[300:], LABELS[300:]
EDGES = 2191


@pytest.mark.parametrize("method", ["magnitude", "magnitude-shift", "obs", "box-cost"])
@pytest.mark.parametrize("keep", [0.2, 500, 1.0])
def test_the_others_keep_exactly_what_is_asked(method, keep):
    found = sparsify(TARGET, DATA, method=method, keep=keep)
    assert found.size == (keep if keep == 500 else round(keep * EDGES))
    counted = sum(np.count_nonzero(x.weight) + np.count_nonzero(x.bias) for x in found.network.layers)
    assert counted == found.size
    assert found.fraction == pytest.approx(found.size / EDGES)


def test_svd_keeps_one_rank_and_at_most_what_is_asked():
    found = sparsify(TARGET, DATA, method="svd", keep=0.3)
    ranks = [np.linalg.matrix_rank(layer.weight, tol=1e-8) for layer in found.network.layers]
    assert ranks == [4, 4]
    assert found.size == 4 * (64 + 32) + 4 * (32 + 10) + 42
    with pytest.raises(ValueError, match="100 parameters are too few for SVD: rank 1 has 180"):
        sparsify(TARGET, DATA, method="svd", keep=100)


def test_a_layer_smaller_than_its_factors_stays_as_it_is():
    found = sparsify(TARGET, DATA, method="svd", keep=0.6)
    np.testing.assert_array_equal(found.network.layers[1].weight, TARGET.layers[1].weight)


def test_magnitude_keeps_the_largest_of_all():
    found = sparsify(TARGET, DATA, method="magnitude", keep=0.3)
    sizes = [np.abs(x) for layer in TARGET.layers for x in (layer.weight, layer.bias)]
    kept = [x != 0 for layer in found.network.layers for x in (layer.weight, layer.bias)]
    least = min(size[mask].min() for size, mask in zip(sizes, kept, strict=True) if mask.any())
    assert all(size[~mask].max(initial=0.0) <= least for size, mask in zip(sizes, kept, strict=True))


def relative(method, **options):
    return sparsify(TARGET, DATA, method=method, keep=0.3, **options).evaluate(TEST, TRUTH)


def test_methods_stand_in_the_order_that_was_measured():
    for methods in (("obs", "magnitude-shift", "magnitude", "corenet"), ("corenet++", "corenet", "uniform")):
        found = [relative(name)["relative_l1"] for name in methods]
        assert found == sorted(found)
    assert relative("obs")["relative_l1"] <= 0.19
    assert relative("obs")["drop"] <= 2.0


def test_one_proportion_for_all_layers_beats_the_layers_own():
    """The last layer of 64-32-10 then gets more than its share of the edges; with its share it was 0.60."""
    assert np.mean([relative("corenet++", trials=20, seed=s)["relative_l1"] for s in range(3)]) <= 0.5


def test_a_shift_into_the_bias_keeps_the_mean_of_the_first_layer():
    found = sparsify(TARGET, DATA, method="magnitude-shift", keep=0.3)
    before, after = (net.layers[0](DATA[found.sample]).mean(axis=0) for net in (TARGET, found.network))
    np.testing.assert_allclose(after, before, atol=1e-12)


def test_a_shift_of_the_wrong_sign_is_noticed(monkeypatch):
    plant(
        monkeypatch,
        _shifted,
        "(weights - kept) @ centre(index, values)",
        "(kept - weights) @ centre(index, values)",
    )
    with pytest.raises(AssertionError):
        test_a_shift_into_the_bias_keeps_the_mean_of_the_first_layer()


def test_what_the_points_leave_open_stays_as_it_was():
    net = ReluNetwork([Dense([[1.0, 5.0, 0.1]])])  # the second input is always 0 in the data
    points = np.column_stack([np.linspace(0.1, 1, 20), np.zeros(20), np.linspace(1, 0, 20)])
    found = sparsify(net, points, keep=1.0)
    np.testing.assert_allclose(found.network.layers[0].weight, net.layers[0].weight, rtol=1e-9)


def test_a_layer_that_would_lose_everything_is_kept_whole():
    net = ReluNetwork([Dense(np.full((3, 2), 9.0)), Dense([[0.1, 0.1, 0.1]])])
    with pytest.warns(UserWarning, match="layer 1 would lose all its edges"):
        found = sparsify(net, [[1.0, 1.0]], method="magnitude", keep=4)
    assert found.network.layers[1].weight.all()
    assert found.size == 7


def test_evaluate_measures_what_it_says():
    f, g = ReluNetwork([Dense([[1.0], [2.0]])]), ReluNetwork([Dense([[1.0], [0.5]])])
    found = SparsifiedNetwork(g, f, "magnitude", 0, 2, np.zeros(0, int), None)
    measured = found.evaluate([[1.0], [0.0], [-2.0]], [1, 0, 0])
    assert measured["absolute_l1"] == pytest.approx((1.5 + 0 + 3.0) / 3)
    assert measured["relative_l1"] == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert measured["largest_error"] == 3.0
    assert (measured["accuracy_before"], measured["accuracy_after"]) == (1.0, pytest.approx(1 / 3))
    assert measured["drop"] == pytest.approx(200 / 3)
    with pytest.raises(ValueError, match="label 2 is no output"):
        found.evaluate([[1.0]], [2])


GOOD = {"keep": 0.5}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0}, "keep must be an integer from 1 to 2,191, got 0"),
        ({"keep": 1.5}, r"keep must be a share in \(0, 1\].*1.5"),
        ({"keep": True}, "keep must be"),
        ({"keep": 3000}, "from 1 to 2,191, got 3000"),
        ({}, "exactly one of keep, samples, relative_error, epsilon; got none"),
        ({"keep": 0.5, "samples": 3, "method": "corenet"}, "got keep and samples"),
        ({"keep": 0.5, "method": "best"}, "unknown method 'best'; available are corenet"),
        ({"samples": 3}, "'obs' takes no samples; it takes keep, epsilon"),
        ({"samples": 0, "method": "corenet"}, "samples must be an integer of at least 1, got 0"),
        ({"relative_error": 1.0, "method": "corenet"}, r"relative_error must be a number in \(0, 1\)"),
        ({"keep": 0.5, "delta": 0.0}, r"delta must be a number in \(0, 1\), got 0.0"),
        ({"keep": 0.5, "seed": -1}, "seed"),
        ({"keep": 0.5, "trials": 3}, '"corenet\\+\\+" does'),
        ({"keep": 0.5, "method": "magnitude", "sample_size": 3}, "takes no sample_size"),
        ({"keep": 0.5, "sample_size": 301}, "needs 301 points for S, got 300; give more"),
        ({"keep": 0.5, "near": DATA[:2], "radius": 0.1}, "near and radius need epsilon"),
        ({"epsilon": 0.5, "near": DATA[:2]}, "near needs radius too"),
        ({"epsilon": 0.5, "near": DATA[:2], "radius": 0.0}, "radius must be a positive number, got 0.0"),
        ({"epsilon": 0.5, "near": DATA[:2, :5], "radius": 0.1}, r"\(k, 64\)"),
        ({"epsilon": 0.0}, "epsilon must be a positive number, got 0.0"),
        ({"epsilon": 0.5, "norm": "l3"}, "unknown norm 'l3'"),
    ],
    ids=str,
)
def test_bad_input_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        sparsify(TARGET, DATA, **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DATA[:, :5], r"data must have shape \(n, 64\), got \(300, 5\)"),
        (np.full((3, 64), np.nan), "data holds nan"),
        (np.empty((0, 64)), "data is empty"),
    ],
)
def test_bad_data_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        sparsify(TARGET, data, keep=0.5)


def test_too_few_points_say_how_many_are_needed():
    with pytest.raises(ValueError, match="needs 17 points for S, got 5; sample_size= overrides it"):
        sparsify(TARGET, DATA[:5], method="corenet", keep=0.5)
    assert sparsify(TARGET, DATA[:5], method="corenet", keep=0.5, sample_size=5).sample.tolist() == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_targets_of_other_layers_are_refused():
    conv = ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(2, 2, 1))
    with pytest.raises(ValueError, match="layer 0 is a Conv2d"):
        sparsify(conv, np.ones((3, 4)), keep=0.5)
    with pytest.raises(TypeError, match="must be a ReluNetwork, got int"):
        sparsify(3, DATA, keep=0.5)


def test_box_cost_and_epsilon_need_a_domain():
    net = ReluNetwork(TARGET.layers)
    for options in ({"method": "box-cost", "keep": 0.5}, {"epsilon": 0.5}):
        with pytest.raises(ValueError, match="domain"):
            sparsify(net, DATA, **options)
    assert sparsify(net, DATA, method="box-cost", keep=0.5, domain=Box(0, 1)).size == round(EDGES / 2)


# -- new points --------------------------------------------------------------------------------------


def test_the_population_statement_by_hand():
    bound = population_bound(np.arange(59) / 100)
    assert bound.error == 0.58
    assert bound.share == pytest.approx(1 - 0.05 ** (1 / 59))
    assert 0.0 < bound.share - (1 - 0.05 ** (1 / 59)) < 1e-12


def test_the_population_statement_covers_as_often_as_it_says():
    random = np.random.default_rng(0)
    n, rounds = 30, 4000
    worst = random.random((rounds, n)).max(axis=1)  # errors uniform on [0, 1]: a share 1 - worst lies above
    share = population_bound(np.zeros(n)).share
    missed = int(np.sum(1 - worst >= share))
    assert 0.02 * rounds < missed < 0.07 * rounds


@pytest.mark.parametrize("errors", [[], [[0.1]], [-0.1], [np.nan]])
def test_what_are_no_errors_is_refused(errors):
    with pytest.raises(ValueError, match="errors must be"):
        population_bound(errors)


def refuse_points_that_chose():
    found = sparsify(TARGET, DATA, keep=0.5, sample_size=200)
    others = np.setdiff1d(np.arange(300), found.chosen_by)
    assert found.population(DATA, indices=others).error == found.errors(DATA[others]).max()
    with pytest.raises(ValueError, match=f"point {found.sample[0]} and 0 others chose the network"):
        found.population(DATA, indices=[*others, found.sample[0]])


def test_points_that_chose_the_network_say_nothing_about_new_ones():
    refuse_points_that_chose()


def test_points_in_both_roles_are_noticed(monkeypatch):
    plant(monkeypatch, population._check_held_out, "if both: ...", "pass")
    with pytest.raises(pytest.fail.Exception):
        refuse_points_that_chose()
