"""Networks and pruned networks as graphs and back, and what the graph says of a pruned network."""

import pickle
import subprocess
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from graphs.graph_cases import assert_same
from scipy.sparse import csr_array, random_array
from verification.tiny_groups import passing

from subsetsum_nets import Box, Dense, ReluNetwork, prune, random_network
from subsetsum_nets.graphs import EdgeBlock, InvalidGraphError, LayeredDag, NodeLayer
from subsetsum_nets.masks import NetworkMasks


def networks():
    rng = np.random.default_rng(1)
    sparse = [random_array((n, m), density=0.4, rng=rng, format="csr") for n, m in ((6, 4), (3, 6))]
    with_zero = csr_array(([0.0, 1.5], ([0, 1], [1, 0])), shape=(2, 2))
    signs = [Dense(rng.choice([-1.0, 1.0], shape)) for shape in ((7, 5), (2, 7))]
    return {
        "dense": random_network([4, 6, 5, 3], seed=1),
        "bias, domain": random_network([4, 6, 3], bias=True, seed=2, domain=Box(-2.0, 1.0)),
        "sparse": ReluNetwork([Dense(sparse[0], rng.normal(size=6)), Dense(sparse[1])]),
        "stored zero": ReluNetwork([Dense(with_zero)]),
        "binary": ReluNetwork(signs, final_relu=True),
        "linear hidden": ReluNetwork([Dense(np.ones((3, 2))), Dense(np.ones((1, 3)))], linear_after=[0]),
        "one by one": ReluNetwork([Dense([[-0.0]], [-0.0])]),
    }


def same_network(one, other):
    assert (one.widths, one.relu_after, one.domain) == (other.widths, other.relu_after, other.domain)
    for mine, yours in zip(one.layers, other.layers, strict=True):
        assert type(mine.weight) is type(yours.weight)
        first, second = ((w.toarray() if hasattr(w, "tocsr") else w) for w in (mine.weight, yours.weight))
        assert first.tobytes() == second.tobytes()
        assert mine.parameters == yours.parameters
        assert (mine.bias is None) == (yours.bias is None)
        if mine.bias is not None:
            assert mine.bias.tobytes() == yours.bias.tobytes()


@pytest.mark.parametrize("name", networks())
def test_network_round_trip(name):
    network = networks()[name]
    dag = LayeredDag.from_network(network)
    same_network(dag.to_network(), network)
    whole, masks = dag.to_masked_network()
    same_network(whole, network)
    assert masks.kept == network.parameters == dag.parameters
    x = np.random.default_rng(3).normal(size=(5, network.widths[0]))
    assert dag(x).tobytes() == network(x).tobytes()
    assert dag(x[0]).tobytes() == network(x[0]).tobytes()
    assert (dag.widths, dag.depth) == (network.widths, len(network.layers))
    back = LayeredDag.from_networkx(dag.to_networkx())
    assert_same(dag, back)
    assert_same(dag, pickle.loads(pickle.dumps(dag)))  # noqa: S301 - our own
    assert_same(dag, dag.compact())
    assert dag.compact()(x).tobytes() == network(x).tobytes()


def test_a_graph_shares_the_weights_of_its_network_and_nobody_can_write_to_it():
    network = random_network([4, 3])
    dag = LayeredDag.from_network(network)
    assert np.shares_memory(dag.blocks[0, 1].weight, network.layers[0].weight)
    with pytest.raises(AttributeError, match="does not change"):
        dag.summary = True
    with pytest.raises(TypeError):
        dag.blocks[0, 1] = None
    with pytest.raises(ValueError, match="read-only"):
        dag.blocks[0, 1].weight[0, 0] = 1.0
    mine = np.ones((1, 2))
    block = EdgeBlock.of(mine, kept := np.array([[True, False]]))
    mine[0, 0], kept[0, 1] = 5.0, True
    assert (block.weight[0, 0], block.kept_edges) == (1.0, 1)
    assert random_network([4, 3]).layers[0].weight.dtype == np.float64
    assert dag.compact().blocks[0, 1].weight.dtype == np.float32  # random weights are drawn to allow it
    fine = LayeredDag.from_network(ReluNetwork([Dense([[0.1]])])).compact()
    assert fine.blocks[0, 1].weight.dtype == np.float64


