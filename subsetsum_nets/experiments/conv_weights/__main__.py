"""Trains LeNet-5 and approximates its convolutions: ``python -m subsetsum_nets.experiments.conv_weights``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from subsetsum_nets.experiments.conv_weights import run_conv_weights, write_outputs
from subsetsum_nets.experiments.conv_weights.lenet import train_lenet
from subsetsum_nets.experiments.conv_weights.run import SIZES
from subsetsum_nets.experiments.images import load_images
from subsetsum_nets.rounding import upper

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Train LeNet-5, approximate its convolutions, and write the tables and the figure."""
    parser = argparse.ArgumentParser(description="Weight by weight on the convolutions of LeNet-5.")
    parser.add_argument("--out", default="conv_weights", help="folder to write to")
    parser.add_argument("--images", default=None, help="as for subsetsum-nets coreset --images")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="n, from 2 to 32")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    images = load_images(options.images)
    convolutions, accuracy = train_lenet(images, seed=options.seed, epochs=options.epochs)
    print(f"LeNet-5 on {images.name}: test accuracy {accuracy:.4f}", flush=True)
    parts = {part: images.inputs(784, part).reshape(-1, 28, 28, 1) for part in ("train", "test")}
    found = run_conv_weights(convolutions, parts, options.sizes, seed=options.seed)
    for row in found.rows:
        errors = ", ".join(f"{name} {error:.2e}" for name, error in row.output_errors.items())
        print(
            f"{row.way:10} n = {row.n:2}: {row.random:,} random, {row.kept:,} kept, weights "
            f"{row.weight_error:.2e}, outputs {errors}, proven {upper(row.proven)}"
        )
    about = {"images": images.name, "source": images.source, "accuracy": accuracy, "epochs": options.epochs}
    write_outputs(found, options.out, arguments or sys.argv, about)


if __name__ == "__main__":
    main()
