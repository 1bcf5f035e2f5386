"""Whole filters and 2-D kernels: what is kept, what it adds up to, and that mistakes in either are seen."""

import numpy as np
import pytest
from constructions.tiny_targets import STRUCTURED
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from support.geometries import conv_cases
from support.planting import plant
from support.structured_cases import COARSE, effective, exactly, filtered, images, in_matrix, wanted

from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import construction_named, relu_blocks
from subsetsum_nets.constructions.relu_signed import ReluSigned
from subsetsum_nets.constructions.structured import StructuredBlocks, StructuredKernels
from subsetsum_nets.mask_structure import check_structure
from subsetsum_nets.networks import (
    AvgPool2d,
    Box,
    Conv2d,
    Dense,
    InvalidNetworkError,
    LogUniform,
    Normal,
    ReluNetwork,
    trimmed,
)
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.row_batches import by_group
from subsetsum_nets.verification import verify


def check_pruned(pruned):
    """See that the masks are structured, and that each row is exactly as far off as the solution says."""
    f = pruned.target
    check_structure(pruned.all_masks, f, construction_named(pruned.construction).whole)
    found = [effective(*pruned.network.layers[start : start + 2]) for start in pruned.hidden_layers]
    goals = [wanted(layer, shape) for layer, shape in zip(f.layers, f.shapes, strict=False)]
    sides = [set() for _ in f.layers]
    served = [np.zeros(in_matrix(*goal).shape, dtype=bool) for goal in goals]
    row = 0
    for place in construction_named(pruned.construction).places(f, pruned.domain):
        above, below, constant = found[place.layer]
        side = below if place.side == "negative" else above
        off = abs(in_matrix(side, constant) - in_matrix(*goals[place.layer]))[place.entries]
        sides[place.layer].add(place.side)
        served[place.layer][place.entries] = True
        by_row = off.reshape(-1, place.dimension, len(place.columns)).max(axis=1)
        for column, exact in zip(np.tile(place.columns, len(by_row)), by_row.ravel(), strict=True):
            error, row = pruned.solution.errors[row], row + 1
            if place.side == "negative" and column == below.shape[2]:
                continue  # the constant one is never below 0: nothing sees these sums of the paper's
            assert exact <= error
            assert float(exact) == pytest.approx(error, rel=1e-12)
    assert row == len(pruned.solution)
    for (_, below, _), here in zip(found, sides, strict=True):
        assert "negative" in here or not below.any()
    assert all(
        rows[in_matrix(*goal).astype(bool)].all() for rows, goal in zip(served, goals, strict=True)
    )  # whatever is not 0 has a row


# What is drawn for any target does not depend on how well it is approximated: few candidates will do.
CASES = {
    "signed": {"domain": Box(-1, 1)},
    "channels": {"channels": 2, "outputs": 1, "bias": False},
    "stride": {"stride": 2, "padding": "valid", "size": (2, 2)},
    "groups": {"channels": 2, "groups": 2},
    "flat": {"size": (1, 3), "channels": 2},
}


@pytest.mark.thinned
@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("case", CASES)
def test_kept_filters_add_up_to_the_kernels_of_the_target(name, case):
    check_pruned(filtered(images(**CASES[case]), name, 12))


@pytest.mark.thinned
@pytest.mark.parametrize("name", STRUCTURED)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=conv_cases(), seed=st.integers(0, 999))
def test_lemmas_11_and_12_hold_exactly_on_integers_at_every_pixel(name, case, seed):
    """The pruned pair is L+ * X+ - L- * X- and what is kept of the constant one, whatever is kept."""
    layer, image = case
    f = ReluNetwork([layer], input_shape=(*image, layer.c_in), domain=Box(-1, 1))
    method, rng = construction_named(name), np.random.default_rng(seed)
    try:
        places = method.places(f, f.domain)
    except InvalidNetworkError:
        reject()
    layers = [
        each.with_stored(
            rng.integers(-3, 4, each.stored.shape),
            None if each.bias is None else rng.integers(-3, 4, each.bias.shape),
        )
        for each in method.recipe(f, 1).draw(0).layers
    ]
    random = ReluNetwork(layers, input_shape=f.input_shape)
    groups = [method.rows(f, random, place) for place in places]
    kept = [group.valid & (rng.random(group.valid.shape) < 0.6) for group in groups]
    masks = method.masks(f, random, groups, kept)
    check_structure(masks, f, method.whole)
    pruned = masks.apply(random)
    x = rng.integers(-5, 6, (3, *image, layer.c_in)).astype(float)
    whole = {**layer.options, "groups": 1}
    above, below, constant = (part.astype(float) for part in effective(*pruned.layers))
    wanted = Conv2d(above, **whole)(np.maximum(x, 0)) + Conv2d(below, **whole)(np.minimum(x, 0))
    wanted += Conv2d(constant[:, :, np.newaxis], **whole)(np.ones((1, *image, 1)))
    assert np.array_equal(pruned(x), wanted)


