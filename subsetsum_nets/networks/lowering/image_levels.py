"""A level of the chain as one convolution, where every part of it is one of images of the same size.

Kernels of unlike sizes are put into a common window, zeros around them; outputs and inputs are channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.files.onnx_layouts import kernel_from_channels_first
from subsetsum_nets.networks.lowering.index_maps import ImageMap, image_map
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix, Scaling
from subsetsum_nets.networks.lowering.states import state_of

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.lowering.states import Block, Output, Part, State

    Pair = tuple[int, int]
    Sizes = tuple[int, ...]

_MOST_WINDOW = 4  # times the entries of the largest kernel: no window is blown up for a distant pixel


class _Window(NamedTuple):
    """One axis of a cross-correlation: output i sees the inputs stride i + offset + dilation t, t < size."""

    stride: int
    offset: int
    dilation: int
    size: int
    least: bool = False  # whether larger strides do the same

    @property
    def end(self) -> int:
        return self.offset + self.dilation * (self.size - 1) + 1


class _Piece(NamedTuple):
    """A part as a cross-correlation, its kernel (c_out, c_in / groups, rows, columns)."""

    kernel: FloatArray
    groups: int
    windows: tuple[_Window, _Window]


def image_layer(outputs: list[Output], state: State) -> tuple[Conv2d, State] | None:
    """Return the layer that gives outputs, and how they lie; None if it is not one convolution."""
    size = outputs[0].shape[1:]
    if state.image is None or any(len(output.shape) != 3 or output.shape[1:] != size for output in outputs):
        return None
    biases, pieces = _biases(outputs), _pieces(outputs)
    if biases is None or pieces is None:
        return None
    found = [piece.windows for row in pieces for piece in row]
    rows, columns = (
        _common([windows[axis] for windows in found], state.image[axis], size[axis]) for axis in (0, 1)
    )
    if rows is None or columns is None:
        return None
    after = state_of(outputs, (size[0], size[1]))
    kernel, groups = _kernel(pieces, outputs, state, (rows, columns), after.width)
    layer = Conv2d(
        kernel_from_channels_first(kernel),
        biases[0],
        stride=(rows.stride, columns.stride),
        padding=_padding(outputs, (rows, columns), state.image),
        groups=groups,
        dilation=(rows.dilation, columns.dilation),
        fixed=not any(_learned(part) for output in outputs for part in output.parts),
    )
    return layer, after


def _biases(outputs: list[Output]) -> tuple[FloatArray | None] | None:
    """Return the bias of a layer, maybe none, in a tuple; None if it is not one number a channel."""
    if any(o.constant is not None and math.prod(o.constant.shape[1:]) != 1 for o in outputs):
        return None
    if all(output.constant is None for output in outputs):
        return (None,)
    parts = [np.zeros(1) if output.constant is None else output.constant.ravel() for output in outputs]
    return (np.concatenate([np.broadcast_to(b, o.shape[:1]) for o, b in zip(outputs, parts, strict=True)]),)


def _pieces(outputs: list[Output]) -> list[list[_Piece]] | None:
    """Return the parts of each output as cross-correlations; None if one is not, or if there is none."""
    rows: list[list[_Piece]] = []
    for output in outputs:
        found = [_piece(part, output.shape) for part in output.parts]
        rows.append([piece for piece in found if piece is not None])
        if len(rows[-1]) < len(found):
            return None
    return rows if any(rows) else None


def _padding(outputs: list[Output], windows: tuple[_Window, _Window], image: Pair) -> tuple[Pair, Pair]:
    """Return the zeros around an image: the file's own where it is its convolution, else the fewest."""
    size = outputs[0].shape[1:]
    core = outputs[0].parts[0].term.core
    if len(outputs) == len(outputs[0].parts) == 1 and isinstance(core, Convolution):
        top, left, bottom, right = core.pads
        same = (core.takes[1:], core.gives[1:]) == (image, size) and core.strides == (
            windows[0].stride,
            windows[1].stride,
        )
        if same and (top, left) == (-windows[0].offset, -windows[1].offset):
            return (top, bottom), (left, right)
    rows, columns = (
        (-window.offset, max(0, (n - 1) * window.stride + window.end - length))
        for window, n, length in zip(windows, size, image, strict=True)
    )
    return rows, columns


