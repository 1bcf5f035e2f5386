"""The paper's own sample sizes, as they are printed: what its theorems would need, not what they give.

Two statements that they rest on are false (docs/coresets.md proves it): Proposition 11, so that |S| points do
not bound the sensitivity of a new one, and eq. (11) of Lemma 4, so that relative errors do not pass a layer
of mixed signs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.coresets.edges import after, checked_points, edge_matrices, signed_parts
from subsetsum_nets.coresets.sensitivity import delta_hat, layer_sensitivities
from subsetsum_nets.networks.arguments import checked_number

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork


@dataclass(frozen=True, eq=False)
class PaperSizes:
    """What Baykal et al. 2018 ask for; as Proposition 11 is false, it guarantees nothing.

    Lists have one entry a layer, arrays one a neuron, (d_out,).

    Attributes
    ----------
    sample_size : int
        ``|S| = ceil(log2(4 eta eta* / delta))``, eta* with inputs and constant: Algorithm 1, line 1.
    distribution_free_size : int
        ``4 eta eta* / delta - 1``, rounded up: so many points do what line 1 claims.
    trials : int
        tau of Theorem 8.
    delta_hat, positive_sums, negative_sums : list of float arrays
        Delta-hat, S+ and S-.
    positive_samples, negative_samples : list of float arrays
        m of Algorithm 2, whole numbers; inf where Delta-hat is.
    total : float
        The parameters of Theorem 5.
    trial_points : list of float arrays
        ``|T|`` of Theorem 8.

    """

    sample_size: int
    distribution_free_size: int
    trials: int
    delta_hat: list[FloatArray]
    positive_sums: list[FloatArray]
    negative_sums: list[FloatArray]
    positive_samples: list[FloatArray]
    negative_samples: list[FloatArray]
    total: float
    trial_points: list[FloatArray]


@dataclass(frozen=True)
class Budget:
    """Error, probability and the counts that the union bounds of Baykal et al. 2018 run over.

    Parameters
    ----------
    widths : tuple of int
        (d_0, ..., d_l).
    delta : float
        In (0, 1).
    relative_error : float, optional
        epsilon, in (0, 1).
    signed : bool
        Whether inputs have both signs: their two parts are points both, and the events twice as many.

    Examples
    --------
    >>> budget = Budget((64, 32, 10), 0.1)
    >>> budget.sample_size, budget.distribution_free_size, budget.trials
    (17, 109199, 71)

    """

    widths: tuple[int, ...]
    delta: float
    relative_error: float | None = None
    signed: bool = False

    @property
    def eta(self) -> int:
        """The number of neurons."""
        return sum(self.widths[1:])

    @property
    def _edges(self) -> int:
        """The eta* of Lemma 12: most edges of a neuron, its bias too. Algorithm 1 forgets the inputs."""
        return max(self.widths[:-1]) + 1

    @property
    def _twice(self) -> int:
        return 2 if self.signed else 1

    @property
    def sample_size(self) -> int:
        """``|S|`` of Algorithm 1."""
        return math.ceil(math.log2(4 * self._twice * self.eta * self._edges / self.delta))

    @property
    def distribution_free_size(self) -> int:
        """So many points do for any distribution what ``|S|`` is claimed to do."""
        return math.ceil(4 * self._twice * self.eta * self._edges / self.delta) - 1

    @property
    def trials(self) -> int:
        """The tau of Theorem 8."""
        return math.ceil(math.log(4 * self.eta / self.delta) / math.log(10 / 9))

    def neuron_error(self, later: float = 1.0) -> float:
        """Return epsilon' of a neuron, ``epsilon / (2 (L - 1))``, over what later layers amplify it by."""
        return float(self.relative_error or 0.0) / (2 * (len(self.widths) - 1) * later)

    def samples(self, cancellation: FloatArray, sums: FloatArray, later: float = 1.0) -> FloatArray:
        """Return m of Algorithm 2, line 7, rounded up: inf where Delta-hat is, 0 without edges."""
        logarithm = math.log(8 * self._twice * self.eta / self.delta)
        error = self.neuron_error(later)
        with np.errstate(over="ignore", invalid="ignore"):
            m = 8 * (cancellation / error) ** 2 * sums * logarithm / 3
        return np.where(sums == 0.0, 0.0, np.ceil(m))

    def trial_points(self, cancellation: FloatArray, sums: FloatArray, later: float = 1.0) -> FloatArray:
        """``|T|`` of Theorem 8."""
        logarithm = math.log(8 * self.trials * self.eta / self.delta)
        with np.errstate(over="ignore", invalid="ignore"):
            size = 8 * logarithm * (cancellation * sums / self.neuron_error(later)) ** 2
        return np.where(sums == 0.0, 0.0, np.ceil(size))


