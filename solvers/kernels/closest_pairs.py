"""Pairs of integer vectors, one from each of two sets, that are near each other: a tree of bounding boxes.

A k-d tree (Bentley 1975; Friedman, Bentley & Finkel 1977) over 2^m points: each node halves its points at the
median of the column in which they spread most, and keeps the least box that holds them. The points are
permuted in place so that every node holds a contiguous run of rows; nodes are numbered as in a heap (root 1,
children 2 i and 2 i + 1, entry 0 unused), hence no pointers. Leaves hold at most 16 points.

Rows are int64 of ``dims`` coordinates, optionally followed by one column that counts items. Each query is a
row of the same columns, and what matters is the difference ``point - query`` in every column. The caller sees
to it that no difference overflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Masks = NDArray[np.uint32]

LEAF = 16
FAR = 1 << 62  # farther than any two points
_STACK = 64  # a depth-first search holds one node a level


@compiled
def _swap(points: Ints, masks: Masks, a: int, b: int) -> None:
    for k in range(points.shape[1]):
        points[a, k], points[b, k] = points[b, k], points[a, k]
    masks[a], masks[b] = masks[b], masks[a]


@compiled
def _median_of_three(points: Ints, low: int, high: int, k: int, state: int) -> int:
    """Return the median of three pseudo-random entries; sums are too regular for fixed places."""
    width = high - low + 1
    a = points[low + (state >> 7) % width, k]
    b = points[low + (state >> 23) % width, k]
    c = points[low + (state >> 37) % width, k]
    return int(max(min(a, b), min(max(a, b), c)))


@compiled
def _halve(points: Ints, masks: Masks, first: int, last: int, k: int) -> None:
    """Permute rows [first, last) so that column k is nowhere larger in the first half than in the second."""
    middle = (first + last) >> 1
    low, high = first, last - 1
    state = 88172645463325252
    while low < high:
        state ^= (state << 13) & 0x7FFFFFFFFFFFFFFF
        state ^= state >> 7
        state ^= (state << 17) & 0x7FFFFFFFFFFFFFFF
        pivot = _median_of_three(points, low, high, k, state)
        i, j = low, high
        while i <= j:
            while points[i, k] < pivot:
                i += 1
            while points[j, k] > pivot:
                j -= 1
            if i <= j:
                _swap(points, masks, i, j)
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break


@compiled
def _run(points: Ints, node: int) -> int:
    """Return the number of points in a node."""
    run: int = points.shape[0]
    while node > 1:
        node >>= 1
        run >>= 1
    return run


@compiled
def grow_tree(
    points: Ints,
    masks: Masks,
    low: Ints,
    high: Ints,
    root: int,
    levels: int,
) -> None:
    """Box the nodes of ``levels`` levels from node ``root`` down, and halve all that have children.

    Parameters
    ----------
    points : int64, shape (2^m, columns)
    masks : uint32, shape (2^m,)
        Permuted along with the points.
    low, high : int64, shape (2 * leaves, columns)
        Receive the corners of each node's box.

    """
    columns = points.shape[1]
    leaves = low.shape[0] >> 1
    start, width = root, 1
    for _ in range(levels):
        run = _run(points, start)
        for node in range(start, start + width):
            first = run * node - points.shape[0]
            last = first + run
            low[node] = points[first]
            high[node] = points[first]
            for row in range(first + 1, last):
                for k in range(columns):
                    low[node, k] = min(low[node, k], points[row, k])
                    high[node, k] = max(high[node, k], points[row, k])
            if node >= leaves:
                continue
            split = 0
            for k in range(1, columns):
                if high[node, k] - low[node, k] > high[node, split] - low[node, split]:
                    split = k
            if low[node, split] < high[node, split]:
                _halve(points, masks, first, last, split)
        start, width = 2 * start, 2 * width


@compiled
def nearest_pair(
    points: Ints,
    low: Ints,
    high: Ints,
    queries: Ints,
    first: int,
    last: int,
    step: int,
    dims: int,
    sizes: tuple[int, int],
    best: int,
    stop: int,
    budget: int,
) -> tuple[int, int, int, int]:
    """Find the pair of least max-norm distance below ``best`` among queries first, first + step, ..

    Where there is a last column that counts, ``sizes`` are the least and largest difference allowed in it.
    Stops at a distance of at most ``stop``, and after about ``budget`` node visits.

    Returns
    -------
    best, query, point : int
        The first pair at the least distance; -1 and -1 if none is below ``best``.
    next : int
        The query to go on with, ``>= last`` when done.

    """
    columns = points.shape[1]
    leaves = low.shape[0] >> 1
    run = points.shape[0] // leaves
    nodes = np.empty(_STACK, np.int64)
    gaps = np.empty(_STACK, np.int64)
    found_query = found_point = -1
    query = first
    while query < last and budget > 0 and best > stop:
        nodes[0], gaps[0] = 1, 0
        top = 1
        while top > 0:
            top -= 1
            if gaps[top] >= best:
                continue
            node = nodes[top]
            # Down to the nearer child each time; the other one waits, if it is near enough at all.
            while 0 < node < leaves:
                budget -= 1
                near = 2 * node
                gap = other_gap = 0
                for k in range(dims):
                    q = queries[query, k]
                    gap = max(gap, low[near, k] - q, q - high[near, k])
                    other_gap = max(other_gap, low[near + 1, k] - q, q - high[near + 1, k])
                    if gap >= best and other_gap >= best:
                        break
                if columns > dims:
                    q = queries[query, dims]
                    if low[near, dims] - q > sizes[1] or high[near, dims] - q < sizes[0]:
                        gap = FAR
                    if low[near + 1, dims] - q > sizes[1] or high[near + 1, dims] - q < sizes[0]:
                        other_gap = FAR
                if gap > other_gap:
                    node, gap, other_gap, far = near + 1, other_gap, gap, near
                else:
                    node, far = near, near + 1
                if other_gap < best:
                    nodes[top], gaps[top] = far, other_gap
                    top += 1
                if gap >= best:
                    node = 0
            if node == 0:
                continue
            budget -= 1
            start = (node - leaves) * run
            for row in range(start, start + run):
                distance = 0
                for k in range(dims):
                    distance = max(distance, abs(points[row, k] - queries[query, k]))
                    if distance >= best:
                        break
                if distance < best and (
                    columns == dims or sizes[0] <= points[row, dims] - queries[query, dims] <= sizes[1]
                ):
                    best, found_query, found_point = distance, query, row
        query += step
    return best, found_query, found_point, query


@compiled
def _outside(low: Ints, high: Ints, node: int, query: Ints, box: Ints) -> bool:
    """Tell whether all differences of a node's points to the query surely lie outside a box."""
    for k in range(query.size):
        if low[node, k] - query[k] > box[1, k] or high[node, k] - query[k] < box[0, k]:
            return True
    return False


