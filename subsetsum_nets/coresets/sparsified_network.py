"""SparsifiedNetwork: what sparsify() returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.coresets.edges import checked_points, edge_matrices, size_of
from subsetsum_nets.coresets.folder import read, write
from subsetsum_nets.coresets.population import PopulationBound, population_bound
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.shown import bounds_figure, bracket, panel, verdict
from subsetsum_nets.verification.near import NearResult

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.results import VerificationResult


@dataclass(frozen=True, eq=False)
class SparsifiedNetwork:
    """A trained network with fewer parameters.

    Attributes
    ----------
    network, target : ReluNetwork
        g and f.
    method : str
    seed : int
    size : int
        Non-zero parameters, biases included; for "svd" those of the factors.
    fraction : float
        Of the target's.
    sample : int array
        Indices of S in the data; empty where the method looks at no point.
    trial_points : int array or None
        Indices of T, where the best of several draws was chosen.
    bound : VerificationResult or NearResult or None
        What was proven, where that was asked for.
    norm : {"linf", "l2", "l1"}
        In which outputs are compared.

    """

    network: ReluNetwork
    target: ReluNetwork
    method: str
    seed: int
    size: int
    sample: Ints
    trial_points: Ints | None
    bound: VerificationResult | NearResult | None = None
    norm: str = "linf"

    def __repr__(self) -> str:
        proven = "nothing proven" if self.bound is None else repr(self.bound)
        return f"SparsifiedNetwork({self.method}, {self.size:,} parameters, {self.fraction:.1%}, {proven})"

    def _repr_html_(self) -> str:
        """Return verdict, figure and table for notebooks; bounds are rounded outward."""
        rows: list[tuple[str, object]] = [
            ("method", f"{self.method}, seed {self.seed}"),
            ("parameters", f"{self.size:,} ({self.fraction:.1%})"),
            ("network", repr(self.network)),
        ]
        made = self.bound
        if made is None:
            return panel("SparsifiedNetwork", "nothing proven", "", rows)
        rows.append(("proven", bracket(made.lower, made.upper, made.norm, made.epsilon)))
        decided = verdict(made.verified, made.falsified, made.epsilon)
        return panel("SparsifiedNetwork", decided, bounds_figure(made.lower, made.upper, made.epsilon), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as ``json.dumps`` takes it: all but the networks."""
        return {
            "method": self.method,
            "seed": self.seed,
            "size": self.size,
            "fraction": self.fraction,
            "sample": self.sample.tolist(),
            "trial_points": None if self.trial_points is None else self.trial_points.tolist(),
            "bound": None if self.bound is None else self.bound.to_dict(),
            "norm": self.norm,
        }

    @property
    def fraction(self) -> float:
        """The share of the target's non-zero parameters that is left."""
        return self.size / size_of(edge_matrices(self.target))

    @property
    def chosen_by(self) -> Ints:
        """Indices of all points of the data that the network was chosen by: S and T."""
        return self.sample if self.trial_points is None else np.union1d(self.sample, self.trial_points)

    def evaluate(self, points: Any, labels: Any = None) -> dict[str, float]:
        """Measure the errors at points, in floating point.

        Parameters
        ----------
        points : array_like, shape (n, d_0)
        labels : integer array_like, shape (n,), optional
            The output that is to be the largest.

        Returns
        -------
        dict
            ``absolute_l1``, the mean of ``||g(x) - f(x)||_1``; ``relative_l1``, the mean of that over
            ``||f(x)||_1``; ``largest_error`` in :attr:`norm`; with labels ``accuracy_before``,
            ``accuracy_after``, and ``drop`` in points (of a hundred).

        Raises
        ------
        InvalidNetworkError
            For points of another width, not finite, or none, or labels that are no outputs.

        """
        values = checked_points(points, self.target.widths[0], "points")
        before, after = self.target(values), self.network(values)
        absolute, length = np.abs(after - before).sum(axis=1), np.abs(before).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(absolute == 0.0, 0.0, absolute / length)
        found = {
            "absolute_l1": float(absolute.mean()),
            "relative_l1": float(relative.mean()),
            "largest_error": float(self._norms(after - before).max()),
        }
        if labels is not None:
            truth = _checked_labels(labels, len(values), self.target.widths[-1])
            right, still = (float(np.mean(one.argmax(axis=1) == truth)) for one in (before, after))
            found |= {"accuracy_before": right, "accuracy_after": still, "drop": 100.0 * (right - still)}
        return found

    def errors(self, points: Any) -> FloatArray:
        """Return ``||g(x) - f(x)||`` at each point, in :attr:`norm` and floating point, (n,)."""
        values = checked_points(points, self.target.widths[0], "points")
        return self._norms(self.network(values) - self.target(values))

    def population(self, data: Any, *, confidence: float = 0.95, indices: Any = None) -> PopulationBound:
        """Return what the errors at held-out points say of new ones: :func:`.population_bound`.

        Parameters
        ----------
        data : array_like, shape (n, d_0)
            Points that took no part; with ``indices``, the data that the network was made from.
        confidence : float
        indices : integer array_like, optional
            Which points of ``data`` to measure at: none of :attr:`chosen_by`.

        Raises
        ------
        ValueError
            If a point chose the network.

        """
        held_out = np.arange(len(data)) if indices is None else np.asarray(indices)
        points = np.asarray(data)[held_out]
        if self.shared_with(points):
            raise ValueError("points that the bound is proven near chose the size: errors there say nothing")
        errors = self.errors(points)
        if indices is None:
            return population_bound(errors, confidence=confidence)
        chosen = self.chosen_by
        return population_bound(errors, confidence=confidence, indices=held_out, chosen_by=chosen)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write everything to a folder: a new one appears complete, an earlier one is replaced whole.

        Files: target and sparsified network as .safetensors, masks.npz, coreset.json with digests, seed and
        versions; certificate.json, or near.npz, where a bound was proven.

        Raises
        ------
        FileExistsError
            If the folder holds something else than an earlier result.
        OSError
            If it cannot be written; an earlier result is then left as it was.

        """
        trial_points = self.trial_points
        said = {
            "method": self.method,
            "seed": self.seed,
            "size": self.size,
            "fraction": self.fraction,
            "norm": self.norm,
            "sample": self.sample.tolist(),
            "trial_points": None if trial_points is None else trial_points.tolist(),
        }
        write(folder, self.target, self.network, self.bound, said)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> SparsifiedNetwork:
        """Read what :meth:`save` wrote, each file the one that coreset.json names.

        The bound is not proven again: ``subsetsum-nets verify`` does that.

        Raises
        ------
        FileNotFoundError
            If the folder or one of its files is missing.
        CertificateFileError
            If a file is not the one that coreset.json or the certificate names.
        NetworkFileError, InvalidNetworkError
            If a file is foreign or damaged.

        """
        return cls(**read(folder))

    def shared_with(self, points: Any, data: Any = None) -> int:
        """Return how many of the points chose the network.

        They equal one near which its bound is proven or, of the data that it was made from, one of S or T.
        """
        chosen: set[bytes] = set()
        if isinstance(self.bound, NearResult):
            chosen |= {point.tobytes() for point in self.bound.points}
        if data is not None:
            chosen |= {point.tobytes() for point in np.asarray(data, dtype=np.float64)[self.chosen_by]}
        return sum(point.tobytes() in chosen for point in np.asarray(points, dtype=np.float64))

    def _norms(self, differences: FloatArray) -> FloatArray:
        order = {"l1": 1, "l2": 2, "linf": np.inf}[self.norm]
        norms: FloatArray = np.linalg.norm(differences, ord=order, axis=1)
        return norms


def _checked_labels(labels: Any, count: int, outputs: int) -> Ints:
    truth = np.asarray(labels)
    if truth.shape != (count,) or truth.dtype.kind not in "iu":
        raise InvalidNetworkError(
            f"labels must be integers of shape ({count},), got {truth.dtype} {truth.shape}"
        )
    if ((truth < 0) | (truth >= outputs)).any():
        wrong = truth[(truth < 0) | (truth >= outputs)][0]
        raise InvalidNetworkError(f"label {wrong} is no output: there are {outputs}, from 0")
    return truth.astype(np.int64)
