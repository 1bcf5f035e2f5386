"""Experiment 2: structures, exact subset sums in them, and, where torch is, edge-popup and the command."""

import csv
import json
import sys
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.idx import write_folder
from support.pages import Tags
from support.planting import plant
from typer.testing import CliRunner

from subsetsum_nets import Dense, ReluNetwork
from subsetsum_nets.cli import app
from subsetsum_nets.exchange import read_masks
from subsetsum_nets.experiments.experiment_2 import (
    Experiment2,
    compiled,
    popup,
    run,
    structures,
    write_outputs,
)
from subsetsum_nets.experiments.experiment_2.compiled import compile_masks
from subsetsum_nets.experiments.experiment_2.run import Point, Settings, run_experiment_2
from subsetsum_nets.experiments.experiment_2.structures import STRUCTURES, draw_structure, wide_widths
from subsetsum_nets.experiments.images import load_images
from subsetsum_nets.experiments.training import TrainingSettings, train_classifier
from subsetsum_nets.reports.curves import best_curve, compiled_curve

WIDTHS = (6, 4, 3)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch, of the extra torch, is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "idx"
    write_folder(place, 120, 60)
    return place


# -- the random networks, without torch ----------------------------------------------------------------


def by_hand(structure, x):
    """Evaluate a structured network from its definition, unit by unit."""
    values = list(map(float, x))
    pairs = list(pairwise(structure.weights))[::2]
    for place, (w1, w2) in enumerate(pairs):
        rows, columns = w1.shape
        units = [float(w1[k, i]) * values[i] for k in range(rows) for i in range(columns)]
        if structure.kind == "relu":
            units = [max(unit, 0.0) for unit in units]
        values = [sum(float(w) * unit for w, unit in zip(row, units, strict=True)) for row in w2]
        if place < len(pairs) - 1:
            values = [max(value, 0.0) for value in values]
    return values


@pytest.mark.parametrize("kind", ["linear", "relu"])
def test_structured_networks_are_those_of_the_paper(kind):
    structure = draw_structure(kind, WIDTHS, 3, seed=1)
    assert [weight.shape for weight in structure.weights] == [(3, 6), (4, 18), (3, 4), (3, 12)]
    x = np.random.default_rng(0).random(6)
    np.testing.assert_allclose(structure.network()(x), by_hand(structure, x), rtol=1e-12)


def test_both_structures_have_the_same_weights():
    for one, other in zip(
        *(draw_structure(kind, WIDTHS, 3).weights for kind in ("linear", "relu")), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_weights_have_the_deviations_of_kaiming():
    structure = draw_structure("relu", (300, 200, 10), 5)
    for weight, deviation in zip(structure.weights, (2**0.5, (2 / 300) ** 0.5, 2**0.5, 0.1), strict=True):
        assert weight.std() == pytest.approx(deviation, rel=0.1)
    wide = draw_structure("wide", (300, 200, 10), 5)
    assert wide.score_ranges()[0] == pytest.approx(300**-0.5)


@pytest.mark.parametrize(
    "widths", [(64, 100, 10), (784, 500, 10), (784, 500, 500, 500, 10), (400, 120, 84, 10)]
)
def test_wide_networks_have_as_many_parameters(widths):
    check_wide(widths)


def check_wide(widths):
    wanted = sum(5 * d * (1 + d_out) for d, d_out in pairwise(widths))
    found = wide_widths(widths, 5)
    size = sum(a * b for a, b in pairwise(found))
    unit = max(
        sum(a * b for a, b in pairwise([found[0], *(h + 1 for h in found[1:-1]), found[-1]])) - size, 1
    )
    assert abs(size - wanted) <= unit / 2
    structured = draw_structure("linear", widths, 5).parameters
    assert structured == wanted


def test_a_wide_network_of_another_size_is_noticed(monkeypatch):
    plant(monkeypatch, structures.wide_widths, "redundancy * d * (1 + d_out)", "redundancy * d * d_out")
    with pytest.raises(AssertionError):
        check_wide((64, 100, 10))


# -- exact subset sums, without torch ------------------------------------------------------------------


def check_compiled(target, structure, found, tolerance):
    """Hold masks against every subset of every weight, in exact arithmetic."""
    relu = structure.kind == "relu"
    kept = 0
    for place, (layer, (w1, w2)) in enumerate(
        zip(target.layers, list(pairwise(structure.weights))[::2], strict=True)
    ):
        mask1, mask2 = found.masks[2 * place], found.masks[2 * place + 1].reshape(-1, *w1.shape)
        np.testing.assert_array_equal(mask1, mask2.any(axis=0))  # no unit is kept for nothing
        kept += int(mask1.sum()) + int(mask2.sum())
        for j, i in np.ndindex(layer.stored.shape):
            usable = [k for k in range(len(w1)) if not relu or w1[k, i] > 0]
            items = {
                k: Fraction(float(w1[k, i])) * Fraction(float(w2.reshape(-1, *w1.shape)[j, k, i]))
                for k in usable
            }
            chosen = np.flatnonzero(mask2[j, :, i])
            assert set(chosen) <= set(usable)
            weight = Fraction(float(layer.stored[j, i]))
            error = abs(sum((items[k] for k in chosen), Fraction(0)) - weight)
            sums = {
                subset: abs(
                    sum((items[k] for k, used in zip(usable, subset, strict=True) if used), Fraction(0))
                    - weight
                )
                for subset in product((0, 1), repeat=len(usable))
            }
            assert error <= Fraction(found.worst_error)
            if tolerance is None or min(sums.values()) > Fraction(tolerance):
                assert error == min(sums.values())
            else:
                assert error <= Fraction(tolerance)
                assert len(chosen) == min(sum(s) for s, e in sums.items() if e <= Fraction(tolerance))
    assert found.kept == kept


def small_target(seed):
    rng = np.random.default_rng(seed)
    return ReluNetwork([Dense(rng.normal(size=(b, a)).astype(np.float32)) for a, b in pairwise(WIDTHS)])


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 99),
    st.sampled_from(["linear", "relu"]),
    st.sampled_from([None, 0.1, 0.5]),
    st.integers(1, 4),
)
def test_masks_are_exact_subset_sums(seed, kind, tolerance, redundancy):
    target, structure = small_target(seed), draw_structure(kind, WIDTHS, redundancy, seed)
    check_compiled(target, structure, compile_masks(target, structure, tolerance=tolerance), tolerance)


