"""Can this random network be pruned to within epsilon of that matrix? Decided, with a proof either way.

The network is ``g(x) = V relu(U x)`` with s hidden units, as in Theorem 2 of Pensia et al. (2020); a pruning
keeps some entries of U and of V. It *serves* a d x d matrix W if ``||g(x) - W x|| <= epsilon`` for every x
of the unit ball. For d = 1 that is two subset sums (:mod:`.scalar_prunings`); for d >= 2 a program over all
masks is asked at more and more points (:mod:`.mask_program`); what it proposes ``verify`` proves, and what it
excludes an enumeration (:mod:`.exhaustion`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_seconds
from subsetsum_nets.theory.prunings.decision import checked_members, weights_of
from subsetsum_nets.theory.prunings.mask_program import decide_by_points
from subsetsum_nets.theory.prunings.scalar_prunings import decide_scalars

if TYPE_CHECKING:
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.theory.prunings.decision import PruningDecision


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
    >>> from subsetsum_nets import Dense, ReluNetwork
    >>> network = ReluNetwork([Dense([[1.0], [-0.5], [-1.0]]), Dense([[0.5, 1.0, -0.5]])])
    >>> [str(d.status)[:31] for d in decide_prunings(network, [[[0.5]], [[-0.5]], [[0.0]]], 0.125)]
    ['the pruning shown comes within ', 'no pruning comes within epsilon', 'the pruning shown comes within ']

    """
    first, second = weights_of(network)
    goals = checked_members(members, first.shape[1])
    checked_number(epsilon, "epsilon", 0, 1, "(]")
    checked_seconds(time_limit)
    checked_integer(seed, "seed", 0)
    if first.shape[1] == 1:
        return decide_scalars(first[:, 0], second[0], goals[:, 0, 0], float(epsilon))
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
        checked_integer(value, name)
    return int((1 + (2**dimension - 1) ** 2) ** width)
