"""Random DAGs against per-node algorithms in exact arithmetic, and mistakes planted in ours."""

import importlib

import pytest
from graphs import graph_cases as cases
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets.graphs import LayeredDag

SEEDS = st.integers(0, 2**32)


CHECKS = {
    "dag.layering": (cases.check_layers,),
    "analysis.exact_paths": (cases.check_evaluation, cases.check_linear_map),
    "networks.pass_through": (cases.check_network,),
    "analysis.reachability": (cases.check_dead_units, cases.check_path_count),
    "files.networkx_bridge": (cases.check_bridge,),
}


def check(seed, *modules):
    graph = cases.random_dag(seed, relu=seed % 3 > 0)
    dag = LayeredDag.from_networkx(graph)
    for module in modules or CHECKS:
        for compare in CHECKS[module]:
            compare(dag, graph, seed)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_random_dags(seed):
    check(seed)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(SEEDS)
def test_many_random_dags(seed):
    check(seed)


def test_linear_maps_go_both_ways_of_multiplying(monkeypatch):
    exact_paths = importlib.import_module("subsetsum_nets.graphs.analysis.exact_paths")
    monkeypatch.setattr(exact_paths, "_PAIRS_OF_PYTHON", 0)  # FLINT for all that is dense
    monkeypatch.setattr(exact_paths, "_DENSE", 0.0)
    for seed in range(20):
        check(seed, "analysis.exact_paths")
    monkeypatch.setattr(exact_paths, "_PAIRS_OF_PYTHON", 10**9)
    monkeypatch.setattr(exact_paths, "_PAIRS", 1)  # a row at a time
    for seed in range(20):
        check(seed, "analysis.exact_paths")


# module, function, formula, broken formula
MUTANTS = [
    (
        "analysis.reachability",
        "live_units",
        "_any_row(block.carrying(start, stop), signal[a])",
        "_any_row(block.carrying(start, stop), signal[a] | True)",
    ),
    (
        "analysis.reachability",
        "live_units",
        "[r & s for r, s in zip(read, signal, strict=True)]",
        "[r | s for r, s in zip(read, signal, strict=True)]",
    ),
    ("analysis.reachability", "live_units", "reversed(list(graph.blocks.items()))", "graph.blocks.items()"),
    ("analysis.reachability", "_own", "bias > 0.0", "bias != 0.0"),
    ("analysis.reachability", "_own", "bias != 0.0", "bias > 0.0"),
    ("analysis.reachability", "_own", "layer.offset", "layer.offset if layer.bias is None else layer.bias"),
    ("analysis.reachability", "without_dead_units", "block.select(live[b], live[a])", "block"),
    ("analysis.reachability", "path_count", "total + _paths(block, counts[a])", "_paths(block, counts[a])"),
    (
        "analysis.reachability",
        "_paths",
        "block.carrying(start, stop).astype(np.float64)",
        "block.carrying(start, stop).astype(np.float64) * 2",
    ),
    (
        "networks.pass_through",
        "with_pass_through",
        "reach[a][edges.columns] = b - 1",
        "reach[a][edges.columns] = b - 2",
    ),
    ("networks.pass_through", "with_pass_through", "place[c - 1][a][carried]", "carried"),
    ("networks.pass_through", "with_pass_through", "place[b - 1][a][edges.columns]", "edges.columns"),
    ("networks.pass_through", "uniform_layers", "graph.kept_only()", "graph"),
    ("networks.pass_through", "uniform_layers", "-layer.bias[split]", "layer.bias[split]"),
    ("networks.pass_through", "uniform_layers", "mixed(layers[-1])", "False"),
    (
        "networks.pass_through",
        "uniform_layers",
        "~nonnegative",
        "nonnegative",
    ),
    ("networks.pass_through", "_nonnegative", "negative |= layer.bias < 0.0", "pass"),
    ("networks.pass_through", "_nonnegative", "(edges.weight > 0.0) & ~before[edges.columns]", "False"),
    ("networks.pass_through", "_nonnegative", "edges.weight < 0.0", "False"),
    ("networks.pass_through", "_mirrored", "-copied.weight", "copied.weight"),
    ("analysis.exact_paths", "linear_map", "on = ~layer.relu | _signs(active[number], layer)", "pass"),
    ("analysis.exact_paths", "_step", "on & (bias != 0.0)", "bias != 0.0"),
    ("analysis.exact_paths", "_step", "layer.kept_bias", "layer.bias"),
    ("analysis.exact_paths", "_step", "exponent - part[2]", "0"),
    (
        "analysis.exact_paths",
        "_products",
        "edges.kept & (edges.weight != 0.0) & on[edges.rows]",
        "on[edges.rows]",
    ),
    ("analysis.exact_paths", "_products", "exponent + before.exponent", "exponent"),
    ("analysis.exact_paths", "_summed", "np.add.reduceat(numbers, starts)", "numbers[starts]"),
    ("analysis.exact_paths", "_values", "layer.relu & ~positive[-1]", "~positive[-1]"),
    (
        "analysis.exact_paths",
        "integers",
        "numbers.astype(object) << shifts.astype(object)",
        "numbers.astype(object)",
    ),
    ("dag.layering", "_longest_paths", "layer[leaving[unset]] + 1", "1"),
    ("dag.layering", "_longest_paths", "layer[outputs & (given == UNKNOWN)] = last", "pass"),
    ("files.networkx_bridge", "node_attributes", 'attributes["bias_kept"] = False', "pass"),
    ("files.networkx_bridge", "node_attributes", "activations[relu]", "activations[1]"),
    (
        "files.networkx_bridge",
        "to_networkx",
        '{"weight": weight, "kept": kept, "origin": origin}',
        '{"weight": weight, "kept": True, "origin": origin}',
    ),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("module", "function", "formula", "broken"), MUTANTS)
def test_planted_mistakes_are_noticed(monkeypatch, module, function, formula, broken):
    home = importlib.import_module(f"subsetsum_nets.graphs.{module}")
    plant(monkeypatch, getattr(home, function), formula, broken)
    with pytest.raises(Exception):  # noqa: B017, PT012 - any complaint will do
        for seed in range(400):
            check(seed, module)
