"""The operators of ONNX that look at windows of images: convolutions and pooling.

1-D ones are those of images of one row.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.files.onnx_nodes import label
from subsetsum_nets.networks.lowering.averages import NONE, average_of_windows, channel_averages
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix
from subsetsum_nets.networks.lowering.maxima import Window, largest_of_windows

if TYPE_CHECKING:
    from subsetsum_nets.networks.files.onnx_calls import Call
    from subsetsum_nets.networks.lowering.values import Value

    Sizes = tuple[int, ...]
    Pair = tuple[int, int]

_MOST = 2**31


class _Windows(NamedTuple):
    """Windows on an image (c, h, w), and the image; ``flat`` if it had one axis for places."""

    image: Value
    size: Pair
    strides: Pair
    dilations: Pair
    pads: tuple[int, int, int, int]
    flat: bool
    lead: Sizes


def convolution(call: Call) -> Value:
    """Return a convolution with a constant kernel."""
    kernel = call.constant(1)
    if kernel.ndim not in (3, 4) or 0 in kernel.shape:
        call.refuse(f"has a kernel of shape {kernel.shape}; 1-D and 2-D convolutions are supported")
    given = call.attributes.get("kernel_shape", list(kernel.shape[2:]))
    if given != list(kernel.shape[2:]):
        call.refuse(f"has the kernel_shape {given}, but a kernel of shape {kernel.shape}")
    windows = _windows(call, kernel.shape[2:])
    if kernel.ndim == 3:
        kernel = kernel[:, :, np.newaxis]
    groups = call.attributes.get("group", 1)
    channels = windows.image.shape[0]
    if groups < 1 or kernel.shape[0] % groups or kernel.shape[1] * groups != channels:
        call.refuse(
            f"takes {kernel.shape[1]} channels in each of {groups} groups, but gets an image "
            f"(channels, height, width) of {windows.image.shape}"
        )
    core = Convolution(kernel, windows.image.shape, windows.strides, windows.pads, windows.dilations, groups)
    return _biased(call, _result(call, call.tracer.linear(windows.image, _fitting(call, core)), windows))


def transposed_convolution(call: Call) -> Value:
    """Return the transpose of a convolution, as a sparse matrix."""
    kernel = call.constant(1)
    if kernel.ndim not in (3, 4) or 0 in kernel.shape:
        call.refuse(f"has a kernel of shape {kernel.shape}; 1-D and 2-D convolutions are supported")
    windows = _windows(call, kernel.shape[2:], transposed=True)
    if kernel.ndim == 3:
        kernel = kernel[:, :, np.newaxis]
    groups = call.attributes.get("group", 1)
    c_in, *size = windows.image.shape
    if groups < 1 or kernel.shape[0] != c_in or c_in % groups:
        call.refuse(f"takes {kernel.shape[0]} channels, but gets an image of {windows.image.shape}")
    extra = _pair(call, "output_padding", 0, least=0)
    steps = zip(size, windows.strides, windows.dilations, kernel.shape[2:], extra, strict=True)
    given = call.attributes.get("output_shape")
    if given is not None or call.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b""):
        call.refuse("has an output_shape or auto_pad; export it with explicit pads")
    pads = windows.pads
    out = tuple(
        (n - 1) * stride + dilation * (taps - 1) + 1 + more - before - after
        for (n, stride, dilation, taps, more), before, after in zip(steps, pads[:2], pads[2:], strict=True)
    )
    forward = Convolution(
        kernel, (kernel.shape[1] * groups, *out), windows.strides, pads, windows.dilations, groups
    )
    if min(out) < 1 or forward.gives != windows.image.shape:
        call.refuse(f"makes images of {out} pixels of those of {tuple(size)}")
    check_demand(96 * forward.unrolled_size() + 8 * math.prod(forward.takes), call.tracer.where)
    value = call.tracer.linear(windows.image, Matrix(forward.unrolled().T.tocsr()))
    value = call.tracer.reshape(value, forward.takes)
    return _biased(call, _result(call, value, windows))


def _biased(call: Call, value: Value) -> Value:
    if not call.has(2):
        return value
    bias = call.constant(2)
    if bias.shape != (value.shape[1],):
        call.refuse(f"has a bias of shape {bias.shape} for {value.shape[1]} channels")
    return call.tracer.shift(value, bias.reshape(1, -1, *(1,) * (len(value.shape) - 2)))


def average_pool(call: Call) -> Value:
    """Return the averages over windows."""
    windows = _windows(call, call.attributes.get("kernel_shape", ()), ceiling=True)
    own = windows.pads
    if call.attributes.get("auto_pad", b"NOTSET") in (b"NOTSET", b""):
        own = _given_pads(call)  # a last window that is only partly inside has fewer pixels
    core = Convolution(
        np.ones((1, 1, *windows.size)), windows.image.shape, windows.strides, windows.pads, windows.dilations
    )
    counted = own if call.attributes.get("count_include_pad", 0) else NONE
    value = average_of_windows(call.tracer, windows.image, _fitting(call, core), counted)
    return _result(call, value, windows)


def max_pool(call: Call) -> Value:
    """Return the maxima over windows, by ReLUs."""
    if len(call.node.output) > 1 and call.node.output[1]:
        call.refuse("gives the places of its maxima too, which are not piecewise linear")
    windows = _windows(call, call.attributes.get("kernel_shape", ()), ceiling=True)
    down, along = (
        Window(n, stride, dilation, before, after)
        for n, stride, dilation, before, after in zip(
            windows.size, windows.strides, windows.dilations, windows.pads[:2], windows.pads[2:], strict=True
        )
    )
    if any(window.before >= window.reach or window.after >= window.reach for window in (down, along)):
        call.refuse(f"pads {list(windows.pads)}, so that windows of {windows.size} lie outside the image")
    # A ReLU of a maximum is the maximum of ReLUs, which takes fewer layers.
    image = call.tracer.relu(windows.image) if call.rectified else windows.image
    return _result(call, largest_of_windows(call.tracer, image, down, along), windows)


def global_average_pool(call: Call) -> Value:
    """Return the average of each channel."""
    windows = _whole(call)
    return _result(call, channel_averages(call.tracer, windows.image), windows)


def global_max_pool(call: Call) -> Value:
    """Return the largest value of each channel."""
    windows = _whole(call)
    down, along = (Window(n) for n in windows.size)
    return _result(call, largest_of_windows(call.tracer, windows.image, down, along), windows)


def _whole(call: Call) -> _Windows:
    image, flat, lead = _image(call)
    return _Windows(image, (image.shape[1], image.shape[2]), (1, 1), (1, 1), (0, 0, 0, 0), flat, lead)


def _image(call: Call) -> tuple[Value, bool, Sizes]:
    """Return the value as an image (c, h, w), whether it had one axis for places only, and its batch axis."""
    value = call.value(0)
    shape = value.shape
    if len(shape) not in (3, 4) or shape[0] != 1 or 0 in shape:
        call.refuse(
            f"gets samples of shape {shape[1:]} ({shape} in all); it takes one of (channels, height, width) "
            "or (channels, length): state the shape of the input"
        )
    inner = shape[1:] if len(shape) == 4 else (shape[1], 1, shape[2])
    return call.tracer.reshape(value, inner), len(shape) == 3, shape[:1]


def _result(call: Call, image: Value, windows: _Windows) -> Value:
    shape = (image.shape[0], image.shape[2]) if windows.flat else image.shape
    return call.tracer.reshape(image, (*windows.lead, *shape))


def _windows(call: Call, size: Any, *, transposed: bool = False, ceiling: bool = False) -> _Windows:
    image, flat, lead = _image(call)
    own = [1, *size] if flat else list(size)
    if len(own) != 2 or not all(0 < n < _MOST for n in own):
        call.refuse(f"has windows of {list(size)} for samples of shape {call.value(0).shape[1:]}")
    check_demand(16 * math.prod(own) * image.shape[0], f"{label(call.node)}: its windows")
    strides, dilations = _pair(call, "strides", 1), _pair(call, "dilations", 1)
    auto = call.attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER") and not transposed:
        pads = _same(image.shape[1:], (own[0], own[1]), strides, dilations, lower=auto == b"SAME_LOWER")
    elif auto in (b"NOTSET", b"", b"VALID") or transposed:
        pads = (0, 0, 0, 0) if auto == b"VALID" else _given_pads(call)
    else:
        call.refuse(f"has auto_pad {auto!r}")
    windows = _Windows(image, (own[0], own[1]), strides, dilations, pads, flat, lead)
    if ceiling and call.attributes.get("ceil_mode", 0):
        windows = windows._replace(pads=_ceiling(windows))
    return windows


def _given_pads(call: Call) -> tuple[int, int, int, int]:
    pads = call.attributes.get("pads", [0, 0, 0, 0])
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    if len(pads) != 4 or not all(0 <= pad < _MOST for pad in pads):
        call.refuse(f"pads {pads[:9]}; supported are four numbers of at least 0")
    return pads[0], pads[1], pads[2], pads[3]


def _pair(call: Call, name: str, default: int, least: int = 1) -> Pair:
    numbers = call.attributes.get(name, [default, default])
    if len(numbers) == 1:
        numbers = [default, *numbers]
    if len(numbers) != 2 or not all(least <= number < _MOST for number in numbers):
        call.refuse(f"has {name} {numbers[:9]}; supported are one or two numbers of at least {least}")
    return numbers[0], numbers[1]


def _same(size: Any, taps: Pair, strides: Pair, dilations: Pair, *, lower: bool) -> tuple[int, int, int, int]:
    """Return the padding that makes ceil(size / stride) windows, the odd zero before or behind."""
    before, after = [], []
    for n, k, stride, dilation in zip(size, taps, strides, dilations, strict=True):
        total = max(0, (-(-n // stride) - 1) * stride + dilation * (k - 1) + 1 - n)
        less, more = total // 2, total - total // 2
        before.append(more if lower else less)
        after.append(less if lower else more)
    return before[0], before[1], after[0], after[1]


def _ceiling(windows: _Windows) -> tuple[int, int, int, int]:
    """Return the padding with which a last window that is only partly inside is one too."""
    pads = list(windows.pads)
    for axis in (0, 1):
        n, stride = windows.image.shape[1 + axis], windows.strides[axis]
        reach = windows.dilations[axis] * (windows.size[axis] - 1) + 1
        room = n + pads[axis] + pads[2 + axis] - reach
        if room < 0 or room % stride == 0:
            continue
        count = -(-room // stride) + 1
        if (count - 1) * stride < n + pads[axis]:  # else it would begin behind the image
            pads[2 + axis] += (count - 1) * stride - room
    return pads[0], pads[1], pads[2], pads[3]


def _fitting(call: Call, core: Convolution) -> Convolution:
    if min(core.out_size) < 1:
        call.refuse(
            f"has windows of {core.kernel.shape[2:]} that do not fit images of {core.takes[1:]} pixels with "
            f"the padding {list(core.pads)}"
        )
    return core