@pytest.mark.parametrize("kind", ["linear", "relu"])
def test_the_pruned_network_has_the_weights_that_were_compiled(kind):
    """On inputs >= 0 the masked random network is the target, up to the errors of its weights."""
    target = ReluNetwork([Dense(np.float32(0.1) * layer.stored) for layer in small_target(3).layers])
    structure = draw_structure(kind, WIDTHS, 18, 3)
    found = compile_masks(target, structure)
    assert found.worst_error < 0.05
    pruned = structure.masks(found.masks).apply(structure.network())
    x = np.random.default_rng(1).random((20, 6))
    np.testing.assert_allclose(pruned(x), target(x), atol=0.2)


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (compiled._items, "w1 > 0", "w1 < 0"),
        (compile_masks, "kept.any(axis=0)", "kept.all(axis=0)"),
        (compiled._subsets, "np.where(missed[:, None], nearest.masks, sparsest.masks)", "nearest.masks"),
        (compiled._items, "products.transpose(0, 2, 1).reshape(-1, rows)", "products.reshape(-1, rows)"),
        (compiled.CompiledMasks.kept, "int(mask.sum())", "int(mask.size)"),  # counted before masking
        (compile_masks, "max(worst, float(errors.max()))", "float(errors.min())"),
    ],
)  # fmt: skip
def test_planted_mistakes_are_noticed(monkeypatch, function, right, wrong):
    plant(monkeypatch, function.fget if isinstance(function, property) else function, right, wrong)
    target, structure = small_target(0), draw_structure("relu", WIDTHS, 4)
    found = compile_masks(target, structure, tolerance=0.2)
    with pytest.raises(AssertionError):
        check_compiled(target, structure, found, 0.2)


@pytest.mark.parametrize(
    ("kind", "redundancy", "message"), [("wide", 2, "wide network"), ("relu", 33, "at most 32")]
)
def test_what_cannot_be_compiled_is_refused(kind, redundancy, message):
    with pytest.raises(ValueError, match=message):
        compile_masks(small_target(0), draw_structure(kind, WIDTHS, redundancy))


def test_training_without_torch_learns():
    rng = np.random.default_rng(0)
    x = rng.random((300, 4))
    labels = (x[:, 0] > x[:, 1]) + 2 * (x[:, 2] > x[:, 3])  # a network without biases scales
    options = {"settings": TrainingSettings(epochs=80, rate=0.1), "seed": 1}
    network = train_classifier(x, labels, [16], **options)
    assert (network(x).argmax(axis=1) == labels).mean() > 0.9
    again = train_classifier(x, labels, [16], **options)
    np.testing.assert_array_equal(network.layers[0].stored, again.layers[0].stored)
    assert all(layer.bias is None for layer in network.layers)
    with pytest.raises(FloatingPointError, match="diverged"), np.errstate(all="ignore"):
        train_classifier(x, labels, [16], settings=TrainingSettings(epochs=20, rate=1e6))


