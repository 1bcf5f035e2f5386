"""What it takes to prune a small convolutional network weight by weight, at several epsilon.

3x3 1->4, 3x3 4->8, Dense 512->10 with biases and random He-normal weights, 8x8 pixels, over
Box(0, 1). Run it with

    python benchmarks/convolutions.py [--epsilons 0.1 0.01 0.001] [--construction relu] [--seed 0]
"""

import argparse
import time

import numpy as np

from subsetsum_nets import Box, Conv2d, Dense, ReluNetwork, prune


def he_normal(seed=0):
    """Return the network: weights of variance 2 / fan-in, biases of deviation 0.1."""
    rng = np.random.default_rng(seed)

    def weights(*shape, fan):
        return rng.normal(0, np.sqrt(2 / fan), shape)

    layers = [
        Conv2d(weights(3, 3, 1, 4, fan=9), rng.normal(0, 0.1, 4)),
        Conv2d(weights(3, 3, 4, 8, fan=36), rng.normal(0, 0.1, 8)),
        Dense(weights(10, 512, fan=1024), rng.normal(0, 0.1, 10)),
    ]
    return ReluNetwork(layers, input_shape=(8, 8, 1), domain=Box(0, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilons", type=float, nargs="*", default=[0.1, 0.01, 0.001])
    parser.add_argument("--construction", default="relu")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    prune(ReluNetwork([Dense([[0.5]])]))  # compiles the kernels
    print("| epsilon | n | random parameters | kept | proven bound | method | verified | CPU s |")
    print("|---:|---:|---:|---:|---:|---|---|---:|")
    for epsilon in arguments.epsilons:
        started = time.process_time()
        pruned = prune(
            he_normal(),
            construction=arguments.construction,
            epsilon=epsilon,
            seed=arguments.seed,
            threads=1,
        )
        seconds = time.process_time() - started
        found = pruned.certificate
        print(
            f"| {epsilon:g} | {pruned.candidates} | {found.counts['random_parameters']:,} "
            f"| {found.counts['kept_parameters']:,} | {found.bound:.2e} | {found.method} "
            f"| {found.verified} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
