"""Files that were made to do harm: refused with a sentence, in bounded memory, in Python and in the shell."""

import json
import os
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from test_audit import rewrite_certificate, small_target
from typer.testing import CliRunner

from solvers import BatchSolution, InvalidProblemError, bounded_arrays, solve_many
from solvers.instances.files import read_instances
from subsetsum_nets import Conv2d, Dense, PrunedNetwork, ReluNetwork, load_network, prune, save_network
from subsetsum_nets.audit import audit
from subsetsum_nets.cli import app
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.files.budget import check_demand, memory_allowed
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError
from subsetsum_nets.verification.check_certificate import BadFileError, RefusedError, check

ALLOWED = 300e6  # bytes that a refusal may take at its peak


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest") / "ticket"
    prune(small_target()).save(folder)
    return folder


@pytest.fixture
def folder(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "ticket")


class Measured:
    """The peak of what Python and numpy allocate inside, which must stay small."""

    def __enter__(self):
        tracemalloc.start()
        return self

    def __exit__(self, *_):
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < ALLOWED, f"{peak / 1e6:.0f} MB"


def refused(*command):
    """Tell whether a command ends with exit code 2 and a sentence."""
    done = CliRunner().invoke(app, [*map(str, command), "--json"])
    return done.exit_code == 2 and json.loads(done.stdout)["error"] and "Traceback" not in done.stderr


