"""The table of methods: what each is called, what it looks at, and which sizes it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from subsetsum_nets.coresets.corenet import Sampler
from subsetsum_nets.coresets.exact_masks import exact_mask
from subsetsum_nets.coresets.peers import magnitude, svd
from subsetsum_nets.coresets.reconstruction import obs
from subsetsum_nets.coresets.shifting import box_cost, magnitude_shift

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.coresets.task import Size, Sparser, Task

_SAMPLES = ("keep", "samples", "relative_error", "epsilon")


@dataclass(frozen=True)
class Method:
    """One way to choose and weigh the edges that stay.

    Parameters
    ----------
    name : str
    sparser : callable
        Takes a Task and a Size.
    sizes : tuple of str
        The size arguments that it takes.
    sample : {"paper", "points", "none"}
        Whether S has the size of Algorithm 1, as many points as ``most`` allows, or is not looked at.
    most : int
        Points of S unless a sample size is given.
    amplified : bool
        Whether it draws tau times and looks at T.

    """

    name: str
    sparser: Callable[[Task, Size], Sparser]
    sizes: tuple[str, ...] = ("keep", "epsilon")
    sample: str = "none"
    most: int = 0
    amplified: bool = False


TABLE = {
    method.name: method
    for method in (
        Method("corenet", Sampler(), _SAMPLES, "paper"),
        Method("corenet+", Sampler(prunes=True), _SAMPLES, "paper"),
        Method("corenet++", Sampler(prunes=True), _SAMPLES, "paper", amplified=True),
        Method("uniform", Sampler(uniform=True), ("keep", "samples", "epsilon")),
        Method("magnitude", magnitude),
        Method("magnitude-shift", magnitude_shift, sample="points", most=3_000),
        Method("svd", svd),
        Method("obs", obs, sample="points", most=3_000),
        Method("box-cost", box_cost),
        Method("exact-mask", exact_mask, ("keep",), sample="points", most=40),
    )
}
METHODS = tuple(TABLE)
