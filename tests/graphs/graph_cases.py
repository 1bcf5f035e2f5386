"""Random networkx DAGs, and what plain per-node algorithms in Fractions say about them.

Nothing here uses the package: the checks compare it with this.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import networkx as nx
import numpy as np

WEIGHTS = [
    Fraction(n, 4) for n in (-6, -4, -3, -1, 0, 1, 2, 4, 5)
]  # products and sums of these are exact floats


def random_dag(seed, *, most=9, relu=True):
    """Return a DiGraph with at least one edge; some attributes are left out, as users do."""
    rng = random.Random(seed)  # noqa: S311 - no secrets
    size = rng.randint(2, most)
    names = [f"node {number}" for number in range(size)]
    rng.shuffle(names)  # names are in no order
    graph = nx.DiGraph()
    for name in rng.sample(names, size):  # and neither are the nodes of the graph
        graph.add_node(name)
    density = rng.choice([0.3, 0.5, 0.9])
    pairs = [pair for pair in itertools.combinations(names, 2) if rng.random() < density]
    for source, sink in pairs or [(names[0], names[1])]:
        graph.add_edge(source, sink, weight=float(rng.choice(WEIGHTS)))
        if rng.random() < 0.3:
            graph.edges[source, sink]["kept"] = rng.random() < 0.5
    for name, data in graph.nodes(data=True):
        if graph.in_degree(name) or rng.random() < 0.2:
            if rng.random() < 0.5 or not relu:
                data["activation"] = rng.choice(["relu", "linear"]) if relu else "linear"
            if rng.random() < 0.4:
                data["bias"] = float(rng.choice(WEIGHTS))
                if rng.random() < 0.3:
                    data["bias_kept"] = rng.random() < 0.5
    return graph


def kind(graph, name):
    data = graph.nodes[name]
    if not graph.in_degree(name) and "bias" not in data and "activation" not in data:
        return "input"
    return "hidden" if graph.out_degree(name) else "output"


def of_kind(graph, wanted):
    return [name for name in graph if kind(graph, name) == wanted]


def has_relu(graph, name):
    return (
        graph.nodes[name].get("activation", "relu" if kind(graph, name) == "hidden" else "linear") == "relu"
    )


def bias(graph, name):
    data = graph.nodes[name]
    return Fraction(data.get("bias", 0)) if data.get("bias_kept", True) else Fraction(0)


def carrying(graph):
    """Return the graph of the edges that are kept and not 0."""
    found = nx.DiGraph()
    found.add_nodes_from(graph)
    found.add_edges_from(
        (u, v) for u, v, data in graph.edges(data=True) if data.get("kept", True) and data["weight"] != 0
    )
    return found


def evaluate(graph, x):
    """Return every node's value, exactly."""
    values = dict(zip(of_kind(graph, "input"), map(Fraction, x), strict=True))
    for name in nx.topological_sort(graph):
        if name not in values:
            total = bias(graph, name)
            for source, _, data in graph.in_edges(name, data=True):
                if data.get("kept", True):
                    total += Fraction(data["weight"]) * values[source]
            values[name] = max(total, Fraction(0)) if has_relu(graph, name) else total
    return values


def outputs(graph, x):
    values = evaluate(graph, x)
    return [values[name] for name in of_kind(graph, "output")]


def points(graph, seed):
    rng = random.Random(seed)  # noqa: S311
    count = len(of_kind(graph, "input"))
    return [[float(rng.choice(WEIGHTS)) for _ in range(count)] for _ in range(2)]


def live_nodes(graph):
    """Return the live hidden nodes, one search from each node."""
    edges = carrying(graph)
    sources = set(of_kind(graph, "input"))
    for name in graph:
        own = bias(graph, name)
        if kind(graph, name) != "input" and (own > 0 or (own < 0 and not has_relu(graph, name))):
            sources.add(name)
    goals = set(of_kind(graph, "output"))
    return {
        name
        for name in of_kind(graph, "hidden")
        if any(nx.has_path(edges, source, name) for source in sources)
        and any(nx.has_path(edges, name, goal) for goal in goals)
    }


def paths(graph):
    """Yield every path of carrying edges from an input to an output."""
    edges = carrying(graph)
    for source in of_kind(graph, "input"):
        for goal in of_kind(graph, "output"):
            yield from nx.all_simple_paths(edges, source, goal)


def product(graph, path):
    total = Fraction(1)
    for edge in itertools.pairwise(path):
        total *= Fraction(graph.edges[edge]["weight"])
    return total


