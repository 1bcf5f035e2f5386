"""Required and forbidden items, sides, intervals, and a tolerance a coordinate: reduced to plain questions.

Required items are added to every subset, forbidden ones left out. What is then asked of a sum is that it lies
in a box, and a box is the neighbourhood of its middle once its sides are scaled to one length; so no backend
needs to know of any of this. The nearest sum on one side of a number is found by asking for the nearest one,
and again from beyond the gap that a sum on the wrong side proves to be empty; in more dimensions by halving
the box.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.protocol import Finding
from solvers.errors import CertificateError, UnsupportedProblemError
from solvers.problem import SubsetSum
from solvers.solution import Proof, Solution, Status, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from solvers.solution import Objective

    Ask = Callable[[SubsetSum, Objective], Solution]
    Sizes = tuple[int, int]


class Reduction:
    """A problem without its required and forbidden items, and the way back."""

    def __init__(self, problem: SubsetSum) -> None:
        self.problem = problem
        uses = problem.multiplicity
        left = np.ones(problem.n, np.int64) if uses is None else np.array(uses)
        left[list(problem.required)] -= 1
        left[list(problem.forbidden)] = 0
        self.free: NDArray[np.int64] = np.flatnonzero(left > 0)
        self.uses: NDArray[np.int64] = left[self.free]
        self.more: dict[str, Any] = {} if uses is None else {"multiplicity": self.uses}
        unit, fixed = problem.image.unit, problem.image.total(problem.required)
        self.fixed: tuple[Fraction, ...] = tuple(x * unit for x in fixed)
        low, high = problem.sizes
        taken = len(problem.required)
        self.sizes: tuple[int, int] = max(0, low - taken), min(high - taken, int(self.uses.sum()))

    # -- what is asked of a sum ------------------------------------------------------------------------

    @cached_property
    def goals(self) -> list[tuple[Fraction, Fraction]]:
        """The interval of each coordinate that has error 0."""
        ends = self.problem.interval or (self.problem.target, self.problem.target)
        lows, highs = (end if isinstance(end, tuple) else (end,) for end in ends)
        return list(zip(lows, highs, strict=True))

    @cached_property
    def half_width(self) -> Fraction | None:
        """Half the interval's width, in every coordinate; None where they differ."""
        widths = {high - low for low, high in self.goals}
        return widths.pop() / 2 if len(widths) == 1 else None

    @property
    def is_even(self) -> bool:
        """Whether errors grow as the distance to the middle does, and one tolerance bounds them."""
        problem = self.problem
        return problem.side == "both" and problem.tolerances is None and self.half_width is not None

    @property
    def step(self) -> Fraction:
        """All errors are multiples of this."""
        numbers = [self.problem.image.unit, *(x for goal in self.goals for x in goal if x)]
        denominator = math.lcm(*(x.denominator for x in numbers))
        return Fraction(math.gcd(*(int(x * denominator) for x in numbers)), denominator)

    @property
    def reach(self) -> Fraction:
        """An error that no acceptable subset exceeds."""
        image, reach, most = self.problem.image, self.problem.reach, int(self.uses.max(initial=1)) + 1
        return image.magnitude * image.unit * 2 * most if reach is None else reach

    def box(self, error: Fraction) -> list[tuple[Fraction, Fraction]]:
        """Return what each coordinate of an acceptable sum with at most this error lies between."""
        problem = self.problem
        limits = problem.tolerances or [error] * problem.d
        below, above = problem.side != "above", problem.side != "below"
        return [
            (low - min(error, limit) * below, high + min(error, limit) * above)
            for (low, high), limit in zip(self.goals, limits, strict=True)
        ]

    # -- plain problems --------------------------------------------------------------------------------

    def core(
        self,
        middle: Iterable[Fraction],
        tolerance: Fraction | None,
        sizes: Sizes | None = None,
        scale: list[Fraction] | None = None,
    ) -> SubsetSum:
        """Return the plain problem of the free items, about what the required ones leave of ``middle``."""
        low, high = sizes or self.sizes
        flat = self.problem.items.ndim == 1
        goal = [m - f for m, f in zip(middle, self.fixed, strict=True)]
        items: Any = self.problem.items[self.free]
        if scale is not None:
            rows, unit = self.problem.image.items, self.problem.image.unit
            factors = [factor * unit for factor in scale]
            items = [[x * f for x, f in zip(rows[i], factors, strict=True)] for i in self.free.tolist()]
            goal = [x * f for x, f in zip(goal, scale, strict=True)]
        if not self.free.size:  # only the empty subset: posed as one item that may not be chosen
            nothing: Any = [0] if flat else [[0] * self.problem.d]
            return SubsetSum(nothing, goal[0] if flat else goal, tolerance=tolerance, cardinality=0)
        return SubsetSum(
            items,
            goal[0] if flat else goal,
            tolerance=tolerance,
            cardinality=None if (low, high) == (0, int(self.uses.sum())) else (low, high),
            **self.more,
        )

    def even_core(self, sizes: Sizes | None = None) -> SubsetSum:
        """Return the problem about the middle that an even one is."""
        limit, half = self.problem.tolerance, self.half_width or Fraction(0)
        return self.core(self.middle, None if limit is None else limit + half, sizes)

    def box_core(self, error: Fraction, sizes: Sizes | None = None) -> SubsetSum | None:
        """Return the problem whose subsets within tolerance are the acceptable ones of at most this error.

        None if no sum lies in their box.
        """
        unit = self.problem.image.unit
        # Sums are whole units, so the box may be shrunk to these.
        box = [(math.ceil(low / unit), math.floor(high / unit)) for low, high in self.box(error)]
        if any(low > high for low, high in box):
            return None
        middle = [Fraction(low + high, 2) * unit for low, high in box]
        halves = [Fraction(high - low, 2) * unit for low, high in box]
        widest = max(halves)
        if min(halves) == widest:
            return self.core(middle, widest, sizes)
        # Where only one sum will do, the next ones are a unit away: further than the tolerance.
        scale = [widest / half if half else 2 * widest / unit for half in halves]
        return self.core(middle, widest, sizes, scale)

    def lifted(self, subset: Iterable[int] | None) -> list[int] | None:
        """Return a subset of a core as one of the problem's items."""
        if subset is None:
            return None
        chosen = [int(self.free[i]) for i in subset] if self.free.size else []
        return sorted([*chosen, *self.problem.required])

    @property
    def middle(self) -> list[Fraction]:
        """The middle of each coordinate's interval."""
        return [(low + high) / 2 for low, high in self.goals]

    # -- subsets ---------------------------------------------------------------------------------------

    def error(self, subset: list[int]) -> Fraction | None:
        """Return the error of a subset that may be chosen and is accepted; None for any other."""
        sums = tuple(x * self.problem.image.unit for x in self.problem.image.total(subset))
        total = sums if isinstance(self.problem.target, tuple) else sums[0]
        allowed = self.problem.objection(subset, total) is None and self.problem.accepts(total)
        return self.problem.error_of(total) if allowed else None

    def nearest_known(self, subsets: Iterable[list[int] | None]) -> list[int] | None:
        """Return that one of some subsets that is accepted and has the smallest error."""
        known = [(e, s) for s in subsets if s is not None and (e := self.error(s)) is not None]
        return min(known)[1] if known else None


