"""export_pair(): files with which another verifier can be asked whether a pruned network is close enough."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.exchange.vnnlib import Tensor, difference_property, pair_property
from subsetsum_nets.networks.arguments import checked_positive
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.onnx_files import fits_float32, input_sizes, onnx_bytes, output_sizes
from subsetsum_nets.networks.files.onnx_layouts import flat_to_channels_first
from subsetsum_nets.networks.merged import difference_network, without_dead_units

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.files.onnx_files import Precision
    from subsetsum_nets.networks.relu_network import ReluNetwork

TARGET, PRUNED, DIFFERENCE = "target.onnx", "pruned.onnx", "difference.onnx"
DIFFERENCE_PROPERTY, PAIR_PROPERTY = "difference.vnnlib", "pair.vnnlib"


def export_pair(
    target: ReluNetwork,
    pruned: ReluNetwork,
    folder: str | PathLike[str],
    *,
    epsilon: float,
    domain: Domain | None = None,
    dtype: Precision | None = None,
) -> list[Path]:
    """Write f, g, f - g and the question "sup ||f - g||_inf <= epsilon over this box" for other verifiers.

    ============================  =========================================================================
    ``difference.onnx``           f - g as one ReLU network
    ``difference.vnnlib``         VNN-LIB 1.0 about it: sat is a counterexample, unsat proves the bound
    ``target.onnx, pruned.onnx``  f, and g without its dead units
    ``pair.vnnlib``               VNN-LIB 2.0 about f and g
    ============================  =========================================================================

    The property files name the digests of the ONNX files that they are about.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g, with the same numbers of inputs and outputs.
    folder : path
        Made if it is not there. Files of these names are replaced, each as a whole, the properties last.
    epsilon : float
        The bound in question, > 0.
    domain : Box, optional
        By default the one stored with ``target``, else Box(-1, 1).
    dtype : "float32" or "float64", optional
        Of the ONNX files. By default float32 where that changes no weight, else float64. An explicit
        "float32" rounds f and g first, and all files are about these rounded networks, as they say.

    Returns
    -------
    list of Path
        The files, in the order of the table.

    Raises
    ------
    ImportError
        If the package ``onnx`` is missing.
    ValueError
        If epsilon is not a positive number, the domain is a ball, or a file would exceed 2 GiB.
    InvalidNetworkError
        If the networks do not have the same numbers of inputs and outputs.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.5]])])
    >>> [path.name for path in export_pair(f, g, tempfile.mkdtemp(), epsilon=0.5)]
    ['difference.onnx', 'difference.vnnlib', 'target.onnx', 'pruned.onnx', 'pair.vnnlib']

    """
    checked_positive(epsilon, "epsilon")
    box = domain or target.domain or Box(-1.0, 1.0)
    if isinstance(box, Ball):
        raise ValueError(  # noqa: TRY004 - the type is one of ours, the question is not
            f"VNN-LIB asks about boxes, not about {box!r}. Give the box around it, "
            f"domain=Box(*ball.bounds({target.widths[0]})): a bound that holds there holds on the ball too"
        )
    low, high = box.bounds(target.widths[0])
    exact = dtype != "float32" or (fits_float32(target) and fits_float32(pruned))
    if not exact:
        target, pruned = _rounded(target), _rounded(pruned)
    difference = difference_network(target, pruned)
    networks = {DIFFERENCE: difference, TARGET: target, PRUNED: _small(pruned)}
    contents = {name: onnx_bytes(network, dtype=dtype, batch=1) for name, network in networks.items()}
    notes = [f"{name}: SHA-256 {hashlib.sha256(contents[name]).hexdigest()}" for name in networks]
    question = f"sup ||f - g||_inf <= {float(epsilon)!r} over the box below? unsat: yes, proven."
    rounded = (
        []
        if exact
        else ["It is about the networks of the ONNX files, whose weights were rounded to float32."]
    )
    texts = {
        DIFFERENCE_PROPERTY: difference_property(
            low, high, difference.widths[-1], epsilon, notes=[question, *rounded, notes[0]]
        ),
        PAIR_PROPERTY: pair_property(
            low,
            high,
            epsilon,
            inputs=(_tensor(input_sizes(target)), _tensor(input_sizes(networks[PRUNED]))),
            outputs=(_tensor(output_sizes(target)), _tensor(output_sizes(networks[PRUNED]))),
            notes=[question, *rounded, *notes[1:]],
        ),
    }
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, content in (contents | {name: text.encode() for name, text in texts.items()}).items():
        with atomic_write(place / name) as file:
            file.write(content)
    return [place / name for name in (DIFFERENCE, DIFFERENCE_PROPERTY, TARGET, PRUNED, PAIR_PROPERTY)]


def _rounded(network: ReluNetwork) -> ReluNetwork:
    """Return the network with every weight and bias rounded to float32."""

    def single(numbers: Any) -> Any:
        with np.errstate(over="ignore", under="ignore"):  # infinity is refused by the layers
            return None if numbers is None else numbers.astype(np.float32)

    return network.with_layers(
        [layer.with_stored(single(layer.stored), single(layer.bias)) for layer in network.layers]
    )


def _small(pruned: ReluNetwork) -> ReluNetwork:
    """Return g without its dead units; convolutions stay what they are."""
    return pruned if pruned.convolutional else without_dead_units(pruned)


def _tensor(sizes: tuple[int, ...]) -> Tensor:
    """Return where the values of our flattened input or output stand in a tensor (1, d) or (1, c, h, w)."""
    if len(sizes) == 1:
        return Tensor((1, *sizes), [(0, index) for index in range(sizes[0])])
    c, h, w = sizes
    return Tensor((1, c, h, w), [(0, *place) for place in flat_to_channels_first((h, w, c))])