@pytest.fixture(scope="module", params=["relu", "relu-paper", "linear"])
def pruned(request):
    target = random_network([3, 4, 2], seed=2, bias=True, domain=Box(-1.0, 1.0))
    return prune(target, epsilon=0.1, construction=request.param)


def test_pruned_network_round_trip(pruned):
    dag = LayeredDag.from_network(pruned)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    assert dag(x).tobytes() == pruned.network(x).tobytes()
    random, masks = dag.to_masked_network()
    same_network(random, pruned.random)
    assert masks.digest() == pruned.all_masks.digest()
    assert np.array_equal(dag.to_network()(x), pruned.network(x))
    assert np.array_equal(dag.with_all_kept()(x), pruned.random(x))
    assert (dag.parameters, dag.kept_parameters) == (pruned.random.parameters, pruned.all_masks.kept)
    assert_same(dag, LayeredDag.from_networkx(dag.to_networkx()))
    small = dag.without_dead_units()
    point = x[0]
    assert small.exact_values(point)[-1] == dag.exact_values(point)[-1]
    assert small.nodes < dag.nodes
    assert small.kept_only().exact_values(point)[-1] == dag.exact_values(point)[-1]


def test_origins_are_what_the_edges_do(pruned):
    """The part that serves a weight computes that weight, and all parts together are the whole network."""
    dag = LayeredDag.from_network(pruned)
    target = pruned.target
    assert dag.target_shapes == ((4, 4), (2, 5))
    for layer, dense in enumerate(target.layers):
        weight = np.column_stack([dense.weight, dense.bias])
        active = [np.ones(width, dtype=bool) for width in dag.widths]
        for sign in (1.0, -1.0):
            units = np.sign(weight_of_units(pruned.random.layers[2 * layer]))
            active[2 * layer + 1] = units == sign
            pair = dag.linear_map(active, first=2 * layer, last=2 * layer + 2, before_activation=True)
            for row in range(dense.d_out):
                for column in range(dense.d_in):
                    try:
                        part = dag.serving(layer, row, column)
                    except InvalidGraphError:
                        assert pair.exact_weight(row, column) == 0
                        continue
                    effect = part.exact_values([sign])[-1][0] * Fraction(sign)
                    if pruned.construction == "linear":
                        assert abs(effect - Fraction(weight[row, column])) < 0.1
                    else:
                        assert effect == pair.exact_weight(row, column)
                    assert part.widths[0] == part.widths[2] == 1
                    assert part.layers[0].index[0] == column
                    assert part.layers[2].index[0] == row
                    assert part.edges == part.kept_edges == 2 * part.widths[1]
        for row in range(dense.d_out):
            part = dag.serving(layer, row, dense.d_in)
            assert part.widths[0] == 0
            assert abs(part([])[0] - dense.bias[row]) < 0.1


def weight_of_units(first):
    weight = first.weight.toarray() if hasattr(first.weight, "tocsr") else first.weight
    return weight.sum(axis=1) if hasattr(first.weight, "tocsr") else block_diagonal(first)


