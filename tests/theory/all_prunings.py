"""Every pruning of a tiny network V relu(U x), d = 1 or 2, and whether it serves a matrix: exact.

For d = 2 the error g(x) - W x is linear between neighbouring rays, on which some pre-activation vanishes.
There it is at most epsilon ||x|| if and only if a quadratic form is nonnegative on the cone of the two rays.
"""

from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise, product


def exact(array):
    return [[Fraction(x) for x in row] for row in array.tolist()]


def prunings(first, second):
    """List (U, V, masks) for all masks, of equal functions only one: pairs of nonempty sets, or nothing."""
    s, d = first.shape
    states = [((False,) * d,) * 2]
    states += [(p, q) for p in product((False, True), repeat=d) for q in product((False, True), repeat=d)]
    states = [
        state for number, state in enumerate(states) if number == 0 or (any(state[0]) and any(state[1]))
    ]
    u, v = exact(first), exact(second)
    found = []
    for chosen in product(states, repeat=s):
        kept_u = [
            [w if m else Fraction(0) for w, m in zip(u[i], chosen[i][0], strict=True)] for i in range(s)
        ]
        kept_v = [[v[k][i] if chosen[i][1][k] else Fraction(0) for i in range(s)] for k in range(d)]
        found.append((kept_u, kept_v))
    return found


def value(u, v, x):
    hidden = [max(Fraction(0), sum(a * b for a, b in zip(row, x, strict=True))) for row in u]
    return [sum(a * h for a, h in zip(row, hidden, strict=True)) for row in v]


def error_at(u, v, w, x):
    return [
        g - sum(a * b for a, b in zip(row, x, strict=True)) for g, row in zip(value(u, v, x), w, strict=True)
    ]


def close_at(u, v, w, epsilon, x):
    return sum(e * e for e in error_at(u, v, w, x)) <= epsilon**2 * sum(a * a for a in x)


def serves(u, v, w, epsilon):
    """Decide ||g(x) - W x|| <= epsilon on the unit ball."""
    if len(w) == 1:
        return close_at(u, v, w, epsilon, [1]) and close_at(u, v, w, epsilon, [-1])
    rays = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    if not all(close_at(u, v, w, epsilon, ray) for ray in rays):
        return False
    for a, b in u:
        if a or b:
            rays += [(-b, a), (b, -a)]
    rays.sort(key=cmp_to_key(by_angle))
    return all(_on_cone(u, v, w, epsilon, r, t) for r, t in pairwise([*rays, rays[0]]))


def by_angle(r, t):
    half_r, half_t = (r[1] < 0 or (r[1] == 0 and r[0] < 0)), (t[1] < 0 or (t[1] == 0 and t[0] < 0))
    if half_r != half_t:
        return -1 if half_t else 1
    cross = r[0] * t[1] - r[1] * t[0]
    return -1 if cross > 0 else int(cross < 0)


def _on_cone(u, v, w, epsilon, r, t):
    """Decide it for a r + b t, a, b >= 0: the error is linear there, so it is that of the rays."""
    e, f = error_at(u, v, w, r), error_at(u, v, w, t)

    def form(x, y, p, q):
        return epsilon**2 * sum(a * b for a, b in zip(x, y, strict=True)) - sum(
            a * b for a, b in zip(p, q, strict=True)
        )

    rr, tt, rt = form(r, r, e, e), form(t, t, f, f), form(r, t, e, f)
    return rr >= 0 and tt >= 0 and (rt >= 0 or rt * rt <= rr * tt)


def some_serves(first, second, member, epsilon):
    """Tell whether any pruning serves the matrix."""
    w, bound = exact(member), Fraction(epsilon)
    return any(serves(u, v, w, bound) for u, v in prunings(first, second))


def kept(first, second, masks):
    """Return the exact weights that masks keep."""
    return tuple(
        [
            [w if m else Fraction(0) for w, m in zip(row, marks, strict=True)]
            for row, marks in zip(a, mask, strict=True)
        ]
        for a, mask in zip((exact(first), exact(second)), masks, strict=True)
    )


def meets(u, v, w, epsilon, probe):
    """Tell whether a pruning meets a probe's condition, exactly."""
    x, c = ([Fraction(a) for a in part.tolist()] for part in (probe.point, probe.direction))
    error = sum(a * b for a, b in zip(c, error_at(u, v, w, x), strict=True))
    return error**2 <= epsilon**2 * sum(a * a for a in c) * sum(a * a for a in x)
