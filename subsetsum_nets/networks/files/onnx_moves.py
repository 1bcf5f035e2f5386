"""The operators of ONNX that only move entries, as functions of arrays: of constants, or of places of data.

One table for both: what it does with an array of numbers it does with an array of places, where -1 stands
for a zero. The size of a result is checked before it is made.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.files.onnx_nodes import label, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from onnx import NodeProto

    Array = NDArray[Any]
    Sizes = tuple[int, ...]
    Operands = Callable[[int], list[int] | None]  # of integers, None where there is none

_LARGEST_AXIS = 2**31


class Move(NamedTuple):
    """What an operator does with an array, once for each of its outputs, and how many entries each has."""

    parts: list[Callable[[Array], Array]]
    size: int


class Moved(NamedTuple):
    """What a move needs: the node, its attributes, its operands as integers, the shape, the batch size."""

    node: NodeProto
    attributes: dict[str, Any]
    ints: Operands
    floats: Callable[[int], list[float] | None]
    shape: Sizes
    batch: int | None  # that the file declares, where one sample is read instead

    def sizes(self, index: int, name: str) -> list[int] | None:
        """Return integers that newer files give as an input and older ones as an attribute."""
        given = self.attributes.get(name)
        return self.ints(index) if given is None else list(np.ravel(given))

    def axes(self, index: int = 1, name: str = "axes") -> list[int] | None:
        """Return axes, counted from the front; None for none."""
        given = self.sizes(index, name)
        return None if given is None else [self.axis(each) for each in given]

    def axis(self, axis: int, rank: int | None = None) -> int:
        """Return an axis counted from the front."""
        rank = len(self.shape) if rank is None else rank
        if not -rank <= axis < rank:
            refuse(self.node, f"has the axis {axis} for values of shape {self.shape}")
        return axis % rank


def _reshape(call: Moved) -> Move:
    wanted = call.sizes(1, "shape")
    if wanted is None:
        refuse(call.node, "reshapes to a shape that is computed; export with a fixed shape, or use Flatten")
    zeros = not call.attributes.get("allowzero", 0)
    shape = [
        call.shape[i] if size == 0 and zeros and i < len(call.shape) else size
        for i, size in enumerate(wanted)
    ]
    if (
        call.batch is not None
        and shape
        and shape[0] == call.batch
        and math.prod(shape) != math.prod(call.shape)
    ):
        shape[0] = 1
    known = math.prod(size for size in shape if size != -1)
    total = math.prod(call.shape)
    if shape.count(-1) > 1 or min(shape, default=0) < -1 or (-1 in shape and (known == 0 or total % known)):
        known = -1
    final = tuple(total // known if size == -1 else size for size in shape) if known > 0 else ()
    if known <= 0 or math.prod(final) != total:
        refuse(call.node, f"reshapes values of shape {call.shape} to {wanted}")
    return _alike(call, lambda a: a.reshape(final))


def _flatten(call: Moved) -> Move:
    axis = call.attributes.get("axis", 1)
    axis = len(call.shape) if axis == len(call.shape) else call.axis(axis)
    shape = math.prod(call.shape[:axis]), math.prod(call.shape[axis:])
    return _alike(call, lambda a: a.reshape(shape))


def _transpose(call: Moved) -> Move:
    perm = call.attributes.get("perm")
    if perm is not None and sorted(perm) != list(range(len(call.shape))):
        refuse(call.node, f"transposes values of shape {call.shape} by {perm[:9]}; it cannot be folded")
    return _alike(call, lambda a: a.transpose(perm))


def _squeeze(call: Moved) -> Move:
    axes = call.axes()
    axes = [i for i, size in enumerate(call.shape) if size == 1] if axes is None else axes
    if any(call.shape[axis] != 1 for axis in axes):
        refuse(call.node, f"squeezes the axes {axes} of values of shape {call.shape}")
    shape = [size for i, size in enumerate(call.shape) if i not in axes]
    return _alike(call, lambda a: a.reshape(shape))


def _unsqueeze(call: Moved) -> Move:
    given = call.sizes(1, "axes") or []
    rank = len(call.shape) + len(given)
    axes = sorted({call.axis(axis, rank) for axis in given})
    if len(axes) != len(given) or rank > 32:
        refuse(call.node, f"unsqueezes the axes {given[:9]} of values of shape {call.shape}")
    sizes = iter(call.shape)
    shape = [1 if i in axes else next(sizes) for i in range(rank)]
    return _alike(call, lambda a: a.reshape(shape))


def _slice(call: Moved) -> Move:
    starts, ends = call.sizes(1, "starts"), call.sizes(2, "ends")
    if starts is None or ends is None:
        refuse(call.node, "slices at places that are computed from the data")
    axes = call.axes(3)
    axes = list(range(len(starts))) if axes is None else axes
    steps = call.ints(4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps or len(set(axes)) < len(axes):
        refuse(call.node, f"slices from {starts[:9]} to {ends[:9]} by {steps[:9]} along the axes {axes[:9]}")
    cut = [slice(None)] * len(call.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, None if step < 0 and end < -call.shape[axis] else end, step)
    return _alike(call, lambda a: a[tuple(cut)])


def _gather(call: Moved) -> Move:
    axis = call.axis(call.attributes.get("axis", 0))
    indices = call.ints(1)
    if indices is None:
        refuse(call.node, "gathers at places that are computed from the data")
    length = call.shape[axis]
    if any(not -length <= index < length for index in indices):
        refuse(call.node, f"gathers at {indices[:9]} of an axis of {length}")
    places = np.array(indices, np.int64) % length
    size = math.prod(call.shape) // length * places.size
    return Move([lambda a: a.take(places, axis=axis)], size)


def _expand(call: Moved) -> Move:
    wanted = call.sizes(1, "shape")
    if wanted is None or len(wanted) > 32 or any(not 0 < size < _LARGEST_AXIS for size in wanted):
        refuse(call.node, f"expands values to the shape {wanted}")
    shape = np.broadcast_shapes(call.shape, tuple(wanted))
    return Move([lambda a: np.broadcast_to(a, shape)], math.prod(shape))


def _tile(call: Moved) -> Move:
    times = call.sizes(1, "repeats")
    if times is None or len(times) != len(call.shape) or any(not 0 < t < _LARGEST_AXIS for t in times):
        refuse(call.node, f"repeats values of shape {call.shape} {times} times")
    return Move([lambda a: np.tile(a, times)], math.prod(call.shape) * math.prod(times))


def _split(call: Moved) -> Move:
    axis = call.axis(call.attributes.get("axis", 0))
    parts = len(call.node.output)
    lengths = call.sizes(1, "split")
    if lengths is None:
        each = -(-call.shape[axis] // parts)
        lengths = [min(each, call.shape[axis] - i * each) for i in range(parts)]
    if len(lengths) != parts or min(lengths) < 1 or sum(lengths) != call.shape[axis]:
        refuse(call.node, f"splits an axis of {call.shape[axis]} into {lengths[:9]}")
    ends = np.cumsum(lengths).tolist()
    cuts = [
        (slice(None),) * axis + (slice(end - length, end),) for end, length in zip(ends, lengths, strict=True)
    ]
    return Move([functools.partial(_cut, cut=cut) for cut in cuts], math.prod(call.shape))


def _cut(array: Array, cut: tuple[slice, ...]) -> Array:
    return array[cut]


def _pad(call: Moved) -> Move:
    pads = call.sizes(1, "pads")
    mode = call.attributes.get("mode", b"constant")
    axes = call.axes(3) if call.ints(3) is not None else list(range(len(call.shape)))
    if (
        pads is None
        or axes is None
        or len(pads) != 2 * len(axes)
        or mode not in (b"constant", b"edge", b"reflect")
    ):
        refuse(call.node, f"pads values of shape {call.shape} by {pads} (mode {mode!r})")
    if any(abs(pad) >= _LARGEST_AXIS for pad in pads):
        refuse(call.node, f"pads values of shape {call.shape} by {pads[:9]}")
    widths, cut = [(0, 0)] * len(call.shape), [slice(None)] * len(call.shape)
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        widths[axis] = max(before, 0), max(after, 0)
        cut[axis] = slice(max(-before, 0), call.shape[axis] - max(-after, 0))
    size = math.prod(n + sum(width) for n, width in zip(call.shape, widths, strict=True))
    how: dict[str, Any] = {"constant_values": -1} if mode == b"constant" else {}
    return Move([lambda a: np.pad(a[tuple(cut)], widths, mode=mode.decode(), **how)], size)


def _depth_to_space(call: Moved) -> Move:
    block = call.attributes.get("blocksize", 0)
    mode = call.attributes.get("mode", b"DCR")
    if len(call.shape) != 4 or not 0 < block < _LARGEST_AXIS or call.shape[1] % block**2:
        refuse(call.node, f"moves channels of values of shape {call.shape} into blocks of {block}")
    n, c, h, w = call.shape
    inner = c // block**2
    first = (n, block, block, inner, h, w) if mode == b"DCR" else (n, inner, block, block, h, w)
    order = (0, 3, 4, 1, 5, 2) if mode == b"DCR" else (0, 1, 4, 2, 5, 3)
    shape = n, inner, h * block, w * block
    return _alike(call, lambda a: a.reshape(first).transpose(order).reshape(shape))


def _space_to_depth(call: Moved) -> Move:
    block = call.attributes.get("blocksize", 0)
    if (
        len(call.shape) != 4
        or not 0 < block < _LARGEST_AXIS
        or call.shape[2] % block
        or call.shape[3] % block
    ):
        refuse(call.node, f"moves blocks of {block} of values of shape {call.shape} into channels")
    n, c, h, w = call.shape
    first = n, c, h // block, block, w // block, block
    shape = n, c * block**2, h // block, w // block
    return _alike(call, lambda a: a.reshape(first).transpose(0, 3, 5, 1, 2, 4).reshape(shape))


def _resize(call: Moved) -> Move:
    """Repeat entries a whole number of times along each axis, where that is what the nearest ones are."""
    index = 1 if call.node.op_type == "Upsample" or len(call.node.input) == 2 else 2
    given = call.attributes.get("scales")
    scales = call.floats(index) if given is None else list(given)
    sizes = call.ints(3)
    if sizes is not None:
        scales = [size / n for size, n in zip(sizes, call.shape, strict=False)]
    mode = call.attributes.get("mode", b"nearest")
    how = call.attributes.get("coordinate_transformation_mode", b"half_pixel")
    plain = mode == b"nearest" and how in (b"asymmetric", b"half_pixel", b"half_pixel_symmetric")
    nearest = call.attributes.get("nearest_mode", b"round_prefer_floor")
    plain = plain and (how != b"asymmetric" or nearest == b"floor" or call.node.op_type == "Upsample")
    whole = (
        scales is not None and len(scales) == len(call.shape) and all(s >= 1 and s == int(s) for s in scales)
    )
    if not plain or not whole or scales is None or max(scales) >= _LARGEST_AXIS:
        refuse(
            call.node,
            f"resizes by {scales} (mode {mode!r}, {how!r}); supported are the nearest of whole scales",
        )
    shape = [n * int(scale) for n, scale in zip(call.shape, scales, strict=True)]

    def repeated(array: Array) -> Array:
        for axis, scale in enumerate(scales):
            array = array.repeat(int(scale), axis=axis)
        return array

    return Move([repeated], math.prod(shape))


def _alike(call: Moved, move: Callable[[Array], Array]) -> Move:
    """Return a move to no more entries than there are."""
    return Move([move], math.prod(call.shape))


_INTS = "ints"
MOVES: dict[str, tuple[dict[str, str], Callable[[Moved], Move]]] = {
    "DepthToSpace": ({"blocksize": "i", "mode": "s"}, _depth_to_space),
    "Expand": ({}, _expand),
    "Flatten": ({"axis": "i"}, _flatten),
    "Gather": ({"axis": "i"}, _gather),
    "Pad": ({"mode": "s", "pads": _INTS, "paddings": _INTS, "value": "f"}, _pad),
    "Resize": (
        {
            "coordinate_transformation_mode": "s",
            "cubic_coeff_a": "f",
            "keep_aspect_ratio_policy": "s",
            "mode": "s",
            "nearest_mode": "s",
            "antialias": "i",
            "exclude_outside": "i",
            "extrapolation_value": "f",
            "axes": _INTS,
        },
        _resize,
    ),
    "Reshape": ({"allowzero": "i", "shape": _INTS, "consumed_inputs": _INTS}, _reshape),
    "Slice": ({"starts": _INTS, "ends": _INTS, "axes": _INTS}, _slice),
    "SpaceToDepth": ({"blocksize": "i"}, _space_to_depth),
    "Split": ({"axis": "i", "split": _INTS, "num_outputs": "i"}, _split),
    "Squeeze": ({"axes": _INTS}, _squeeze),
    "Tile": ({}, _tile),
    "Transpose": ({"perm": _INTS}, _transpose),
    "Unsqueeze": ({"axes": _INTS}, _unsqueeze),
    "Upsample": ({"mode": "s", "scales": "floats"}, _resize),
}
"""By operator: its attributes, with the fields they are in, and what it does."""


def checked_move(call: Moved) -> Move:
    """Return what a node does with an array, after its size was held against the memory allowed."""
    move = MOVES[call.node.op_type][1](call)
    check_demand(32 * move.size, label(call.node))
    return move
