"""NetworkMasks: applying, counting, naming and storing them."""

import io
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from subsetsum_nets.masks import NetworkMasks, sparse_mask
from subsetsum_nets.networks import Dense, InvalidNetworkError, NetworkFileError, ReluNetwork


def example(seed=0):
    """Return (network, masks): dense with bias, sparse with bias, dense without."""
    rng = np.random.default_rng(seed)
    middle = csr_array(rng.uniform(0.1, 1, (3, 5)) * (rng.random((3, 5)) < 0.6))
    network = ReluNetwork(
        [
            Dense(rng.uniform(-1, 1, (5, 4)), rng.uniform(-1, 1, 5)),
            Dense(middle, rng.uniform(-1, 1, 3)),
            Dense(rng.uniform(-1, 1, (7, 3))),
        ],
        linear_after=(1,),
    )
    rows, columns = middle.nonzero()
    keep = rng.random(len(rows)) < 0.5
    masks = NetworkMasks(
        [
            rng.random((5, 4)) < 0.5,
            sparse_mask(rows[keep], columns[keep], (3, 5)),
            rng.random((7, 3)) < 0.5,
        ],
        [rng.random(5) < 0.5, rng.random(3) < 0.5, None],
    )
    return network, masks


def dense(array):
    return array.toarray() if hasattr(array, "tocsr") else array


def test_kept_weights_stay_and_the_others_are_zero():
    network, masks = example()
    pruned = masks.apply(network)
    kept = 0
    for before, after, mask, bias_mask in zip(
        network.layers, pruned.layers, masks.weights, masks.biases, strict=True
    ):
        assert np.array_equal(dense(after.weight), dense(before.weight) * dense(mask))
        assert hasattr(after.weight, "tocsr") == hasattr(before.weight, "tocsr")
        kept += dense(mask).sum()
        if bias_mask is None:
            assert after.bias is None
        else:
            assert np.array_equal(after.bias, before.bias * bias_mask)
            kept += bias_mask.sum()
    assert masks.kept == kept
    assert pruned.relu_after == network.relu_after
    assert pruned.domain is network.domain


def test_the_network_is_left_as_it_was():
    network, masks = example()
    before = [dense(layer.weight).copy() for layer in network.layers]
    masks.apply(network)
    assert all(np.array_equal(dense(x.weight), b) for x, b in zip(network.layers, before, strict=True))


def changed(masks, **parts):
    weights, biases = list(masks.weights), list(masks.biases)
    for index, mask in parts.get("weights", {}).items():
        weights[index] = mask
    for index, mask in parts.get("biases", {}).items():
        biases[index] = mask
    return NetworkMasks(weights, biases)


def test_masks_of_another_network_are_refused():
    network, masks = example()
    wrong = [
        NetworkMasks(masks.weights[:2], masks.biases[:2]),
        NetworkMasks(masks.weights, masks.biases[:2]),
        changed(masks, weights={0: masks.weights[0].T}),
        changed(masks, weights={0: masks.weights[0].astype(int)}),
        changed(masks, weights={0: csr_array(masks.weights[0])}),
        changed(masks, weights={1: masks.weights[1].toarray()}),
        changed(masks, biases={0: None}),
        changed(masks, biases={0: masks.biases[1]}),
        changed(masks, biases={0: masks.biases[0].astype(float)}),
        changed(masks, biases={2: np.ones(7, dtype=bool)}),
    ]
    for mask in wrong:
        with pytest.raises(InvalidNetworkError):
            mask.apply(network)


