"""What PyTorch's modules and functions are as ONNX operators, each with exactly PyTorch's numbers."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.torch_graph import Data, Operation, as_array
from subsetsum_nets.networks.lowering.notes import Rounding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# -- layers ------------------------------------------------------------------------------------------


def _linear(op: Operation, x: Data, weight: Any, bias: Any = None) -> str:
    product = op.emit("MatMul", x.name, op.constant(as_array(weight).T))
    return product if bias is None else op.emit("Add", product, op.constant(as_array(bias)))


def _convolution(op: Operation, module: Any, x: Data) -> str:
    if module.padding_mode != "zeros":
        op.refuse(f"pads by {module.padding_mode!r}; zeros are supported")
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    if module.padding == "same":
        pads = [*(n // 2 for n in total), *(n - n // 2 for n in total)]
    else:
        pads = [0] * 2 * len(total) if module.padding == "valid" else [*module.padding, *module.padding]
    constants = [op.constant(as_array(module.weight))]
    if module.bias is not None:
        constants.append(op.constant(as_array(module.bias)))
    return op.emit(
        "Conv",
        x.name,
        *constants,
        strides=list(module.stride),
        pads=pads,
        dilations=list(module.dilation),
        group=module.groups,
    )


def _batch_norm(op: Operation, module: Any, x: Data) -> str:
    if module.running_mean is None:
        op.refuse("keeps no running statistics, so that it depends on the whole batch")
    mean, variance = as_array(module.running_mean), as_array(module.running_var)
    weight = np.ones(mean.shape) if module.weight is None else as_array(module.weight)
    bias = np.zeros(mean.shape) if module.bias is None else as_array(module.bias)
    # The operator would keep epsilon as float32; PyTorch adds it as the float64 it is.
    total = variance + module.eps
    if any(
        Fraction(v) + Fraction(module.eps) != Fraction(t)
        for v, t in zip(variance.tolist(), total.tolist(), strict=True)
    ):
        op.graph.roundings.append(Rounding(op.where, "its variances with eps", 2.0**-53))
    numbers = (op.constant(values) for values in (weight, bias, mean, total))
    return op.emit("BatchNormalization", x.name, *numbers, epsilon=0.0)


def _flat_pairs(value: Any, axes: int) -> list[int]:
    return [int(n) for n in (value if isinstance(value, tuple | list) else [value] * axes)]


def _pool(x: Data, kernel_size: Any, stride: Any, padding: Any, *, ceil_mode: bool) -> dict[str, Any]:
    """Return the attributes that both kinds of pools have in ONNX."""
    axes = len(x.shape) - 2
    size = _flat_pairs(kernel_size, axes)
    return {
        "kernel_shape": size,
        "strides": _flat_pairs(stride, axes) if stride else size,
        "pads": _flat_pairs(padding, axes) * 2,
        "ceil_mode": int(ceil_mode),
    }


def _max_pool(
    op: Operation, x: Data, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> str:  # fmt: skip
    if return_indices:
        op.refuse("gives the places of its maxima too, which are not piecewise linear")
    windows = _pool(x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return op.emit("MaxPool", x.name, **windows, dilations=_flat_pairs(dilation, len(x.shape) - 2))


def _average_pool(
    op: Operation, x: Data, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> str:  # fmt: skip
    if divisor_override is not None:
        op.refuse("has a divisor_override; it is not supported")
    windows = _pool(x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    return op.emit("AveragePool", x.name, **windows, count_include_pad=int(count_include_pad))


def _adaptive(kind: str) -> Callable[..., str]:
    """Return the emitter of an adaptive pool: windows of one size where the sizes divide, else a refusal."""

    def pool(op: Operation, x: Data, output_size: Any = None, return_indices: bool = False) -> str:  # noqa: ARG001
        sizes, wanted = x.shape[2:], op.shape[2:]
        if any(n % m for n, m in zip(sizes, wanted, strict=True)):
            op.refuse(
                f"makes {wanted} of {sizes}, by windows of different sizes; sizes that divide are supported"
            )
        window = [n // m for n, m in zip(sizes, wanted, strict=True)]
        return op.emit(kind, x.name, kernel_shape=window, strides=window)

    return pool


# -- activations -------------------------------------------------------------------------------------


def _relu(op: Operation, x: Data, inplace: bool = False) -> str:  # noqa: ARG001 - of no matter here
    return op.emit("Relu", x.name)


def _leaky_relu(op: Operation, x: Data, negative_slope: float = 0.01, inplace: bool = False) -> str:  # noqa: ARG001
    return op.emit("PRelu", x.name, op.constant(op.number(negative_slope).reshape((1,) * len(x.shape))))


def _prelu(op: Operation, x: Data, weight: Any) -> str:
    slopes = as_array(weight)
    rest = (1,) * (len(x.shape) - 2) if slopes.size > 1 else ()
    return op.emit("PRelu", x.name, op.constant(slopes.reshape(-1, *rest)))


def _clip(op: Operation, x: Data, min: Any = None, max: Any = None, inplace: bool = False) -> str:  # noqa: A002, ARG001
    ends = ["" if end is None else op.constant(op.number(end)) for end in (min, max)]
    return op.emit("Clip", x.name, *ends)


def _hardtanh(
    op: Operation,
    x: Data,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,  # noqa: ARG001
) -> str:
    return _clip(op, x, min_val, max_val)


def _nothing(op: Operation, x: Data, *_: Any, **__: Any) -> str:  # noqa: ARG001
    return x.name


def _dropout(op: Operation, x: Data, p: float = 0.5, training: bool = True, inplace: bool = False) -> str:  # noqa: ARG001
    if training and p:
        op.refuse("drops values at random at inference too; say training=self.training, or use nn.Dropout")
    return x.name


# -- shapes and sums ---------------------------------------------------------------------------------


def _reshape(op: Operation, x: Data, *_: Any, **__: Any) -> str:
    if op.shape[:1] != x.shape[:1]:
        op.refuse(f"makes {op.shape} of {x.shape}; the first axis must stay the batch")
    return op.reshaped(x.name)


def _permute(op: Operation, x: Data, *axes: Any, dims: Any = None) -> str:
    given = axes[0] if axes and isinstance(axes[0], tuple | list) else axes
    order = [int(axis) % len(x.shape) for axis in (dims or given)]
    return op.emit("Transpose", x.name, perm=order)


def _transpose(op: Operation, x: Data, dim0: int, dim1: int) -> str:
    order = list(range(len(x.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return op.emit("Transpose", x.name, perm=order)


def _concatenate(op: Operation, tensors: Sequence[Any], dim: int = 0) -> str:
    return op.emit("Concat", *(op.operand(tensor) for tensor in tensors), axis=dim % len(op.shape))


def _pad(
    op: Operation, x: Data, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> str:
    if mode != "constant":
        op.refuse(f"pads by {mode!r}; constants are supported")
    axes = len(x.shape)
    before, after = [0] * axes, [0] * axes
    for index in range(len(pad) // 2):  # the last axis comes first
        before[axes - 1 - index], after[axes - 1 - index] = int(pad[2 * index]), int(pad[2 * index + 1])
    widths = op.constant(np.array([*before, *after], dtype=np.int64))
    return op.emit("Pad", x.name, widths, op.constant(op.number(value or 0.0)))


def _mean(op: Operation, x: Data, dim: Any = None, keepdim: bool = False) -> str:
    if dim is None:
        op.refuse("takes the mean over the batch too; give the axes, dim=..")
    return op.emit("ReduceMean", x.name, axes=_flat_pairs(dim, 1), keepdims=int(keepdim))


def _both(kind: str) -> Callable[..., str]:
    def combined(op: Operation, a: Any, b: Any, alpha: Any = 1) -> str:
        if alpha != 1:
            op.refuse("has an alpha; multiply first")
        return op.emit(kind, op.operand(a), op.operand(b))

    return combined


def _one(kind: str) -> Callable[..., str]:
    return lambda op, x: op.emit(kind, x.name)


def modules() -> list[tuple[tuple[type, ...], Callable[..., str]]]:
    """Return what modules are, by their classes."""
    from torch import nn

    return [
        ((nn.Linear,), lambda op, m, x: _linear(op, x, m.weight, m.bias)),
        ((nn.Conv1d, nn.Conv2d), _convolution),
        ((nn.BatchNorm1d, nn.BatchNorm2d), _batch_norm),
        ((nn.ReLU6, nn.Hardtanh), lambda op, m, x: _clip(op, x, m.min_val, m.max_val)),
        ((nn.ReLU,), lambda op, m, x: _relu(op, x)),  # noqa: ARG005
        ((nn.LeakyReLU,), lambda op, m, x: _leaky_relu(op, x, m.negative_slope)),
        ((nn.PReLU,), lambda op, m, x: _prelu(op, x, m.weight)),
        (
            (nn.MaxPool1d, nn.MaxPool2d),
            lambda op, m, x: _max_pool(
                op, x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
            ),
        ),
        (
            (nn.AvgPool1d, nn.AvgPool2d),
            lambda op, m, x: _average_pool(
                op, x, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad,
                getattr(m, "divisor_override", None),
            ),
        ),
        ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), lambda op, m, x: _adaptive("AveragePool")(op, x)),  # noqa: ARG005
        ((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d), lambda op, m, x: _adaptive("MaxPool")(op, x)),  # noqa: ARG005
        ((nn.Flatten, nn.Unflatten), lambda op, m, x: _reshape(op, x)),  # noqa: ARG005
        (
            (nn.ConstantPad1d, nn.ConstantPad2d, nn.ZeroPad1d, nn.ZeroPad2d),
            lambda op, m, x: _pad(op, x, m.padding, value=m.value),
        ),
        (
            (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.Identity),
            lambda op, m, x: _nothing(op, x),  # noqa: ARG005
        ),
    ]  # fmt: skip


def functions() -> dict[Any, Callable[..., str]]:
    """Return what functions are."""
    import torch
    from torch.nn import functional

    table: dict[Any, Callable[..., str]] = {
        functional.linear: _linear,
        functional.leaky_relu: _leaky_relu,
        functional.prelu: _prelu,
        torch.prelu: _prelu,
        functional.relu6: lambda op, x, inplace=False: _clip(op, x, 0.0, 6.0),  # noqa: ARG005
        functional.hardtanh: _hardtanh,
        functional.max_pool1d: _max_pool,
        functional.max_pool2d: _max_pool,
        functional.avg_pool1d: _average_pool,
        functional.avg_pool2d: _average_pool,
        functional.adaptive_avg_pool1d: _adaptive("AveragePool"),
        functional.adaptive_avg_pool2d: _adaptive("AveragePool"),
        functional.adaptive_max_pool2d: _adaptive("MaxPool"),
        functional.pad: _pad,
        torch.permute: _permute,
        torch.transpose: _transpose,
        torch.mean: _mean,
        torch.abs: _one("Abs"),
        torch.neg: _one("Neg"),
        operator.neg: _one("Neg"),
        torch.maximum: _both("Max"),
        torch.minimum: _both("Min"),
    }
    table |= dict.fromkeys((functional.relu, torch.relu, torch.relu_, functional.relu_), _relu)
    table |= dict.fromkeys((functional.dropout, functional.dropout1d, functional.dropout2d), _dropout)
    table |= dict.fromkeys((torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze), _reshape)
    table |= dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _concatenate)
    table |= dict.fromkeys((torch.clamp, torch.clip), _clip)
    for kind, names in {"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "truediv"}.items():
        table |= dict.fromkeys((getattr(operator, names), getattr(operator, f"i{names}")), _both(kind))
    return table | {
        torch.add: _both("Add"),
        torch.sub: _both("Sub"),
        torch.mul: _both("Mul"),
        torch.div: _both("Div"),
    }


METHODS: dict[str, Callable[..., str]] = {
    **dict.fromkeys(("relu", "relu_"), _relu),
    **dict.fromkeys(("view", "reshape", "flatten", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("contiguous", "clone", "detach"), _nothing),
    **dict.fromkeys(("clamp", "clamp_", "clip"), _clip),
    **dict.fromkeys(("add", "add_"), _both("Add")),
    **dict.fromkeys(("sub", "sub_"), _both("Sub")),
    **dict.fromkeys(("mul", "mul_"), _both("Mul")),
    **dict.fromkeys(("div", "div_"), _both("Div")),
    "permute": _permute,
    "transpose": _transpose,
    "mean": _mean,
    "abs": _one("Abs"),
    "neg": _one("Neg"),
}
"""What methods of tensors are."""
