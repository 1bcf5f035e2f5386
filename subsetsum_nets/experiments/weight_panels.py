"""Two panels about the weights of a network: how near subset sums come, and how many items they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.pictures import COLOURS, INK
from subsetsum_nets.theory.subset_sizes import nearest_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from subsetsum_nets.networks.arrays import FloatArray, Ints

_LEAST_SHOWN = 1e-3  # of the median error: smaller ones are counted in the first bar
_BINS = 60


def draw_errors(axes: Axes, shown: Mapping[str, FloatArray], largest: float, title: str) -> None:
    """Draw the errors of each objective on a log axis that ends at ``largest``."""
    medians = [np.median(errors) for errors in shown.values() if errors.size and np.median(errors) > 0]
    low = np.floor(np.log10(_LEAST_SHOWN * min(medians))) if medians else -9.0
    edges = np.linspace(low, max(low + 1, np.ceil(np.log10(largest))), _BINS + 1)
    for colour, (name, errors) in zip(COLOURS, shown.items(), strict=False):
        logs = np.log10(np.maximum(errors, 10.0**low))
        counts = np.histogram(logs, edges)[0]
        axes.stairs(counts, 10.0**edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(counts, 10.0**edges, color=colour, label=name)
    axes.set(
        xscale="log", xlabel="|subset sum − weight| (first bar: all smaller)", ylabel="weights", title=title
    )
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.legend(loc="upper center")


def draw_sizes(
    axes: Axes, shown: Mapping[str, Ints], items: int, expected: Mapping[str, float | None]
) -> None:
    """Draw how many of ``items`` coefficients the subsets of each objective keep, beside what is expected."""
    for colour, (name, sizes) in zip(COLOURS, shown.items(), strict=False):
        mean = sizes.mean() if sizes.size else float("nan")
        counts = np.bincount(sizes, minlength=items + 1)
        theory = expected.get(name)
        label = f"{name}: {mean:.2f}" + ("" if theory is None else f" (theory {theory:.2f})")
        axes.bar(np.arange(items + 1), counts, 0.9, color=colour, alpha=0.4, label=label)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.set(xlim=(-0.8, items + 0.8), xlabel="coefficients kept", title="Kept per weight")
    axes.legend(loc="upper right")


def draw_nearest_law(axes: Axes, count: float, items: int, spread: float) -> None:
    """Draw how many of ``count`` nearest subsets are expected to keep k items."""
    k = np.arange(items + 1)
    normal = np.exp(-(((k - nearest_size(items)) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    axes.plot(k, count * normal, color=INK, linewidth=1, linestyle="--", label="nearest, theory")
    axes.legend(loc="upper right")
