"""Graph files: exact round trips, what networkx makes of them, and files that are broken or hostile."""

import json
import os
import resource
import tracemalloc
from contextlib import suppress

import networkx as nx
import numpy as np
import pytest
from graphs.graph_cases import assert_same, random_dag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subsetsum_nets import Box, Dense, ReluNetwork, prune, random_network
from subsetsum_nets.graphs import GraphFileError, InvalidGraphError, LayeredDag

READABLE = ["graphml", "json", "safetensors"]


@pytest.fixture(scope="module")
def pruned_dag():
    target = random_network([3, 2], seed=2, bias=True, domain=Box([-1.0, 0.0, 0.1], 1.0))
    return LayeredDag.from_network(prune(target, epsilon=0.1))


def dags(pruned_dag):
    odd = [5e-324, -1.7976931348623157e308, 0.1, -0.0, 1 / 3, 1e22, 123456789.125, 1e-5, 2.0**-1074 * 3]
    yield pruned_dag
    yield LayeredDag.from_network(ReluNetwork([Dense([odd], [1e-310])], final_relu=True))
    yield pruned_dag.serving(0, 1, 3)  # without inputs
    yield LayeredDag.from_network(random_network([2, 3]), channels=True)
    for seed in range(12):
        yield LayeredDag.from_networkx(random_dag(seed))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", READABLE)
def test_round_trips_are_exact(pruned_dag, suffix, tmp_path):
    for dag in dags(pruned_dag):
        path = tmp_path / f"graph.{suffix}"
        dag.save(path)
        assert_same(dag, LayeredDag.load(path))
        first = path.read_bytes()
        dag.save(path)
        assert path.read_bytes() == first
        assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


def test_networkx_reads_what_we_write_and_we_what_it_writes(pruned_dag, tmp_path):
    for dag in dags(pruned_dag):
        dag.save(tmp_path / "ours.graphml")
        dag.save(tmp_path / "ours.json")
        assert_same(dag, LayeredDag.from_networkx(nx.read_graphml(tmp_path / "ours.graphml")))
        stored = json.loads((tmp_path / "ours.json").read_text())
        assert_same(dag, LayeredDag.from_networkx(nx.node_link_graph(stored, edges="edges")))
        graph = dag.to_networkx()
        nx.write_graphml(graph, tmp_path / "theirs.graphml")
        assert_same(dag, LayeredDag.load(tmp_path / "theirs.graphml"))
        for name in ("edges", "links"):
            (tmp_path / "theirs.json").write_text(json.dumps(nx.node_link_data(graph, edges=name)))
            assert_same(dag, LayeredDag.load(tmp_path / "theirs.json"))


def test_dot_has_every_edge(pruned_dag, tmp_path):
    path = tmp_path / "graph.dot"
    pruned_dag.save(path)
    text = path.read_text()
    assert text.count(" -> ") == pruned_dag.edges
    assert text.count("style=dashed") == pruned_dag.edges - pruned_dag.kept_edges
    assert text.count("{") == text.count("}") == 1 + len(pruned_dag.layers)
    row, column = np.argwhere(pruned_dag.blocks[1, 2].kept)[0]
    weight = float(pruned_dag.blocks[1, 2].weight[row, column])
    origin = pruned_dag.blocks[1, 2].origin.by_row[row] + pruned_dag.blocks[1, 2].origin.by_column[column]
    assert f'n1_{column} -> n2_{row} [weight_="{weight!r}", origin={origin}];\n' in text
    with pytest.raises(ValueError, match=r"is read from .*'\.dot'"):
        LayeredDag.load(path)


def test_suffixes_and_missing_files(pruned_dag, tmp_path):
    with pytest.raises(ValueError, match=r"saved as .*'\.gexf'"):
        pruned_dag.save(tmp_path / "graph.gexf")
    for suffix in READABLE:
        with pytest.raises(FileNotFoundError):
            LayeredDag.load(tmp_path / f"no.{suffix}")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        pruned_dag.save(tmp_path / "folder.json")


NODES = '<node id="a"/><node id="b"/><node id="c"/>'
KEYS = (
    '<key id="w" for="edge" attr.name="weight" attr.type="double"/>'
    '<key id="l" for="node" attr.name="layer" attr.type="int"/>'
)


def graphml(body, keys=KEYS, head="", directed="directed"):
    return f'{head}<graphml>{keys}<graph edgedefault="{directed}">{body}</graph></graphml>'


def edge(source, target, weight="1.5"):
    return f'<edge source="{source}" target="{target}"><data key="w">{weight}</data></edge>'


