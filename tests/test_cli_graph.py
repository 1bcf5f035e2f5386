"""subsetsum-nets graph as a user meets it: counts, pictures, exports, exit codes."""

import json

import networkx as nx
import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Box, Dense, ReluNetwork, prune
from subsetsum_nets.cli import app
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.networks import Conv2d, random_network, save_network

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["graph", *map(str, arguments)])


def page_of(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    """Return the folder of a pruned network, and its graph."""
    rows = np.random.default_rng(3).uniform(-1, 1, (3, 2))
    pruned = prune(ReluNetwork([Dense(rows, [0.1, -0.2, 0.3]), Dense([[1.0, -0.5, 0.25]])]), epsilon=0.2)
    folder = tmp_path_factory.mktemp("tickets") / "ticket"
    pruned.save(folder)
    return folder, LayeredDag.from_network(pruned)


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "net.npz"
    save_network(random_network([2, 3, 1], bias=True), path)
    return path


def test_counts_of_a_folder_are_those_of_its_graph(ticket):
    folder, graph = ticket
    page = page_of(folder)
    assert page["widths"] == list(graph.widths)
    assert (page["depth"], page["units"]) == (graph.depth, graph.nodes)
    assert (page["edges"], page["kept_edges"]) == (graph.edges, graph.kept_edges)
    assert (page["parameters"], page["kept_parameters"]) == (graph.parameters, graph.kept_parameters)
    assert page["dead_units"] == graph.nodes - graph.without_dead_units().nodes > 0
    assert page["paths"] == str(graph.path_count())
    assert [layer["dead"] for layer in page["layers"]] == [
        before - after for before, after in zip(graph.widths, graph.without_dead_units().widths, strict=True)
    ]
    assert [(b["from"], b["to"], b["edges"], b["kept_edges"]) for b in page["blocks"]] == [
        (*span, block.edges, block.kept_edges) for span, block in graph.blocks.items()
    ]
    assert page["out"] is None


def test_readable_view_says_the_same(ticket):
    folder, graph = ticket
    result = run(folder)
    assert result.exit_code == 0
    block = graph.blocks[0, 1]
    dead = graph.widths[1] - graph.without_dead_units().widths[1]
    for words in (
        "-".join(map(str, graph.widths)),
        f"{graph.edges:,}, {graph.kept_edges:,} of them kept",
        f"{graph.path_count():,}",
        f"{block.kept_edges:,} of {block.edges:,} edges kept",
        f"{dead:,} dead",
        "inputs -> layer 1",
    ):
        assert words in result.stdout


def test_counts_of_a_network_file(network):
    page = page_of(network)
    assert (page["widths"], page["edges"], page["parameters"]) == ([2, 3, 1], 9, 13)
    assert page["kept_edges"] == page["edges"]
    assert "edges kept (100 %)" in run(network).stdout


def test_numbers_of_paths_too_large_for_a_double_stay_exact(tmp_path):
    save_network(random_network([10] * 41), tmp_path / "deep.npz")
    assert page_of(tmp_path / "deep.npz")["paths"] == "1" + "0" * 41
    assert "about 1.000e+41" in run(tmp_path / "deep.npz").stdout


@pytest.mark.parametrize("suffix", ["graphml", "json", "safetensors"])
def test_exports_read_back_as_graphs(tmp_path, ticket, suffix):
    folder, graph = ticket
    out = tmp_path / f"net.{suffix}"
    assert page_of(folder, "--out", out)["out"] == str(out)
    assert LayeredDag.load(out).compare(graph).same
    again = page_of(out)
    assert {**again, "source": ""} == {**page_of(folder), "source": ""}


def test_export_for_graphviz_and_networkx(tmp_path, network):
    assert run(network, "--out", tmp_path / "net.dot").exit_code == 0
    assert (tmp_path / "net.dot").read_text().startswith("digraph")
    assert run(network, "--out", tmp_path / "net.graphml").exit_code == 0
    assert nx.read_graphml(tmp_path / "net.graphml").number_of_edges() == 9


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_pictures(tmp_path, ticket, network, suffix, start):
    out = tmp_path / f"net.{suffix}"
    assert page_of(network, "--out", out)["view"] == "layered"
    assert out.read_bytes().startswith(start)
    first = out.read_bytes()
    assert page_of(ticket[0], "--out", out)["view"] == "summary"
    assert out.read_bytes() != first
    assert page_of(network, "--out", out, "--masks")["view"] == "masks"
    result = run(network, "--out", out)
    assert f"written to {out} (layered view)" in result.stdout
    assert out.read_bytes() == first


def test_one_layer_of_a_large_graph(tmp_path):
    save_network(random_network([100, 3, 2]), tmp_path / "net.npz")
    out = tmp_path / "net.svg"
    assert page_of(tmp_path / "net.npz", "--out", out)["view"] == "summary"
    assert page_of(tmp_path / "net.npz", "--out", out, "--layer", 2)["view"] == "layered"


def test_part_that_serves_a_weight(ticket):
    folder, graph = ticket
    page = page_of(folder, "--serving", 0, 2, 1)
    part = graph.serving(0, 2, 1, candidates=True)
    assert page["widths"] == list(part.widths) == [1, part.widths[1], 1]
    assert (page["edges"], page["kept_edges"]) == (part.edges, part.kept_edges)
    smaller = page_of(folder, "--serving", 0, 2, 1, "--without-dead")
    assert smaller["widths"] == list(part.without_dead_units().widths)
    assert smaller["dead_units"] == 0
    assert smaller["paths"] == page["paths"]


def test_channels_of_a_convolution(tmp_path):
    kernel = np.random.default_rng(0).uniform(-1, 1, (3, 3, 2, 4))
    save_network(ReluNetwork([Conv2d(kernel)], input_shape=(5, 5, 2)), tmp_path / "conv.npz")
    assert page_of(tmp_path / "conv.npz", "--channels")["widths"] == [2, 4]
    assert page_of(tmp_path / "conv.npz")["widths"] == [50, 100]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "net.bmp"], "'.bmp'"),
        (["--masks"], "--out FILE.png"),
        (["--layer", 1], "--out FILE.png"),
        (["--layer", 1, "--out", "net.json"], "--out FILE.png"),
        (["--layer", 3, "--out", "net.png"], "from 1 to 2, got 3"),
        (["--layer", 0, "--out", "net.png"], "from 1 to 2, got 0"),
        (["--serving", 0, 0, 0], "no target layer 0"),
        (["--out", "no/such/net.png"], "no/such"),
    ],
)
def test_bad_requests_are_exit_code_2_and_write_nothing(tmp_path, monkeypatch, network, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    result = run(network, *arguments, "--json")
    assert result.exit_code == 2
    assert message in json.loads(result.stdout)["error"]
    assert set(tmp_path.iterdir()) == before


def test_bad_files_are_exit_code_2(tmp_path, ticket):
    (tmp_path / "text.json").write_text("[1, 2")
    (tmp_path / "text.safetensors").write_bytes(b"\x00" * 20)
    (tmp_path / "folder").mkdir()
    for name in ("none.npz", "none.graphml", "text.json", "text.safetensors", "folder", "none.txt"):
        result = run(tmp_path / name)
        assert result.exit_code == 2, name
        assert "error: " in result.stderr
    out = tmp_path / "net.graphml"
    assert run(ticket[0], "--out", out).exit_code == 0
    refused = run(out, "--channels")
    assert refused.exit_code == 2
    assert "holds a graph" in refused.stderr
    assert run(ticket[0], "--serving", 0, 9, 0).exit_code == 2


def test_what_serves_a_weight_is_drawn_unit_by_unit_however_many_candidates_there_are(tmp_path):
    target = ReluNetwork([Dense([[0.5]]), Dense([[0.25]])])
    prune(target, epsilon=0.05, candidates=70, domain=Box(0, 1)).save(tmp_path / "ticket")
    page = page_of(tmp_path / "ticket", "--serving", 0, 0, 0, "--out", tmp_path / "part.svg")
    assert page["widths"][1] > 60
    assert page["view"] == "layered"
    assert page["drawn"][1] == page["widths"][1] - page["dead_units"] < 60
    shown = run(tmp_path / "ticket", "--serving", 0, 0, 0, "--out", tmp_path / "part.svg").stdout
    assert f"view of what serves: 1-{page['drawn'][1]}-1" in shown