def path_sums(graph):
    """Return {(output, input): sum over paths}, by walking each path; for graphs without ReLU."""
    sums = {
        (goal, source): Fraction(0) for goal in of_kind(graph, "output") for source in of_kind(graph, "input")
    }
    for path in paths(graph):
        sums[path[-1], path[0]] += product(graph, path)
    return sums


# -- checks: what a LayeredDag must agree on ----------------------------------------------------------


def check_evaluation(dag, graph, seed):
    for x in points(graph, seed):
        expected = outputs(graph, x)
        assert list(dag.exact_values(x)[-1]) == expected
        assert [Fraction(value) for value in dag(x)] == expected
    batch = np.array(points(graph, seed)).reshape(2, -1)
    assert np.array_equal(dag(batch), np.array([dag(x) for x in batch]).reshape(2, -1))


def check_layers(dag, graph, seed):
    """Layers are those of the longest paths, but outputs are all in the last."""
    assert dag.widths[0] == len(of_kind(graph, "input"))
    assert dag.widths[-1] == len(of_kind(graph, "output"))
    assert (dag.nodes, dag.edges) == (len(graph), graph.number_of_edges())
    kept = sum(data.get("kept", True) for _, _, data in graph.edges(data=True))
    assert dag.kept_edges == kept
    hidden = [[name for name in graph if kind(graph, name) == "hidden"]]
    depth = {}
    for name in nx.topological_sort(graph):
        before = [depth[source] + 1 for source in graph.predecessors(name)]
        depth[name] = 0 if kind(graph, name) == "input" else max(before, default=1)
    levels = sorted({depth[name] for name in hidden[0]})
    assert dag.widths[1:-1] == tuple(sum(depth[name] == level for name in hidden[0]) for level in levels)


def check_network(dag, graph, seed):
    """The network has the same function; so has the graph without skip connections."""
    through = dag.with_pass_through()
    assert through.layered
    network = dag.to_network() if of_kind(graph, "input") else None
    for x in points(graph, seed):
        expected = outputs(graph, x)
        assert list(through.exact_values(x)[-1]) == expected
        if network is not None:
            assert [Fraction(value) for value in network(x)] == expected


def check_dead_units(dag, graph, seed):
    smaller = dag.without_dead_units()
    assert smaller.nodes - smaller.widths[0] - smaller.widths[-1] == len(live_nodes(graph))
    for x in points(graph, seed):
        assert list(smaller.exact_values(x)[-1]) == outputs(graph, x)
    again = smaller.without_dead_units()
    assert again.compare(smaller).same


def check_path_count(dag, graph, seed):
    assert dag.path_count() == sum(1 for _ in paths(graph))


def check_linear_map(dag, graph, seed):
    """Where signs are fixed the map is exact at the point; without ReLUs it is the sum over all paths."""
    for x in points(graph, seed):
        found = dag.linear_map(dag.active_at(x))
        value = [
            sum(
                (found.exact_weight(row, column) * Fraction(x[column]) for column in range(len(x))),
                Fraction(0),
            )
            + found.exact_weight(row, len(x))
            for row in range(dag.widths[-1])
        ]
        assert value == outputs(graph, x)
    if not any(has_relu(graph, name) for name in graph if kind(graph, name) != "input"):
        found = dag.linear_map()
        goals, sources = of_kind(graph, "output"), of_kind(graph, "input")
        for (goal, source), total in path_sums(graph).items():
            assert found.exact_weight(goals.index(goal), sources.index(source)) == total
            assert found.weight[goals.index(goal), sources.index(source)] == total
        assert list(map(Fraction, found.bias)) == outputs(graph, [0.0] * len(sources))


def check_bridge(dag, graph, seed):
    """Back from networkx everything is the same, edges that are not kept too."""
    back = type(dag).from_networkx(dag.to_networkx())
    assert_same(dag, back)


def assert_same(one, other):
    assert (one.widths, one.target_shapes, one.domain, one.summary) == (
        other.widths,
        other.target_shapes,
        other.domain,
        other.summary,
    )
    for first, second in zip(one.layers, other.layers, strict=True):
        assert np.array_equal(first.relu, second.relu)
        assert np.array_equal(first.index, second.index)
        assert (first.bias is None) == (second.bias is None)
        if first.bias is not None:
            assert first.bias.tobytes() == second.bias.tobytes()
        kept = [np.ones(x.size, bool) if x.bias_kept is None else x.bias_kept for x in (first, second)]
        assert np.array_equal(*kept)
    assert set(one.blocks) == set(other.blocks)
    for span, block in one.blocks.items():
        for mine, yours in zip(block.all_edges(), other.blocks[span].all_edges(), strict=True):
            assert mine.dtype == yours.dtype
            assert mine.tobytes() == yours.tobytes()
