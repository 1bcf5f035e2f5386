"""Can this random network be pruned to within epsilon of that matrix? Decided, with a proof either way.

The network is ``g(x) = V relu(U x)`` with s hidden units, as in Theorem 2 of Pensia et al. (2020); a pruning
keeps some entries of U and of V. It *serves* a d x d matrix W if ``||g(x) - W x|| <= epsilon`` for every x
of the unit ball. For d = 1 that is two subset sums (:mod:`.scalar_prunings`); for d >= 2 a program over all
masks is asked at more and more points (:mod:`.mask_program`); what it proposes ``verify`` proves, and what it
excludes an enumeration (:mod:`.exhaustion`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from subsetsum_nets.networks import Ball, Dense, ReluNetwork
from subsetsum_nets.networks.arrays import exact_float64
from subsetsum_nets.networks.distributions import is_integer
from subsetsum_nets.networks.relu_network import is_sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray

UNIT_BALL = Ball(1.0)


class PruningStatus(IntEnum):
    """What is known about one network and one matrix. ``str(status)`` is a sentence.

    >>> print(PruningStatus.NOT_SERVED)
    no pruning comes within epsilon (proven)
    """

    text: str

    def __new__(cls, value: int, text: str = "") -> Self:
        """Attach the sentence to the member."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    UNKNOWN = 0, "nothing proven: no pruning shown to do, none excluded"
    SERVED = 1, "the pruning shown comes within epsilon on the whole unit ball (proven)"
    NOT_SERVED = 2, "no pruning comes within epsilon (proven)"

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Probe:
    """A necessary condition: ``|c . (g(x) - W x)| <= epsilon ||c|| ||x||`` for one point x and direction c.

    Both are positive-homogeneous, so x need not lie in the ball.

    Attributes
    ----------
    point, direction : float64 arrays, shape (d,)

    """

    point: FloatArray
    direction: FloatArray


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
        elif self.status is PruningStatus.NOT_SERVED:
            from subsetsum_nets.theory.prunings.exhaustion import excludes_all

            if not excludes_all(first, second, goal, epsilon, self.probes):
                raise ArithmeticError("the conditions shown are not proven to exclude every pruning")


def decide_prunings(
    network: ReluNetwork,
    members: Any,
    epsilon: float,
    *,
    time_limit: float = 60.0,
    seed: int = 0,
) -> list[PruningDecision]:
    """Decide for each matrix whether some pruning serves it: Theorem 2 of Pensia et al., put to a network.

    Parameters
    ----------
    network : ReluNetwork
        Two dense layers without biases, d -> s -> d.
    members : array_like, shape (N, d, d)
    epsilon : float
        In (0, 1].
    time_limit : float
        Seconds a matrix, after which it is UNKNOWN. d = 1 needs none.
    seed : int
        Of the searches; never changes a proven answer.

    Returns
    -------
    list of PruningDecision
        In the order of ``members``.

    Raises
    ------
    ValueError
        For a network of another form, matrices of another shape, or numbers out of range.

    Examples
    --------
    >>> network = ReluNetwork([Dense([[1.0], [-0.5], [-1.0]]), Dense([[0.5, 1.0, -0.5]])])
    >>> [str(d.status)[:31] for d in decide_prunings(network, [[[0.5]], [[-0.5]], [[0.0]]], 0.125)]
    ['the pruning shown comes within ', 'no pruning comes within epsilon', 'the pruning shown comes within ']

    """
    first, second = weights_of(network)
    goals = checked_members(members, first.shape[1])
    if not 0 < epsilon <= 1:
        raise ValueError(f"epsilon must lie in (0, 1], got {epsilon!r}")
    if not (time_limit > 0 and math.isfinite(time_limit)):
        raise ValueError(f"time_limit must be a positive number of seconds, got {time_limit!r}")
    if not is_integer(seed) or seed < 0:
        raise ValueError(f"seed must be an integer of at least 0, got {seed!r}")
    if first.shape[1] == 1:
        from subsetsum_nets.theory.prunings.scalar_prunings import decide_scalars

        return decide_scalars(first[:, 0], second[0], goals[:, 0, 0], float(epsilon))
    from subsetsum_nets.theory.prunings.mask_program import decide_by_points

    return [decide_by_points(network, goal, float(epsilon), time_limit, seed) for goal in goals]


def different_prunings(width: int, dimension: int) -> int:
    """Return an upper bound of the number of different functions among the prunings: (1 + (2^d - 1)^2)^s.

    A hidden unit is told by its kept inputs and kept outputs, and adds nothing if either set is empty. That
    is fewer than the 2^(2 s d) masks that Theorem 2 of Pensia et al. counts; distinct for almost all weights.

    Parameters
    ----------
    width, dimension : int
        s and d.

    Examples
    --------
    >>> different_prunings(3, 1), different_prunings(3, 2), 2 ** (2 * 3 * 2)
    (8, 1000, 4096)

    """
    for name, value in (("width", width), ("dimension", dimension)):
        if not is_integer(value) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return int((1 + (2**dimension - 1) ** 2) ** width)


# -- shared by both ways ---------------------------------------------------------------------------------


def weights_of(network: ReluNetwork) -> tuple[FloatArray, FloatArray]:
    """Return U (s, d) and V (d, s) of a network V relu(U x).

    Raises
    ------
    ValueError
        If the network is of another form.

    """
    layers: Sequence[Any] = network.layers
    plain = len(layers) == 2 and all(isinstance(layer, Dense) and layer.bias is None for layer in layers)
    if not plain or network.relu_after != (True, False) or layers[0].d_in != layers[1].d_out:
        raise ValueError(f"the network must be V relu(U x) without biases, d -> s -> d; got {network!r}")
    first, second = (
        layer.weight.toarray() if is_sparse(layer.weight) else np.asarray(layer.weight) for layer in layers
    )
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