GOOD = NODES + edge("a", "b") + edge("b", "c")
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "' + "&a;" * 100 + '">]>'
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'
BAD_GRAPHML = {
    "empty": ("", GraphFileError, "XML"),
    "truncated": (graphml(GOOD)[:-30], GraphFileError, "XML"),
    "other root": ("<svg/>", GraphFileError, "root"),
    "no graph": ("<graphml/>", GraphFileError, "no element <graph>"),
    "billion laughs": (graphml(GOOD, head=LAUGHS), GraphFileError, "document type"),
    "other file": (graphml(GOOD, head=OUTSIDE), GraphFileError, "document type"),
    "undefined entity": (graphml("&x;"), GraphFileError, "XML"),
    "undirected": (graphml(GOOD, directed="undirected"), GraphFileError, "not directed"),
    "undirected edge": (
        graphml(NODES + '<edge source="a" target="b" directed="false"/>'),
        GraphFileError,
        "undirected edge",
    ),
    "nested graph": (
        graphml(f'<node id="a"><graph edgedefault="directed">{GOOD}</graph></node>'),
        GraphFileError,
        "inside",
    ),
    "nested": (graphml("<desc>" * 100_000), GraphFileError, "nested"),
    "hyperedge": (graphml(NODES + "<hyperedge/>"), GraphFileError, "hyperedge"),
    "undeclared key": (graphml(GOOD, keys=""), GraphFileError, "not declared"),
    "no number": (
        graphml(NODES + edge("a", "b", "much")),
        GraphFileError,
        "'much' of weight is not a double",
    ),
    "underscore": (graphml(NODES + edge("a", "b", "1_0")), GraphFileError, "not a double"),
    "NaN": (graphml(NODES + edge("a", "b", "NaN")), InvalidGraphError, "finite"),
    "infinite": (graphml(NODES + edge("a", "b", "1e999")), InvalidGraphError, "finite"),
    "long value": (graphml(NODES + edge("a", "b", "1" * 2_000_000)), GraphFileError, "longer than"),
    "cycle": (graphml(GOOD + edge("c", "a")), InvalidGraphError, "no output|cycle"),
    "cycle beside": (
        graphml(GOOD + '<node id="d"/>' + edge("c", "b") + edge("c", "d")),
        InvalidGraphError,
        "cycle",
    ),
    "itself": (
        graphml(GOOD + '<node id="d"/>' + edge("b", "b") + edge("c", "d")),
        InvalidGraphError,
        "cycle",
    ),
    "twice": (graphml(GOOD + edge("a", "b")), InvalidGraphError, "two edges"),
    "node twice": (graphml(GOOD + '<node id="a"/>'), InvalidGraphError, "twice"),
    "unknown node": (graphml(GOOD + edge("a", "z")), InvalidGraphError, "'z'.* not there"),
    "no weight": (graphml(NODES + '<edge source="a" target="b"/>'), InvalidGraphError, "weight .* is None"),
    "no nodes": (graphml(""), InvalidGraphError, "no output"),
    "no edges": (graphml(NODES), InvalidGraphError, "no output"),
    "huge layer": (
        graphml('<node id="a"><data key="l">99999999999999999999</data></node>'),
        InvalidGraphError,
        "layer",
    ),
    "encoding": ('<?xml version="1.0" encoding="klingon"?><graphml/>', GraphFileError, "encoding|XML"),
    "zeros": ("\0" * 1000, GraphFileError, "XML"),
}


@pytest.mark.parametrize("name", BAD_GRAPHML)
def test_broken_graphml(name, tmp_path):
    text, error, message = BAD_GRAPHML[name]
    path = tmp_path / "bad.graphml"
    path.write_text(text)
    with pytest.raises(error, match=message) as caught:
        LayeredDag.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_graphml_of_others(tmp_path):
    """Defaults, prefixes, unknown data and layers with gaps are read."""
    path = tmp_path / "other.graphml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-16"?><g:graphml xmlns:g="http://graphml.graphdrawing.org/xmlns" '
        'xmlns:y="http://www.yworks.com"><g:key id="w" for="edge" attr.name="weight" attr.type="double">'
        '<g:default>2.5</g:default></g:key><g:key id="c" for="node" attr.name="colour"/>'
        '<g:key id="l" for="node" attr.name="layer" attr.type="int"/><g:graph edgedefault="directed">'
        '<g:node id="é"><g:data key="c"><y:Shape><y:Fill>&lt;red</y:Fill></y:Shape></g:data>'
        '<g:data key="l">10</g:data></g:node><g:node id="b"><g:data key="l">70000000</g:data></g:node>'
        '<g:edge source="é" target="b"/></g:graph></g:graphml>',
        encoding="utf-16",
    )
    dag = LayeredDag.load(path)
    assert dag([2.0]) == [5.0]