def restricted_finding(problem: SubsetSum, objective: Objective, ask: Ask) -> tuple[Finding, str]:
    """Answer a restricted problem by asking plain ones; return also who answered those."""
    asked: list[str] = []

    def noted(core: SubsetSum, about: Objective) -> Solution:
        solution = ask(core, about)
        asked.append(solution.backend)
        return solution

    reduction = Reduction(problem)
    if reduction.is_even:
        finding = _even(reduction, objective, noted)
    elif objective == "nearest":
        finding = _nearest(reduction, noted)
    else:
        finding = _in_box(reduction, objective, noted)
    return finding, ", ".join(dict.fromkeys(asked)) or "reduction"


def countable_core(problem: SubsetSum) -> SubsetSum | None:
    """Return the plain problem with as many subsets within tolerance as a restricted one; None for none."""
    reduction = Reduction(problem)
    return reduction.even_core() if reduction.is_even else reduction.box_core(reduction.reach)


def listed_core(problem: SubsetSum) -> tuple[SubsetSum | None, Reduction]:
    """Return a plain problem that lists the restricted one's subsets, and others, in the order of errors.

    None in its place if there are none. UnsupportedProblemError for boxes of several widths, whose order no
    plain one has.
    """
    reduction = Reduction(problem)
    if reduction.is_even:
        return reduction.even_core(), reduction
    if reduction.half_width is None:
        raise UnsupportedProblemError(
            "solutions() goes by the distance to the middle; it cannot list for a box of several widths"
        )
    if (
        problem.items.ndim == 1
        and _greedy(reduction, 1 if problem.side == "below" else -1, reduction.sizes) is None
    ):
        return None, reduction
    return reduction.core(reduction.middle, reduction.reach), reduction