@compiled
def _inside(low: Ints, high: Ints, node: int, query: Ints, box: Ints) -> bool:
    """Tell whether all differences of a node's points to the query surely lie in a box."""
    for k in range(query.size):
        if low[node, k] - query[k] < box[0, k] or high[node, k] - query[k] > box[1, k]:
            return False
    return True


@compiled
def count_pairs(
    points: Ints, low: Ints, high: Ints, queries: Ints, first: int, last: int, box: Ints, budget: int
) -> tuple[int, int]:
    """Count the pairs whose difference lies in ``box``, of shape (2, columns): low and high corner.

    Nodes that lie in the box as a whole are counted, not visited.

    Returns
    -------
    count : int
    next : int
        The query to go on with, ``>= last`` when done; earlier than that once ``budget`` nodes were visited.

    """
    leaves = low.shape[0] >> 1
    run = points.shape[0] // leaves
    nodes = np.empty(_STACK, np.int64)
    count = 0
    query = first
    while query < last and budget > 0:
        asked = queries[query]
        nodes[0] = 1
        top = 1
        while top > 0:
            top -= 1
            budget -= 1
            node = nodes[top]
            if _outside(low, high, node, asked, box):
                continue
            if _inside(low, high, node, asked, box):
                count += _run(points, node)
            elif node < leaves:
                nodes[top], nodes[top + 1] = 2 * node + 1, 2 * node
                top += 2
            else:
                start = (node - leaves) * run
                for row in range(start, start + run):
                    count += _inside(points, points, row, asked, box)
        query += 1
    return count, query


@compiled
def list_pairs(
    points: Ints,
    low: Ints,
    high: Ints,
    queries: Ints,
    cursor: int,
    last: int,
    outer: Ints,
    inner: Ints,
    pairs: Ints,
    budget: int,
) -> tuple[int, int]:
    """List pairs whose difference lies in the box ``outer`` but not in the box ``inner``.

    The cursor, 0 at first, counts the leaves of query 0, then those of query 1, and so on to query last - 1.

    Returns
    -------
    found : int
        The number of rows (query, point) of ``pairs`` filled.
    cursor : int
        Where to go on when the room for pairs (at least a leaf's worth) or the budget of node visits is used
        up; ``leaves * last`` when done.

    """
    leaves = low.shape[0] >> 1
    run = points.shape[0] // leaves
    nodes = np.empty(_STACK, np.int64)
    found = 0
    for query in range(cursor // leaves, last):
        asked = queries[query]
        nodes[0] = 1
        top = 1
        while top > 0:
            top -= 1
            budget -= 1
            node = nodes[top]
            if _outside(low, high, node, asked, outer):
                continue
            if _inside(low, high, node, asked, inner):
                continue
            if node < leaves:
                nodes[top], nodes[top + 1] = 2 * node + 1, 2 * node
                top += 2
                continue
            leaf = query * leaves + node - leaves
            if leaf < cursor:
                continue
            if (budget <= 0 and leaf > cursor) or found + run > pairs.shape[0]:
                return found, leaf
            start = (node - leaves) * run
            for row in range(start, start + run):
                if _inside(points, points, row, asked, outer) and not _inside(
                    points, points, row, asked, inner
                ):
                    pairs[found, 0] = query
                    pairs[found, 1] = row
                    found += 1
        if budget <= 0:
            return found, (query + 1) * leaves
    return found, last * leaves
