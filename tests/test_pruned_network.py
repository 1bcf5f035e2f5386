"""PrunedNetwork on disk: exact, complete or not there, and never at the cost of something else."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from constructions.tiny_targets import NAMES, target

from solvers import BatchSolution, InvalidProblemError
from subsetsum_nets import pruned_network, ticket_folder
from subsetsum_nets.compiler import prune
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import Box, InvalidNetworkError, NetworkFileError, ReluNetwork, load_network
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.pruned_network import PrunedNetwork
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError

F = ReluNetwork(target((2, 3, 1), bias=(True, False)).layers, domain=Box(0, 1))
FILES = [
    "certificate.json",
    "masks.npz",
    "provenance.json",
    "pruned.safetensors",
    "solution.npz",
    "target.safetensors",
]


@pytest.fixture(scope="module")
def first():
    return prune(F, epsilon=0.1, seed=1)


@pytest.fixture(scope="module")
def second():
    return prune(F, epsilon=0.1, seed=2)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def same(a, b):
    return (
        a.certificate == b.certificate
        and a.all_masks.digest() == b.all_masks.digest()
        and all(
            network_digest(getattr(a, what)) == network_digest(getattr(b, what))
            for what in ("target", "random", "network")
        )
        and (a.target.domain, a.random.domain, a.network.domain)
        == (b.target.domain, b.random.domain, b.network.domain)
        and all(
            np.array_equal(getattr(a.solution, what), getattr(b.solution, what))
            for what in ("masks", "errors", "lower_bounds", "status", "tolerances")
        )
        and all(
            getattr(a, what) == getattr(b, what)
            for what in ("construction", "epsilon", "seed", "recipe", "candidates", "shortfall")
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_of_a_drawn_network(tmp_path, name):
    pruned = prune(F, construction=name, epsilon=0.1, seed=4)
    pruned.save(tmp_path / "out")
    assert names(tmp_path / "out") == FILES  # the random network is drawn again, not stored
    assert names(tmp_path) == ["out"]
    back = PrunedNetwork.load(tmp_path / "out")
    assert same(pruned, back)
    stored = load_network(tmp_path / "out" / "pruned.safetensors")
    assert network_digest(stored) == pruned.certificate.pruned_digest
    points = np.random.default_rng(0).uniform(0, 1, (20, 2))
    assert stored(points) == pytest.approx(pruned.network(points), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_of_a_given_network(tmp_path, name):
    drawn = prune(F, construction=name, epsilon=0.1, seed=4)
    pruned = prune(F, construction=name, epsilon=0.1, into=drawn.random)
    pruned.save(tmp_path / "out")
    assert names(tmp_path / "out") == sorted([*FILES, "random.safetensors"])
    assert same(pruned, PrunedNetwork.load(tmp_path / "out"))


def test_round_trip_of_a_shortfall(tmp_path):
    pruned = prune(F, epsilon=1e-3, candidates=3)
    assert pruned.shortfall is not None
    pruned.save(tmp_path / "out")
    back = PrunedNetwork.load(tmp_path / "out")
    assert same(pruned, back)
    assert back.shortfall == pruned.shortfall


def test_an_earlier_result_is_replaced_whole(tmp_path, first, second):
    given = prune(F, epsilon=0.1, into=first.random)
    given.save(tmp_path / "out")
    second.save(tmp_path / "out")
    assert names(tmp_path / "out") == FILES  # no random.safetensors left over
    assert names(tmp_path) == ["out"]
    assert same(second, PrunedNetwork.load(tmp_path / "out"))


def test_folders_are_made_and_empty_ones_used(tmp_path, first, monkeypatch):
    first.save(tmp_path / "a" / "b")
    (tmp_path / "empty").mkdir()
    first.save(tmp_path / "empty")
    monkeypatch.chdir(tmp_path)
    first.save("relative")
    for folder in ("a/b", "empty", "relative"):
        assert same(first, PrunedNetwork.load(tmp_path / folder))


@pytest.mark.parametrize("other", ["thesis.txt", "provenance.json"])
def test_other_peoples_files_are_safe(tmp_path, first, other):
    place = tmp_path / "work"
    place.mkdir()
    (place / other).write_text('{"format": "something else"}')
    with pytest.raises(FileExistsError, match="other files"):
        first.save(place)
    assert names(place) == [other]
    with pytest.raises(FileExistsError, match="is a file"):
        first.save(place / other)
    assert (place / other).read_text() == '{"format": "something else"}'
    assert names(tmp_path) == ["work"]


# ---------------------------------------------------------------- failing writes

WRITES = [
    (pruned_network, "save_network", 1),
    (pruned_network, "save_network", 2),
    (NetworkMasks, "save", 1),
    (BatchSolution, "save", 1),
    (Path, "write_text", 1),
    (Certificate, "save", 1),
    (Path, "rename", 1),
    (Path, "rename", 2),
]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize(("owner", "what", "call"), WRITES)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_failing_write_leaves_the_earlier_result(
    tmp_path, monkeypatch, first, second, failure, owner, what, call, earlier
):
    place = tmp_path / "out"
    if earlier:
        first.save(place)
    elif (what, call) == ("rename", 2):
        return  # there is only one
    right, calls = getattr(owner, what), []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise failure
        return right(*args, **kwargs)

    monkeypatch.setattr(owner, what, failing)
    if what == "rename":  # where folders cannot be exchanged in one step
        monkeypatch.setattr(ticket_folder, "_exchanged", lambda *_: False)
    with pytest.raises(type(failure)):
        second.save(place)
    monkeypatch.undo()
    assert names(tmp_path) == (["out"] if earlier else [])
    if earlier:
        assert names(place) == FILES
        assert same(first, PrunedNetwork.load(place))
    second.save(place)
    assert same(second, PrunedNetwork.load(place))


# ---------------------------------------------------------------- damaged folders

ERRORS = (NetworkFileError, InvalidNetworkError, InvalidProblemError, CertificateFileError)


@pytest.mark.parametrize("name", [f for f in FILES if f not in ("certificate.json", "pruned.safetensors")])
def test_a_missing_file_is_named(tmp_path, first, name):
    first.save(tmp_path / "out")
    (tmp_path / "out" / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        PrunedNetwork.load(tmp_path / "out")


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        PrunedNetwork.load(tmp_path / "out")


@pytest.mark.parametrize("name", [f for f in FILES if f != "pruned.safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # solution.npz is left open
def test_a_truncated_file_is_an_error(tmp_path, first, name, part):
    first.save(tmp_path / "out")
    path = tmp_path / "out" / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(ERRORS, match=name):
        PrunedNetwork.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "x"),
        ("version", 2),
        ("seed", None),
        ("seed", -1),
        ("seed", "4"),
        ("epsilon", None),
        ("epsilon", 10**400),
        ("candidates", []),
        ("recipe", {}),
        ("recipe", [1]),
        ("shortfall", {"rows": 1}),
    ],
)
def test_an_edited_provenance_is_an_error(tmp_path, first, key, value):
    first.save(tmp_path / "out")
    path = tmp_path / "out" / "provenance.json"
    page = json.loads(path.read_text())
    page[key] = value
    path.write_text(json.dumps(page))
    with pytest.raises(NetworkFileError, match="provenance"):
        PrunedNetwork.load(tmp_path / "out")


def test_masks_of_another_result_are_an_error(tmp_path, first):
    first.save(tmp_path / "out")
    prune(F, epsilon=0.1, candidates=7).all_masks.save(tmp_path / "out" / "masks.npz")
    with pytest.raises(InvalidNetworkError, match="mask"):
        PrunedNetwork.load(tmp_path / "out")