def is_image_work(outputs: list[Output], layer: Conv2d) -> bool:
    """Tell whether a level is better a convolution, even where no other one follows."""
    cores = [part.term.core for output in outputs for part in output.parts]
    return (
        any(isinstance(core, Convolution) for core in cores) or layer.size != (1, 1) or layer.stride != (1, 1)
    )


def _learned(part: Part) -> bool:
    """Tell whether weights of a part were learned: they are not, where it only moves or averages values."""
    core = part.term.core
    if isinstance(core, Convolution):
        return not core.average
    return isinstance(core, Scaling) and not bool((np.abs(core.numbers) == 1.0).all())


def _piece(part: Part, shape: Sizes) -> _Piece | None:
    term, block = part.term, part.block
    if isinstance(term.core, Matrix):
        return None
    image = block.view.shape
    taken = term.core.takes if isinstance(term.core, Convolution) else shape
    before = image_map(block.view.inverse.then(term.pre), image, taken)
    if before is None:
        return None
    if isinstance(term.core, Convolution):
        return _convolved(term.core, before, image, part, shape)
    kernel = _moved(term.core, before.channels, image[0], shape)
    if kernel is None:
        return None
    windows = tuple(
        _Window(stride or 1, offset, 1, 1, least)
        for stride, offset, least in zip(before.strides, before.offsets, before.least, strict=True)
    )
    return _Piece(part.sign * kernel if part.sign < 0 else kernel, 1, (windows[0], windows[1]))


def _moved(core: Scaling | None, channels: Ints, c_in: int, shape: Sizes) -> FloatArray | None:
    """Return the kernel of one entry that moves channels, scaled."""
    numbers = np.ones(1) if core is None else core.numbers
    if numbers.size not in (1, numbers.shape[0]):
        return None
    kernel = np.zeros((shape[0], c_in, 1, 1))
    (kept,) = np.nonzero(channels >= 0)
    kernel[kept, channels[kept], 0, 0] = np.broadcast_to(numbers.ravel(), (shape[0],))[kept]
    return kernel


def _convolved(core: Convolution, before: ImageMap, image: Sizes, part: Part, shape: Sizes) -> _Piece | None:
    post = part.term.post
    after = None if post is None else image_map(post, core.gives, shape)
    if post is not None and after is None:
        return None
    windows = []
    for axis in (0, 1):
        window = _composed(core, before, after, axis, image[1 + axis], shape[1 + axis])
        if window is None:
            return None
        windows.append(window)
    plain = np.array_equal(before.channels, np.arange(image[0])) and (
        after is None or np.array_equal(after.channels, np.arange(core.gives[0]))
    )
    kernel = core.kernel
    groups = core.groups
    if not plain:
        kernel, groups = _ungrouped(core), 1
        check_demand(8 * kernel.shape[0] * image[0] * math.prod(kernel.shape[2:]), "a kernel")
        spread = np.zeros((kernel.shape[0], image[0], *kernel.shape[2:]))
        (kept,) = np.nonzero(before.channels >= 0)
        spread[:, before.channels[kept]] = kernel[:, kept]
        kernel = spread
        if after is not None:
            kernel = np.where((after.channels >= 0)[:, None, None, None], kernel[after.channels], 0.0)
    return _Piece(-kernel if part.sign < 0 else kernel, groups, (windows[0], windows[1]))