@settings(max_examples=40, deadline=None)
@given(case=conv_cases(), seed=st.integers(0, 999))
def test_lemma_20_bounds_a_convolution(case, seed):
    """||K * X||_max <= ||K||_1 ||X||_max."""
    layer, image = case
    x = np.random.default_rng(seed).integers(-5, 6, (2, *image, layer.c_in)).astype(float)
    outputs = Conv2d(layer.kernel, **layer.options)(x)
    assert np.abs(outputs).max() <= np.abs(layer.kernel).sum() * np.abs(x).max()


@pytest.mark.slow
def test_what_is_proven_is_below_the_recursion_of_lemma_20():
    pruned = filtered(images(channels=2), "structured", 20)
    f, size, off = pruned.target, 1.0, 0.0
    for index, (layer, start) in enumerate(zip(f.layers, pruned.hidden_layers, strict=True)):
        above, _, constant = effective(*pruned.network.layers[start : start + 2])
        kernel, offset = wanted(layer, f.shapes[index])
        error, norm = float(abs(above - kernel).sum()), float(abs(kernel).sum())
        off = norm * off + error * (size + off) + float(abs(constant - offset).sum())
        size = norm * size + float(abs(offset).sum())
    found = verify(f, pruned.network, norm="linf")
    assert 0 < found.lower <= found.upper <= off


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=conv_cases(), name=st.sampled_from(STRUCTURED), low=st.sampled_from([0, -1]))
def test_layers_of_every_geometry_are_pruned_in_structured_ways(case, name, low):
    layer, image = case
    f = ReluNetwork([layer], input_shape=(*image, layer.c_in), domain=Box(low, 1))
    try:
        layer.weight_parts(image, 0)
    except InvalidNetworkError:
        reject()
    pruned = prune(f, construction=name, candidates=9, **COARSE)
    check_pruned(pruned)
    assert pruned.certificate.attack <= pruned.certificate.bound


@pytest.mark.slow
@pytest.mark.parametrize("name", ["structured", "structured-kernels"])
def test_candidates_are_chosen_that_prove_epsilon(name):
    f = images(channels=2)
    for epsilon in (0.2, 0.01):
        pruned = prune(f, construction=name, epsilon=epsilon, threads=1)
        found = pruned.certificate
        assert found.verified
        assert pruned.shortfall is None
        assert found.attack <= found.bound <= epsilon
        inputs = np.random.default_rng(0).random((50, 3, 3, 2))
        assert np.linalg.norm(pruned.network(inputs) - f(inputs), axis=1).max() <= found.bound + 1e-12


@pytest.mark.slow
def test_too_few_candidates_say_how_many_do():
    f = images()
    short = prune(f, construction="structured", candidates=5, epsilon=0.01, threads=1)
    assert not short.certificate.verified
    assert short.shortfall.enough_candidates > 5
    enough = short.shortfall.enough_candidates
    assert prune(f, construction="structured", candidates=enough, epsilon=0.01).certificate.verified


@pytest.mark.slow
def test_the_paper_s_law_says_what_it_reaches_and_what_does_instead():
    pruned = prune(images(), construction="structured-paper", epsilon=0.001, threads=1)
    assert not pruned.certificate.verified
    assert pruned.candidates == 64
    assert pruned.shortfall.enough_candidates is None
    assert "fall only as 1/n" in str(pruned.shortfall)
    assert "construction='structured'" in str(pruned.shortfall)
    assert pruned.certificate.bound > pruned.certificate.attack > 0


