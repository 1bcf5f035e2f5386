"""What is handed out: wheel and source, their metadata, and what stands around the code."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from subsetsum_nets import __version__

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADDRESS = "https://git.example/house/subsetsum-nets"


# -- wheel and source ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The source, the wheel that is built from it, and the wheel that is built from the checkout."""
    for tool in ("build", "hatchling", "twine"):
        pytest.importorskip(tool)
    folder = tmp_path_factory.mktemp("dist")
    for kind in ([], ["--wheel"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "build",
                "--no-isolation",
                *kind,
                "--outdir",
                folder / f"of{len(kind)}",
                ROOT,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (source,) = folder.glob("of0/*.tar.gz")
    (of_source,), (of_checkout,) = folder.glob("of0/*.whl"), folder.glob("of1/*.whl")
    return source, of_source, of_checkout


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
def test_the_source_builds_the_wheel_of_the_checkout(distributions):
    _, of_source, of_checkout = distributions
    assert of_source.name == of_checkout.name == f"subsetsum_nets-{__version__}-py3-none-any.whl"
    assert contents(of_source) == contents(of_checkout)


@pytest.mark.slow
def test_the_metadata_is_complete_and_clean(distributions):
    checked = [sys.executable, "-m", "twine", "check", "--strict", *distributions]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = contents(distributions[1])
    (page,) = [pages[name] for name in pages if name.endswith("METADATA")]
    found = message_from_bytes(page)
    for field in ("Summary", "Author", "Keywords", "License-Expression", "Requires-Python", "Classifier"):
        assert found[field], field
    assert set(found.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert not re.search(r"\]\((?!https?://|#)", found.get_payload()), (
        "a link that leads nowhere from a registry"
    )


@pytest.mark.slow
def test_each_holds_what_it_should(distributions):
    source, wheel, _ = distributions
    names = set(contents(wheel))
    assert {name.split("/")[0] for name in names} == {
        "solvers",
        "subsetsum_nets",
        f"subsetsum_nets-{__version__}.dist-info",
    }
    assert {"solvers/py.typed", "subsetsum_nets/py.typed"} <= names
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held >= {
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "CITATION.cff",
        "hatch_build.py",
        "mkdocs.yml",
        "tests/test_release.py",
    }


# -- the README elsewhere ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_are_absolute_where_the_address_is_known(hook):
    shown = hook.shown((ROOT / "README.md").read_text(), ADDRESS)
    assert (
        f"![Errors of the subset sums and their tolerances]({ADDRESS}/raw/main/docs/images/errors.png)"
        in shown
    )
    assert f"({ADDRESS}/blob/main/docs/constructions.md#two-allocations)" in shown
    assert not re.search(r"\]\((?!https?://|#)", shown)


def test_links_of_the_readme_are_text_where_it_is_not(hook):
    text = "See ![a picture](docs/a.png)\n\n[graphs](docs/graphs.md#files), [here](#below), [there](https://there.example)."
    assert hook.shown(text, "") == "See graphs, [here](#below), [there](https://there.example)."


@pytest.mark.parametrize("address", ["", ADDRESS, ADDRESS + "/"])
def test_addresses_derive_from_one_setting(hook, address):
    metadata = {}
    hook.CustomMetadataHook(str(ROOT), {"repository": address}).update(metadata)
    assert set(metadata["urls"]) == (set(hook.ADDRESSES) if address else set())
    assert all(url == ADDRESS or url.startswith(f"{ADDRESS}/") for url in metadata["urls"].values())
    for path in re.findall(r"/blob/main/(\S+)", " ".join(metadata["urls"].values())):
        assert (ROOT / path).exists()


# -- around the code -----------------------------------------------------------------------------------


def test_the_citation_is_of_this_version():
    page = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert page["version"] == __version__
    assert {"cff-version", "message", "title", "authors", "license", "references"} <= set(page)
    assert page["license"] == PROJECT["license"]


def test_the_workflow_does_what_ci_does_on_every_python():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    pythons = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert jobs["tests"]["strategy"]["matrix"]["python"] == pythons
    assert "bash .ci/run" in [step.get("run") for step in jobs["tests"]["steps"]]
    sessions = set(jobs["versions"]["strategy"]["matrix"]["session"]) | {"docs"}
    assert all(
        re.search(rf"^def {session}\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
        for session in sessions
    )


@pytest.mark.parametrize("name", ["wrong_answer", "bug"])
def test_issues_ask_for_the_instance_file(name):
    page = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert {"name", "description", "body"} <= set(page)
    (field,) = [entry for entry in page["body"] if entry.get("id") == "instance"]
    assert field["validations"]["required"]
    assert "instance" in field["attributes"]["label"]
