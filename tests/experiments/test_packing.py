"""The packing experiment: counts that every pruning confirms, intervals, resuming, and what it writes."""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
from theory.all_prunings import some_serves

from subsetsum_nets.experiments.intervals import clopper_pearson
from subsetsum_nets.experiments.packing import cells as packing_cells
from subsetsum_nets.experiments.packing import run_packing, write_outputs
from subsetsum_nets.experiments.packing.cells import (
    Cell,
    CellAnswer,
    answered,
    check_step_one,
    compute,
)
from subsetsum_nets.experiments.packing.run import summary
from subsetsum_nets.networks import Dense, ReluNetwork
from subsetsum_nets.theory.packings import lattice_packing
from subsetsum_nets.theory.prunings import PruningDecision, PruningStatus, decide_prunings
from subsetsum_nets.verification import SoundnessError


def question(dimension=1, epsilon=0.25, members=None, width=2, trial=0, seed=0):
    return Cell(dimension, epsilon, "lattice", members, 60.0, seed, width, trial)


@pytest.mark.parametrize(
    "asked",
    [question(1, 0.25, None, width, trial) for width in (1, 2, 3) for trial in (0, 1)]
    + [question(2, 0.5, 4, 2, trial) for trial in (0, 1)],
    ids=str,
)
def test_a_cell_counts_what_all_prunings_serve(asked):
    packing = lattice_packing(asked.dimension, asked.epsilon)
    first, second = (np.asarray(layer.weight) for layer in asked.network().layers)
    chosen = asked.drawn(len(packing))
    truth = [some_serves(first, second, packing.members[i], asked.epsilon) for i in chosen]
    answer = compute(asked, packing)
    assert answer.served == sum(truth)
    assert answer.not_served == len(truth) - sum(truth)
    assert (answer.first == PruningStatus.SERVED) == truth[0]


def test_networks_depend_on_seed_trial_and_width_only():
    def weights(**changes):
        return np.asarray(question(**changes).network().layers[0].weight)

    base = weights(width=3, trial=1)
    assert np.array_equal(base, weights(width=3, trial=1, epsilon=0.125, members=2))
    others = [weights(width=3, trial=2), weights(width=3, trial=1, seed=1), weights(width=4, trial=1)[:3]]
    assert not any(np.array_equal(base, other) for other in others)
    assert np.array_equal(base * 2**20, np.round(base * 2**20))
    assert np.abs(base).max() <= 1


def test_members_are_drawn_without_repeats():
    drawn = question(members=5).drawn(40)
    assert len(set(drawn.tolist())) == 5
    assert sorted(question().drawn(40).tolist()) == list(range(40))
    firsts = [int(question(trial=trial).drawn(4)[0]) for trial in range(400)]
    assert all(70 <= firsts.count(k) <= 130 for k in range(4))  # within 3.5 deviations of 100


def test_intervals_are_exact():
    assert clopper_pearson(5, 10) == pytest.approx((0.187086, 0.812914), abs=1e-6)
    assert clopper_pearson(10, 10)[1] == 1.0
    intervals = [clopper_pearson(k, 7) for k in range(8)]
    for p in np.linspace(0.01, 0.99, 33):
        weights = [math.comb(7, k) * p**k * (1 - p) ** (7 - k) for k in range(8)]
        covered = sum(w for w, (low, high) in zip(weights, intervals, strict=True) if low <= p <= high)
        assert covered >= 0.95
    for bad in ((-1, 5), (6, 5), (0, 0), (1.5, 5)):
        with pytest.raises(ValueError, match=r"successes|trials"):
            clopper_pearson(*bad)
    with pytest.raises(ValueError, match="confidence"):
        clopper_pearson(1, 5, confidence=1.0)


def test_unknown_members_widen_the_brackets():
    packing = lattice_packing(2, 0.25)
    answers = [CellAnswer(2, 1, 1, 1, 2), CellAnswer(0, 2, 2, 0, 0), CellAnswer(1, 3, 0, 2, 1)]
    row = summary(packing, 3, answers)
    assert (row.asked, row.served, row.not_served, row.unknown) == (12, 3, 6, 3)
    assert (row.share_low, row.share_high) == (0.25, 0.5)
    assert row.success_low == clopper_pearson(1, 3)[0]
    assert row.success_high == clopper_pearson(2, 3)[1]
    assert summary(packing, 1, answers).largest_share == 10 / 96


def test_result_stands_beside_the_theorems():
    result = run_packing(1, [0.25, 2.0**-5], trials=6)
    coarse, fine = result.epsilons
    assert (fine.members, fine.volume_bound, fine.most) == (32, 16.0, 33.0)
    assert (fine.theorem_2, fine.theorem_2_width, fine.counting_width) == (1.5, 2, 4)
    assert fine.theorem_1_width == 5
    assert coarse.half_width < fine.half_width
    for row in (coarse, fine):
        rows = [one for one in result.widths if one.epsilon == row.epsilon]
        assert row.counting_width <= row.half_width == rows[-1].width == row.open_width
        assert all(one.share_low < 0.5 for one in rows[:-1])
        assert rows[-1].share_low >= 0.5
        assert all(one.share_high <= one.largest_share for one in rows)
        assert row.pairs > 0
    everything = run_packing(1, [0.25], trials=6, width_to=3)
    assert [row.width for row in everything.widths] == [1, 2, 3]
    assert everything.epsilons[0].half_width is None
    assert everything.widths == result.widths[:3]


