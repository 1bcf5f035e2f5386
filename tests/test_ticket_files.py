"""Every file of a ticket is the one that was certified, or it is said that nobody has looked."""

import json
import shutil

import numpy as np
import pytest
from test_audit import rewrite_certificate, small_target
from typer.testing import CliRunner

from solvers import BatchSolution, Status
from subsetsum_nets import Box, PrunedNetwork, ReluNetwork, load_network, prune, save_network
from subsetsum_nets.audit import audit
from subsetsum_nets.cli import app
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.ticket_files import _STATUSES
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest") / "ticket"
    pruned = prune(small_target())
    pruned.save(folder)
    return folder


@pytest.fixture
def folder(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "ticket")


def refused(folder):
    """Tell whether both refuse the folder, from Python and in the shell, with a reason."""
    with pytest.raises(ValueError, match=r"certif|provenance|mask|damaged"):
        audit(folder)
    done = CliRunner().invoke(app, ["verify", str(folder), "--json"])
    return done.exit_code == 2 and "error" in json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("epsilon", 1.0),
        ("candidates", 999),
        ("construction", "linear"),
        ("shortfall", {"rows": 1}),
    ],
)
def test_a_provenance_that_says_something_else_is_refused(folder, name, value):
    path = folder / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    assert refused(folder)
    with pytest.raises(NetworkFileError, match="provenance"):
        PrunedNetwork.load(folder)


def test_networks_of_another_ticket_are_not_loaded(folder, tmp_path):
    prune(small_target(1)).save(tmp_path / "other")
    for name in ("target.safetensors", "masks.npz", "solution.npz"):
        mixed = shutil.copytree(folder, tmp_path / name)
        shutil.copy(tmp_path / "other" / name, mixed / name)
        with pytest.raises(ValueError, match=r"certified|mask"):
            PrunedNetwork.load(mixed)
        assert refused(mixed)


@pytest.mark.parametrize("field", ["masks", "errors", "lower_bounds", "status"])
def test_subset_sums_that_were_changed_are_refused(folder, field):
    solution = BatchSolution.load(folder / "solution.npz")
    values = getattr(solution, field).copy()
    values.reshape(-1)[0] = not values.reshape(-1)[0] if field == "masks" else 0
    arrays = {"masks": solution.masks, "errors": solution.errors, "lower_bounds": solution.lower_bounds}
    arrays |= {"status": solution.status, "tolerances": solution.tolerances, field: values}
    BatchSolution(**arrays, objective=solution.objective).save(folder / "solution.npz")
    assert refused(folder)
    with pytest.raises(CertificateFileError, match="subset sums"):
        PrunedNetwork.load(folder)


@pytest.mark.thinned
@pytest.mark.parametrize(
    "change",
    [
        lambda page: {"worst_weight_error": page["worst_weight_error"] / 2},
        lambda page: {"layers": page["layers"][:1]},
        lambda page: {"layers": [{**page["layers"][0], "deviation_after": 0.0}, *page["layers"][1:]]},
        lambda page: {"status_counts": {**page["status_counts"], "optimal": 1}},
        lambda page: {"counts": {**page["counts"], "subset_sums": 1}},
        lambda page: {"method": "divination"},
        lambda page: {"solution_digest": "0" * 64},
        lambda page: {"bound": page["bound"] * (1 - 9e-7)},
        lambda page: {"bound": float(np.nextafter(page["attack"], 0))},
        lambda page: {"attack": float(np.nextafter(page["bound"], 1))},
        lambda page: {"attack": page["attack"] * (1 + 9e-7)},
    ],
)
def test_what_a_certificate_shows_is_computed_anew(folder, change):
    page = json.loads((folder / "certificate.json").read_text())
    rewrite_certificate(folder, **change(page))
    assert refused(folder)


def test_a_bound_that_floats_miss_by_a_digit_is_decided_in_exact_arithmetic(folder):
    """Another BLAS may round up a little more than the one that made the certificate."""
    checked = audit(folder, method="differential", exact=True)
    assert checked.result.replayed < checked.result.upper
    checked.certificate_anew().save(folder / "certificate.json")
    rewrite_certificate(folder, bound=checked.result.replayed)
    assert audit(folder, method="differential").certificate.bound == checked.result.replayed
    rewrite_certificate(folder, bound=float(np.nextafter(checked.result.replayed, 0)))
    with pytest.raises(CertificateFileError, match="claims a bound"):
        audit(folder, method="differential")


def test_what_nobody_checks_is_named(folder):
    assert len(audit(folder).unchecked) == 1
    (folder / "report.html").write_text("verified!")
    (folder / "thesis.txt").write_text("")
    (folder / "solution.npz").unlink()
    notes = "\n".join(audit(folder).unchecked)
    for said in (
        "report.html: it is NOT about this",
        "'thesis.txt'",
        "solution.npz is missing",
        "candidates",
    ):
        assert said in notes
    done = CliRunner().invoke(app, ["verify", str(folder)])
    assert done.exit_code == 0
    assert "thesis.txt" in done.stdout
    assert "interval was asked" in "\n".join(audit(folder, method="interval").unchecked)


def test_a_stored_domain_that_is_another_is_named(folder):
    target = load_network(folder / "target.safetensors")
    other = ReluNetwork(target.layers, domain=Box(-5, 5))
    save_network(other, folder / "target.safetensors")
    assert "Box(-5.0, 5.0) stored with the target" in "\n".join(audit(folder).unchecked)


def test_the_report_of_prune_is_about_its_certificate(tmp_path):
    save_network(small_target(), tmp_path / "target.npz")
    out = str(tmp_path / "out")
    assert CliRunner().invoke(app, ["prune", str(tmp_path / "target.npz"), "--out", out]).exit_code == 0
    assert "report.html: its text" in audit(out).unchecked


def test_a_ticket_is_saved_before_anything_else_can_fail(tmp_path, monkeypatch):
    def no_memory(*_):
        raise MemoryError("Unable to allocate 11.7 GiB")

    monkeypatch.setattr("subsetsum_nets.cli.tickets._test_images", no_memory)
    save_network(small_target(), tmp_path / "target.npz")
    done = CliRunner().invoke(app, ["prune", str(tmp_path / "target.npz"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "11.7 GiB" in done.stderr
    assert audit(tmp_path / "out").verified
    assert load_network(tmp_path / "out" / "pruned.safetensors").widths[0] == 2


def test_certificates_without_a_digest_of_the_subset_sums_are_read(folder):
    page = json.loads((folder / "certificate.json").read_text())
    del page["solution_digest"]
    (folder / "certificate.json").write_text(json.dumps(page))
    rewrite_certificate(folder)
    assert "0.1.0" in "\n".join(audit(folder).unchecked)
    assert "solution_digest" not in Certificate.load(folder / "certificate.json").to_json()
    assert PrunedNetwork.load(folder).certificate.solution_digest is None


def test_statuses_are_those_of_the_solvers():
    assert tuple(status.name.lower() for status in Status) == _STATUSES