def test_the_paper_s_halves_serve_one_sign_each_and_both_are_always_solved():
    pruned = filtered(images(bias=False), "structured-paper", 40)
    assert len(pruned.solution) == 2 * (1 + 18 + 1)
    slopes = pruned.network.layers[0].kernel.reshape(1, -1)
    half = slopes.shape[1] // 2
    assert (slopes[:, :half] >= 0).all()
    assert (slopes[:, half:] <= 0).all()
    assert (slopes > 0).any()
    assert (slopes < 0).any()
    draws = construction_named("structured-paper").recipe(pruned.target, 40).layers
    assert [draw.distribution for draw in draws] == [Normal(), Normal()] * 2


def test_inputs_of_one_sign_need_half_of_the_filters():
    one, both = filtered(images(), "structured", 12), filtered(images(domain=Box(-1, 1)), "structured", 12)
    assert not (one.network.layers[0].kernel < 0).any()
    assert (both.network.layers[0].kernel < 0).any()
    assert len(both.solution) == len(one.solution) + 1  # the first layer's channel, once more


@pytest.mark.slow
def test_a_layer_with_one_output_has_the_same_filters_and_kernels():
    f = images(channels=2, outputs=1)
    one, other = (
        prune(f.with_layers([f.layers[0], Dense(f.layers[1].weight[:1])]), construction=name, **COARSE)
        for name in ("structured", "structured-kernels")
    )
    assert one.certificate.masks_digest == other.certificate.masks_digest
    assert one.certificate.pruned_digest == other.certificate.pruned_digest


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_1x1_convolution_on_one_pixel_is_a_dense_layer(name):
    rng = np.random.default_rng(0)
    weight, bias = rng.uniform(-0.5, 0.5, (3, 2)), rng.uniform(-0.5, 0.5, 3)
    dense = ReluNetwork([Dense(weight, bias)], domain=Box(-1, 1))
    conv = ReluNetwork(
        [Conv2d(weight.T[np.newaxis, np.newaxis], bias)], input_shape=(1, 1, 2), domain=Box(-1, 1)
    )
    drawn = construction_named(name).recipe(dense, 10).draw(1)
    first, second = (
        layer.stored.toarray() if k == 0 else layer.stored for k, layer in enumerate(drawn.layers)
    )
    kernels = [
        Conv2d(each.T[np.newaxis, np.newaxis], layer.bias)
        for each, layer in zip((first, second), drawn.layers, strict=True)
    ]
    as_dense = prune(dense, construction=name, into=drawn, **COARSE)
    as_conv = prune(conv, construction=name, into=ReluNetwork(kernels, input_shape=(1, 1, 2)), **COARSE)
    assert sorted(as_dense.solution.errors) == sorted(as_conv.solution.errors)
    for k in range(2):
        kept = as_dense.network.layers[k].stored
        kept = kept.toarray() if k == 0 else kept
        assert np.array_equal(kept, as_conv.network.layers[k].kernel[0, 0].T)
    assert as_conv.candidates == as_dense.candidates


@pytest.mark.slow
def test_masks_depend_on_the_seed_and_nothing_else():
    f = images()
    masks = [
        prune(f, construction="structured", candidates=12, seed=seed, threads=threads, epsilon=0.5)
        for seed, threads in ((3, 1), (3, 2), (4, 1))
    ]
    digests = [pruned.certificate.masks_digest for pruned in masks]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
def test_first_layers_are_drawn_by_blocks_and_counted_so():
    pruned = prune(images(channels=2), construction="structured", candidates=12, **COARSE)
    counts = pruned.certificate.counts
    conv, dense = 2 * 12 * 12, 2 * 12 * 2  # units of a block: 2n = 2 candidates D
    by_blocks = 3 * conv * (1 + 12) + 19 * dense * (1 + 2)
    whole = 3 * conv * (3 + 12) + 19 * dense * (19 + 2)
    assert counts["random_parameters"] == by_blocks
    assert counts["whole_parameters"] == whole
    assert isinstance(pruned.recipe.layers[0].distribution, LogUniform)
    assert pruned.random.layers[2].weight.nnz == 18 * dense  # sparse, without the block of the bias
    assert network_digest(pruned.recipe.draw(0, domain=Box(0, 1))) == network_digest(pruned.random)


