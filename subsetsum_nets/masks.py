"""Masks: which weights of the random network are kept. Applying, counting, storing.

A mask has the shape of its layer's weight, bool: dense for a dense weight or the kernel of a convolution,
scipy.sparse for a sparse weight (then of the same stored entries or fewer). A layer with a bias has a mask of
its bias too.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import Bools, is_sparse, locked
from subsetsum_nets.networks.digests import array_digest
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import check_demand, open_regular
from subsetsum_nets.networks.files.npz_files import read_npz

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork


_FORMAT = "subsetsum-nets masks"


@dataclass(frozen=True, eq=False)
class NetworkMasks:
    """The masks of a whole network.

    Attributes
    ----------
    weights : list of bool arrays (d_out, d_in), numpy or scipy.sparse, or (rows, columns, c_in, c_out)
        One per layer.
    biases : list of bool arrays (d_out,) or (c_out,), or None for a layer without bias

    """

    weights: list[Any]
    biases: list[Bools | None]

    def __repr__(self) -> str:
        kept = sum(int(mask.sum()) for mask in (*self.weights, *self.biases) if mask is not None)
        size = sum(math.prod(mask.shape) for mask in (*self.weights, *self.biases) if mask is not None)
        return f"NetworkMasks({len(self.weights)} layers, {kept:,} of {size:,} kept)"

    def apply(self, network: ReluNetwork) -> ReluNetwork:
        """Return the pruned network: kept weights as they are, the others exactly 0.

        Raises
        ------
        InvalidNetworkError
            If the masks do not have the shapes of the network's weights and biases.

        """
        self.check(network)
        layers = []
        for layer, mask, bias_mask in zip(network.layers, self.weights, self.biases, strict=True):
            bias = None if layer.bias is None else np.where(bias_mask, layer.bias, 0.0)  # type: ignore[arg-type]
            weight = layer.stored
            kept = weight.multiply(mask).tocsr() if is_sparse(weight) else locked(np.where(mask, weight, 0.0))
            layers.append(layer.with_stored(kept, bias))
        return network.with_layers(layers)

    def check(self, network: ReluNetwork) -> None:
        """Raise InvalidNetworkError unless every mask has the shape of its weight or bias."""
        if not len(network.layers) == len(self.weights) == len(self.biases):
            raise InvalidNetworkError(f"{len(self.weights)} masks for {len(network.layers)} layers")
        for index, layer in enumerate(network.layers):
            mask, bias_mask, weight = self.weights[index], self.biases[index], layer.stored
            if mask.shape != weight.shape or mask.dtype != bool:
                raise InvalidNetworkError(
                    f"the mask of layer {index} is {mask.dtype} {mask.shape}, its weight {weight.shape}"
                )
            if is_sparse(mask) != is_sparse(weight):
                raise InvalidNetworkError(
                    f"the mask of layer {index} must be sparse where its weight is, and dense where that is"
                )
            wanted = None if layer.bias is None else (layer.bias.shape, np.dtype(bool))
            given = None if bias_mask is None else (bias_mask.shape, bias_mask.dtype)
            if given != wanted:
                raise InvalidNetworkError(f"the bias mask of layer {index} is {given}, it must be {wanted}")

    @property
    def kept(self) -> int:
        """Number of kept weights and biases."""
        return self.kept_in(range(len(self.weights)))

    def kept_in(self, layers: Iterable[int]) -> int:
        """Return the number of kept weights and biases in these layers."""
        masks = [mask for index in layers for mask in (self.weights[index], self.biases[index])]
        return sum(int(mask.sum()) for mask in masks if mask is not None)

    def digest(self) -> str:
        """Return the SHA-256 of all masks, in order."""
        biased = np.array([mask is not None for mask in self.biases])
        return array_digest(biased, *self.weights, *(mask for mask in self.biases if mask is not None))

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a .npz file, atomically; dense masks are packed to bits."""
        arrays: dict[str, Any] = {}
        header: dict[str, Any] = {"format": _FORMAT, "version": 1, "layers": []}
        for index, (mask, bias_mask) in enumerate(zip(self.weights, self.biases, strict=True)):
            sparse = is_sparse(mask)
            header["layers"].append(
                {"shape": list(mask.shape), "sparse": sparse, "bias": bias_mask is not None}
            )
            if sparse:
                entries = mask.tocoo()
                kept = entries.data.astype(bool)
                arrays[f"weight{index}"] = np.stack([entries.row[kept], entries.col[kept]]).astype(np.int64)
            else:
                arrays[f"weight{index}"] = np.packbits(mask)
            if bias_mask is not None:
                arrays[f"bias{index}"] = np.packbits(bias_mask)
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with atomic_write(path) as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> NetworkMasks:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        NetworkFileError
            If it is foreign, truncated or damaged.

        """
        try:
            with open_regular(path) as file:
                stored = read_npz(file)
            header = json.loads(bytes(stored["header"]))
            if header["format"] != _FORMAT or header["version"] != 1:
                raise NetworkFileError(f"{path} is not a masks file of version 1")  # noqa: TRY301
            weights: list[Any] = []
            biases: list[Bools | None] = []
            demand = 0
            for index, layer in enumerate(header["layers"]):
                shape = tuple(int(size) for size in layer["shape"])
                if len(shape) not in (2, 4):
                    raise NetworkFileError(f"{path} has a mask of shape {shape}")  # noqa: TRY301
                units = shape[0] if len(shape) == 2 else shape[3]
                packed = stored[f"weight{index}"]
                demand += (8 * packed.size + 8 * units if layer["sparse"] else math.prod(shape)) + units
                check_demand(demand, f"the masks in {path}")
                weights.append(
                    sparse_mask(packed[0], packed[1], (shape[0], shape[1]))
                    if layer["sparse"]
                    else _unpacked(packed, math.prod(shape)).reshape(shape)
                )
                biases.append(_unpacked(stored[f"bias{index}"], units) if layer["bias"] else None)
        except FileNotFoundError:
            raise
        except Exception as error:  # zip and array headers fail in a dozen ways, which mean the same here
            raise NetworkFileError(f"{path} is not a complete masks file: {error}") from error
        return cls(weights, biases)


def random_counts(random: ReluNetwork, masks: NetworkMasks, recipe: RandomRecipe | None) -> tuple[int, int]:
    """Return how many parameters are random, and how many of those are kept.

    Layers that a recipe does not draw, such as the ones of linear links, count in neither. A network that
    was given (``recipe`` None) counts as a whole.
    """
    if recipe is None:
        return random.parameters, masks.kept
    return recipe.random_parameters, masks.kept_in(recipe.random_layers)


def parameter_counts(
    target: ReluNetwork, random: ReluNetwork, masks: NetworkMasks, recipe: RandomRecipe | None
) -> dict[str, int]:
    """Return the counts of a certificate that follow from networks, masks and recipe.

    ``whole_parameters`` is among them where layers are drawn by blocks: how many they would be drawn whole.
    """
    drawn, kept = random_counts(random, masks, recipe)
    counts = {"weights": target.parameters, "random_parameters": drawn, "kept_parameters": kept}
    if recipe is not None and recipe.whole_parameters != drawn:
        counts["whole_parameters"] = recipe.whole_parameters
    return counts


def _unpacked(packed: NDArray[Any], count: int) -> Bools:
    if packed.dtype != np.uint8 or packed.ndim != 1 or packed.size != (count + 7) // 8:
        raise ValueError(f"{packed.size} bytes do not hold {count} bits")
    return np.unpackbits(packed, count=count).astype(bool)


def sparse_mask(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    """Return a bool CSR mask of ``shape`` that keeps the entries (rows[k], columns[k])."""
    from scipy.sparse import csr_array

    mask = csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=shape)
    mask.sort_indices()
    return mask
