"""Experiment 1 in small, against exact arithmetic; its folder, its page, its command; planted mistakes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from support.idx import write_folder
from support.pages import Tags
from support.planting import plant
from typer.testing import CliRunner

from subsetsum_nets import Conv2d, Dense, ReluNetwork, load_network, save_network
from subsetsum_nets.cli import app
from subsetsum_nets.experiments.experiment_1 import answers as answers_module
from subsetsum_nets.experiments.experiment_1 import run as module
from subsetsum_nets.experiments.experiment_1 import run_experiment_1, write_outputs
from subsetsum_nets.experiments.images import load_images
from subsetsum_nets.experiments.weight_rows import weight_rows, with_weights

AFTER = "accuracy(approximated, inputs, data.test_labels)"
DIFFERENCE = "approximated(inputs) - target(inputs)"
TIMES = ("solving_seconds", "processor_seconds", "peak_megabytes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("data") / "idx"
    write_folder(place, 120, 60)
    return place


@pytest.fixture(scope="module")
def data(folder):
    return load_images(folder)


@pytest.fixture(scope="module")
def coarse(data, tmp_path_factory):
    """784-8-10 by 3 coefficients a weight: so few that the accuracy suffers."""
    return run_experiment_1(data, tmp_path_factory.mktemp("coarse") / "run", hidden=8, items=3, threads=1)


def shares(network, images, labels):
    outputs = np.array([network(image) for image in images])
    return float((outputs.argmax(axis=1) == labels).mean())


def check(found, data):
    """Hold everything that is said against its definition, errors and sums in exact arithmetic."""
    page, target = found.page, found.target
    low, high = page["range"]
    rows = weight_rows(target, page["items"], low, high, seed=page["seed"], draw=page["draw"])
    weights = np.concatenate([layer.stored.ravel() for layer in found.approximated.layers])
    worst, kept = Fraction(0), 0
    for index in range(0, len(rows.weights), 17):
        chosen = [Fraction(c) for c in rows.coefficients[index][found.answers.masks[index]]]
        total = sum(chosen, Fraction(0))
        assert weights[index] == float(total)
        error = abs(total - Fraction(rows.weights[index]))
        assert error <= found.answers.errors[index] <= float(error) * (1 + 1e-15)
        worst = max(worst, error)
    for mask in found.answers.masks:
        kept += sum(map(int, mask))
    images = data.inputs(784, "test")
    assert page["kept"] == kept == sum(layer["kept"] for layer in page["layers"])
    assert page["worst_error"] >= worst
    assert page["misses"] == sum(error > page["epsilon"] for error in found.answers.errors)
    assert page["accuracy_before"] == shares(target, images, data.test_labels)
    assert page["accuracy_after"] == shares(found.approximated, images, data.test_labels)
    differences = [abs(found.approximated(image) - target(image)).max() for image in images]
    assert page["largest_output_error"] == pytest.approx(max(differences), rel=1e-12)
    assert sum(page["statuses"].values()) == page["weights"] == 6352


def test_what_is_said_is_so(coarse, data):
    check(coarse, data)
    assert coarse.page["accuracy_before"] != coarse.page["accuracy_after"]  # so that confusing them shows


def test_subsets_are_the_nearest_of_all(coarse):
    page = coarse.page
    rows = weight_rows(coarse.target, 3, *page["range"], seed=0)
    every = np.array([[index >> bit & 1 for bit in range(3)] for index in range(8)], dtype=bool)
    for index in range(0, 6352, 97):
        items = [Fraction(c) for c in rows.coefficients[index]]
        sums = [sum((c for c, used in zip(items, mask, strict=True) if used), Fraction(0)) for mask in every]
        least = min(abs(total - Fraction(rows.weights[index])) for total in sums)
        assert coarse.answers.errors[index] == pytest.approx(float(least), rel=1e-15)


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        # The authors once had this very bug.
        (module._page, f"{DIFFERENCE}\n...\n{AFTER}", AFTER.replace("approximated", "target")),
        (module._page, "int(answers.sizes.sum())", "int(answers.masks.size)"),  # counted before masking
        (module._page, "(answers.errors > asked.epsilon)", "(answers.errors > 2 * asked.epsilon)"),
        (module._page, DIFFERENCE, "target(inputs) - target(inputs)"),
        (module._page, "float(answers.errors.max())", "float(answers.errors.min())"),
        (module._by_sums, "rows.sums(answers.masks)", "rows.weights"),
        (module._layer, "int(sizes.sum())", "int(sizes.size)"),
        (answers_module.answered, "found.errors.copy()", "found.lower_bounds * 0.5"),
    ],
)  # fmt: skip
def test_planted_mistakes_are_noticed(monkeypatch, tmp_path, data, coarse, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    target = coarse.target
    found = run_experiment_1(data, tmp_path / "run", target=target, items=3, threads=1)
    with pytest.raises(AssertionError):
        check(found, data)


def test_rows_share_their_coefficients_if_asked(data, tmp_path, coarse):
    rows = weight_rows(coarse.target, 4, -1, 1, draw="row")
    shared = rows.coefficients[: 8 * 784].reshape(8, 784, 4)
    assert (shared == shared[:, :1]).all()
    assert len({tuple(row[0]) for row in shared}) == 8
    found = run_experiment_1(data, tmp_path / "run", target=coarse.target, items=3, draw="row", threads=2)
    check(found, data)
    kernels = ReluNetwork([Conv2d(np.ones((2, 2, 1, 3)))], input_shape=(2, 2, 1))
    drawn = weight_rows(kernels, 4, -1, 1, draw="row").coefficients.reshape(2, 2, 1, 3, 4)
    assert (drawn == drawn[:1, :1]).all()
    assert len({tuple(row) for row in drawn[0, 0, 0]}) == 3


@pytest.mark.thinned
@pytest.mark.parametrize("objective", ["within", "sparsest"])
def test_other_objectives_fall_back_to_the_nearest(data, tmp_path, coarse, objective):
    options = {"target": coarse.target, "items": 3, "objective": objective, "epsilon": 0.05, "threads": 1}
    found = run_experiment_1(data, tmp_path / "run", **options)
    check(found, data)
    page = found.page
    assert page["misses"] == page["statuses"]["infeasible"] > 0
    assert page["misses"] == (coarse.answers.errors > 0.05).sum()
    missed = found.answers.errors > 0.05
    np.testing.assert_array_equal(found.answers.errors[missed], coarse.answers.errors[missed])
    if objective == "sparsest":
        assert page["kept"] < coarse.page["kept"]


def test_biases_stay_as_they_are():
    network = ReluNetwork([Dense(np.ones((2, 3)), [0.25, -1.0]), Dense([[1.0, 2.0]])])
    changed = with_weights(network, np.arange(8.0))
    np.testing.assert_array_equal(changed.layers[0].bias, [0.25, -1.0])
    np.testing.assert_array_equal(changed.layers[0].stored, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(changed.layers[1].stored, [[6, 7]])


def test_what_theory_expects_is_what_stays(data, tmp_path, coarse):
    found = run_experiment_1(data, tmp_path / "run", target=coarse.target, items=16)
    assert found.page["kept"] == pytest.approx(found.page["kept_predicted"], rel=0.01)


# -- the folder ----------------------------------------------------------------------------------------


def reproduce(*arguments, code=0):
    result = CliRunner().invoke(app, ["reproduce", "experiment-1", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_the_command_writes_everything_and_resumes(folder, tmp_path, monkeypatch):
    asked = ("--data", folder, "--hidden", 8, "--items", 8, "--out", tmp_path / "run", "--json")
    page = json.loads(reproduce(*asked).stdout)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {
        "approximated.safetensors", "checkpoint", "experiment_1.csv", "experiment_1.json", "experiment_1.pdf",
        "experiment_1.png", "experiment_1.svg", "provenance.json", "question.json", "report.html",
        "target.safetensors",
    }  # fmt: skip
    assert json.loads((tmp_path / "run" / "experiment_1.json").read_text()) == page
    wanted = (
        "data weights items range draw objective statuses kept kept_paper worst_error median_error misses"
    )
    wanted += " accuracy_before accuracy_after largest_output_error solving_seconds processor_seconds"
    assert set(wanted.split()) <= set(page)
    assert (page["kept_paper"], page["core_hours_paper"]) == (3725871, 774)
    with (tmp_path / "run" / "experiment_1.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["weights"]) for line in lines] == [6272, 80]
    target = load_network(tmp_path / "run" / "target.safetensors")
    images = load_images(folder)
    assert shares(target, images.inputs(784, "test"), images.test_labels) == page["accuracy_before"]

    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    monkeypatch.setattr(module, "train_classifier", None)  # a second run trains nothing
    assert json.loads(reproduce(*asked, "--threads", 1).stdout) == page
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    before.pop("provenance.json"), after.pop("provenance.json")
    assert after == before
    assert "6,352 optimal" in reproduce(*asked[:-1]).stdout


def test_without_matplotlib_the_extra_is_named_before_anything_is_done(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("subsetsum_nets.pictures.can_draw", lambda: False)
    said = reproduce("--data", folder, "--out", tmp_path / "run", code=2).stderr
    assert "subsetsum-nets[pictures]" in said
    assert not (tmp_path / "run").exists()


def test_no_number_depends_on_threads_or_on_being_cut_off(data, tmp_path, coarse, monkeypatch):
    options = {"target": coarse.target, "items": 3}
    whole = run_experiment_1(data, tmp_path / "whole", threads=2, **options)

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "with_weights", cut)
        with pytest.raises(KeyboardInterrupt):
            run_experiment_1(data, tmp_path / "cut", threads=1, **options)
    resumed = run_experiment_1(data, tmp_path / "cut", threads=1, **options)
    for found in (whole, resumed):
        for name in TIMES:
            found.page.pop(name)
    assert whole.page == resumed.page


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_answers(folder, tmp_path):
    def command(place):
        options = ("--hidden", "60", "--items", "25", "--objective", "sparsest", "--threads", "1", "--json")
        words = ("reproduce", "experiment-1", "--data", str(folder), *options, "--out", str(tmp_path / place))
        return [sys.executable, "-m", "subsetsum_nets", *words]

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command("cut"), env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list((tmp_path / "cut").glob("checkpoint/sparsest/*.shard")):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "experiment_1.json").exists()
    pages = []
    for place in ("cut", "whole"):
        done = subprocess.run(command(place), env=environment, capture_output=True, text=True, check=True)
        pages.append({name: value for name, value in json.loads(done.stdout).items() if name not in TIMES})
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--items", 0), "items must be an integer from 1 to 32, got 0"),
        (("--items", 33), "got 33"),
        (("--range", 1, -1), "from a number to a larger one, got 1.0 to -1.0"),
        (("--range", "nan", 1), "nan"),
        (("--epsilon", 0), "epsilon"),
        (("--relu-epsilon", -1), "relu_epsilon"),
        (("--hidden", 0), "hidden"),
        (("--seed", -1), "seed"),
        (("--target", "small.npz"), "the target has 3 inputs, images from four IDX files have 784"),
        (("--target", "two.npz"), "the target has 2 outputs"),
        (("--target", "same.npz"), "all weights of the target are 0.5"),
        (("--target", "nowhere.npz"), "nowhere.npz"),
        (("--data", "nowhere"), "there is no nowhere"),
        (("--out", "file"), "file is a file"),
        (("--out", "file/inside"), "file"),
        (("--out", "foreign"), "foreign holds other files"),
        (("--out", "other"), "was begun with items 21, not 8"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_exit_2_and_named(folder, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    save_network(ReluNetwork([Dense(np.ones((10, 3)))]), "small.npz")
    save_network(ReluNetwork([Dense(np.ones((2, 784)))]), "two.npz")
    save_network(ReluNetwork([Dense(np.full((10, 784), 0.5))]), "same.npz")
    (tmp_path / "file").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("years of work")
    (tmp_path / "other").mkdir()
    other = {"experiment": "experiment-1", "items": 21, "data": load_images(folder).digest(), "hidden": 2}
    (tmp_path / "other" / "question.json").write_text(json.dumps(other))
    given = {"--data": folder, "--out": "out", "--items": 8, "--hidden": 2}
    given = [word for name, value in given.items() if name not in options for word in (name, value)]
    said = " ".join(reproduce(*given, *options, code=2).stderr.split())
    assert message in said
    assert (tmp_path / "foreign" / "thesis.tex").read_text() == "years of work"


# -- the page ------------------------------------------------------------------------------------------


def test_the_page_says_what_the_run_found(coarse, tmp_path):
    write_outputs(coarse, tmp_path, ["reproduce"])
    text = (tmp_path / "report.html").read_text()
    tags = Tags(text)
    page = coarse.page
    assert f"{page['kept']:,} of 19,056 coefficients kept" in tags.text
    assert f"{100 * page['accuracy_before']:.2f} % before" in tags.text
    assert f"{page['weights'] - page['misses']:,} of 6,352 weights within 0.01" in tags.text
    assert "3,725,871" in tags.text
    assert "MNIST" not in text
    assert all(reference.startswith("#") for reference in tags.references)
    assert f"--range {page['range'][0]!r} {page['range'][1]!r}" in tags.text


def test_names_of_data_are_escaped(coarse, tmp_path):
    hostile = "<script>alert('x')</script>"
    coarse = type(coarse)(**{**coarse.__dict__, "page": {**coarse.page, "data": hostile, "where": hostile}})
    write_outputs(coarse, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<script" not in text
    assert hostile in Tags(text).text


@pytest.mark.slow
def test_the_relu_structure_is_proven_for_all_images(data, tmp_path, coarse):
    found = run_experiment_1(
        data, tmp_path / "run", target=coarse.target, items=3, relu_epsilon=0.5, threads=2
    )
    relu = found.page["relu"]
    assert relu["verified"]
    assert relu["bound"] <= 0.5
    again = run_experiment_1(data, tmp_path / "run", target=coarse.target, items=3, relu_epsilon=0.5)
    assert again.page == found.page
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "run" / "relu")])
    assert result.exit_code == 0, result.output
    write_outputs(found, tmp_path / "run")
    assert "for every image in [0, 1]^d" in Tags((tmp_path / "run" / "report.html").read_text()).text