def test_an_empty_block_is_legal_and_no_layer_gets_empty():
    f = ReluNetwork([Conv2d(np.zeros((2, 2, 2, 1)))], input_shape=(3, 3, 2), domain=Box(0, 1))
    pruned = prune(f, construction="structured", candidates=6, **COARSE)
    assert pruned.all_masks.kept == 0
    assert pruned.certificate.bound == 0.0
    small = pruned.collapse()
    assert [layer.kernel.shape for layer in small.layers] == [(1, 1, 2, 1), (2, 2, 1, 1)]
    assert not small(np.ones((3, 3, 2))).any()


@pytest.mark.slow
def test_pooling_stays_and_dense_networks_work_under_every_name():
    rng = np.random.default_rng(1)
    conv = Conv2d(rng.uniform(-0.5, 0.5, (2, 2, 1, 2)))
    pooled = ReluNetwork([conv, AvgPool2d(2), Dense(rng.uniform(-0.5, 0.5, (2, 2)))], input_shape=(2, 2, 1))
    layers = [Dense(rng.uniform(-0.5, 0.5, (3, 2)), [0.5, 0, -0.5]), Dense(np.ones((1, 3)))]
    dense = ReluNetwork(layers, domain=Box(-1, 1))
    for name in STRUCTURED:
        assert np.array_equal(
            prune(pooled, construction=name, candidates=9, **COARSE).network.layers[2].kernel,
            pooled.layers[1].kernel,
        )
        check_pruned(filtered(dense, name, 9))


# ---------------------------------------------------------------- collapse


def same_kernels(small, large, hidden):
    """Compare pairs by what they compute for each target layer, exactly."""
    for index in hidden:
        for one, other in zip(
            effective(*small.layers[index : index + 2]),
            effective(*large.layers[index : index + 2]),
            strict=True,
        ):
            assert (one == other).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*STRUCTURED, "relu"])
def test_the_collapsed_network_has_the_same_kernels(name, tmp_path):
    pruned = prune(images(channels=2), construction=name, candidates=9, **COARSE)
    pruned.save(tmp_path / "ticket")
    for ticket in (pruned, type(pruned).load(tmp_path / "ticket")):
        small = ticket.collapse()
        same_kernels(small, pruned.network, pruned.hidden_layers)
        for index in pruned.hidden_layers:
            first, second = small.layers[index : index + 2]
            assert (
                first.matrix.shape[0]
                == pruned.all_masks.weights[index + 1].any(axis=(0, 1, 3) if index == 0 else 0).sum()
            )
            assert trimmed.hidden_units(small, [index]) < trimmed.hidden_units(pruned.random, [index])
            assert exactly(second.stored).any(axis=tuple(range(second.stored.ndim - 2))).any()
    kept = pruned.all_masks.kept
    if construction_named(name).whole == "filters":
        seconds = sum(small.layers[index + 1].parameters for index in pruned.hidden_layers)
        assert seconds + sum(layer.matrix.shape[0] for layer in small.layers[::2]) == kept


def test_channels_in_another_order_are_seen(monkeypatch):
    pruned = filtered(images(channels=2), "structured", 9)

    def check():
        small = trimmed.trimmed(pruned.network, pruned.hidden_layers)
        same_kernels(small, pruned.network, pruned.hidden_layers)

    check()
    right = "second.with_stored(_those(second.stored, kept, takes), second.bias)"
    plant(monkeypatch, trimmed.trimmed, right, right.replace("kept", "kept[::-1]"))
    with pytest.raises(AssertionError):
        check()


# ---------------------------------------------------------------- bad input