def test_planted_contradictions_of_step_one_are_noticed():
    members = lattice_packing(1, 0.125).members
    network = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[0.625, -0.625]])])
    last = int(members.argmax())
    before = int(np.abs(members - 0.625).argmin())
    decisions = decide_prunings(network, members, 0.125)
    chosen = list(range(len(members)))
    assert [i for i in chosen if decisions[i].masks is not None] == [before]
    assert check_step_one(network, chosen, decisions, members, 0.125) == 1
    with pytest.raises(SoundnessError, match="two members"):
        check_step_one(network, [last, before], [decisions[before]] * 2, members, 0.125)
    with pytest.raises(SoundnessError, match="within epsilon of member"):
        check_step_one(network, [last], [decisions[before]], members, 0.125)
    narrow = ReluNetwork([Dense([[1.0]]), Dense([[1.0]])])
    many = [
        PruningDecision(PruningStatus.SERVED, (np.array([[a]]), np.array([[b]])), 0.0)
        for a in (False, True)
        for b in (False, True)
    ]
    with pytest.raises(SoundnessError, match="more members are served"):
        check_step_one(narrow, chosen[:4], many, members, 0.125)


# -- resuming ----------------------------------------------------------------------------------------


def counted(monkeypatch, interrupt_at=None):
    calls = []

    def counting(asked, packing):
        if len(calls) == interrupt_at:
            raise KeyboardInterrupt
        calls.append(asked.name)
        return compute(asked, packing)

    monkeypatch.setattr(packing_cells, "compute", counting)
    return calls


def test_interrupted_run_resumes_and_a_second_run_computes_nothing(tmp_path, monkeypatch):
    fresh = run_packing(1, [0.25], trials=4, width_to=3)
    first = counted(monkeypatch, interrupt_at=5)
    with pytest.raises(KeyboardInterrupt):
        run_packing(1, [0.25], trials=4, width_to=3, out=tmp_path)
    assert len(first) == 5
    rest = counted(monkeypatch)
    assert run_packing(1, [0.25], trials=4, width_to=3, out=tmp_path) == fresh
    assert len(rest) == 7
    assert not set(first) & set(rest)
    nothing = counted(monkeypatch, interrupt_at=0)
    assert run_packing(1, [0.25], trials=4, width_to=3, out=tmp_path) == fresh
    assert nothing == []
    more = counted(monkeypatch)
    run_packing(1, [0.25], trials=5, width_to=3, out=tmp_path)
    assert len(more) == 3


@pytest.mark.parametrize("changes", [{"seed": 1}, {"members": 2}, {"time_limit": 5.0}, {"kind": "greedy"}])
def test_a_folder_of_another_experiment_is_refused(tmp_path, changes):
    run_packing(1, [0.25], trials=1, width_to=1, out=tmp_path)
    with pytest.raises(ValueError, match="another question"):
        run_packing(1, [0.25], trials=1, width_to=1, out=tmp_path, **changes)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"digest": "x"}', '{"digest": "x", "answer": {"served": 1}}']
)
def test_damaged_cells_are_refused(tmp_path, text):
    asked, packing = question(), lattice_packing(1, 0.25)
    answer = answered(asked, packing, tmp_path)
    assert answered(asked, packing, tmp_path) == answer
    (tmp_path / asked.name).write_text(text)
    with pytest.raises(ValueError, match="damaged"):
        answered(asked, packing, tmp_path)


@pytest.mark.slow
def test_killed_run_resumes(tmp_path):
    command = [
        sys.executable,
        "-m",
        "subsetsum_nets",
        "packing",
        "--epsilon",
        "0.002",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cells = tmp_path / "cells"
    while process.poll() is None and not (cells.is_dir() and len(list(cells.iterdir())) >= 50):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path.name: path.read_bytes() for path in cells.glob("epsilon*.json")}
    assert len(kept) >= 49
    resumed = run_packing(1, [0.002], out=tmp_path)
    assert all((cells / name).read_bytes() == page for name, page in kept.items())
    assert resumed == run_packing(1, [0.002])


# -- what is written ---------------------------------------------------------------------------------


def test_tables_provenance_and_figure(tmp_path):
    result = run_packing(1, [0.25, 0.125], trials=3, width_to=4)
    paths = write_outputs(result, tmp_path)
    assert sorted(path.name for path in paths) == [
        *("epsilons.csv", "packing.pdf", "packing.png", "packing.svg", "provenance.json", "widths.csv")
    ]
    for name, rows in (("widths.csv", result.widths), ("epsilons.csv", result.epsilons)):
        with (tmp_path / name).open(newline="") as file:
            read = list(csv.DictReader(file))
        wanted = [{k: "" if v is None else str(v) for k, v in asdict(row).items()} for row in rows]
        assert read == wanted
    page = json.loads((tmp_path / "provenance.json").read_text())
    assert page["question"] == result.question
    assert {"numpy", "ortools", "subsetsum-nets"} <= set(page["versions"])
    assert (tmp_path / "packing.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "packing.svg").read_text()
    before = {path.name: path.read_bytes() for path in paths}
    write_outputs(result, tmp_path)
    assert {path.name: path.read_bytes() for path in paths} == before


@pytest.mark.parametrize(
    "changes",
    [
        {"epsilons": []},
        {"epsilons": [0.25, 0.25]},
        {"epsilons": [0.0]},
        {"kind": "magic"},
        {"trials": 0},
        {"width_to": 0},
        {"members": 0},
        {"seed": -1},
        {"time_limit": float("nan")},
        {"dimension": 5},
        {"constant": 0.0},
    ],
    ids=str,
)
def test_bad_input_is_refused(changes):
    arguments = {"dimension": 1, "epsilons": [0.5], "trials": 1, "width_to": 1, **changes}
    with pytest.raises(ValueError, match=r"must|unknown"):
        run_packing(arguments.pop("dimension"), arguments.pop("epsilons"), **arguments)
