"""networkx graphs as users build them: what is accepted, in which order, and what is refused."""

import networkx as nx
import numpy as np
import pytest

from subsetsum_nets import prune
from subsetsum_nets.graphs import InvalidGraphError, LayeredDag


def graph_of(*edges, **nodes):
    graph = nx.DiGraph()
    for name, data in nodes.items():
        graph.add_node(name, **data)
    graph.add_weighted_edges_from(edges)
    return graph


def test_inputs_and_outputs_keep_the_order_of_the_graph_or_of_their_index():
    edges = [("b", "y", 1.0), ("a", "x", 10.0), ("b", "x", 100.0)]
    assert LayeredDag.from_networkx(graph_of(*edges))([1.0, 2.0]).tolist() == [1.0, 120.0]
    ordered = graph_of(*edges, a={}, b={}, x={}, y={})
    assert LayeredDag.from_networkx(ordered)([1.0, 2.0]).tolist() == [210.0, 2.0]
    numbered = graph_of(*edges, a={"index": 5}, b={"index": 9}, x={"index": 2}, y={"index": 1})
    dag = LayeredDag.from_networkx(numbered)
    assert dag([1.0, 2.0]).tolist() == [2.0, 210.0]
    assert [layer.index.tolist() for layer in dag.layers] == [[5, 9], [1, 2]]


def test_a_residual_network_is_compiled_by_prune():
    rng = np.random.default_rng(0)
    graph = nx.DiGraph()
    for i in range(2):
        for h in range(3):
            graph.add_edge(f"x{i}", f"h{h}", weight=float(rng.uniform(-1, 1)))
        for k in range(2):
            graph.add_edge(f"x{i}", f"k{k}", weight=0.5 - (i == k))  # a skip connection
    for h in range(3):
        for k in range(2):
            graph.add_edge(f"h{h}", f"k{k}", weight=float(rng.uniform(-1, 1)))
    for k in range(2):
        graph.add_edge(f"k{k}", "y", weight=1.0)
    dag = LayeredDag.from_networkx(graph)
    assert not dag.layered
    network = dag.to_network()
    points = rng.uniform(-1, 1, (200, 2))
    assert np.allclose(network(points), dag(points), rtol=1e-14, atol=1e-14)
    pruned = prune(network, epsilon=0.05)
    assert pruned.certificate.verified
    assert np.abs(pruned.network(points) - dag(points)).max() <= 0.05


def test_given_kinds_count():
    graph = graph_of(("x", "y", 2.0), ("x", "h", 1.0), h={"kind": "hidden"})
    dag = LayeredDag.from_networkx(graph)
    assert dag.widths == (1, 1, 1)
    assert dag.without_dead_units().widths == (1, 1)
    constant = graph_of(("x", "y", 2.0), ("c", "y", 3.0), c={"bias": 5.0})
    assert LayeredDag.from_networkx(constant)([1.0]) == [17.0]
    assert LayeredDag.from_networkx(graph_of(("x", "y", 1), ("x", "z", -1), z={"activation": "relu"}))(
        [3.0]
    ).tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.DiGraph(), "no output"),
        (graph_of(("x", "y", 1.0), ("y", "x", 1.0)), "no output"),
        (graph_of(("x", "a", 1.0), ("a", "b", 1.0), ("b", "a", 1.0), ("b", "y", 1.0)), "cycle.*'[ab]'"),
        (nx.DiGraph([("x", "y")]), "weight of the edge from 'x' to 'y' is None"),
        (graph_of(("x", "y", float("nan"))), "is nan; it must be a finite number"),
        (graph_of(("x", "y", 10**400)), "finite number"),
        (graph_of(("x", "y", "1.0")), "is '1.0'; it must be"),
        (graph_of(("x", "y", 1.0), x={"kind": "output"}), "leaves the output 'x'"),
        (graph_of(("x", "y", 1.0), y={"kind": "input"}), "goes into the input 'y'|no output"),
        (graph_of(("x", "y", 1.0), x={"kind": "input", "bias": 1.0}), "input 'x' has a bias"),
        (graph_of(("x", "y", 1.0), y={"bias": np.inf}), "bias of node 'y' is inf"),
        (graph_of(("x", "y", 1.0), y={"bias": 1.0, "bias_kept": "no"}), "bias_kept"),
        (graph_of(("x", "y", 1.0), y={"layer": 1.5}), "layer of node 'y' is 1.5"),
        (graph_of(("x", "y", 1.0), x={"layer": 1}, y={"layer": 1}), "first layer"),
        (graph_of(("x", "h", 1.0), ("h", "y", 1.0), x={"layer": 0}, h={"layer": 2}, y={"layer": 1}), "last"),
        (graph_of(("x", "y", 1.0), ("x", "z", 1.0), y={"layer": 1}, z={"layer": 2}), "outputs are in"),
        (
            graph_of(
                ("x", "a", 1.0), ("a", "b", 1.0), ("b", "y", 1.0), ("x", "b", 1.0),
                x={"layer": 0}, a={"layer": 1}, b={"layer": 1}, y={"layer": 2},
            ),
            "from 'a' to 'b' does not go to a later layer",
        ),
        (graph_of(("x", "y", 1), ("x", "z", 1), x={"index": 0}, y={"index": 0}, z={"index": 0}), "index of"),
        (nx.MultiDiGraph([("x", "y")]), "MultiDiGraph is not a DiGraph"),
        (nx.Graph([("x", "y")]), "Graph is not a DiGraph"),
    ],
)  # fmt: skip
def test_refused(graph, message):
    with pytest.raises(InvalidGraphError, match=message):
        LayeredDag.from_networkx(graph)


def test_no_graph_at_all():
    with pytest.raises(TypeError, match="got a dict"):
        LayeredDag.from_networkx({})