def test_what_cannot_be_pruned_is_refused_by_name():
    f = images()
    for bad in (0, 2.5, -1, True):
        with pytest.raises(ValueError, match="candidates must be an integer"):
            prune(f, construction="structured", candidates=bad)
    with pytest.raises(ValueError, match="epsilon"):
        prune(f, construction="structured", epsilon=0)
    with pytest.raises(ValueError, match="one pass over vectors does not look for the fewest"):
        prune(f, construction="structured", candidates=9, objective="sparsest")
    with pytest.raises(ValueError, match="no allocation 'tight'; available are one-pass"):
        prune(f, construction="structured", allocation="tight")
    with pytest.raises(ValueError, match="unknown construction 'structural'"):
        prune(f, construction="structural")
    with pytest.raises(InvalidNetworkError, match="input_shape"):
        prune(ReluNetwork(f.layers[:1]), construction="structured")


def test_a_given_network_that_misfits_is_refused_by_layer():
    f = ReluNetwork(images().layers[:1], input_shape=(3, 3, 1), domain=Box(0, 1))
    rng = np.random.default_rng(0)
    first, second = Conv2d(rng.normal(size=(1, 1, 1, 9)), np.ones(9)), Conv2d(rng.normal(size=(3, 2, 9, 2)))
    shape = {"input_shape": (3, 3, 1)}
    pruned = prune(f, into=ReluNetwork([first, second], **shape), construction="structured", epsilon=9.0)
    check_pruned(pruned)  # 9 channels: blocks of 5 and 4
    for layers, message in (
        ([Conv2d(rng.normal(size=(3, 3, 1, 9)), np.ones(9)), second], r"\(1, 1, 1, h\)"),
        ([Conv2d(first.kernel), second], "has a bias, so layer 0"),
        ([Conv2d(first.kernel[..., :3], np.ones(3)), Conv2d(second.kernel[:, :, :3])], "h at least 4"),
        ([first], "has 1 layers; a target of 1 needs 2"),
    ):
        with pytest.raises(InvalidNetworkError, match=message):
            prune(f, into=ReluNetwork(layers, **shape), construction="structured")
    with pytest.raises(InvalidNetworkError, match="the ReLUs after layers 0 and 1"):
        prune(f, into=ReluNetwork([first, second], linear_after=[0], **shape), construction="structured")


def test_a_recipe_that_is_too_large_says_how_large_before_anything_is_drawn():
    from scipy.sparse import csr_array

    wide = ReluNetwork([Dense(csr_array(([1.0], ([0], [0])), shape=(100, 100_000)))])
    with pytest.raises(InvalidNetworkError, match="asks for 3600000000 numbers"):
        construction_named("structured").recipe(wide, 180)


# ---------------------------------------------------------------- planted mistakes

MISTAKES = [
    (  # the bias at all taps
        StructuredBlocks.targets,
        "weights[np.setdiff1d(np.arange(len(weights)), seen), last] = 0.0",
        "pass",
    ),
    (
        StructuredBlocks.targets,
        "np.setdiff1d(np.arange(len(weights)), seen)",
        "np.setdiff1d(np.arange(len(weights)), seen - seen[0])",
    ),
    (ReluSigned.serving, "slopes > 0", "slopes < 0"),  # halves swapped
    (
        StructuredBlocks.targets,
        "weights = weight_with_bias(layer)",  # the kernel not flipped, or once too often
        "weights = weight_with_bias(layer.with_stored(layer.stored[::-1, ::-1], layer.bias))",
    ),
    (StructuredKernels.parts, "each[:, np.newaxis] + taps", "each[:, np.newaxis] * 0 + taps"),
    (relu_blocks.BlockConstruction.masks, "for k in range(d): ...", "for k in range(1): ..."),  # cut inside
    (relu_blocks.BlockConstruction.masks, "group.place.matrix_rows[rows * d + k]", "rows * d + k"),
    (by_group, "first += group.place.rows", "first += 0"),  # another block's filters
    (relu_blocks._mask_of, "mask[rows, columns] = True", "mask[rows, columns - 1] = True"),
]


def several_cases():
    """Check small convolutions with whole filters, then with whole kernels."""
    for name in ("structured", "structured-kernels"):
        f = images(channels=2, domain=Box(-1, 1))
        check_pruned(filtered(f, name, 20))


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "right", "wrong"), MISTAKES)
def test_mistakes_are_seen(monkeypatch, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        several_cases()
