"""Where windows lie on an image: stride, padding and dilation, and what they make of one axis of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arguments import is_integer
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[int, int]
Padding = str | tuple[Pair, Pair]
NO_PADDING: Padding = ((0, 0), (0, 0))
_SAME = ("same", "same_upper")
_MOST = 2**31 - 1  # of any number here, so that none leaves the range of int64


class Axis(NamedTuple):
    """One axis of a convolution: which outputs see which inputs.

    Output o sees input i through place p of the kernel where ``up * i + dilation * p = down * o + shift``.
    One of ``down`` (the stride) and ``up`` (the stride of the convolution whose transpose this is) is 1.

    Attributes
    ----------
    inputs, outputs : int
        Sizes of the images.
    shift, down, up, dilation : int

    Examples
    --------
    >>> [(p, t.start, s.start) for p, t, s in Axis(5, 2, shift=1, down=3).places(2)]    # x[3 o + 1 - p]
    [(0, 0, 1), (1, 0, 0)]

    """

    inputs: int
    outputs: int
    shift: int = 0
    down: int = 1
    up: int = 1
    dilation: int = 1

    @property
    def own_place(self) -> int | None:
        """The place through which each output sees the input of its own number; None if there is none."""
        place, rest = divmod(self.shift, self.dilation)
        whole = self.inputs == self.outputs and self.down == self.up == 1
        return place if whole and rest == 0 <= place else None

    def transposed(self, places: int) -> Axis:
        """Return the axis of the transposed map, whose kernel of as many places is turned around."""
        shift = self.dilation * (places - 1) - self.shift
        return Axis(self.outputs, self.inputs, shift, self.up, self.down, self.dilation)

    def places(self, count: int) -> Iterator[tuple[int, slice, slice]]:
        """Yield the places of a kernel of ``count`` that join some output to some input.

        With each come the outputs and, one for one, the inputs that they see.
        """
        first = -((self.up * (self.inputs - 1) - self.shift) // self.dilation)
        last = (self.down * (self.outputs - 1) + self.shift) // self.dilation
        for place in range(max(0, first), min(count, last + 1)):
            offset = self.shift - self.dilation * place  # up * i = down * o + offset
            if self.up == 1:
                coarse, fine = _joined(self.outputs, self.inputs, self.down, offset)
                target, source = coarse, fine
            else:
                coarse, fine = _joined(self.inputs, self.outputs, self.up, -offset)
                target, source = fine, coarse
            if coarse.start < coarse.stop:
                yield place, target, source

    def most_seen(self, count: int) -> int:
        """Return how many inputs an output sees at most, through a kernel of ``count`` places."""
        seen = np.zeros(self.outputs, dtype=np.int64)
        for _, target, _ in self.places(count):
            seen[target] += 1
        return int(seen.max())


def _joined(coarse: int, fine: int, step: int, offset: int) -> tuple[slice, slice]:
    """Return all k < ``coarse`` with 0 <= step k + offset < ``fine``, and these numbers, as slices."""
    first = max(0, -(offset // step))
    stop = min(coarse, (fine - 1 - offset) // step + 1)
    start = step * first + offset
    return slice(first, stop), slice(start, start + step * (stop - 1 - first) + 1, step)


class WindowGeometry(NamedTuple):
    """Stride, padding and dilation of the windows of a layer, checked.

    Attributes
    ----------
    stride, dilation : (int, int)
        Of rows and of columns.
    padding : "same", "same_upper" or ((top, bottom), (left, right))
        As named where it depends on the size of the image, else the zeros around it.

    """

    stride: Pair
    padding: Padding
    dilation: Pair

    @classmethod
    def checked(cls, size: Pair, stride: Any, padding: Any, dilation: Any) -> WindowGeometry:
        """Return the geometry of windows of ``size``; what is "same" in other words is called so.

        Raises
        ------
        InvalidNetworkError
            For a stride, padding or dilation that is none.

        """
        steps, spread = checked_pair(stride, "stride"), checked_pair(dilation, "dilation")
        given = _checked_padding(padding)
        if steps != (1, 1):
            return cls(steps, given, spread)
        same, zeros = (
            cls(steps, padding, spread).zeros(size, (1, 1))  # at stride 1 for images of every size
            for padding in ("same", given)
        )
        return cls(steps, "same" if zeros == same else zeros, spread)

    def axes(self, size: Pair, image: Pair) -> tuple[Axis, Axis]:
        """Return the axes of windows of ``size`` on an image of (h, w).

        Raises
        ------
        InvalidNetworkError
            If no window fits.

        """
        rows, columns = (
            _axis(*numbers)
            for numbers in zip(image, size, self.stride, self.zeros(size, image), self.dilation, strict=True)
        )
        if min(rows.outputs, columns.outputs) < 1:
            reach = "x".join(str(d * (n - 1) + 1) for d, n in zip(self.dilation, size, strict=True))
            raise InvalidNetworkError(
                f"windows of {reach} pixels do not fit images of {image[0]}x{image[1]} pixels with the "
                f"padding {self.padding}"
            )
        return rows, columns

    def zeros(self, size: Pair, image: Pair) -> tuple[Pair, Pair]:
        """Return the zeros ((top, bottom), (left, right)) around an image of (h, w)."""
        if not isinstance(self.padding, str):
            return self.padding
        rows, columns = (
            _same_zeros(*numbers, upper=self.padding == "same_upper")
            for numbers in zip(image, size, self.stride, self.dilation, strict=True)
        )
        return rows, columns


def _axis(pixels: int, places: int, stride: int, zeros: Pair, dilation: int) -> Axis:
    reach = dilation * (places - 1)
    outputs = (pixels + sum(zeros) - reach - 1) // stride + 1
    return Axis(pixels, outputs, reach - zeros[0], stride, dilation=dilation)


def _same_zeros(pixels: int, places: int, stride: int, dilation: int, *, upper: bool) -> Pair:
    """Return ONNX's SAME_UPPER or SAME_LOWER padding: ceil(pixels / stride) outputs."""
    total = max(0, (-(-pixels // stride) - 1) * stride + dilation * (places - 1) + 1 - pixels)
    less, more = total // 2, total - total // 2
    return (less, more) if upper else (more, less)


def checked_pair(value: Any, name: str, least: int = 1) -> Pair:
    """Return an integer, or two of them for rows and columns, as two.

    Raises
    ------
    InvalidNetworkError
        For anything else, or integers below ``least`` or of 2**31 and above.

    Examples
    --------
    >>> checked_pair(2, "stride"), checked_pair((1, 3), "stride")
    ((2, 2), (1, 3))

    """
    numbers = (value, value) if is_integer(value) else value
    if isinstance(numbers, tuple | list) and len(numbers) == 2 and all(map(is_integer, numbers)):
        rows, columns = (int(number) for number in numbers)
        if min(rows, columns) >= least and max(rows, columns) <= _MOST:
            return rows, columns
    raise InvalidNetworkError(
        f"the {name} must be an integer from {least} to {_MOST}, or two (rows, columns), got {value!r}"
    )


def _checked_padding(padding: Any) -> Padding:
    if isinstance(padding, str):
        if padding == "valid":
            return NO_PADDING
        if padding in _SAME:
            return padding
    elif is_integer(padding) and 0 <= padding <= _MOST:
        return (int(padding), int(padding)), (int(padding), int(padding))
    elif isinstance(padding, tuple | list) and len(padding) == 2:
        try:
            rows, columns = (checked_pair(zeros, "padding", 0) for zeros in padding)
        except InvalidNetworkError:
            pass
        else:
            return rows, columns
    raise InvalidNetworkError(
        "the padding must be 'same', 'same_upper', 'valid', a number of zeros, two (rows, columns) or "
        f"((top, bottom), (left, right)), got {padding!r}"
    )