def _even(reduction: Reduction, objective: Objective, ask: Ask) -> Finding:
    """Ask about the middle: errors are the distances to it, less half the width of the interval."""
    solution = ask(reduction.even_core(), objective)
    return _finding(
        reduction,
        solution,
        objective,
        lower_bound=max(Fraction(0), solution.lower_bound - (reduction.half_width or 0)),
    )


def _finding(
    reduction: Reduction, solution: Solution, objective: Objective, lower_bound: Fraction
) -> Finding:
    """Return what a solution of a core says about the problem itself."""
    size = solution.size_bound + len(reduction.problem.required)
    known = solution.status is not Status.UNKNOWN
    return Finding(
        reduction.lifted(None if solution.subset is None else solution.subset.tolist()),
        lower_bound=lower_bound,
        size_bound=size if objective == "sparsest" else reduction.problem.sizes[0],
        proof=solution.proof if known else Proof.EXACT,
        resolution=solution.resolution,
        message=solution.message,
        optimal_within_resolution=(solution.status, solution.proof) == (Status.OPTIMAL, Proof.TOLERANCE),
        stop=_stop(solution),
    )


def _stop(solution: Solution) -> Stop:
    return Stop.SEARCH_EXHAUSTED if solution.stop is Stop.PROVEN else solution.stop


def _in_box(reduction: Reduction, objective: Objective, ask: Ask) -> Finding:
    """Answer "within" or "sparsest": any subset, or one of fewest items, whose sum lies in the box."""
    core = reduction.box_core(reduction.reach)
    missed = reduction.reach + reduction.step
    if core is None:
        return Finding(None, lower_bound=missed, size_bound=reduction.problem.sizes[0])
    solution = ask(core, objective)
    infeasible = solution.status is Status.INFEASIBLE
    finding = _finding(reduction, solution, objective, missed if infeasible else Fraction(0))
    if infeasible or finding.subset is None or reduction.error(finding.subset) is None:
        return Finding(**{**vars(finding), "subset": None})  # it lies outside of the box
    if objective == "within" or solution.status is not Status.OPTIMAL:
        return finding
    if solution.proof is not Proof.EXACT or solution.size is None:
        return Finding(
            **{
                **vars(finding),
                "proof": Proof.EXACT,
                "optimal_within_resolution": False,
                "resolution": 0.0,
                "size_bound": 0,
            }
        )
    nearest = _nearest(reduction, ask, (solution.size, solution.size))
    return Finding(
        **{
            **vars(nearest),
            "subset": reduction.nearest_known([nearest.subset, finding.subset]),
            "size_bound": finding.size_bound,
        }
    )


def _nearest(reduction: Reduction, ask: Ask, sizes: Sizes | None = None) -> Finding:
    if reduction.problem.items.ndim == 1 and reduction.problem.side != "both":
        return _next_on_side(reduction, ask, sizes or reduction.sizes)
    return _by_halving(reduction, ask, sizes)


# -- the nearest sum on one side of a number ---------------------------------------------------------------


def _next_on_side(reduction: Reduction, ask: Ask, sizes: Sizes) -> Finding:
    """Find the nearest sum on the side by nearest sums: one that is not there proves a gap on the side.

    No sum on the side is nearer than ``bound``. The sum nearest to the point at that distance is either on
    the side, and then the next one; or as far beyond the target as nothing is on this side of the point.
    """
    problem = reduction.problem
    sign = 1 if problem.side == "below" else -1
    (target, _), bound = reduction.goals[0], Fraction(0)
    found = [_greedy(reduction, sign, sizes)]
    stop = Stop.SEARCH_EXHAUSTED
    if found[0] is None:
        bound = (problem.reach or Fraction(0)) + reduction.step
        return Finding(None, bound, problem.sizes[0], message=f"no sum is {problem.side} the target")
    message = ""
    while True:
        solution = ask(reduction.core([target - sign * bound], None, sizes), "nearest")
        subset = reduction.lifted(None if solution.subset is None else solution.subset.tolist())
        found.append(subset if subset is not None and _on_side(reduction, subset) else None)
        if (solution.status, solution.proof) != (Status.OPTIMAL, Proof.EXACT) or solution.error is None:
            exact = solution.proof is not Proof.TOLERANCE and solution.resolution == 0.0
            bound += solution.lower_bound if exact and solution.status is not Status.UNKNOWN else 0
            stop, message = _stop(solution), solution.message
            break
        bound += solution.error
        if found[-1] is not None:
            break
    best = _nearest_on_side(reduction, found)
    return Finding(best, lower_bound=bound, size_bound=problem.sizes[0], message=message, stop=stop)


