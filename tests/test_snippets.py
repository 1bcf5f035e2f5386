"""Every snippet of the README and of the pages runs, in order, and prints what it shows."""

import shutil

import numpy as np
import pytest
from support.snippets import DOCUMENTS, ROOT, blocks, run_doctest, run_python, run_typed

from subsetsum_nets import Dense, ReluNetwork, save_network
from subsetsum_nets.networks import load_test_split

SHIPPED = ROOT / "instances"
NEEDS = {"docs/pytorch.md": "torch", "docs/exchange.md": "torch", "docs/many_weights.md": "distributed"}
NOTEBOOKS = ("docs/tutorial_ticket.md", "docs/tutorial_random_subset_sum.md")  # run by test_notebooks.py
FEWEST_BLOCKS_RUN = 55


def reads(page):
    """Return what the reader of a page has already, by its name."""
    f = ReluNetwork([Dense([[0.5, -0.25], [0.125, 1.0]]), Dense([[0.75, -0.5]])])
    g = ReluNetwork([Dense([[0.5, -0.25], [0.125, 1.0]]), Dense([[0.75, -0.375]])])
    return {
        "docs/comparing.md": {"f.onnx": f, "f.safetensors": f, "g.safetensors": g},
        "docs/checking.md": {"f.safetensors": f, "g.safetensors": g},
        "docs/graphs.md": {"network.onnx": f},
    }.get(page, {})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with the shipped instances and the stand-alone checker in it, as in a clone."""
    (tmp_path / "instances").symlink_to(SHIPPED)
    shutil.copy(ROOT / "subsetsum_nets" / "verification" / "check_certificate.py", tmp_path)
    inputs, labels = load_test_split(SHIPPED / "digits-test-split.safetensors")
    np.savez(tmp_path / "train.npz", inputs=inputs[:300], labels=labels[:300])
    np.savez(tmp_path / "test.npz", inputs=inputs[300:], labels=labels[300:])
    np.save(tmp_path / "near.npy", inputs[300:340])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in DOCUMENTS if page not in NOTEBOOKS])
def test_every_snippet_runs_and_prints_what_it_shows(page, folder):
    pytest.importorskip(NEEDS.get(page, "numpy"))
    for name, network in reads(page).items():
        save_network(network, folder / name)
    names, done, found = {"__name__": "snippet"}, [], blocks(page)
    for block, following in zip(found, [*found[1:], None], strict=False):
        if block.why is not None or block.body in done:
            continue
        if block.kind == "python":
            shown = (
                following.body if following and following.kind == "text" and not following.is_typed else None
            )
            run_python(page, block, shown, names)
        elif block.kind == "pycon":
            run_doctest(page, block, names)
        elif block.is_typed:
            run_typed(page, block, folder)
        done.append(block.body)


def test_few_blocks_are_not_run_and_each_says_why():
    runs = [b for page in DOCUMENTS for b in blocks(page) if b.kind in {"python", "pycon"} or b.is_typed]
    left = [block for block in runs if block.why is not None]
    assert len(runs) - len(left) >= FEWEST_BLOCKS_RUN
    assert len(left) <= 7, [(block.line, block.why) for block in left]
    assert all(len(block.why) >= 20 for block in left)


def test_the_ticket_takes_at_most_40_lines():
    code = "".join(block.body for block in blocks("docs/tutorial_ticket.md") if block.kind == "python")
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 15 <= len(lines) <= 40