def paper_sizes(
    network: ReluNetwork, points: Any, *, relative_error: float, delta: float, repaired: bool = False
) -> PaperSizes:
    """Return the sizes that Baykal et al. 2018 ask for: Algorithms 1 and 2, Theorem 5 and Theorem 8.

    They guarantee nothing: Lemma 4 and Proposition 11 are false. On trained networks they exceed the
    parameters by orders of magnitude, so that Algorithm 2 is best understood as keeping every edge.

    Parameters
    ----------
    network : ReluNetwork
        Of Dense layers with ReLU between them.
    points : array_like, shape (n, d_0)
        S, whatever its size: Delta-hat and the sensitivities are those of these points.
    relative_error, delta : float
        epsilon and delta, in (0, 1).
    repaired : bool
        Whether a layer's error is divided by the largest Delta-hat of each layer after it, which mends
        Lemma 4 (and is what the published version of the paper does).

    Raises
    ------
    InvalidNetworkError
        For other networks, or points of another width, not finite, or none.
    ValueError
        If relative_error or delta is not in (0, 1).

    Examples
    --------
    >>> from subsetsum_nets import Dense, ReluNetwork
    >>> net = ReluNetwork([Dense([[3.0, 1.0, -2.0]])])
    >>> sizes = paper_sizes(net, [[1.0, 1.0, 1.0]], relative_error=0.5, delta=0.1)
    >>> sizes.sample_size, sizes.delta_hat, sizes.positive_samples
    (8, [array([3.])], [array([1683.])])

    """
    matrices = edge_matrices(network)
    values = checked_points(points, network.widths[0], "points")
    checked_number(relative_error, "relative_error", 0.0, 1.0, "()")
    checked_number(delta, "delta", 0.0, 1.0, "()")
    budget = Budget(network.widths, float(delta), float(relative_error), bool((values < 0.0).any()))
    cancellations, sums = [], []
    for matrix in matrices:
        parts = signed_parts(values)
        cancellations.append(delta_hat(matrix, parts))
        sums.append([one.sum(axis=1) for one in layer_sensitivities(matrix, parts)])
        values = after(matrix, values)
    later = _later_cancellations(cancellations) if repaired else [1.0] * len(matrices)
    layers = list(zip(cancellations, sums, later, strict=True))
    both = [budget.samples(c, plus + minus, factor) for c, (plus, minus), factor in layers]
    return PaperSizes(
        sample_size=budget.sample_size,
        distribution_free_size=budget.distribution_free_size,
        trials=budget.trials,
        delta_hat=cancellations,
        positive_sums=[plus for plus, _ in sums],
        negative_sums=[minus for _, minus in sums],
        positive_samples=[budget.samples(c, plus, factor) for c, (plus, _), factor in layers],
        negative_samples=[budget.samples(c, minus, factor) for c, (_, minus), factor in layers],
        total=float(sum(np.sum(m + 1) for m in both)),
        trial_points=[budget.trial_points(c, plus + minus, factor) for c, (plus, minus), factor in layers],
    )


def _later_cancellations(cancellations: list[FloatArray]) -> list[float]:
    """Return for each layer the product of the largest Delta-hat of the layers after it."""
    largest = [float(one.max()) for one in cancellations]
    return [math.prod(largest[index + 1 :]) for index in range(len(largest))]