def _on_side(reduction: Reduction, subset: list[int]) -> bool:
    total = reduction.problem.image.total(subset)[0] * reduction.problem.image.unit
    return reduction.problem.objection(subset, total) is None


def _nearest_on_side(reduction: Reduction, subsets: Iterable[list[int] | None]) -> list[int] | None:
    image = reduction.problem.image
    return min((s for s in subsets if s is not None), key=image.error, default=None)


def _greedy(reduction: Reduction, sign: int, sizes: Sizes) -> list[int] | None:
    """Return a subset on the side: the lowest sum, raised by what fits, largest first. None if none is."""
    image = reduction.problem.image
    places = np.repeat(np.arange(reduction.free.size), reduction.uses).tolist()
    values = [sign * image.items[i][0] for i in reduction.free.tolist()]
    places.sort(key=values.__getitem__)
    low, high = sizes
    count = max(low, min(high, sum(values[p] < 0 for p in places)))
    chosen, others = places[:count], places[count:]
    room = sign * (image.target[0] - image.total(reduction.problem.required)[0])
    room -= sum(values[p] for p in chosen)
    if room < 0:
        return None
    kept = []
    for place in chosen:  # the most negative first: to leave one out raises the sum
        if values[place] < 0 and count > low and -values[place] <= room:
            room, count = room + values[place], count - 1
        else:
            kept.append(place)
    for place in reversed(others):
        if 0 < values[place] <= room and count < high:
            room, count = room - values[place], count + 1
            kept.append(place)
    return reduction.lifted(kept)


# -- the nearest sum in a box ------------------------------------------------------------------------------


def _by_halving(reduction: Reduction, ask: Ask, sizes: Sizes | None) -> Finding:
    """Find the smallest error that leaves a sum in its box: every box without one is a bound."""
    problem, step = reduction.problem, reduction.step
    bound, best = Fraction(0), None
    least = problem.sizes[0]
    if problem.interval is None:  # nearest on any side, and whatever the tolerances are
        solution = ask(reduction.core(reduction.middle, None, sizes), "nearest")
        if solution.proof is Proof.EXACT:
            bound = solution.lower_bound
        best = reduction.nearest_known(
            [reduction.lifted(None if solution.subset is None else solution.subset.tolist())]
        )
        if best is not None and reduction.error(best) == bound:
            return Finding(best, lower_bound=bound, size_bound=least)
    reach, just_below = reduction.reach, True
    while best is None or (reduction.error(best) or bound) > bound:
        worst = None if best is None else reduction.error(best)
        error = reach
        if worst is not None:  # by turns: is it the best, and is it far from the best?
            error = worst - step if just_below else bound + step * math.floor((worst - bound) / step / 2)
            just_below = not just_below
        core = reduction.box_core(error, sizes)
        answer = None if core is None else ask(core, "within")
        if answer is None or (answer.status, answer.proof) == (Status.INFEASIBLE, Proof.EXACT):
            bound = step * (math.floor(error / step) + 1)
            if worst is None:
                return Finding(None, lower_bound=reach + step, size_bound=least)
        elif answer.status is Status.FEASIBLE and answer.subset is not None:
            best = reduction.lifted(answer.subset.tolist())
            found = None if best is None else reduction.error(best)
            if found is None or found > error:
                raise CertificateError(
                    f"a subset of error {found} was said to lie in the box of error {error}"
                )
        else:
            return Finding(best, bound, least, message=answer.message, stop=_stop(answer))
    return Finding(best, lower_bound=bound, size_bound=least)