def test_the_digest_changes_with_any_bit():
    _, masks = example()
    digests = {masks.digest()}
    flips = 0
    for index, mask in enumerate(masks.weights):
        for place in np.ndindex(*mask.shape):
            flipped = dense(mask).copy()
            flipped[place] ^= True
            other = csr_array(flipped) if hasattr(mask, "tocsr") else flipped
            digests.add(changed(masks, weights={index: other}).digest())
            flips += 1
    for index, mask in enumerate(masks.biases):
        for place in range(0 if mask is None else len(mask)):
            flipped = mask.copy()
            flipped[place] ^= True
            digests.add(changed(masks, biases={index: flipped}).digest())
            flips += 1
    digests.add(changed(masks, biases={2: np.zeros(7, dtype=bool)}).digest())
    assert len(digests) == flips + 2


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("seed", range(5))
def test_what_is_saved_comes_back(tmp_path, seed):
    network, masks = example(seed)
    masks.save(tmp_path / "m.npz")
    back = NetworkMasks.load(tmp_path / "m.npz")
    back.check(network)
    assert back.digest() == masks.digest()
    assert back.kept == masks.kept
    for a, b in zip([*masks.weights, *masks.biases], [*back.weights, *back.biases], strict=True):
        assert (a is None) == (b is None)
        assert a is None or (np.array_equal(dense(a), dense(b)) and dense(b).dtype == bool)
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_a_stored_false_is_not_kept(tmp_path):
    mask = csr_array((np.array([True, False]), ([0, 1], [0, 1])), shape=(2, 2))
    NetworkMasks([mask], [None]).save(tmp_path / "m.npz")
    assert NetworkMasks.load(tmp_path / "m.npz").weights[0].toarray().tolist() == mask.toarray().tolist()


def test_nothing_kept_and_everything_kept(tmp_path):
    for value in (False, True):
        masks = NetworkMasks(
            [np.full((3, 9), value), csr_array(np.full((2, 3), value))], [np.full(3, value), None]
        )
        masks.save(tmp_path / "m.npz")
        back = NetworkMasks.load(tmp_path / "m.npz")
        assert back.kept == masks.kept == (36 if value else 0)


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def header(text):
    return np.frombuffer(text.encode(), np.uint8)


LAYER = (
    '{"format": "subsetsum-nets masks", "version": 1, "layers": [{"shape": %s, "sparse": %s, "bias": false}]}'
)
FOREIGN = {
    "empty": b"",
    "text": b"not a zip file, but text",
    "other arrays": npz(a=np.zeros(3)),
    "an .npy file": b"\x93NUMPY" + bytes(100),
    "a list for a header": npz(header=header("[1]")),
    "no json": npz(header=header("{")),
    "deep json": npz(header=header("[" * 100_000)),
    "another format": npz(header=header('{"format": "x", "version": 1, "layers": []}')),
    "a newer version": npz(header=header('{"format": "subsetsum-nets masks", "version": 2, "layers": []}')),
    "no weight": npz(header=header(LAYER % ("[2, 2]", "false"))),
    "too few bits": npz(header=header(LAYER % ("[9, 2]", "false")), weight0=np.zeros(2, np.uint8)),
    "bits of floats": npz(header=header(LAYER % ("[2, 2]", "false")), weight0=np.zeros(1)),
    "a negative shape": npz(header=header(LAYER % ("[-2, -2]", "false")), weight0=np.zeros(1, np.uint8)),
    "entries out of range": npz(header=header(LAYER % ("[2, 2]", "true")), weight0=np.array([[0], [2]])),
    "negative entries": npz(header=header(LAYER % ("[2, 2]", "true")), weight0=np.array([[0], [-1]])),
    "entries of one row": npz(header=header(LAYER % ("[2, 2]", "true")), weight0=np.array([0, 1])),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files(tmp_path, kind):
    path = tmp_path / "m.npz"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(NetworkFileError, match=r"m\.npz"):
        NetworkMasks.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        NetworkMasks.load(tmp_path / "m.npz")


def test_damage_is_an_error_or_harmless(tmp_path):
    """Whatever bit flips: the same masks, or a NetworkFileError, never other masks or another error."""
    _, masks = example()
    path = tmp_path / "m.npz"
    masks.save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.permutation(len(whole))[:700]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        refused += not loads_the_same(path, bytes(damaged), masks)
    assert refused > 300
    for length in range(0, len(whole), 61):
        assert not loads_the_same(path, whole[:length], masks)


def loads_the_same(path: Path, content: bytes, masks: NetworkMasks) -> bool:
    path.write_bytes(content)
    try:
        back = NetworkMasks.load(path)
    except NetworkFileError:
        return False
    assert back.digest() == masks.digest()
    return True
