"""One pass over vectors that takes or leaves each item for good: two rules, a look at every number.

To shorten: an item is taken if and only if what remains of the target gets shorter. It takes few items, and
is best where small ones abound (sizes spread over many scales). To centre: an item is taken or left so that
what remains stays nearest to half the sum of the items to come. It takes half of all, and what is left over
at the end is about as long as the last items are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Floats, Ints


@compiled
def shorten(items: Floats, order: Ints, rest: Floats, chosen: Bools) -> None:
    """Take each item, in this order, if and only if that shortens the rest: ``2 rest . a > |a|^2``.

    ``items`` has shape (n, d), ``rest`` (the target at first) shape (d,), ``chosen`` shape (n,); the last two
    are updated.
    """
    for place in range(order.size):
        i = order[place]
        inner = square = 0.0
        for k in range(rest.size):
            inner += rest[k] * items[i, k]
            square += items[i, k] * items[i, k]
        if 2 * inner > square:
            chosen[i] = True
            for k in range(rest.size):
                rest[k] -= items[i, k]


@compiled
def centre(items: Floats, order: Ints, rest: Floats, chosen: Bools) -> None:
    """Take or leave each item, in this order, whichever keeps the rest nearest to half of what is to come.

    The arguments are those of :func:`shorten`. What is to come are the items of ``order`` only. With v, the
    rest less half of what is to come, an item a is taken if and only if ``v . a > 0``; it changes v by a / 2.
    """
    for place in range(order.size):
        for k in range(rest.size):
            rest[k] -= 0.5 * items[order[place], k]
    for place in range(order.size):
        i = order[place]
        inner = 0.0
        for k in range(rest.size):
            inner += rest[k] * items[i, k]
        chosen[i] = inner > 0
        half = -0.5 if inner > 0 else 0.5
        for k in range(rest.size):
            rest[k] += half * items[i, k]
