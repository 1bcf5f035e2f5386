"""Large, nearly empty weights are sparse initializers in ONNX: small files, read exactly, run by others."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array
from support.planting import plain_python

onnx = pytest.importorskip("onnx")

from subsetsum_nets import Box, Dense, ReluNetwork, prune  # noqa: E402
from subsetsum_nets.networks import NetworkFileError, network_digest  # noqa: E402
from subsetsum_nets.networks.files import onnx_files, onnx_tensors  # noqa: E402
from subsetsum_nets.networks.files.onnx_files import onnx_bytes, read_onnx, write_onnx  # noqa: E402

RANDOM = np.random.default_rng(0)


def wide(dtype=np.float32):
    """Return a network with a layer of five million entries, five thousand of them not 0."""
    first = csr_array(random_array((5000, 1000), density=0.001, rng=RANDOM).astype(dtype).astype(float))
    bias = RANDOM.normal(size=5000).astype(dtype)
    return ReluNetwork([Dense(first, bias), Dense(RANDOM.normal(size=(2, 5000)).astype(dtype))])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nearly_empty_weights_come_back_sparse_and_exactly(tmp_path, dtype):
    network, path = wide(dtype), tmp_path / "net.onnx"
    write_onnx(network, path)
    assert path.stat().st_size < 250_000
    again = read_onnx(path)
    assert network_digest(again) == network_digest(network)
    onnx.checker.check_model(onnx.load(path))


def test_onnxruntime_runs_them():
    runtime = pytest.importorskip("onnxruntime")
    network = wide()
    session = runtime.InferenceSession(onnx_bytes(network), providers=["CPUExecutionProvider"])
    x = RANDOM.uniform(size=(3, 1000)).astype(np.float32)
    (y,) = session.run(None, {"input": x})
    assert np.abs(y - network(x)).max() < 1e-3


def test_smaller_and_fuller_weights_are_dense_for_every_program():
    for weight in (csr_array(np.eye(50)), csr_array(np.ones((5, 4)))):
        network = ReluNetwork([Dense(weight), Dense(np.ones((1, weight.shape[0])))])
        graph = onnx.ModelProto.FromString(onnx_bytes(network)).graph
        assert not graph.sparse_initializer


@pytest.mark.slow
def test_a_ticket_of_linear_links_takes_a_small_file(tmp_path):
    target = ReluNetwork([Dense(RANDOM.normal(size=(10, 400)) / 20)])
    ticket = prune(target, construction="linear", epsilon=0.5, domain=Box(0, 1))
    write_onnx(ticket.network, tmp_path / "net.onnx")
    entries = sum(layer.d_in * layer.d_out for layer in ticket.network.layers)
    assert (tmp_path / "net.onnx").stat().st_size < 4 * entries / 20
    again = read_onnx(tmp_path / "net.onnx")
    for mine, theirs in zip(ticket.network.layers, again.layers, strict=True):
        assert not (mine.weight != csr_array(theirs.weight)).nnz


@pytest.fixture
def sparse_everywhere(monkeypatch):
    monkeypatch.setattr(onnx_files, "_MOST_DENSE", 0)
    monkeypatch.setattr(onnx_files, "_NEARLY_EMPTY", 2.0)


SMALL = ReluNetwork([Dense(csr_array([[0.0, 2.0, 0.0], [0.5, 0.0, -1.0]]), [1.0, 2.0]), Dense([[1.0, 3.0]])])
DAMAGE = {
    "no name": lambda t: t.values.ClearField("name"),
    "three axes": lambda t: t.dims.append(1),
    "no places": lambda t: t.indices.ClearField("raw_data"),
    "places descending": lambda t: places(t, [5, 3, 1]),
    "places twice": lambda t: places(t, [1, 1, 3]),
    "places outside": lambda t: places(t, [1, 3, 6]),
    "places before": lambda t: places(t, [-1, 3, 5]),
    "fewer values": lambda t: t.values.dims.__setitem__(0, 2),
    "huge": lambda t: t.dims.__setitem__(0, 2**62),
    "integers": lambda t: setattr(t.values, "data_type", 6),
}


def places(tensor, numbers):
    tensor.indices.raw_data = np.array(numbers, "<i8").tobytes()


@pytest.mark.usefixtures("sparse_everywhere")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_sparse_initializers_are_refused(tmp_path, damage):
    model = onnx.ModelProto.FromString(onnx_bytes(SMALL))
    damage(model.graph.sparse_initializer[0])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NetworkFileError, match=r"net\.onnx"):
        read_onnx(tmp_path / "net.onnx")


@pytest.mark.usefixtures("sparse_everywhere")
def test_places_may_be_pairs(tmp_path):
    model = onnx.ModelProto.FromString(onnx_bytes(SMALL))
    tensor = model.graph.sparse_initializer[0]
    tensor.indices.dims[:] = [3, 2]
    places(tensor, [[0, 1], [1, 0], [1, 2]])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert network_digest(read_onnx(tmp_path / "net.onnx")) == network_digest(SMALL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.divmod(places, shape[1])", "np.divmod(places, shape[0])"),
        ("np.diff(places, prepend=-1, append=math.prod(shape)) <= 0", "np.diff(places) <= 0"),
        ("places[:, 0] * shape[1] + places[:, 1]", "places[:, 0] * shape[0] + places[:, 1]"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, old, new):
    copy = plain_python(monkeypatch, onnx_tensors.__name__, "sparse_matrix", old, new)
    dense = np.array([[0.0, 2.0, 0.0], [0.5, 0.0, -1.0]], np.float32)
    values = onnx.numpy_helper.from_array(dense[dense != 0.0], "W")
    pairs = np.argwhere(dense != 0.0)

    def right(indices):
        tensor = onnx.helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(indices), dense.shape)
        try:
            return np.array_equal(copy.sparse_matrix(tensor, None).toarray(), dense)
        except (NetworkFileError, ValueError):
            return False

    outside = np.array([1, 3, 6])
    try:
        refused = not right(outside)
        copy.sparse_matrix(
            onnx.helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(outside), dense.shape),
            None,
        )
        refused = False
    except NetworkFileError:
        pass
    except (ValueError, IndexError):
        refused = False
    assert not (right(np.flatnonzero(dense)) and right(pairs) and refused)
