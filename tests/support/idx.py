"""IDX files for tests, and small data sets of 28 x 28 pixels that can be learnt."""

import gzip

import numpy as np

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array):
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + np.ascontiguousarray(array, dtype=np.uint8).tobytes()


def blobs(count, seed=0):
    """Return images of a bright square whose place tells the label, with noise."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[2 + 8 * row : 8 + 8 * row, 1 + 7 * column : 7 + 7 * column] = 250
    return images, labels


def write_folder(folder, train=60, test=30, *, packed=False):
    """Write four IDX files; return the arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = (*blobs(train), *blobs(test, 1))
    for name, array in zip(NAMES, arrays, strict=True):
        content = idx_bytes(array)
        place = folder / (f"{name}.gz" if packed else name)
        place.write_bytes(gzip.compress(content, 1) if packed else content)
    return arrays
