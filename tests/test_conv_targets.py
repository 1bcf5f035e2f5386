"""prune() of convolutional networks: verified, stored, audited, checked alone; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.geometries import conv_cases
from support.planting import plant

from subsetsum_nets import (
    AvgPool2d,
    Box,
    Conv2d,
    Dense,
    MaxPool2d,
    PrunedNetwork,
    ReluNetwork,
    prune,
    verify,
)
from subsetsum_nets.allocation import simulated_bounds
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.allocation.recursion import RecursionAllocation, layer_errors
from subsetsum_nets.allocation.tight import TightAllocation
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions import construction_named
from subsetsum_nets.constructions.protocol import weight_with_bias
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import InvalidNetworkError, network_digest
from subsetsum_nets.reports import write_report
from subsetsum_nets.reports.rows import rows_by_layer
from subsetsum_nets.verification import DifferentialRecursion
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.check_certificate import RefusedError, check
from subsetsum_nets.verification.enclosures.effective import effective_layers

LAYERS = [Conv2d(np.ones((3, 3, 1, 2))), Dense(np.ones((1, 8)))]
IMAGES = ReluNetwork(LAYERS, input_shape=(2, 2, 1))


def uniform(rng, *shape):
    return rng.uniform(-0.5, 0.5, shape)


def small_cnn(seed=0):
    """Return 6 x 4 pixels -> maxima -> a strided convolution -> averages -> 2 values, with biases."""
    rng = np.random.default_rng(seed)
    layers = [
        Conv2d(uniform(rng, 3, 3, 1, 2), uniform(rng, 2)),
        MaxPool2d(2),
        Conv2d(uniform(rng, 2, 1, 2, 3), uniform(rng, 3), stride=(1, 2), padding="valid"),
        AvgPool2d(None),
        Dense(uniform(rng, 2, 3), uniform(rng, 2)),
    ]
    return ReluNetwork(layers, input_shape=(6, 4, 1), domain=Box(0, 1))


def grouped(domain=None):
    """Return 4 x 3 pixels of two channels -> two groups, dilated, signed -> 2 channels -> 1 value."""
    rng = np.random.default_rng(2)
    layers = [
        Conv2d(uniform(rng, 2, 2, 1, 4), uniform(rng, 4), groups=2),
        Conv2d(uniform(rng, 1, 3, 4, 2), dilation=(1, 2), padding=(0, 2)),
        Dense(uniform(rng, 1, 24), uniform(rng, 1)),
    ]
    return ReluNetwork(layers, input_shape=(4, 3, 2), domain=domain, linear_after=[1])


def check_differences(pruned):
    """See that no difference at a point of the domain exceeds the bound."""
    rng = np.random.default_rng(0)
    low, high = pruned.domain.bounds(pruned.target.widths[0])
    points = rng.uniform(low, high, (200, len(low)))
    differences = np.linalg.norm(pruned.target(points) - pruned.network(points), axis=1)
    assert differences.max() <= pruned.certificate.bound
    assert 0 < pruned.certificate.attack <= pruned.certificate.bound


@pytest.fixture(scope="module")
def small():
    """Return a small network pruned."""
    return prune(small_cnn(), epsilon=0.05, seed=3, threads=1)


@pytest.mark.parametrize(
    ("construction", "allocation"),
    [
        ("relu", "tight"),
        ("relu-paper", "recursion"),
        pytest.param("relu", "recursion", marks=pytest.mark.slow),
        pytest.param("relu-paper", "tight", marks=pytest.mark.slow),
    ],
)
def test_a_small_cnn_is_pruned_and_verified(construction, allocation):
    target = small_cnn()
    pruned = prune(target, construction=construction, allocation=allocation, epsilon=0.05, threads=1)
    assert pruned.certificate.verified
    assert pruned.shortfall is None
    check_differences(pruned)
    sides = 2 if construction == "relu-paper" else 1
    learned = sum(layer.parameters for layer in target.layers if not layer.fixed)
    assert pruned.certificate.counts["subset_sums"] == sides * learned
    drawn = [layer for layer in pruned.random.layers if not layer.fixed]
    assert pruned.certificate.counts["random_parameters"] == sum(layer.parameters for layer in drawn)


@pytest.mark.parametrize("objective", ["within", "sparsest"])
def test_groups_and_inputs_of_both_signs(objective):
    pruned = prune(grouped(), epsilon=0.1, objective=objective, domain=Box(-1, 1), threads=1)
    assert pruned.certificate.verified
    check_differences(pruned)
    between = np.ones((2, 2, 2, 4), dtype=bool)
    between[:, :, 0, :2] = between[:, :, 1, 2:] = False
    (first, *_) = effective_layers(pruned.target, pruned.network)
    for side in (first.positive, first.negative):
        assert not side.mid.kernel[between].any()


def test_errors_of_the_rows_are_those_of_the_effective_kernels():
    pruned = prune(grouped(), epsilon=0.1, domain=Box(-1, 1), threads=1)
    effective = effective_layers(pruned.target, pruned.network)
    row = 0
    for place in construction_named("relu").places(pruned.target, Box(-1, 1)):
        errors = pruned.solution.errors[row : row + place.rows].reshape(place.shape)
        row += place.rows
        layer, found = pruned.target.layers[place.layer], effective[place.layer]
        weight = (found.positive if place.side == "positive" else found.negative).mid
        matrix = np.asarray(getattr(weight, "kernel", weight))
        if matrix.ndim == 4:
            matrix = matrix.transpose(0, 1, 3, 2).reshape(-1, layer.c_in)
        whole = matrix
        if layer.bias is not None:
            biases = found.bias.mid.reshape(-1, len(layer.bias))
            assert (biases == biases[0]).all()  # at every pixel
            whole = np.column_stack([matrix, np.tile(biases[0], len(matrix) // len(layer.bias))])
        off = abs(whole - weight_with_bias(layer))[place.entries]
        np.testing.assert_allclose(off, errors, rtol=0, atol=1e-12)
    assert row == len(pruned.solution)


def test_a_ticket_of_a_cnn_is_saved_loaded_audited_and_reported(small, tmp_path):
    pruned = small
    folder = tmp_path / "ticket"
    pruned.save(folder)
    back = PrunedNetwork.load(folder)
    assert network_digest(back.random) == network_digest(pruned.random)
    assert back.recipe == pruned.recipe
    assert audit(folder, exact=True).verified
    write_report(back, folder / "report.html")
    assert "3 × 3 × 1 × 2 + bias" in (folder / "report.html").read_text()
    for layer, rows in zip(back.target.layers, rows_by_layer(back), strict=True):
        assert rows.picture.sum() == rows.sizes.sum()
        assert len(rows.errors) == (0 if layer.fixed else layer.parameters)
    changed = NetworkMasks.load(folder / "masks.npz")
    kept = np.argwhere(changed.weights[1])[0]
    changed.weights[1][tuple(kept)] = False
    changed.save(folder / "masks.npz")
    with pytest.raises(CertificateFileError, match="masks"):
        audit(folder)


def test_the_checker_of_one_file_confirms_a_cnn(tmp_path):
    target = ReluNetwork(
        [Conv2d(np.full((2, 2, 1, 2), 0.25), [0.5, -0.25], stride=2), AvgPool2d(2), Dense([[0.5, -0.75]])],
        input_shape=(4, 4, 1),
    )
    pruned = prune(target, epsilon=0.05, domain=Box(0, 1), threads=1)
    pruned.save(tmp_path / "ticket")
    result = verify(target, pruned.network, domain=Box(0, 1), epsilon=0.05, method="differential")
    claim = replace(pruned.certificate, **Certificate.findings(result))
    claim.save(tmp_path / "certificate.json")
    assert check(tmp_path / "ticket", tmp_path / "certificate.json") / 2**1074 <= result.upper
    replace(claim, bound=result.upper / 2, verified=True).save(tmp_path / "false.json")
    with pytest.raises(RefusedError, match="the certificate claims"):
        check(tmp_path / "ticket", tmp_path / "false.json")


def test_a_given_cnn_is_pruned_like_the_same_one_drawn(small):
    given = prune(small.target, epsilon=0.05, into=small.random, threads=1)
    assert given.certificate.verified
    assert given.recipe is None
    assert given.candidates == small.candidates
    assert given.certificate.masks_digest == small.certificate.masks_digest


@pytest.mark.slow
def test_too_few_candidates_say_how_many_do():
    target = small_cnn()
    short = prune(target, epsilon=0.05, candidates=4, threads=1)
    assert not short.certificate.verified
    assert prune(
        target, epsilon=0.05, candidates=short.shortfall.enough_candidates, threads=1
    ).certificate.verified


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(case=conv_cases(), signed=st.booleans(), seed=st.integers(0, 99))
def test_bounds_of_any_geometry_hold_at_sampled_points(case, signed, seed):
    layer, image = case
    shape = layer.gives((*image, layer.c_in), 0)
    last = Dense(np.random.default_rng(seed).integers(-4, 5, (2, int(np.prod(shape)))) / 8)
    target = ReluNetwork([layer, last], input_shape=(*image, layer.c_in))
    try:
        pruned = prune(target, candidates=10, domain=Box(-1 if signed else 0, 1), seed=seed, threads=1)
    except InvalidNetworkError as error:
        assert "looks inside the image from every window" in str(error)  # noqa: PT017 - some have no place
        return
    rng = np.random.default_rng(seed)
    low, high = pruned.domain.bounds(target.widths[0])
    points = rng.uniform(low, high, (50, len(low)))
    differences = np.linalg.norm(target(points) - pruned.network(points), axis=1)
    assert differences.max() <= pruned.certificate.bound
    assert pruned.certificate.attack <= pruned.certificate.bound < np.inf


# ---------------------------------------------------------------- allocation


def task_for(target, domain):
    return CompileTask(construction_named("relu"), target, domain, 0.05, 0.01)


def unrolled(target):
    """Return the same function of dense layers alone."""
    layers = [
        layer
        if hasattr(layer.weight, "nnz") or isinstance(layer.weight, np.ndarray)
        else Dense(layer.weight.toarray(), layer.bias)
        for layer in target.affine_layers
    ]
    return ReluNetwork(layers, linear_after=target.linear_after)


@pytest.mark.parametrize(("target", "domain"), [(small_cnn(), Box(0, 1)), (grouped(), Box(-1, 1))])
def test_errors_of_rows_are_arranged_as_those_of_kernels_and_biases(target, domain):
    task = task_for(target, domain)
    rng = np.random.default_rng(0)
    drawn = [rng.uniform(0.01, 0.02, place.shape) for place in task.places]
    errors = layer_errors(task, drawn)
    for place, values in zip(task.places, drawn, strict=True):
        layer, error = target.layers[place.layer], errors[place.layer]
        weight = error.positive if place.side == "positive" else error.negative
        for row, column in np.ndindex(*place.shape):
            number, at = place.matrix_rows[row], place.columns[column]
            if isinstance(layer, Dense):
                found = error.bias[number] if at == layer.d_in else weight[number, at]
            else:
                entry, output = divmod(number, layer.c_out)
                place_of_entry = divmod(entry, layer.size[1])
                pixels = error.bias.reshape(-1, layer.c_out)[:, output]
                assert (pixels == pixels[0]).all()
                found = pixels[0] if at == layer.c_in else weight.kernel[(*place_of_entry, at, output)]
            assert found == values[row, column]


@pytest.mark.parametrize(("target", "domain"), [(small_cnn(), Box(0, 1)), (grouped(), Box(-1, 1))])
def test_sensitivities_are_sums_over_all_pixels(target, domain):
    """Those of an entry of a kernel add up those of the matrix entries that it is."""
    task, flat = task_for(target, domain), task_for(unrolled(target), domain)
    whole = {}
    for place, found in zip(flat.places, TightAllocation(flat).sensitivities, strict=True):
        layer = flat.target.layers[place.layer]
        whole[place.layer, place.side] = np.zeros((layer.d_out, layer.d_in + 1))
        whole[place.layer, place.side][place.entries] = found
    for place, found in zip(task.places, TightAllocation(task).sensitivities, strict=True):
        layer, affine = target.layers[place.layer], target.affine_layers[place.layer]
        every = whole[place.layer, place.side]
        if isinstance(layer, Dense):
            assert np.allclose(every[place.entries], found)
        elif place.columns[0] == layer.c_in:
            assert np.allclose(every[:, -1].reshape(-1, layer.c_out).sum(axis=0), found[:, 0])
        else:
            for row, column in np.ndindex(*place.shape):
                one = np.zeros(layer.matrix.shape)
                one[place.matrix_rows[row], place.columns[column]] = 1.0
                at = affine.weight.with_kernel(layer.from_matrix(one)).toarray()
                assert found[row, column] == pytest.approx((at * every[:, :-1]).sum())


def test_rows_that_meet_their_tolerances_are_proven_by_the_recursion():
    task = task_for(small_cnn(), Box(0, 1))
    offer = RecursionAllocation(task).offer(task.construction.recipe(task.target, 30).draw(0))
    errors = layer_errors(task, offer.tolerances)
    bound = DifferentialRecursion(task.target, task.domain).bound(errors).upper
    assert 0.5 * task.epsilon < bound <= task.epsilon


def test_on_large_images_slow_methods_are_asked_once_near_epsilon(monkeypatch):
    asked = []
    table = {
        name: replace(
            method, bound=lambda comparison, name=name, of=method.bound: asked.append(name) or of(comparison)
        )
        for name, method in simulated_bounds.TABLE.items()
    }
    monkeypatch.setattr(simulated_bounds, "TABLE", table)
    monkeypatch.setattr(simulated_bounds, "_LARGE", 4)
    monkeypatch.setattr(simulated_bounds, "_FEW_ROWS", 0)
    task = task_for(small_cnn(), Box(0, 1))
    bounds = simulated_bounds.SimulatedBounds(task, simulated_bounds.ErrorLaw.of("nearest", task.rows, 0.01))

    def bound(error):
        asked.clear()
        shapes = [(task.target.layers[p.layer], p) for p in task.places]
        return bounds.bound([np.full(weight_with_bias(layer)[p.entries].shape, error) for layer, p in shapes])

    assert bound(1e3 * task.epsilon) > 4 * task.epsilon
    assert set(asked) <= {"differential", "norms"}
    near = bound(1e-3 * task.epsilon)
    assert {"propagated", "zonotope"} <= set(asked)
    assert bound(1e-3 * task.epsilon) == near
    assert len(asked) == 1


CHECKS = (
    test_errors_of_rows_are_arranged_as_those_of_kernels_and_biases,
    test_sensitivities_are_sums_over_all_pixels,
)
SUM = "np.tensordot(inputs[source], outputs[target], axes=([0, 1], [0, 1]))"
ALLOCATION_MISTAKES = [
    (simulated_bounds._effects, SUM, SUM.replace("[0, 1])", "[1, 0])")),
    (simulated_bounds._effects, "outputs.sum(axis=(0, 1))", "outputs.max(axis=(0, 1))"),
    (CompileTask.arranged, "layer.from_matrix(entries(matrix))", "layer.from_matrix(entries(matrix))[::-1]"),
    (CompileTask.arranged, "constant.reshape(-1, kernel.kernel.shape[3]).sum(axis=0)", "constant[:2] * 0"),
]


@pytest.mark.parametrize(("function", "right", "wrong"), ALLOCATION_MISTAKES)
def test_mistakes_in_the_allocation_are_seen(monkeypatch, function, right, wrong):
    target = ReluNetwork([Conv2d(np.arange(12.0).reshape(3, 2, 1, 2), [1.0, 2.0])], input_shape=(4, 3, 1))
    for check_allocation in CHECKS:
        check_allocation(target, Box(-1, 1))
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, ValueError)):
        [check_allocation(target, Box(-1, 1)) for check_allocation in CHECKS]


# ---------------------------------------------------------------- refused


def test_linear_links_are_refused_by_name_and_say_why():
    message = r"layer 0 of target is a Conv2d\(3x3, 1 -> 2\); construction 'linear' takes Dense .*ReLU blocks"
    with pytest.raises(InvalidNetworkError, match=message):
        prune(IMAGES, construction="linear")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": ReluNetwork(LAYERS[:1])}, "input_shape"),
        ({"target": IMAGES, "domain": Box(np.zeros(3), np.ones(3))}, "3"),
        ({"target": IMAGES, "epsilon": 0}, "epsilon"),
        ({"target": IMAGES, "candidates": 0}, "candidates"),
        ({"target": IMAGES, "candidates": 2.5}, "candidates"),
        ({"target": IMAGES, "construction": "structured-cnn"}, "unknown construction 'structured-cnn'"),
        (
            {"target": IMAGES, "into": ReluNetwork([Dense(np.ones((1, 4)))])},
            "has 1 layers; a target of 2 needs 4",
        ),
        ({"target": ReluNetwork([Dense(np.ones((1, 4)))]), "into": IMAGES}, "has the input_shape"),
        ({"target": IMAGES, "candidates": 10**9}, "at most"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        prune(**options)
