"""verify_near(): how far two networks are apart in the neighbourhood of data points, proven box by box."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arguments import checked_limit, checked_positive, checked_seconds
from subsetsum_nets.networks.arrays import FloatArray, exact_float64
from subsetsum_nets.networks.domains import Ball, Box, Domain
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.shown import bounds_figure, bracket, finite, panel, verdict
from subsetsum_nets.verification.comparison import Comparison, SearchOptions
from subsetsum_nets.verification.enclosures.midrad import check_arithmetic
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify, sharpened
from subsetsum_nets.verification.methods.table import METHODS, to_ask

if TYPE_CHECKING:
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.methods.table import Method
    from subsetsum_nets.verification.results import LowerBound
    from subsetsum_nets.verification.verifier import HasNetwork

_ATTACK_SHARE = 0.2  # of the time limit
_NODES = 200  # parts of a box that "splitting" bounds where no time limit is given


@dataclass(frozen=True, eq=False)
class NearResult:
    """What is proven about ||f(x) - g(x)|| for every x near one of the points.

    f and g are the real-arithmetic functions with exactly the stored weights.

    Attributes
    ----------
    upper : float
        Proven for all x in any of the boxes: the largest of ``uppers``.
    uppers : float array, shape (k,)
        Proven for the box about each point, rounded up; inf where float64 overflowed or time ran out.
    worst : int
        Which point has the largest.
    lower : float
        Proven: the difference at ``witness``, a point of the worst box, rounded down.
    witness : float array, shape (d_0,)
    verified, falsified : bool or None
        Whether ``upper <= epsilon``, and ``lower > epsilon``; None without an epsilon.
    seconds : float
    points : float array, shape (k, d_0)
    radius : float
    domain : Box or Ball or None
        What the boxes are cut to.
    norm, method, epsilon
        As asked.

    """

    upper: float
    uppers: FloatArray
    worst: int
    lower: float
    witness: FloatArray
    verified: bool | None
    falsified: bool | None
    seconds: float
    points: FloatArray
    radius: float
    domain: Domain | None
    norm: str
    method: str
    epsilon: float | None

    def __repr__(self) -> str:
        said = bracket(self.lower, self.upper, self.norm, self.epsilon)
        decided = verdict(self.verified, self.falsified, self.epsilon)
        return f"NearResult({said}, {self.method}, {self._where}, {decided})"

    def _repr_html_(self) -> str:
        """Return verdict, figure and table for notebooks; bounds are rounded outward."""
        rows: list[tuple[str, object]] = [
            ("proven", bracket(self.lower, self.upper, self.norm, self.epsilon)),
            ("where", self._where),
            ("worst point", f"number {self.worst}"),
            ("method", self.method),
            ("seconds", f"{self.seconds:.3g}"),
        ]
        figure = bounds_figure(self.lower, self.upper, self.epsilon)
        return panel("NearResult", verdict(self.verified, self.falsified, self.epsilon), figure, rows)

    @property
    def _where(self) -> str:
        return f"within {self.radius:g} of {len(self.points):,} points"

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``json.dumps`` takes it; infinite bounds are None."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return said | {
            "upper": finite(self.upper),
            "uppers": [finite(bound) for bound in self.uppers.tolist()],
            "lower": finite(self.lower),
            "witness": self.witness.tolist(),
            "points": self.points.tolist(),
            "domain": None if self.domain is None else self.domain.to_json(),
        }


def verify_near(
    target: ReluNetwork,
    pruned: ReluNetwork | HasNetwork,
    points: Any,
    radius: float,
    *,
    domain: Domain | None = None,
    norm: str = "linf",
    method: str = "zonotope",
    epsilon: float | None = None,
    time_limit: float | None = None,
) -> NearResult:
    """Prove bounds on ||f(x) - g(x)|| for all x within ``radius`` of a point, in every coordinate.

    Each box ``[p - radius, p + radius]``, rounded outward and cut to the domain, is a question of its own.

    Parameters
    ----------
    target : ReluNetwork
        f.
    pruned : ReluNetwork or object with a ``network``
        g.
    points : array_like, shape (k, d_0)
    radius : float
        > 0.
    domain : Box or Ball, optional
        What the boxes are cut to, a Ball by the box around it; the target's own if not given, and nothing
        where it has none.
    norm : {"linf", "l2", "l1"}
        The norm of the output.
    method : str
        One of :func:`~subsetsum_nets.verify`'s, for each box; "auto" takes the smallest bound of all that
        end by themselves.
    epsilon : float, optional
        The bound to decide.
    time_limit : float, optional
        Seconds; boxes that it leaves no time for have the bound inf.

    Raises
    ------
    ValueError
        For a radius that is not > 0, points of another width, not finite or none, a point whose box does not
        meet the domain, or as :func:`~subsetsum_nets.verify`.
    TypeError
        If ``target`` or ``pruned`` is no network, or ``domain`` is neither Box nor Ball.
    UnsupportedStructureError
        If the method named cannot compare these networks.
    SoundnessError
        If the proven bounds contradict each other.

    Examples
    --------
    >>> from subsetsum_nets import Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[2.0]])]), ReluNetwork([Dense([[1.0]])])
    >>> near = verify_near(f, g, [[0.5], [1.0]], 0.25, epsilon=2.0)
    >>> near.verified, near.worst, round(near.upper, 9), round(near.lower, 9)
    (True, 1, 1.25, 1.25)

    """
    network: Any = getattr(pruned, "network", pruned)
    near = Neighbourhoods(target, points, radius, domain=domain, norm=norm, method=method)
    return near.result(network, epsilon, time_limit=time_limit)


class Neighbourhoods:
    """The boxes about points, for questions about one g after the other.

    Arguments and errors are those of :func:`verify_near`.
    """

    def __init__(
        self,
        target: ReluNetwork,
        points: Any,
        radius: float,
        *,
        domain: Domain | None = None,
        norm: str = "linf",
        method: str = "zonotope",
    ) -> None:
        self.target: ReluNetwork = target
        self.norm: str = norm
        self.method: str = method
        Comparison(target, target, Box(-1, 1), norm)  # refuses what is no network, or no norm
        if method != "auto" and method not in METHODS:
            raise ValueError(f"unknown method {method!r}; available are auto, {', '.join(METHODS)}")
        self.radius: float = checked_positive(radius, "radius")
        self.points: FloatArray = exact_float64(points, "points")
        width = target.widths[0]
        if self.points.ndim != 2 or self.points.shape[1] != width or not len(self.points):
            raise InvalidNetworkError(
                f"points must have shape (k, {width}) with k >= 1, got {self.points.shape}"
            )
        self.domain: Domain | None = target.domain if domain is None else domain
        if not isinstance(self.domain, Box | Ball | None):
            raise TypeError(f"the domain must be a Box or a Ball, got {type(self.domain).__name__}")
        self.boxes: list[Box] = [self._box(index, point) for index, point in enumerate(self.points)]
        self._order = list(range(len(self.boxes)))

    def _box(self, index: int, point: FloatArray) -> Box:
        low, high = Ball(self.radius, point).bounds(len(point))  # rounded outward
        if self.domain is not None:
            least, most = self.domain.bounds(len(point))
            low, high = np.maximum(low, least), np.minimum(high, most)
        if (low > high).any():
            place = int(np.argmax(low > high))
            raise ValueError(
                f"point {index} is farther than the radius {self.radius:g} from the domain: coordinate "
                f"{place} is {point[place]:g}; give the domain that the points lie in"
            )
        return Box(low, high)

    def uppers(self, pruned: ReluNetwork, deadline: float = math.inf) -> FloatArray:
        """Return the bound of every box, in the points' order; inf for boxes after the deadline."""
        uppers = np.full(len(self.boxes), np.inf)
        asked = self._question(pruned)
        for index in range(len(self.boxes)):
            if time.perf_counter() >= deadline:
                break
            uppers[index] = asked.upper(index, deadline, len(self.boxes) - index)
        return uppers

    def within(self, pruned: ReluNetwork, epsilon: float) -> bool:
        """Tell whether every box's bound is at most epsilon.

        The box that failed last comes first the next time, so that a g that fails mostly costs one bound.
        """
        asked = self._question(pruned)
        for place, index in enumerate(self._order):
            if not asked.upper(index) <= epsilon:
                self._order.insert(0, self._order.pop(place))
                return False
        return True

    def result(
        self, pruned: ReluNetwork, epsilon: float | None = None, *, time_limit: float | None = None
    ) -> NearResult:
        """Return what :func:`verify_near` does."""
        started = time.perf_counter()
        epsilon = None if epsilon is None else checked_limit(epsilon, "epsilon")
        limit = math.inf if time_limit is None else checked_seconds(time_limit)
        uppers = self.uppers(pruned, started + (1.0 - _ATTACK_SHARE) * limit)
        worst = int(np.argmax(uppers))
        left = None if math.isinf(limit) else max(started + limit - time.perf_counter(), 0.01)
        found = self._attacked(pruned, worst, left)
        upper = float(uppers[worst])
        if not found.lower <= upper:
            raise SoundnessError(
                f"method {self.method!r} proves ||f - g|| <= {upper!r} about point {worst}, but it is at "
                f"least {found.lower!r} at {found.witness!r}; please report this defect"
            )
        uppers.flags.writeable = False
        return NearResult(
            upper=upper,
            uppers=uppers,
            worst=worst,
            lower=found.lower,
            witness=found.witness,
            verified=None if epsilon is None else upper <= epsilon,
            falsified=None if epsilon is None else found.lower > epsilon,
            seconds=time.perf_counter() - started,
            points=self.points,
            radius=self.radius,
            domain=self.domain,
            norm=self.norm,
            method=self.method,
            epsilon=epsilon,
        )

    def _attacked(self, pruned: ReluNetwork, index: int, time_limit: float | None) -> LowerBound:
        """Return the largest difference that was found in one box."""
        comparison = Comparison(self.target, pruned, self.boxes[index], self.norm)
        return sharpened(comparison, falsify(comparison, time_limit=time_limit))

    def _question(self, pruned: ReluNetwork) -> _Question:
        check_arithmetic()
        return _Question(self, Comparison(self.target, pruned, self.boxes[0], self.norm))


class _Question:
    """What is asked about one g; its effective layers are found once for all boxes."""

    def __init__(self, near: Neighbourhoods, first: Comparison) -> None:
        self._near, self._first = near, first
        self._asked = to_ask(near.method, first, timed=False)

    @np.errstate(over="ignore", invalid="ignore")
    def upper(self, index: int, deadline: float = math.inf, left: int = 1) -> float:
        """Return the smallest bound of a box; ``left`` boxes share the time until the deadline."""
        first = self._first
        comparison = Comparison(
            first.target, first.pruned, self._near.boxes[index], first.norm, first.effective_or_none
        )
        best = math.inf
        for method, _ in self._asked:
            try:
                best = min(best, _bound(method, comparison, deadline, left))
            except BoundOverflowError:
                continue
            except UnsupportedStructureError:
                if len(self._asked) == 1:
                    raise
        return best


def _bound(method: Method, comparison: Comparison, deadline: float, left: int) -> float:
    if not method.anytime:
        return method.bound(comparison).upper
    if math.isinf(deadline):
        return method.bound(comparison, SearchOptions(node_limit=_NODES)).upper
    seconds = max((deadline - time.perf_counter()) / left, 0.01)
    return method.bound(comparison, SearchOptions(time_limit=seconds)).upper
