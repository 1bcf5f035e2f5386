"""Layers answer for themselves: a new kind is a class, not a case in every room."""

import ast
from pathlib import Path

import numpy as np
import pytest

from subsetsum_nets import Box, Conv2d, Dense, ReluNetwork, verify
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import InvalidNetworkError, network_digest, relu_network
from subsetsum_nets.networks.relu_network import sparse_form

ROOT = Path(__file__).parents[2]
KINDS = {"Dense", "Conv2d", "AffineConvolution", "ConvolutionMatrix", "ConvolutionMidRad", "Layer"}


class Scaling:
    """A layer that this package does not know: every value times a factor of its own."""

    bias = None
    options = {}  # noqa: RUF012
    fixed = False

    def __init__(self, factors):
        self.stored = np.asarray(factors, dtype=float)
        self.takes = (self.stored.size,)
        self.parameters = self.stored.size

    def with_stored(self, factors, bias):
        assert bias is None
        return Scaling(factors)

    def sparse(self):
        return self

    def gives(self, shape, index):
        if shape != self.takes:
            raise InvalidNetworkError(f"layer {index} scales {self.takes[0]} values")
        return shape

    def on(self, shape):
        assert shape == self.takes
        return Dense(np.diag(self.stored))

    def __call__(self, x):
        return x * self.stored


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.setattr(relu_network, "Layer", relu_network.Layer | Scaling)
    return Scaling([0.5, -2.0])


def test_a_new_kind_of_layer_goes_everywhere(scaling):
    last = Dense([[1.0, 1.0]])
    network = ReluNetwork([scaling, last], domain=Box(-1, 1))
    plain = ReluNetwork([Dense(np.diag(scaling.stored)), last], domain=Box(-1, 1))
    points = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    assert np.array_equal(network(points), plain(points))
    assert (network.widths, network.parameters, repr(network)) == (
        (2, 2, 1),
        4,
        "ReluNetwork(2-2-1, 4 parameters)",
    )
    for method in ("norms", "interval", "differential", "propagated", "zonotope"):
        assert verify(plain, network, method=method).upper == verify(plain, plain, method=method).upper
    assert np.array_equal(LayeredDag.from_network(network)(points), plain(points))
    masks = NetworkMasks([np.array([True, False]), np.ones((1, 2), dtype=bool)], [None, None])
    pruned = masks.apply(network)
    assert pruned.layers[0].stored.tolist() == [0.5, 0.0]
    assert sparse_form(pruned).layers[0] is pruned.layers[0]
    assert network_digest(pruned) != network_digest(network)
    with pytest.raises(InvalidNetworkError, match="layer 1 scales 2 values"):
        ReluNetwork([last, scaling])
    with pytest.raises(InvalidNetworkError, match=r"layer 0 is a .*Scaling.*, not a Dense layer"):
        network.dense_layers  # noqa: B018


def test_a_kind_that_is_not_named_is_refused():
    with pytest.raises(InvalidNetworkError, match="layer 0 is a Scaling"):
        ReluNetwork([Scaling([1.0])])


def test_shapes_follow_the_layers():
    layers = [Conv2d(np.ones((3, 3, 1, 2))), Dense(np.ones((3, 24)))]
    assert ReluNetwork(layers, input_shape=(4, 3, 1)).shapes == ((4, 3, 1), (4, 3, 2), (3,))
    assert ReluNetwork(layers).shapes == ((None, None, 1), (None, None, 2), (3,))


def test_kinds_of_layers_are_asked_for_at_doors_only():
    """Where an isinstance names a kind of layer: what reads and writes networks, and checks of arguments."""
    assert set(switches(ROOT / "subsetsum_nets")) <= {
        ("networks/relu_network.py", "__init__"),
        ("networks/relu_network.py", "dense_layers"),
        ("networks/files/network_files.py", "save_network"),
        ("networks/files/onnx_files.py", "_nodes"),
        ("networks/files/onnx_reading.py", "_fixed"),
        ("networks/lowering/chains.py", "network_of"),
        ("exchange/torch_networks.py", "_modules"),
        ("constructions/binary/construction.py", "check_layers"),
        ("coresets/edges.py", "edge_matrices"),
        ("compiler.py", "_check"),
        ("theory/prunings/decision.py", "weights_of"),
    }


def switches(root):
    for path in root.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "isinstance":
                        names = {node.id for node in ast.walk(call.args[1]) if isinstance(node, ast.Name)}
                        if names & KINDS:
                            yield path.relative_to(root).as_posix(), function.name