def block_diagonal(first):
    size = first.d_out // (first.d_in + 1)
    units = np.arange(first.d_out)
    column = np.minimum(units // size, first.d_in - 1)
    return np.where(units // size == first.d_in, first.bias, first.weight[units, column])


def test_serving_with_candidates_has_the_whole_block(pruned):
    dag = LayeredDag.from_network(pruned)
    chosen, offered = dag.serving(0, 1, 2), dag.serving(0, 1, 2, candidates=True)
    n = dag.widths[1] // (4 * 4 if pruned.construction == "linear" else 4)
    assert offered.widths == (1, n, 1)
    assert set(chosen.layers[1].index) <= set(offered.layers[1].index)
    assert offered.kept_only().without_dead_units()([0.5]) == pytest.approx(chosen([0.5]), abs=1e-12)
    origin = dag.origin_number(0, 1, 2)
    assert dag.target_weight(origin) == (0, 1, 2)
    served = [edges.where(edges.origin == origin) for edges in map(EdgeBlock.all_edges, dag.blocks.values())]
    lines = 2 if pruned.construction == "linear" else 1
    assert sum(len(edges.rows) for edges in served) == lines * offered.widths[1]
    back = LayeredDag.from_networkx(dag.to_networkx()).serving(0, 1, 2)
    assert_same(back, chosen)


def deeper(pruned, *places):
    """Return the ticket with a layer behind each of these layers' ReLUs that passes its values on."""
    random = passing(pruned.random, *places)
    weights, biases = [], []
    for index, (mask, bias_mask) in enumerate(zip(pruned.masks, pruned.bias_masks, strict=True)):
        weights.append(mask)
        biases.append(bias_mask)
        if index in places:
            weights.append(np.eye(pruned.random.layers[index].d_out, dtype=bool))
            biases.append(None)
    return SimpleNamespace(random=random, masks=weights, bias_masks=biases, target=pruned.target)


@pytest.mark.slow
@pytest.mark.parametrize("places", [(0,), (2,), (0, 2), (1,), (0, 1)])
def test_groups_of_any_size_serve_the_same_weights(pruned, places):
    if pruned.construction == "linear":
        pytest.skip("values without a ReLU behind them are not passed on")
    plain, dag = LayeredDag.from_network(pruned), LayeredDag.from_network(deeper(pruned, *places))
    assert dag.target_shapes == plain.target_shapes
    for layer, (rows, columns) in enumerate(dag.target_shapes):
        for row, column in np.ndindex(rows, columns):
            try:
                part = plain.serving(layer, row, column)
            except InvalidGraphError:
                with pytest.raises(InvalidGraphError):
                    dag.serving(layer, row, column)
                continue
            more = dag.serving(layer, row, column)
            assert (more.widths[0], more.widths[-1]) == (part.widths[0], 1)
            assert more.widths[-2] == part.widths[1]
            if part.widths[0] and layer in {(place + 1) // 2 for place in places}:
                assert more.depth > part.depth
            for x in ([0.5], [2.0 if layer else -1.0]):  # behind the target's ReLU nothing is negative
                x = x[: part.widths[0]]  # noqa: PLW2901 - a bias has no input
                assert more.exact_values(x)[-1] == part.exact_values(x)[-1]
    back = LayeredDag.from_networkx(dag.to_networkx())
    assert_same(back.serving(0, 1, 2), dag.serving(0, 1, 2))


def test_serving_says_what_is_missing():
    plain = LayeredDag.from_network(random_network([2, 2]))
    with pytest.raises(IndexError, match="knows of 0"):
        plain.serving(0, 0, 0)
    dag = LayeredDag.from_network(prune(ReluNetwork([Dense([[0.5, 0.0]])]), epsilon=0.1))
    with pytest.raises(IndexError, match=r"no weight \(0, 3\).*2 is the bias"):
        dag.serving(0, 0, 3)
    with pytest.raises(InvalidGraphError, match=r"no edge serves weight \(0, 2\)"):
        dag.serving(0, 0, 2)
    with pytest.raises(IndexError, match="3 is no target weight"):
        dag.target_weight(3)


def test_large_layers_are_gone_through_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    masks = NetworkMasks([rng.random((60, 50)) < 0.02, rng.random((7, 60)) < 0.1], [None, None])
    network = random_network([50, 60, 7], seed=4)
    parts = SimpleNamespace(random=network, masks=masks.weights, bias_masks=masks.biases, target=network)
    dag = LayeredDag.from_network(parts)
    assert dag.target_shapes == ()  # two layers for two: nothing says what serves what
    whole = (dag.without_dead_units(), dag.path_count(), dag.kept_only())
    monkeypatch.setattr(EdgeBlock.row_ranges, "__defaults__", (100,))
    monkeypatch.setattr(EdgeBlock.chunks, "__defaults__", (100,))
    pieces = (dag.without_dead_units(), dag.path_count(), dag.kept_only())
    assert_same(whole[0], pieces[0])
    assert whole[1] == pieces[1] == int((masks.weights[1].astype(int) @ masks.weights[0].astype(int)).sum())
    assert_same(whole[2], pieces[2])
    assert_same(dag.kept_only().without_dead_units(), whole[0].kept_only())  # sparse and dense agree
    points = rng.normal(size=(3, 50))
    assert np.allclose(whole[0](points), masks.apply(network)(points), rtol=1e-12, atol=1e-12)


def test_path_counts_have_no_limit():
    layers = [Dense(np.ones((40, 40))) for _ in range(60)]
    assert LayeredDag.from_network(ReluNetwork(layers)).path_count() == 40**61


def test_exact_maps_have_no_limit():
    tiny = ReluNetwork([Dense([[5e-324]]), Dense([[1e-300]]), Dense([[1.7e308]])], linear_after=[0, 1])
    found = LayeredDag.from_network(tiny).linear_map()
    assert found.exact_weight(0, 0) == Fraction(5e-324) * Fraction(1e-300) * Fraction(1.7e308)
    assert found.weight[0, 0] == float(found.exact_weight(0, 0))
    network = random_network([20, 30, 25, 4], seed=1)
    dag = LayeredDag.from_network(ReluNetwork(network.layers, linear_after=[0, 1]))
    product = network.layers[2].weight @ network.layers[1].weight @ network.layers[0].weight
    assert np.allclose(dag.linear_map().weight, product, rtol=1e-12, atol=1e-12)
    entry = sum(
        Fraction(network.layers[2].weight[1, i])
        * Fraction(network.layers[1].weight[i, j])
        * Fraction(network.layers[0].weight[j, 3])
        for i in range(25)
        for j in range(30)
    )
    assert dag.linear_map().exact_weight(1, 3) == entry


def test_linear_map_refuses_what_is_not_linear():
    dag = LayeredDag.from_network(random_network([2, 3, 1]))
    with pytest.raises(InvalidGraphError, match="layer 1 has ReLUs"):
        dag.linear_map()
    assert dag.linear_map(first=1).weight.shape == (1, 3)
    assert dag.linear_map(last=1, before_activation=True).weight.shape == (3, 2)
    with pytest.raises(InvalidGraphError, match="not 1 to 1"):
        dag.linear_map(first=1, last=1)
    with pytest.raises(InvalidGraphError, match="has 1 arrays"):
        dag.linear_map([True])
    with pytest.raises(InvalidGraphError, match=r"must be bool \(3,\)"):
        dag.linear_map([None, [1, 0, 1], [True]])
    layers = [NodeLayer.of([False]) for _ in range(3)]
    one = EdgeBlock.of(np.ones((1, 1)))
    skipping = LayeredDag(layers, {(0, 1): one, (1, 2): one, (0, 2): one})
    with pytest.raises(InvalidGraphError, match="edges from layer 0 to layer 2 lead into the part"):
        skipping.linear_map(first=1)
    assert skipping.linear_map().weight[0, 0] == 2.0


def test_comparison():
    one = LayeredDag.from_network(random_network([3, 4, 2], seed=1, bias=True))
    assert one.compare(one).same
    half = one.layers[1].select([0, 2, 3])
    cut = LayeredDag(
        [one.layers[0], half, one.layers[2]],
        {
            (0, 1): one.blocks[0, 1].select(np.array([0, 2, 3]), np.arange(3)),
            (1, 2): one.blocks[1, 2].select(np.arange(2), np.array([0, 2, 3])),
        },
    )
    found = one.compare(cut)
    assert not found.same
    assert [list(nodes) for nodes in found.nodes_only_here] == [[], [1], []]
    assert found.summary()["edges_only_here"] == 5
    assert found.summary()["edges_in_both"] == 15
    assert found.edges[0, 1].only_here.tolist() == [[0, 1], [1, 1], [2, 1]]
    assert found.edges[1, 2].only_here.tolist() == [[1, 0], [1, 1]]
    assert cut.compare(one).summary()["nodes_only_there"] == 1
    changed = np.array(one.blocks[1, 2].weight)
    changed[1, 2] += 0.5
    other = one.with_parts(one.layers, {**one.blocks, (1, 2): EdgeBlock.of(changed)})
    edges = one.compare(other).edges[1, 2]
    assert edges.both[np.flatnonzero(edges.difference)].tolist() == [[2, 1]]
    assert one.compare(other).summary()["largest_weight_difference"] == edges.difference.max()
    assert one.compare(other).summary()["other_weight"] == 1
    relu = one.with_parts(
        [*one.layers[:2], NodeLayer.of([True, False], np.add(one.layers[2].bias, [0, 1]))], one.blocks
    )
    assert one.compare(relu).summary()["other_activation"] == 1
    assert one.compare(relu).summary()["largest_bias_difference"] == pytest.approx(1)
    assert not one.compare(relu).same
    with pytest.raises(InvalidGraphError, match="3 and 2 layers"):
        one.compare(LayeredDag.from_network(random_network([3, 2])))


@pytest.mark.parametrize(
    ("layers", "blocks", "message"),
    [
        ([2], {}, "inputs and outputs"),
        ([2, 0, 1], {}, "layer 1 has no nodes"),
        ([2, 1], {(1, 0): (2, 1)}, "not from 1 to 0"),
        ([2, 1], {(0, 2): (2, 1)}, "not from 0 to 2"),
        ([2, 1], {(0, 1): (2, 1)}, "shape"),
    ],
)
def test_parts_that_do_not_fit(layers, blocks, message):
    with pytest.raises(InvalidGraphError, match=message):
        LayeredDag(
            [NodeLayer.of([False] * size) for size in layers],
            {span: EdgeBlock.of(np.ones(shape)) for span, shape in blocks.items()},
        )


def test_other_bad_input():
    with pytest.raises(InvalidGraphError, match="no bias and no activation"):
        LayeredDag([NodeLayer.of([True]), NodeLayer.of([False])], {})
    with pytest.raises(InvalidGraphError, match="increase"):
        NodeLayer.of([True, True], index=[1, 1])
    with pytest.raises(InvalidGraphError, match="bias of a layer has shape"):
        NodeLayer.of([True, True], [1.0])
    with pytest.raises(ValueError, match="finite"):
        NodeLayer.of([True], [np.nan])
    with pytest.raises(ValueError, match="finite"):
        EdgeBlock.of(np.array([[np.inf]]))
    with pytest.raises(InvalidGraphError, match="mask has shape"):
        EdgeBlock.of(np.ones((1, 2)), np.ones((2, 1), dtype=bool))
    with pytest.raises(InvalidGraphError, match="does not store"):
        EdgeBlock.of(csr_array(np.eye(2)), csr_array(np.array([[True, True], [False, True]])))
    with pytest.raises(TypeError, match="got int"):
        LayeredDag.from_network(3)
    with pytest.raises(TypeError, match="got int"):
        LayeredDag.from_network(3, channels=True)
    dag = LayeredDag.from_network(random_network([2, 1]))
    with pytest.raises(InvalidGraphError, match=r"shape \(2,\)"):
        dag([1.0])
    with pytest.raises(InvalidGraphError, match="takes inputs"):
        dag.exact_values([1.0])
    channels = LayeredDag.from_network(random_network([2, 1]), channels=True)
    assert channels.summary
    with pytest.raises(InvalidGraphError, match="cannot be evaluated"):
        channels([1.0, 2.0])
    with pytest.raises(InvalidGraphError, match="cannot be made a network"):
        channels.to_network()


OURS = [
    "assembling",
    "channels",
    "comparison",
    "conversion",
    "dot",
    "edge_lines",
    "edges",
    "errors",
    "exact_paths",
    "graph_arrays",
    "graph_files",
    "graphml",
    "layered_dag",
    "layering",
    "networkx_bridge",
    "node_link",
    "nodes",
    "origins",
    "pass_through",
    "reachability",
    "serving",
    "text_kernels",
]


def test_import_loads_nothing_heavy():
    heavy = ["scipy", "networkx", "numba", "flint", "matplotlib", "safetensors"]
    code = f"import sys, subsetsum_nets.graphs; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
