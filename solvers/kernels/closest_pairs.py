"""Pairs of integer vectors, one from each of two sets, that are near each other: a tree of bounding boxes.

A k-d tree (Bentley 1975; Friedman, Bentley & Finkel 1977) over r 2^m points. Each node halves its points at
the median of the column in which they spread most, and keeps the least box that holds them. The points are
permuted in place so that every node holds a contiguous run of rows; nodes are numbered as in a heap (root 1,
children 2 i and 2 i + 1, entry 0 unused), hence no pointers. Leaves hold at most 16 points.

Rows are int64 of ``dims`` coordinates, optionally followed by one column that counts items. Each query is a
row of the same columns, and what matters is the difference ``point - query`` in every column. The caller sees
to it that no difference overflows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints, Masks

LEAF = 16
FAR = 1 << 62  # farther than any two points
_STACK = 64  # a depth-first search holds one node a level


class Tree(NamedTuple):
    """The points, shape (r 2^m, columns), and the corners of each node's box, shape (2 * leaves, columns)."""

    points: Ints
    low: Ints
    high: Ints


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
                for column in range(points.shape[1]):
                    points[i, column], points[j, column] = points[j, column], points[i, column]
                masks[i], masks[j] = masks[j], masks[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break


@compiled
def _points_in(points: Ints, node: int) -> tuple[int, int]:
    """Return the range of rows of a node's points."""
    run: int = points.shape[0]
    ancestor = node
    while ancestor > 1:
        ancestor >>= 1
        run >>= 1
    first = run * node - points.shape[0]
    return first, first + run


@compiled
def _box(points: Ints, first: int, last: int, low: Ints, high: Ints, node: int) -> None:
    """Set a node's box to the least one around rows [first, last)."""
    for k in range(points.shape[1]):
        low[node, k] = high[node, k] = points[first, k]
    for row in range(first + 1, last):
        for k in range(points.shape[1]):
            low[node, k] = min(low[node, k], points[row, k])
            high[node, k] = max(high[node, k], points[row, k])


@compiled
def _widest(low: Ints, high: Ints, node: int) -> int:
    """Return the column in which a node's box is widest."""
    widest = 0
    for k in range(1, low.shape[1]):
        if high[node, k] - low[node, k] > high[node, widest] - low[node, widest]:
            widest = k
    return widest


@compiled
def grow_tree(tree: Tree, masks: Masks, root: int, levels: int) -> None:
    """Box the nodes of ``levels`` levels from node ``root`` down, and halve all that have children.

    ``masks``, uint32, one a point, are permuted along with the points.
    """
    points, low, high = tree
    leaves = low.shape[0] >> 1
    start, width = root, 1
    for _ in range(levels):
        for node in range(start, start + width):
            first, last = _points_in(points, node)
            _box(points, first, last, low, high, node)
            split = _widest(low, high, node)
            if node < leaves and low[node, split] < high[node, split]:
                _halve(points, masks, first, last, split)
        start, width = 2 * start, 2 * width


@compiled
def _gaps(
    low: Ints, high: Ints, near: int, queries: Ints, query: int, dims: int, best: int
) -> tuple[int, int]:
    """Return a query's distances to the boxes of two siblings, or less where both are ``best`` or more."""
    far = near + 1
    gap = other_gap = k = 0
    while (k < dims) & (min(gap, other_gap) < best):
        q = queries[query, k]
        gap = max(gap, low[near, k] - q, q - high[near, k])
        other_gap = max(other_gap, low[far, k] - q, q - high[far, k])
        k += 1
    return gap, other_gap


@compiled
def _misfits(
    low: Ints, high: Ints, node: int, queries: Ints, query: int, dims: int, sizes: tuple[int, int]
) -> bool:
    """Tell whether all points of a node have too many items, or too few."""
    q = queries[query, dims]
    return bool((low[node, dims] - q > sizes[1]) | (high[node, dims] - q < sizes[0]))


@compiled
def _nearest_point(
    points: Ints,
    first: int,
    last: int,
    queries: Ints,
    query: int,
    dims: int,
    sizes: tuple[int, int],
    best: int,
) -> tuple[int, int]:
    """Return (distance, row) of the nearest of some points that is nearer than ``best``, or (best, -1)."""
    nearest = -1
    for row in range(first, last):
        distance = 0
        for k in range(dims):
            distance = max(distance, abs(points[row, k] - queries[query, k]))
            if distance >= best:
                break
        if distance < best and (
            queries.shape[1] == dims or sizes[0] <= points[row, dims] - queries[query, dims] <= sizes[1]
        ):
            best, nearest = distance, row
    return best, nearest


@compiled
def nearest_pair(
    tree: Tree,
    queries: Ints,
    asking: tuple[int, int, int],
    dims: int,
    sizes: tuple[int, int],
    best: int,
    stop: int,
    budget: int,
) -> tuple[int, int, int, int]:
    """Find the pair of least max-norm distance below ``best`` among every ``step``-th query.

    ``asking`` is (first query, the one to stop before, step). Where there is a last column that counts,
    ``sizes`` are the least and largest difference allowed in it. Stops at a distance of at most ``stop``, and
    after about ``budget`` node visits. Returns (distance, query, point, next): the first pair at the least
    distance, with -1 and -1 if none is below ``best``, and the query to go on with.
    """
    points, low, high = tree
    columns = points.shape[1]
    query, last, step = asking
    leaves = low.shape[0] >> 1
    run = points.shape[0] // leaves
    nodes, gaps = np.empty((2, _STACK), np.int64)
    found_query = found_point = -1
    while query < last and budget > 0 and best > stop:
        nodes[0], gaps[0] = 1, 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            node, gap = nodes[waiting], gaps[waiting]
            # Down to the nearer child each time; the other one waits, if it is near enough at all.
            while node < leaves and gap < best:
                budget -= 1
                near, far = 2 * node, 2 * node + 1
                gap, other_gap = _gaps(low, high, near, queries, query, dims, best)
                if columns > dims:
                    if _misfits(low, high, near, queries, query, dims, sizes):
                        gap = FAR
                    if _misfits(low, high, far, queries, query, dims, sizes):
                        other_gap = FAR
                if gap > other_gap:
                    near, gap, far, other_gap = far, other_gap, near, gap
                if other_gap < best:
                    nodes[waiting], gaps[waiting] = far, other_gap
                    waiting += 1
                node = near
            if gap < best:
                budget -= 1
                start = (node - leaves) * run
                best, point = _nearest_point(points, start, start + run, queries, query, dims, sizes, best)
                if point >= 0:
                    found_query, found_point = query, point
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
def count_pairs(tree: Tree, queries: Ints, query: int, end: int, box: Ints, budget: int) -> tuple[int, int]:
    """Count the pairs of queries from ``query`` to ``end`` - 1 whose difference lies in a box.

    ``box``, of shape (2, columns), holds its low and its high corner. Nodes that lie in it as a whole are
    counted, not visited. Returns the number, and the query to go on with: ``end``, or an earlier one once
    ``budget`` nodes were visited.
    """
    points, low, high = tree
    leaves = low.shape[0] >> 1
    nodes = np.empty(_STACK, np.int64)
    count = 0
    while query < end and budget > 0:
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
                first, last = _points_in(points, node)
                count += last - first
            elif node < leaves:
                nodes[top], nodes[top + 1] = 2 * node + 1, 2 * node
                top += 2
            else:
                for row in range(*_points_in(points, node)):
                    count += _inside(points, points, row, asked, box)
        query += 1
    return count, query


@compiled
def _list_points(
    points: Ints, node: int, asked: Ints, query: int, outer: Ints, inner: Ints, pairs: Ints, found: int
) -> int:
    """List the pairs of a query and a leaf's points; returns the new number of pairs."""
    start, end = _points_in(points, node)
    for row in range(start, end):
        if _inside(points, points, row, asked, outer) and not _inside(points, points, row, asked, inner):
            pairs[found, 0] = query
            pairs[found, 1] = row
            found += 1
    return found


@compiled
def list_pairs(
    tree: Tree, queries: Ints, cursor: int, last: int, outer: Ints, inner: Ints, pairs: Ints, budget: int
) -> tuple[int, int]:
    """List pairs whose difference lies in the box ``outer`` but not in the box ``inner``.

    The cursor, 0 at first, counts the leaves of query 0, then those of query 1, and so on to query last - 1.
    Returns the number of rows (query, point) of ``pairs`` filled, and the cursor to go on with when the room
    for pairs (at least a leaf's worth) or the budget of node visits is used up; ``leaves * last`` when done.
    """
    points, low, high = tree
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
            if _outside(low, high, node, asked, outer) or _inside(low, high, node, asked, inner):
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
            found = _list_points(points, node, asked, query, outer, inner, pairs, found)
        if budget <= 0:
            return found, (query + 1) * leaves
    return found, last * leaves