def node_link(**changes):
    stored = {
        "directed": True,
        "multigraph": False,
        "graph": {},
        "nodes": [{"id": "a"}, {"id": "b"}, {"id": 3}],
        "edges": [{"source": "a", "target": "b", "weight": 1}, {"source": "b", "target": 3, "weight": -2}],
    }
    stored.update(changes)
    return json.dumps({key: value for key, value in stored.items() if value is not ...})


BAD_JSON = {
    "empty": ("", GraphFileError, "'{' expected"),
    "truncated": (node_link()[:-5], GraphFileError, "complete"),
    "array": ("[]", GraphFileError, "'{' expected"),
    "more": (node_link() + "{}", GraphFileError, "after its end"),
    "nested": ('{"graph": ' + "[" * 500_000, GraphFileError, "nested"),
    "nested id": (node_link(nodes=[{"id": [[[["a"]]]]}]), InvalidGraphError, "not there"),
    "nested node": ('{"directed": true, "nodes": [' + "[" * 900_000, GraphFileError, "nested"),
    "long item": ('{"graph": "' + "x" * 3_000_000, GraphFileError, "complete JSON"),
    "undirected": (node_link(directed=False), GraphFileError, "not directed"),
    "multigraph": (node_link(multigraph=True), GraphFileError, "parallel"),
    "no nodes": (node_link(nodes=...), GraphFileError, "before its edges"),
    "no edges": (node_link(edges=...), GraphFileError, '"edges"'),
    "edges twice": (node_link(links=[]), GraphFileError, "'edges' twice"),
    "nodes are no list": (node_link(nodes={"id": 3}), GraphFileError, "expected"),
    "node is no object": (node_link(nodes=["a"]), GraphFileError, "object with 'id'"),
    "id is an object": (node_link(nodes=[{"id": {}}]), GraphFileError, "named by an object"),
    "graph is no object": (node_link(graph=[]), GraphFileError, "not an object"),
    "NaN": (node_link().replace("-2", "NaN"), InvalidGraphError, "finite"),
    "infinite": (node_link().replace("-2", "1e999"), InvalidGraphError, "finite"),
    "long number": (node_link().replace("-2", "9" * 5000), GraphFileError, "complete JSON"),
    "rounded": (node_link().replace("-2", str(2**53 + 1)), InvalidGraphError, "float64 holds"),
    "text": (node_link().replace("-2", '"2"'), InvalidGraphError, "weight .* is '2'"),
    "bool": (node_link().replace("-2", "true"), InvalidGraphError, "weight .* is True"),
    "kind": (node_link(nodes=[{"id": "a", "kind": "cell"}]), InvalidGraphError, "known are input"),
    "activation": (
        node_link(nodes=[{"id": "a", "activation": "tanh"}]),
        InvalidGraphError,
        "known are linear",
    ),
    "kept": (
        node_link(edges=[{"source": "a", "target": "b", "weight": 1, "kept": 1}]),
        InvalidGraphError,
        "kept",
    ),
    "origin": (
        node_link(edges=[{"source": "a", "target": "b", "weight": 1, "origin": 7}]),
        InvalidGraphError,
        "origin 7",
    ),
    "shapes": (node_link(graph={"target_shapes": "[[1, 2], 3]"}), InvalidGraphError, "target_shapes"),
    "no shapes": (node_link(graph={"target_shapes": "[" * 100_000}), InvalidGraphError, "not JSON"),
    "domain": (node_link(graph={"domain": '{"kind": "cone"}'}), InvalidGraphError, "cone"),
    "summary": (node_link(graph={"summary": 3}), InvalidGraphError, "summary"),
    "some index": (
        node_link(nodes=[{"id": "a", "index": 0}, {"id": "b"}, {"id": 3}]),
        InvalidGraphError,
        "all or none",
    ),
    "bytes": ("\udcff", GraphFileError, "UTF-8"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_broken_json(name, tmp_path):
    text, error, message = BAD_JSON[name]
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(error, match=message) as caught:
        LayeredDag.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_json_is_read_across_pieces(monkeypatch, tmp_path, pruned_dag):
    from subsetsum_nets.graphs.files import node_link as module

    path = tmp_path / "graph.json"
    pruned_dag.save(path)
    for piece in (1, 7, 64):
        monkeypatch.setattr(module, "_PIECE", piece)
        assert_same(pruned_dag, LayeredDag.load(path))


def test_claims_cost_no_memory(tmp_path):
    """Numbers of layers and nodes that a file claims are not believed."""
    far = [{"id": n, "layer": 10**15 * n, "index": 10**18 - n} for n in range(3)]
    path = tmp_path / "far.json"
    path.write_text(node_link(nodes=far, edges=[{"source": n, "target": n + 1, "weight": 1} for n in (0, 1)]))
    assert LayeredDag.load(path).widths == (1, 1, 1)
    chain = 10_010
    nodes = [{"id": n} for n in range(chain)]
    path.write_text(
        node_link(nodes=nodes, edges=[{"source": n, "target": n + 1, "weight": 1} for n in range(chain - 1)])
    )
    with pytest.raises(InvalidGraphError, match="more than 10000 edges"):
        LayeredDag.load(path)
    wide = [{"id": n, "layer": n} for n in range(1500)]
    wide += [{"id": n, "layer": 1500, "kind": "hidden"} for n in range(1500, 14_000)]
    wide += [{"id": 14_000, "layer": 1501}]
    edges = [{"source": n, "target": 1500, "weight": 1} for n in range(1500)]
    edges += [{"source": 0, "target": n, "weight": 1} for n in range(1, 1500)]
    edges += [{"source": 1500, "target": 14_000, "weight": 1}]
    path.write_text(node_link(nodes=wide, edges=edges))
    tracemalloc.start()
    with pytest.raises(InvalidGraphError, match="pairs of layers"):
        LayeredDag.load(path)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_files_load_or_say_why(tmp_path, pruned_dag, data):
    """Bytes cut, changed, repeated or put in: an error of ours, or a graph that stands."""
    suffix = data.draw(st.sampled_from(READABLE))
    path = tmp_path / f"damaged.{suffix}"
    LayeredDag.from_networkx(random_dag(data.draw(st.integers(0, 50)))).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = min(len(content), start + data.draw(st.integers(0, 40)))
        piece = data.draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(bytes(content[start:stop]) * 3),
                st.sampled_from(
                    [b"-1", b"1e999", b"NaN", b'"', b"[[", b"<graph>", b"99999999999", b"null", b"&a;"]
                ),
            )
        )
        content[start:stop] = piece
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path.write_bytes(content)
    try:
        dag = LayeredDag.load(path)
    except (GraphFileError, InvalidGraphError):
        return
    assert_same(dag, LayeredDag.from_networkx(dag.to_networkx()))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "directed",
                        "graph",
                        "nodes",
                        "edges",
                        "links",
                        "id",
                        "source",
                        "target",
                        "weight",
                        "layer",
                        "kind",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    ),
    st.sampled_from(["graph", "nodes", "edges"]),
)
def test_any_json_loads_or_says_why(tmp_path, value, place):
    path = tmp_path / "any.json"
    for text in (json.dumps(value), node_link(**{place: value})):
        path.write_text(text)
        with suppress(GraphFileError, InvalidGraphError):
            LayeredDag.load(path)