def _composed(
    core: Convolution, before: ImageMap, after: ImageMap | None, axis: int, length: int, outputs: int
) -> _Window | None:
    """Return a convolution behind a map of images and before one, along an axis, as one window."""
    step, start = before.strides[axis] or 1, before.offsets[axis]
    stride, dilation, pad = core.strides[axis], core.dilations[axis], core.pads[axis]
    taps, inner = core.kernel.shape[2 + axis], core.takes[1 + axis]
    again, first = (1, 0) if after is None else (after.strides[axis] or 1, after.offsets[axis])
    count = core.out_size[axis]
    if first < 0 or first + again * (outputs - 1) >= count:
        return None  # zeros beside what the convolution gives
    lowest = stride * first - pad
    highest = stride * (first + again * (outputs - 1)) - pad + dilation * (taps - 1)
    if (lowest < 0 and start - step >= 0) or (highest >= inner and start + step * inner < length):
        return None  # its zeros lie where the image goes on
    return _Window(step * stride * again, start + step * lowest, step * dilation, taps)


def _common(windows: list[_Window], length: int, outputs: int) -> _Window | None:
    """Return the one window that holds all others, on an axis of ``length``, or None if there is none."""
    stride = max(window.stride for window in windows)
    if outputs > 1 and any(window.stride != stride and not window.least for window in windows):
        return None
    first, end = min(window.offset for window in windows), max(window.end for window in windows)
    first, end = min(first, 0), max(end, length - (outputs - 1) * stride - (stride - 1))
    dilations = {window.dilation for window in windows if window.size > 1}
    dilation = dilations.pop() if len(dilations) == 1 else 1
    if dilations or any((window.offset - first) % dilation for window in windows):
        dilation = 1
    size = -(-(end - 1 - first) // dilation) + 1
    if size > _MOST_WINDOW * max(2, *(window.size for window in windows)):
        return None
    return _Window(stride, first, dilation, size)


def _kernel(
    pieces: list[list[_Piece]],
    outputs: list[Output],
    state: State,
    windows: tuple[_Window, _Window],
    width: int,
) -> tuple[FloatArray, int]:
    """Return the kernel (c_out, c_in / groups, rows, columns) of all pieces, and its groups."""
    if len(pieces) == len(pieces[0]) == len(state.blocks) == 1:
        alone = pieces[0][0]
        if [window.size for window in alone.windows] == [window.size for window in windows]:
            return alone.kernel, alone.groups
    shape = width, state.width, windows[0].size, windows[1].size
    check_demand(8 * math.prod(shape), "the kernel of a layer")
    kernel = np.zeros(shape)
    row = 0
    for output, parts in zip(outputs, pieces, strict=True):
        for part, piece in zip(output.parts, parts, strict=True):
            _put(kernel[row : row + output.shape[0]], part.block, piece, windows)
        row += output.shape[0]
    return kernel, 1


def _put(kernel: FloatArray, block: Block, piece: _Piece, windows: tuple[_Window, _Window]) -> None:
    """Add a piece to the rows of a kernel that are its output's."""
    channels = slice(block.start, block.start + block.view.shape[0])
    at = [
        (own.offset - window.offset + own.dilation * np.arange(own.size)) // window.dilation
        for own, window in zip(piece.windows, windows, strict=True)
    ]
    whole = piece.kernel if piece.groups == 1 else _spread_groups(piece.kernel, piece.groups)
    kernel[:, channels, at[0][:, np.newaxis], at[1]] += whole


def _ungrouped(core: Convolution) -> FloatArray:
    return core.kernel if core.groups == 1 else _spread_groups(core.kernel, core.groups)


def _spread_groups(kernel: FloatArray, groups: int) -> FloatArray:
    """Return a kernel of groups as one of all channels, zeros between the groups."""
    c_out, c_in, *size = kernel.shape
    check_demand(8 * c_out * c_in * groups * math.prod(size), "a kernel without groups")
    whole = np.zeros((groups, c_out // groups, groups, c_in, *size))
    each = np.arange(groups)
    whole[each, :, each] = kernel.reshape(groups, c_out // groups, c_in, *size)
    return whole.reshape(c_out, groups * c_in, *size)