def zeros_npz(path, shapes, header=None, *, compressed=True):
    """Write an .npz file of zeros, given by name: (shape, dtype)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, (shape, dtype) in shapes.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                page = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, page)
                left = int(np.prod(shape)) * np.dtype(dtype).itemsize if compressed else 64
                for size in [1 << 20] * (left >> 20) + [left % (1 << 20)]:
                    member.write(bytes(size))
        if header is not None:
            np.lib.format.write_array(
                member := archive.open("header.npy", "w"),
                np.frombuffer(json.dumps(header).encode(), np.uint8),
            )
            member.close()


@pytest.mark.parametrize(
    "compressed", [pytest.param(True, marks=pytest.mark.slow), False], ids=["a bomb", "a header that lies"]
)
def test_results_that_claim_to_be_huge_are_refused(tmp_path, folder, compressed):
    rows = 2**24 if compressed else 2**28
    shapes = dict.fromkeys(("errors", "lower_bounds"), ((rows,), "f8")) | {"masks": ((rows, 3), "u1")}
    for place in (tmp_path / "solution.npz", folder / "solution.npz"):
        zeros_npz(place, shapes | {"status": ((rows,), "u1")}, {"format": "x"}, compressed=compressed)
    with Measured(), pytest.raises(InvalidProblemError, match="complete batch solution"):
        BatchSolution.load(tmp_path / "solution.npz")
    with Measured():
        assert refused("verify", folder)


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("layer", "arrays"),
    [
        ({"shape": [2**40, 3], "sparse": True, "bias": False}, {"weight0": np.zeros((2, 0), np.int64)}),
        ({"shape": [2**31, 3], "sparse": True, "bias": False}, {"weight0": np.zeros((2, 0), np.int64)}),
        ({"shape": [1, 2**40], "sparse": False, "bias": False}, {"weight0": np.zeros(5, np.uint8)}),
    ],
)
def test_masks_of_any_size_are_refused_before_they_are_made(folder, layer, arrays):
    header = {"format": "subsetsum-nets masks", "version": 1, "layers": [layer]}
    np.savez_compressed(
        folder / "masks.npz", header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays
    )
    with Measured(), pytest.raises(ValueError, match="masks"):
        NetworkMasks.load(folder / "masks.npz")
    with Measured():
        assert refused("verify", folder)
        assert refused("graph", folder)


@pytest.mark.parametrize("units", [2**29, 2**27])
def test_a_recipe_draws_nothing_that_the_masks_are_not_for(folder, units):
    page = json.loads((folder / "certificate.json").read_text())
    page["recipe"]["layers"][0]["d_out"] = page["recipe"]["layers"][1]["d_in"] = units
    rewrite_certificate(folder, recipe=page["recipe"])
    provenance = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**provenance, "recipe": page["recipe"]}))
    with Measured(), pytest.raises(ValueError, match=r"mask|can be drawn"):
        audit(folder)
    with Measured(), pytest.raises(ValueError, match=r"mask|can be drawn"):
        PrunedNetwork.load(folder)


WIDE = {
    "a sparse layer": ReluNetwork([Dense(sp.csr_array((1, 10**8)))]),
    "an image": ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(10**4, 10**4, 1)),
}


@pytest.mark.parametrize("network", WIDE.values(), ids=WIDE)
def test_networks_of_any_width_are_refused_before_work_begins(folder, network):
    for name in ("target", "pruned"):
        save_network(network, folder / f"{name}.safetensors")
    assert (folder / "target.safetensors").stat().st_size < 20_000
    digest = network_digest(network)
    rewrite_certificate(folder, target_digest=digest, pruned_digest=digest)
    with Measured(), pytest.raises(ValueError, match=r"[\d,]+ bytes of memory.*--max-memory"):
        audit(folder)
    with Measured():
        assert refused("verify", folder)
        assert refused("prune", folder / "target.safetensors", "--out", folder / "out")
        assert refused("graph", folder / "target.safetensors")
    with Measured(), pytest.raises((BadFileError, RefusedError)):
        check(folder)


@pytest.mark.slow
def test_the_small_checker_makes_nothing_of_the_size_that_a_header_asks_for(folder):
    """Ten thousand empty rows of as many columns are a hundred million errors to bound."""
    network = ReluNetwork([Dense(sp.csr_array((4000, 10**5)))])
    for name in ("target", "pruned"):
        save_network(network, folder / f"{name}.safetensors")
    digest = network_digest(network)
    rewrite_certificate(folder, target_digest=digest, pruned_digest=digest, witness=[0.0] * 10**5)
    with Measured(), pytest.raises(RefusedError, match="MOST"):
        check(folder)
    raw = (folder / "target.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = {"__metadata__": json.loads(raw[8 : 8 + size])["__metadata__"]}
    page = json.loads(header["__metadata__"]["subsetsum-nets"])
    header["__metadata__"]["subsetsum-nets"] = json.dumps(
        {**page, "layers": [{"kind": "dense", "bias": False}]}
    )
    header["layers.0.weight"] = {"dtype": "F64", "shape": [0, 10**9], "data_offsets": [0, 0]}
    text = json.dumps(header).encode()
    (folder / "target.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with Measured(), pytest.raises(BadFileError, match="empty"):
        check(folder)


@pytest.mark.parametrize(
    "name",
    ["certificate.json", "provenance.json", "solution.npz", "masks.npz", "target.safetensors", "report.html"],
)
def test_pipes_and_devices_behind_names_are_refused_at_once(folder, name):
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        (folder / name).unlink(missing_ok=True)
        make(folder / name)
        assert refused("verify", folder)
    if name in ("certificate.json", "target.safetensors"):
        with pytest.raises(BadFileError, match="regular"):
            check(folder)


@pytest.mark.parametrize("name", ["pipe.json", "pipe.txt", "pipe.csv"])
def test_pipes_are_no_instances(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InvalidProblemError, match="not a regular file"):
        read_instances(tmp_path / name)
    assert refused("solve", tmp_path / name)
    with pytest.raises(InvalidProblemError, match="larger than"):
        read_instances("/dev/zero")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".onnx", ".graphml", ".json"])
def test_pipes_are_no_networks_and_no_graphs(tmp_path, suffix):
    os.mkfifo(tmp_path / f"net{suffix}")
    read = LayeredDag.load if suffix in (".graphml", ".json") else load_network
    with pytest.raises(OSError, match="not a regular file"):
        read(tmp_path / f"net{suffix}")


def test_more_memory_is_allowed_by_name():
    with pytest.raises(ValueError, match=r"3,000,000,000 bytes.*2,147,483,648 are allowed"):
        check_demand(3 * 10**9, "a mask")
    with memory_allowed(4 * 10**9):
        check_demand(3 * 10**9, "a mask")
    with pytest.raises(ValueError, match="integer"), memory_allowed(0):
        pass


def test_the_shell_raises_and_lowers_the_budget(folder):
    assert refused("verify", folder, "--max-memory", 1000)
    assert CliRunner().invoke(app, ["verify", str(folder), "--max-memory", "4000000000"]).exit_code == 0
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0, "the option is for one call"


# -- certificates ------------------------------------------------------------------------------------

ODD = {
    "semantics": [None, 7],
    "counts": [None, 5, [1], "many"],
    "status_counts": [[], "all"],
    "layers": [None, 3, [3], {}],
    "witness": [None, "x", {"0": 1}, [10**400, 0.0], [[0.0], [0.0]]],
    "bound": [10**400, -(10**400), True, None, "1", [1]],
    "epsilon": [10**400, None, "1"],
    "attack": [10**400, None],
    "domain": [None, [], {}, {"kind": "box"}, {"kind": "box", "low": 10**400, "high": 0}],
    "norm": [None, "l7", 2],
    "method": [None, 3, "magic"],
    "seed": [1.5, "0", 10**400, True, -1],
    "recipe": [[], 3, {"layers": 3}],
    "candidates": [None, 1.5],
    "verified": [None, 1, "yes"],
    "versions": [None, 3],
    "worst_weight_error": ["x", []],
    "shortfall": [3, "x"],
    "target_digest": [None, 3],
}


@pytest.mark.thinned
@pytest.mark.parametrize("field", ODD)
def test_fields_of_any_kind_end_in_a_sentence_and_exit_code_2(folder, field):
    original = (folder / "certificate.json").read_bytes()
    for value in ODD[field]:
        (folder / "certificate.json").write_bytes(original)
        rewrite_certificate(folder, **{field: value})
        assert refused("verify", folder), value


def test_a_missing_field_is_refused(folder):
    page = json.loads((folder / "certificate.json").read_text())
    for field in page:
        (folder / "certificate.json").write_text(json.dumps({k: v for k, v in page.items() if k != field}))
        with pytest.raises(CertificateFileError):
            Certificate.load(folder / "certificate.json")


@pytest.mark.parametrize("name", ["certificate.json", "provenance.json"])
def test_keys_that_stand_twice_are_refused(folder, name):
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace('"epsilon"', '"epsilon": 1.0,\n "epsilon"', 1))
    assert refused("verify", folder)
    if name == "certificate.json":
        with pytest.raises(BadFileError, match="twice"):
            check(folder)


def test_nesting_without_end_is_refused(folder):
    for name in ("certificate.json", "provenance.json"):
        deep = shutil.copytree(folder, folder.with_name(f"deep-{name}"))
        (deep / name).write_text("[" * 10**5 + "]" * 10**5)
        assert refused("verify", deep)


@pytest.mark.thinned
@pytest.mark.parametrize("name", ["[/x]", "[bold]", "a[/]b"])
def test_names_of_folders_are_no_markup(tmp_path, name):
    save_network(small_target(), tmp_path / "net.npz")
    out = tmp_path / name
    out.parent.mkdir(parents=True, exist_ok=True)
    done = CliRunner().invoke(app, ["prune", str(tmp_path / "net.npz"), "--out", str(out)])
    assert done.exit_code == 0, done.exception
    assert name.split("/")[0] in done.stdout
    done = CliRunner().invoke(app, ["verify", str(out)])
    assert done.exit_code == 0, done.exception
    assert name.split("/")[0] in done.stdout


# -- checkpoints -------------------------------------------------------------------------------------


def rows():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (6, 8)), rng.uniform(-1, 1, 6)


def forge(path, **changes):
    """Change arrays of a shard and renew its checksum, as whoever can write to the folder can."""
    import hashlib
    import io

    arrays = {k: v.copy() for k, v in bounded_arrays.stored_arrays(path.read_bytes()[32:]).items()}
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


FORGERIES = {
    "no error": {"errors": np.zeros_like, "lower": np.zeros_like},
    "a smaller error": {"errors": lambda e: e * (1 - 1e-9), "lower": lambda e: e * (1 - 1e-9)},
    "other items": {"masks": lambda bits: bits ^ 128},
    "a status that is none": {"status": lambda s: s + 7},
    "optimal without a proof": {"lower": lambda e: e * 0.5},
    "a bound above the error": {"lower": lambda e: e + 1},
    "not a number": {"errors": lambda e: e * np.nan},
    "fewer rows": {"errors": lambda e: e[:-1]},
    "another shape": {"masks": lambda bits: bits.reshape(-1)},
    "another type": {"errors": lambda e: e.astype(np.float32)},
    "texts": {"status": lambda s: s.astype("U1")},
    "an empty array": {"lower": lambda e: e[:0]},
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize(
    "kind", [np.asarray, lambda x: np.round(1000 * x).astype(np.int64)], ids=["floats", "ints"]
)
def test_a_forged_shard_is_solved_again(tmp_path, name, kind):
    items, targets = map(kind, rows())
    honest = solve_many(items, targets, checkpoint=tmp_path / "c", chunk_size=3, threads=1)
    for shard in (tmp_path / "c").glob("*.shard"):
        if name == "a smaller error" and kind is not np.asarray:
            return
        forge(shard, **FORGERIES[name])
    with pytest.warns(UserWarning, match="is of no use"):
        again = solve_many(items, targets, checkpoint=tmp_path / "c", chunk_size=3, threads=1)
    for field in ("masks", "errors", "lower_bounds", "status"):
        assert np.array_equal(getattr(again, field), getattr(honest, field))
    again.check(items, targets)


@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
def test_an_honest_shard_is_taken_over_without_solving(tmp_path, monkeypatch, objective):
    items, targets = rows()
    options = {"objective": objective, "tolerance": 0.05, "checkpoint": tmp_path / "c", "threads": 1}
    honest = solve_many(items, targets, **options)
    monkeypatch.setattr("solvers.batch.workers.solve_chunk", None)
    assert np.array_equal(solve_many(items, targets, **options).masks, honest.masks)


def test_deep_and_odd_manifests_are_refused(tmp_path):
    for text in ("[" * 10**5, "{}", "3", '{"chunk_rows": 1e400}', '{"chunk_rows": []}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(InvalidProblemError, match=r"manifest|another problem"):
            solve_many(*rows(), checkpoint=tmp_path)


# -- candidates, folders -----------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("allocation", [None, "recursion"])
@pytest.mark.parametrize("candidates", [40, 500, 1276])
def test_more_candidates_never_hurt(candidates, allocation):
    rng = np.random.default_rng(0)
    for target in (
        ReluNetwork([Dense([[0.3, -0.2]])]),
        ReluNetwork([Dense(rng.uniform(-1, 1, (4, 3))), Dense(rng.uniform(-1, 1, (2, 4)))]),
    ):
        for epsilon in (0.01, 1e-6):
            pruned = prune(target, candidates=candidates, epsilon=epsilon, allocation=allocation)
            assert pruned.certificate.verified, pruned.shortfall


def test_a_link_to_a_folder_stays_a_link(tmp_path, folder):
    (tmp_path / "link").symlink_to(folder)
    pruned = prune(small_target(1))
    pruned.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert audit(folder).certificate == pruned.certificate


def test_a_kill_while_a_result_is_replaced_leaves_one_under_its_name(folder, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(*_, **__):
        raise Killed

    monkeypatch.setattr(shutil, "rmtree", kill)
    pruned = prune(small_target(1))
    with pytest.raises(Killed):
        pruned.save(folder)
    monkeypatch.undo()
    assert audit(folder).certificate == pruned.certificate


def test_an_interrupted_prune_resumes_to_the_same_bytes(tmp_path):
    target, shards = small_target(), []
    for name in ("whole", "resumed"):
        prune(target, checkpoint=tmp_path / "c").save(tmp_path / name)
        shards = shards or sorted((tmp_path / "c").rglob("*.shard"))
        for shard in shards[::2]:
            shard.unlink()
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert shards
    for name in names - {"solution.npz"}:  # which says how long it took
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()
    whole, resumed = (BatchSolution.load(tmp_path / name / "solution.npz") for name in ("whole", "resumed"))
    assert all(np.array_equal(whole.arrays()[name], resumed.arrays()[name]) for name in whole.arrays())
