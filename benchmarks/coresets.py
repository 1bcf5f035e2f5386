"""Coresets on the shipped digit networks: methods beside each other, and what is proven.

    python benchmarks/coresets.py           # the tables of docs/coresets.md, a minute or two
    python benchmarks/coresets.py --large   # 784-1000-1000-10 too: seconds and memory
    python benchmarks/coresets.py --images mnist5k   # 784-200-100-10, trained on it; or fashion, or a folder
    python benchmarks/coresets.py --picture docs/images/coresets_near.png

Chosen from scikit-learn's training part of the digits, measured on the 450 shipped test images, which take no
part. Samplers: the mean of several seeds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from itertools import pairwise

import numpy as np

from subsetsum_nets import Box, Dense, ReluNetwork, load_network, shipped_network, sparsify, verify_near
from subsetsum_nets.coresets import paper_sizes
from subsetsum_nets.experiments.images import load_images
from subsetsum_nets.experiments.shipped.train_digits import load_digits
from subsetsum_nets.pictures import COLOURS, new_figure, write_pictures

ROWS = (("digits-64-32-10", 0.3), ("digits-64-128-64-10", 0.2), ("digits-64-128-64-10", 0.3))
SAMPLERS = {
    "uniform": {"method": "uniform"},
    "corenet": {"method": "corenet"},
    "corenet++, tau 20": {"method": "corenet++", "trials": 20},
}
SAMPLING = ("uniform", "corenet", "corenet++")
NEAR = {
    "corenet++": {"method": "corenet++", "trials": 20},
    "magnitude": {"method": "magnitude"},
    "magnitude-shift": {"method": "magnitude-shift"},
    "obs": {"method": "obs"},
}
PEERS = ("magnitude", "magnitude-shift", "obs", "svd", "box-cost")


def measured(target, keep, seeds, **options):
    found = [sparsify(target, TRAIN, keep=keep, seed=seed, **options) for seed in range(seeds)]
    return mean_of(found, TEST, LABELS)


def mean_of(found, points, labels):
    errors = [one.evaluate(points, labels) for one in found]
    share, error, drop = (
        np.mean([one.fraction for one in found]),
        np.mean([one["relative_l1"] for one in errors]),
        np.mean([one["drop"] for one in errors]),
    )
    return f"{error:6.3f} / {drop:5.1f}  (at {share:.3f})"


def error_table(seeds):
    print("relative l1 error / accuracy lost in points, on held-out images")
    for name, keep in ROWS:
        target = load_network(shipped_network(name))
        print(f"{name}, keep {keep:g}")
        for label, options in SAMPLERS.items():
            print(f"  {label:18} {measured(target, keep, seeds, **options)}")
        for method in PEERS:
            print(f"  {method:18} {measured(target, keep, 1, method=method)}")


def proven_table():
    print("share of the parameters with a proven l2 error <= epsilon over [0, 1]^64")
    for name in ("digits-64-32-10", "digits-64-128-64-10"):
        target = load_network(shipped_network(name))
        for method in ("box-cost", "magnitude"):
            shares = [
                sparsify(target, TRAIN, method=method, epsilon=e, norm="l2").fraction for e in (0.1, 1, 4)
            ]
            print(f"  {name:20} {method:10}", *(f"{share:.3f}" for share in shares))


def near_table():
    target = load_network(shipped_network())
    half = sparsify(target, TRAIN, keep=0.5)
    print("64-32-10, half of it by obs: proven linf bounds near 30 test images, median; at the images")
    for radius in (0.01, 0.05):
        near = verify_near(target, half, TEST[:30], radius)
        print(f"  within {radius:g}: {np.median(near.uppers):.3f}; {np.median(half.errors(TEST[:30])):.3f}")
    print("share with a proven linf error <= epsilon within 0.02 of 40 test images; seconds")
    for label in NEAR:
        for epsilon in (1.0, 0.25):
            started = time.perf_counter()
            found = near_data(target, label, epsilon)
            seconds = time.perf_counter() - started
            print(f"  {label:16} epsilon {epsilon:g}: {found.fraction:.3f}, {seconds:.1f} s")


def near_data(target, label, epsilon):
    return sparsify(target, TRAIN, **NEAR[label], epsilon=epsilon, near=TEST[:40], radius=0.02)


def near_picture(path):
    """Draw the share kept over the epsilon that is proven within 0.02 of 40 test images, a line a method."""
    target, epsilons = load_network(shipped_network()), (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
    curves = {label: [near_data(target, label, epsilon).fraction for epsilon in epsilons] for label in NEAR}

    def draw():
        figure = new_figure(3.0)
        axes = figure.subplots()
        for colour, (label, shares) in zip(COLOURS, curves.items(), strict=False):
            axes.plot(epsilons, shares, color=colour, marker="o", markersize=3, linewidth=1.3, label=label)
        axes.set(xscale="log", xlabel="proven linf error near the data", ylabel="parameters kept")
        axes.legend()
        return figure

    write_pictures(draw, path, dpi=110, salt="coresets_near", settings={"axes.grid": True})


def paper_table():
    print("the paper's sizes, relative error 0.5, delta 0.1, |S| points")
    for name in ("digits-64-32-10", "digits-64-128-64-10"):
        target = load_network(shipped_network(name))
        for repaired in (False, True):
            sizes = paper_sizes(target, TRAIN[:20], relative_error=0.5, delta=0.1, repaired=repaired)
            word = "repaired" if repaired else "printed"
            print(
                f"  {name:20} {word:8} |S| {sizes.sample_size}, tau {sizes.trials}, total {sizes.total:.1e}"
            )


def images_table(where, seeds):
    """Print the rows of a network trained on the spot: the samplers with tau 10, as it is large."""
    from sklearn.neural_network import MLPClassifier

    images = load_images(where)
    train = images.train_images.reshape(len(images.train_images), -1)
    test = images.test_images.reshape(len(images.test_images), -1)
    model = MLPClassifier((200, 100), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 20 epochs do not converge is what was asked for
        model.fit(train, images.train_labels)
    layers = [Dense(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
    target = ReluNetwork(layers, domain=Box(0, 1))
    right = np.mean(target(test).argmax(axis=1) == images.test_labels)
    print(f"784-200-100-10 on {images.name}: {right:.2%} right; relative l1 error / accuracy lost in points")
    rows = [
        *(("uniform", {}), ("corenet", {}), ("corenet++", {"trials": 10}), ("magnitude", {})),
        *(("magnitude-shift", {}), ("obs", {}), ("svd", {})),
    ]
    for keep in (0.1, 0.15, 0.3):
        for method, options in rows:
            found = [
                sparsify(target, train[:3000], method=method, keep=keep, seed=seed, **options)
                for seed in range(seeds if method in SAMPLING else 1)
            ]
            print(f"  keep {keep:g} {method:16} {mean_of(found, test, images.test_labels)}")


def large():
    random = np.random.default_rng(0)
    widths = (784, 1000, 1000, 10)
    layers = [
        Dense(random.normal(size=(wide, narrow)) * 1.4 / np.sqrt(narrow), random.normal(size=wide) * 0.1)
        for narrow, wide in pairwise(widths)
    ]
    target = ReluNetwork(layers, domain=Box(0, 1))
    points = random.random((3000, 784)) * (random.random((3000, 784)) < 0.2)
    for method in ("corenet++", "obs"):
        started, worked = time.perf_counter(), time.process_time()
        sparsify(target, points, method=method, keep=0.3)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"784-1000-1000-10 {method}: {seconds:.1f} s ({cpu:.1f} s of processor), peak {peak:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="of the samplers")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--images", help="mnist5k, fashion, or a folder: these rows only")
    parser.add_argument(
        "--picture", help="write the near-data picture to this .png or .svg, and nothing else"
    )
    arguments = parser.parse_args()
    if arguments.images:
        images_table(arguments.images, min(arguments.seeds, 3))
        sys.exit()
    digits = load_digits()
    TRAIN, TEST, LABELS = (
        digits.train_images / 16.0,
        digits.test_images / 16.0,
        digits.test_labels.astype(int),
    )
    if arguments.picture:
        near_picture(arguments.picture)
        sys.exit()
    error_table(arguments.seeds)
    proven_table()
    near_table()
    paper_table()
    if arguments.large:
        large()