def test_without_torch_the_extra_is_named(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(
        app, ["reproduce", "experiment-2", "--data", str(folder), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "subsetsum-nets[torch]" in result.stderr
    assert not (tmp_path / "out").exists()


# -- what is shown, without torch ----------------------------------------------------------------------


def point(structure, kept, reached, *, sparsity=0.5, seed=0, epochs=30, redundancy=5, tolerance=None):
    about = (structure, "two-layer", sparsity, 100, kept, reached, reached, epochs, seed, 0.5)
    return Point(*about, redundancy, tolerance)


@pytest.fixture
def made():
    points = [point("baseline", 50, 0.95, redundancy=None)]
    for seed in (0, 1):
        for kind in STRUCTURES:
            points += [
                point(kind, 50, 0.8 + 0.1 * seed, seed=seed),
                point(kind, 50, 0.7, seed=seed, epochs=10),
            ]
        for kind in ("linear", "relu"):
            points += [point(f"compiled-{kind}", 20 + 10 * seed, 0.9, seed=seed)]
            points += [point(f"compiled-{kind}", 10, 0.6, seed=seed, tolerance=0.1)]
    points.append(point("relu", 10, None, sparsity=0.9))
    asked = Settings(("two-layer",), 8, 5, (10, 30), (0.5, 0.9), (0, 1))
    names = ("data", "where", "source", "licence", "data_digest", "torch")
    about = {**dict.fromkeys(names, "<none>"), "train_images": 3, "test_images": 4, "seed": 0}
    return Experiment2(asked, points, about)


def test_curves_are_means_over_seeds_of_the_best_epochs(made):
    points = made.summary()["points"]
    ((kept, low, mean, high),) = best_curve(points, "linear")
    assert (kept, low, mean, high) == (50, 0.8, pytest.approx(0.85), 0.9)
    assert best_curve(points, "relu")[0][0] == 50  # the one without accuracy is left out
    assert compiled_curve(points, "relu", 5, by="redundancy") == [(25, 0.9, 0.9, 0.9)]
    assert compiled_curve(points, "relu", 5, by="tolerance") == [(10, 0.6, 0.6, 0.6)]


def test_diverged_runs_are_told_and_not_drawn(made, tmp_path):
    write_outputs(made, tmp_path)
    page = json.loads((tmp_path / "experiment_2.json").read_text())
    assert [lost["sparsity"] for lost in page["diverged"]] == [0.9]
    text = (tmp_path / "report.html").read_text()
    said = Tags(text).text
    assert "1 of 22 points have no accuracy: their scores diverged." in said
    assert "relu two-layer at sparsity 0.9, seed 0" in said
    assert "exact subset sums keep 25 parameters at 90.00 %, ahead of edge-popup with 50 at 85.00 %" in said
    assert "MNIST" not in text
    with (tmp_path / "experiment_2.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    names = "structure network sparsity parameters kept accuracy best_accuracy epochs seed seconds"
    assert list(lines[0]) == names.split()
    assert lines[-1]["accuracy"] == ""
    assert {path.name for path in tmp_path.iterdir()} == {
        "experiment_2.json", "experiment_2.csv", "compiled.csv", "experiment_2.pdf", "experiment_2.png",
        "experiment_2.svg",
        "provenance.json", "report.html",
    }  # fmt: skip


# -- edge-popup, with torch ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STRUCTURES)
def test_torch_evaluates_as_the_network_does(torch, kind):
    structure = draw_structure(kind, WIDTHS, 3)
    x = np.random.default_rng(0).random((7, 6)).astype(np.float32)
    weights = [torch.from_numpy(weight) for weight in structure.weights]
    outputs = popup.forward(torch, kind, weights, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(outputs, structure.network()(x.astype(np.float64)), rtol=1e-4, atol=1e-5)


def test_masks_in_training_are_the_largest_scores_and_pass_gradients(torch):
    sizes = torch.tensor([3.0, 1.0, 2.0, 4.0], requires_grad=True)
    kept = popup._keep_largest()(sizes, 2)
    assert kept.tolist() == [1, 0, 0, 1]
    (kept * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert sizes.grad.tolist() == [1, 2, 3, 4]


def command(*arguments, code=0):
    result = CliRunner().invoke(app, ["reproduce", "experiment-2", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.mark.slow
def test_the_command_runs_resumes_and_its_masks_are_read_again(torch, folder, tmp_path, monkeypatch):
    asked = (
        "--data",
        folder,
        "--hidden",
        4,
        "--redundancy",
        2,
        "--epochs",
        "1,2",
        "--sparsities",
        "0.3,0.5,0.8",
    )
    asked = (*asked, "--seeds", 2, "--out", tmp_path / "run")
    calls = []
    trained = run.train_scores

    def cut(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return trained(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "train_scores", cut)
        command(*asked, code=130)
    page = json.loads(command(*asked, "--json").stdout)
    assert len(page["points"]) == 2 * (1 + 3 * 2 * 3 + 2 * (5 + 6))
    monkeypatch.setattr(run, "train_scores", None)  # nothing is trained again
    assert json.loads(command(*asked, "--json").stdout) == page

    images = load_images(folder)
    x = images.inputs(784, "test").astype(np.float32).astype(np.float64)
    for one in page["points"]:
        if one["structure"] not in STRUCTURES:
            continue
        sizes = [784 * 2, 4 * 2 * 784, 8, 10 * 8]
        if one["structure"] != "wide":
            assert one["kept"] == sum(n - int(Fraction(str(one["sparsity"])) * n) for n in sizes)
        name = f"two-layer-{one['structure']}-e{one['epochs']}-s{one['sparsity']!r}-seed{one['seed']}"
        linear = (0, 2) if one["structure"] == "linear" else ()
        random, masks = read_masks(tmp_path / "run" / "masks" / f"{name}.safetensors", linear_after=linear)
        assert masks.kept == one["kept"]
        right = masks.apply(random)(x).argmax(axis=1) == images.test_labels
        assert right.mean() == one["accuracy"] <= one["best_accuracy"]
    assert "is the trained network" not in command(*asked).stdout


@pytest.mark.slow
def test_other_networks_and_diverging_scores(torch, folder, tmp_path):
    data = load_images(folder)
    options = {"hidden": 4, "redundancy": 1, "epochs": (1,), "sparsities": (0.5,)}
    found = run_experiment_2(data, tmp_path / "a", networks=("four-layer", "lenet5"), **options)
    sizes = {point.network: point.parameters for point in found.points if point.structure == "linear"}
    assert sizes["lenet5"] == 400 * 121 + 120 * 85 + 84 * 11
    assert sizes["four-layer"] == 784 * 5 + 4 * 5 + 4 * 5 + 4 * 11
    write_outputs(found, tmp_path / "a")

    with pytest.MonkeyPatch.context() as patch:
        lost = popup.Scores([np.full((1, 784), np.nan)], 0.1)
        patch.setattr(run, "train_scores", lambda *_: lost)
        found = run_experiment_2(data, tmp_path / "b", **options)
    assert [point.accuracy for point in found.points if point.structure in STRUCTURES] == [None] * 3
    assert len(found.summary()["diverged"]) == 3
    write_outputs(found, tmp_path / "b")


@pytest.mark.slow
def test_edge_popup_learns(torch):
    """The published order at half the parameters: the structure without ReLU ahead of that with it."""
    data = load_images("digits")
    train, test = (data.inputs(64, part).astype(np.float32) for part in ("train", "test"))
    inputs = popup.LabelledInputs(train, data.train_labels, test, data.test_labels)
    reached = {}
    for kind in ("linear", "relu"):
        structure = draw_structure(kind, (64, 100, 10), 5)
        reached[kind] = popup.train_scores(structure, 0.5, inputs, TrainingSettings(epochs=10)).best_accuracy
    assert reached["linear"] > 0.9
    assert 0.5 < reached["relu"] < reached["linear"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--networks", "resnet"), "networks are two-layer, four-layer, lenet5, got 'resnet'"),
        (("--hidden", 0), "hidden"),
        (("--redundancy", 33), "redundancy"),
        (("--epochs", "x"), "--epochs must be numbers"),
        (("--epochs", "0"), "epochs"),
        (("--sparsities", "1"), "sparsity"),
        (("--sparsities", "0.5;0.6"), "--sparsities must be numbers"),
        (("--seeds", 0), "seeds"),
        (("--out", "foreign"), "foreign holds other files"),
        (("--data", "nowhere"), "there is no nowhere"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_exit_2_and_named(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "torch_here", lambda: None)  # refused before it is needed
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("years of work")
    given = {"--data": folder, "--out": "out"}
    given = [word for name, value in given.items() if name not in options for word in (name, value)]
    assert message in " ".join(command(*given, *options, code=2).stderr.split())
