"""The answer for one network and one matrix, and how it is proven once more from its proof alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.solution import Sentence
from subsetsum_nets.networks import Ball, Dense, ReluNetwork
from subsetsum_nets.networks.arrays import dense_array, exact_float64
from subsetsum_nets.theory.prunings.exhaustion import excludes_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.theory.prunings.exhaustion import Probe

UNIT_BALL = Ball(1.0)


class PruningStatus(Sentence):
    """What is known about one network and one matrix. ``str(status)`` is a sentence.

    >>> print(PruningStatus.NOT_SERVED)
    no pruning comes within epsilon (proven)
    """

    UNKNOWN = 0, "nothing proven: no pruning shown to do, none excluded"
    SERVED = 1, "the pruning shown comes within epsilon on the whole unit ball (proven)"
    NOT_SERVED = 2, "no pruning comes within epsilon (proven)"


@dataclass(frozen=True, eq=False)
class PruningDecision:
    """The answer for one matrix, with its proof.

    Attributes
    ----------
    status : PruningStatus
    masks : (bool (s, d), bool (d, s)) or None
        Kept entries of U and V, when SERVED.
    bound : float
        When SERVED: proven ``sup ||g(x) - W x|| <= bound <= epsilon`` for these masks. Otherwise inf.
    probes : tuple of Probe
        When NOT_SERVED: no pruning meets all these conditions.
    message : str
        Why UNKNOWN.

    """

    status: PruningStatus
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None
    bound: float = math.inf
    probes: tuple[Probe, ...] = ()
    message: str = ""

    def check(self, network: ReluNetwork, member: Any, epsilon: float) -> None:
        """Prove the status once more from its proof object alone; UNKNOWN claims nothing.

        Raises
        ------
        ArithmeticError
            If the masks are not proven within epsilon, or the conditions not proven to exclude all others.

        """
        first, second = weights_of(network)
        goal = checked_members(member, first.shape[1])[0]
        if self.status is PruningStatus.SERVED:
            if self.masks is None or not self.bound <= epsilon:
                raise ArithmeticError(f"SERVED needs masks and a bound within {epsilon}, got {self.bound}")
            proven = proven_bound(pruned_by(network, self.masks), goal, epsilon, time_limit=None)
            if proven is None:
                raise ArithmeticError("the masks shown are not proven to come within epsilon")
        elif self.status is PruningStatus.NOT_SERVED and not excludes_all(
            first, second, goal, epsilon, self.probes
        ):
            raise ArithmeticError("the conditions shown are not proven to exclude every pruning")


def weights_of(network: ReluNetwork) -> tuple[FloatArray, FloatArray]:
    """Return U (s, d) and V (d, s) of a network V relu(U x); ValueError for one of another form."""
    layers: Sequence[Any] = network.layers
    plain = len(layers) == 2 and all(isinstance(layer, Dense) and layer.bias is None for layer in layers)
    if not plain or network.relu_after != (True, False) or layers[0].d_in != layers[1].d_out:
        raise ValueError(f"the network must be V relu(U x) without biases, d -> s -> d; got {network!r}")
    first, second = (dense_array(layer.weight) for layer in layers)
    return first, second


def checked_members(members: Any, d: int) -> FloatArray:
    """Return the matrices as an array (N, d, d); a single one counts as N = 1."""
    array = exact_float64(members, "the matrices")
    array = array[np.newaxis] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[1:] != (d, d):
        raise ValueError(f"the matrices must have shape (N, {d}, {d}), got {array.shape}")
    return array


def pruned_by(network: ReluNetwork, masks: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> ReluNetwork:
    """Return the network with only the kept entries."""
    weights = weights_of(network)
    return ReluNetwork([Dense(np.where(mask, w, 0.0)) for mask, w in zip(masks, weights, strict=True)])


def proven_bound(
    pruned: ReluNetwork, member: FloatArray, epsilon: float, *, time_limit: float | None
) -> float | None:
    """Return a proven bound of sup ||g(x) - W x|| over the unit ball if it is within epsilon, else None."""
    from subsetsum_nets.verification import verify

    limit = 60.0 if time_limit is None else time_limit
    target = ReluNetwork([Dense(member)])
    result = verify(target, pruned, domain=UNIT_BALL, epsilon=epsilon, time_limit=limit)
    return result.upper if result.verified else None
