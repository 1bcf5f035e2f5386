"""One cell of the packing experiment: a random network of some width, and which members it serves.

The answer is a pure function of the cell. It is kept in a small JSON file with the digest of the cell, so
that an interrupted run resumes and a folder of another experiment is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks import Dense, ReluNetwork
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import read_regular
from subsetsum_nets.theory.prunings import (
    PruningDecision,
    PruningStatus,
    decide_prunings,
    different_prunings,
)
from subsetsum_nets.theory.prunings.decision import UNIT_BALL, pruned_by
from subsetsum_nets.verification import Comparison, SoundnessError
from subsetsum_nets.verification.falsifier import difference_down

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.theory.packings import Packing

WEIGHT_UNIT = 2**20
_FORMAT = "subsetsum-nets packing cell 1"
_MOST_PAIRS = 16  # of a served member and its neighbour, that Step 1 is checked on


@dataclass(frozen=True)
class Cell:
    """All that determines a cell's answer, but for members left open when the time is up."""

    dimension: int  # of the packing
    epsilon: float
    kind: str
    members: int | None  # how many are drawn; None asks about all
    time_limit: float  # seconds a member
    seed: int  # of the experiment
    width: int  # which network
    trial: int

    @property
    def digest(self) -> str:
        """SHA-256 of the cell."""
        page = {**asdict(self), "epsilon": self.epsilon.hex(), "time_limit": float(self.time_limit).hex()}
        return hashlib.sha256(json.dumps([_FORMAT, page], sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """Name of the cell's file."""
        return f"epsilon-{self.epsilon.hex()}-width-{self.width:03d}-trial-{self.trial:04d}.json"

    def network(self) -> ReluNetwork:
        """Draw the network: weights uniform on the multiples of 2^-20 in [-1, 1].

        On that grid the products of two weights are float64 numbers. The same for every epsilon.
        """
        generator = self._generator(0)
        shapes = (self.width, self.dimension), (self.dimension, self.width)
        draws = [generator.integers(-WEIGHT_UNIT, WEIGHT_UNIT, shape, endpoint=True) for shape in shapes]
        return ReluNetwork([Dense(draw / WEIGHT_UNIT) for draw in draws])

    def drawn(self, size: int) -> NDArray[np.int64]:
        """Draw the indices of the members, without repeats; the first is a uniform draw on its own."""
        wanted = size if self.members is None else min(self.members, size)
        return self._generator(1).permutation(size)[:wanted]

    def _generator(self, purpose: int) -> np.random.Generator:
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.trial, self.width, purpose))
        return np.random.default_rng(sequence)


@dataclass(frozen=True)
class CellAnswer:
    """How many of the members asked about are served, and what the first one drawn is."""

    served: int
    not_served: int
    unknown: int
    first: int  # the status of the first member drawn: one independent trial of P(success)
    pairs: int  # pairs on which Step 1 was checked

    @property
    def asked(self) -> int:
        """Members asked about."""
        return self.served + self.not_served + self.unknown


def answered(cell: Cell, packing: Packing, folder: Path | None) -> CellAnswer:
    """Return the answer of a cell, from its file if that is there, else computed and kept.

    ValueError if the file answers another question or is damaged; SoundnessError as :func:`check_step_one`.
    """
    path = None if folder is None else folder / cell.name
    if path is not None and path.exists():
        return _read(path, cell)
    answer = compute(cell, packing)
    if path is not None:
        page = {"format": _FORMAT, "digest": cell.digest, "answer": asdict(answer)}
        with atomic_write(path) as file:
            file.write(json.dumps(page).encode() + b"\n")
    return answer


def compute(cell: Cell, packing: Packing) -> CellAnswer:
    """Decide every member drawn, and check Step 1 on those served."""
    network, chosen = cell.network(), cell.drawn(len(packing))
    members = packing.members
    decisions = decide_prunings(
        network, members[chosen], cell.epsilon, time_limit=cell.time_limit, seed=cell.seed
    )
    pairs = check_step_one(network, chosen.tolist(), decisions, members, cell.epsilon)
    counts = {status: sum(d.status is status for d in decisions) for status in PruningStatus}
    return CellAnswer(
        served=counts[PruningStatus.SERVED],
        not_served=counts[PruningStatus.NOT_SERVED],
        unknown=counts[PruningStatus.UNKNOWN],
        first=int(decisions[0].status),
        pairs=pairs,
    )


def check_step_one(
    network: ReluNetwork,
    chosen: Sequence[int],
    decisions: Sequence[PruningDecision],
    members: FloatArray,
    epsilon: float,
) -> int:
    """Check Step 1 of Theorem 2 of Pensia et al.: no pruning serves two members; return the pairs looked at.

    All prunings shown must differ and be no more than there are different ones, and up to 16 of them are
    compared with the member next to theirs: at the input where the two members differ most, the pruned
    network is proven to be farther than epsilon from it. If one pruning serves two, SoundnessError.
    """
    served = [(i, d) for i, d in zip(chosen, decisions, strict=True) if d.masks is not None]
    shown = {b"".join(np.packbits(mask).tobytes() for mask in d.masks or ()) for _, d in served}
    if len(shown) < len(served):
        raise SoundnessError("one pruning is said to serve two members; please report this defect")
    if len(served) > different_prunings(network.widths[1], network.widths[0]):
        raise SoundnessError("more members are served than there are prunings; please report this defect")
    if len(members) < 2:
        return 0
    for index, decision in served[:_MOST_PAIRS]:
        gaps = np.linalg.norm(members - members[index], ord=2, axis=(1, 2))
        gaps[index] = np.inf
        other = int(gaps.argmin())
        worst = np.linalg.svd(members[other] - members[index])[2][0]
        if decision.masks is None:
            continue
        pruned, rival = pruned_by(network, decision.masks), ReluNetwork([Dense(members[other])])
        apart = Comparison(rival, pruned, UNIT_BALL)
        far = max(difference_down(apart, x) for x in (worst, -worst))
        if not far > epsilon * (1 - 1e-9) * float(np.linalg.norm(worst)):
            raise SoundnessError(
                f"the pruning for member {index} is within epsilon of member {other}, too, where they differ "
                "most; please report this defect"
            )
    return min(len(served), _MOST_PAIRS)


def _read(path: Path, cell: Cell) -> CellAnswer:
    try:
        page: Any = json.loads(read_regular(path))
        digest, answer = page["digest"], CellAnswer(**{k: int(v) for k, v in page["answer"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged; remove it to compute it again") from error
    if digest != cell.digest:
        raise ValueError(
            f"{path} answers another question (seed, packing, members or time limit); choose another folder"
        )
    return answer
