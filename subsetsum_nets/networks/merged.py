"""One network that computes f - g: what a verifier that knows only single networks can be asked about a pair.

Nothing is rounded. Layers are stacked, weights copied or negated; where the two depths differ, the shallower
network passes its values on through relu(x) - relu(-x) = x, or relu(x) = x behind a ReLU; and where the
difference of the last biases is no float64, the rest of it is the weight of a unit that is constantly one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arrays import csr_of_nonzeros
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.arrays import FloatArray


class _Stage(NamedTuple):
    """An affine layer; in a list of them a ReLU follows each but the last."""

    weight: csr_array[Any, Any]
    bias: FloatArray


def difference_network(target: ReluNetwork, pruned: ReluNetwork) -> ReluNetwork:
    """Return an ordinary ReLU network that computes ``target(x) - pruned(x)``, exactly in real arithmetic.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g, with the same numbers of inputs and outputs, of any depths. Convolutions are unrolled.

    Returns
    -------
    ReluNetwork
        Of dense layers with sparse weights and without a domain; its input is the flattened one of f and g.
        Units that are always 0, or that nothing looks at, are left out.

    Raises
    ------
    InvalidNetworkError
        If the numbers of inputs or outputs differ, or a difference of biases exceeds float64.

    Examples
    --------
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -3.0]])])    # x, and 1.5 x for x < 0
    >>> difference_network(f, g)
    ReluNetwork(1-4-1, 13 parameters)
    >>> difference_network(f, g)([[1.0], [-1.0]])
    array([[0. ],
           [0.5]])

    """
    f, g = _relu_stages(without_dead_units(target)), _relu_stages(without_dead_units(pruned))
    for name, stage in (("inputs", 0), ("outputs", -1)):
        of_f, of_g = (net[stage].weight.shape[1 if stage == 0 else 0] for net in (f, g))
        if of_f != of_g:
            raise InvalidNetworkError(f"f has {of_f} {name}, g has {of_g}; they must agree")
    depth = max(2, len(f), len(g))
    return _network(_subtracted(_deepened(f, depth), _deepened(g, depth)))


def without_dead_units(network: ReluNetwork) -> ReluNetwork:
    """Return the same function without the hidden units that are always 0 or that no later layer uses.

    Parameters
    ----------
    network : ReluNetwork
        Convolutions are unrolled.

    Returns
    -------
    ReluNetwork
        Of dense layers with sparse weights, at least one unit in each, and the domain of ``network``.

    Examples
    --------
    >>> without_dead_units(ReluNetwork([Dense([[1.0], [2.0], [0.0]]), Dense([[0.0, 3.0, 4.0]])]))
    ReluNetwork(1-1-1, 2 parameters)

    """
    stages = [_Stage(csr_of_nonzeros(layer.weight), layer.offset) for layer in network.affine_layers]
    hidden = range(len(stages) - 1)
    for index in hidden:
        weight, bias = stages[index]
        always_zero = (np.diff(weight.indptr) == 0) & (
            (bias <= 0.0) if network.relu_after[index] else (bias == 0.0)
        )
        _keep(stages, index, ~always_zero)
    for index in reversed(hidden):
        used = np.bincount(stages[index + 1].weight.indices, minlength=stages[index].bias.size) > 0
        _keep(stages, index, used)
    return ReluNetwork(
        [Dense(weight, bias if bias.any() else None) for weight, bias in stages],
        final_relu=network.final_relu,
        linear_after=network.linear_after,
        domain=network.domain,
    )


def _keep(stages: list[_Stage], index: int, units: Any) -> None:
    """Keep some units of a hidden layer, and always one of them."""
    if not units.any():
        units[0] = True
    weight, bias = stages[index]
    after, bias_after = stages[index + 1]
    stages[index] = _Stage(weight[units], bias[units])
    stages[index + 1] = _Stage(csr_of_nonzeros(after[:, units]), bias_after)


def _relu_stages(network: ReluNetwork) -> list[_Stage]:
    """Return layers of the same function with a ReLU after each but the last.

    A layer that no ReLU follows gives its values as relu(x) and relu(-x) then.
    """
    from scipy.sparse import hstack, vstack

    stages: list[_Stage] = []
    signed = False
    last = len(network.layers) - 1
    for index, layer in enumerate(network.affine_layers):
        weight, bias = csr_of_nonzeros(layer.weight), layer.offset
        weight = csr_of_nonzeros(hstack([weight, -weight])) if signed else weight
        signed = index != last and not network.relu_after[index]
        stages.append(
            _Stage(csr_of_nonzeros(vstack([weight, -weight])), np.concatenate([bias, -bias]))
            if signed
            else _Stage(weight, bias)
        )
    if network.final_relu:
        stages.append(_identity(stages[-1].bias.size))
    return stages


def _deepened(stages: list[_Stage], depth: int) -> list[_Stage]:
    """Return ``depth`` layers of the same function; those that pass values on are spread evenly."""
    from scipy.sparse import hstack, vstack

    extra, count = depth - len(stages), len(stages)
    deeper: list[_Stage] = []
    for index, stage in enumerate(stages):
        for _ in range((index + 1) * extra // count - index * extra // count):
            if deeper:
                deeper.append(_identity(deeper[-1].bias.size))
                continue
            one = _identity(stage.weight.shape[1]).weight
            deeper.append(_Stage(csr_of_nonzeros(vstack([one, -one])), np.zeros(2 * stage.weight.shape[1])))
        if index == 0 and deeper:
            stage = _Stage(csr_of_nonzeros(hstack([stage.weight, -stage.weight])), stage.bias)  # noqa: PLW2901
        deeper.append(stage)
    return deeper


def _subtracted(f: list[_Stage], g: list[_Stage]) -> list[_Stage]:
    """Return the layers of f - g for layers of f and g that are equally many, and at least two."""
    from scipy.sparse import block_diag, csr_array, hstack, vstack

    stages = [
        _Stage(csr_of_nonzeros(vstack([f[0].weight, g[0].weight])), np.concatenate([f[0].bias, g[0].bias]))
    ]
    stages += [
        _Stage(csr_of_nonzeros(block_diag([a.weight, b.weight])), np.concatenate([a.bias, b.bias]))
        for a, b in zip(f[1:-1], g[1:-1], strict=True)
    ]
    weight = csr_of_nonzeros(hstack([f[-1].weight, -g[-1].weight]))
    bias, rest = _exact_difference(f[-1].bias, g[-1].bias)
    if rest.any():
        before = stages[-1]
        silent = csr_array((1, before.weight.shape[1]))
        stages[-1] = _Stage(csr_of_nonzeros(vstack([before.weight, silent])), np.append(before.bias, 1.0))
        weight = csr_of_nonzeros(hstack([weight, csr_array(rest[:, np.newaxis])]))
    return [*stages, _Stage(weight, bias)]


def _exact_difference(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (s, e) with s + e = a - b exactly, s the rounded difference (Knuth's two-sum).

    Where float32 holds a and b it holds s and e too, so that a pair of float32 networks keeps that precision.
    """
    for precision in (np.float32, np.float64):
        with np.errstate(all="ignore"):
            x: NDArray[Any] = a.astype(precision)
            y: NDArray[Any] = b.astype(precision)
            total = x - y
            shadow = total - x
            rest = (x - (total - shadow)) - (y + shadow)
        if (
            np.array_equal(x, a)
            and np.array_equal(y, b)
            and np.isfinite(total).all()
            and np.isfinite(rest).all()
        ):
            return total.astype(np.float64), rest.astype(np.float64)
    raise InvalidNetworkError("the difference of two output biases exceeds the range of float64")


def _network(stages: list[_Stage]) -> ReluNetwork:
    return ReluNetwork([Dense(weight, bias) for weight, bias in stages])


def _identity(size: int) -> _Stage:
    from scipy.sparse import eye_array

    return _Stage(csr_of_nonzeros(eye_array(size, format="csr")), np.zeros(size))