def test_writing_needs_no_memory_for_the_text(tmp_path):
    dag = LayeredDag.from_network(random_network([500, 800]))
    dag.save(tmp_path / "warm.json")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for suffix in ("graphml", "json", "dot"):
        dag.save(tmp_path / f"large.{suffix}")
        assert (tmp_path / f"large.{suffix}").stat().st_size > 19e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KB


def test_safetensors_that_are_not_graphs(tmp_path):
    from subsetsum_nets import save_network
    from subsetsum_nets.networks.files.network_files import TensorFile, read_safetensors, write_safetensors

    path = tmp_path / "graph.safetensors"
    save_network(random_network([2, 2]), path)
    with pytest.raises(GraphFileError, match="does not say 'subsetsum-nets graph'"):
        LayeredDag.load(path)
    LayeredDag.from_networkx(random_dag(4)).kept_only().save(path)
    good = read_safetensors(path)
    name = next(name for name in good.tensors if name.endswith("indices"))
    block = name.removesuffix(".indices")
    changes = {
        "not a sparse matrix": {name: good.tensors[name] + 1000},
        "indices is int32": {f"{block}.weight": good.tensors[f"{block}.weight"][:-1]},
        "does not mention": {"extra": np.zeros(3)},
        "NaN": {f"{block}.weight": good.tensors[f"{block}.weight"] * np.nan},
        "0 and 1": {"layers.1.relu": good.tensors["layers.1.relu"] + 7},
        "increase": {"layers.1.index": good.tensors["layers.1.index"] * 0 - 1},
    }
    for message, change in changes.items():
        with path.open("wb") as file:
            write_safetensors(file, TensorFile(good.metadata, {**good.tensors, **change}))
        with pytest.raises((GraphFileError, InvalidGraphError), match=message):
            LayeredDag.load(path)
    for left_out in good.tensors:
        if left_out.endswith(("weight", "relu", "index", "indices")):
            rest = {key: value for key, value in good.tensors.items() if key != left_out}
            with path.open("wb") as file:
                write_safetensors(file, TensorFile(good.metadata, rest))
            with pytest.raises(GraphFileError, match="missing"):
                LayeredDag.load(path)
