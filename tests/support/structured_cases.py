"""Targets for structured pruning, and what a pruned network computes for a kernel, by definition."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np

from subsetsum_nets.allocation.offered_items import with_at_most
from subsetsum_nets.constructions import construction_named
from subsetsum_nets.networks import Box, Conv2d, Dense, ReluNetwork
from subsetsum_nets.networks.input_scaling import hidden_of_pairs
from subsetsum_nets.row_batches import by_group, solve_groups

COARSE = {"epsilon": 0.5, "threads": 1}


def filtered(f, name, candidates, seed=0):
    """Prune a network drawn for f as ``prune`` does, and verify nothing."""
    method = construction_named(name)
    random = method.recipe(f, candidates).draw(seed)
    groups = [method.rows(f, random, place) for place in method.places(f, f.domain)]
    groups = [with_at_most(group, 12) if group.place.dimension == 1 else group for group in groups]
    limits = [np.zeros(group.place.shape) for group in groups]
    solution = solve_groups(groups, limits, objective="nearest", one_pass=True, threads=1)
    masks = method.masks(f, random, groups, by_group(groups, solution.masks))
    return SimpleNamespace(
        construction=name,
        target=f,
        domain=f.domain,
        random=random,
        all_masks=masks,
        network=masks.apply(random),
        solution=solution,
        hidden_layers=hidden_of_pairs(f),
    )


def images(*, channels=1, outputs=2, bias=True, size=(3, 2), domain=None, seed=0, **geometry):
    """Return a small target: a convolution on 3x3 images, and a dense layer of two outputs."""
    rng = np.random.default_rng(seed)
    layer = Conv2d(
        rng.uniform(-0.5, 0.5, (*size, channels // geometry.get("groups", 1), outputs)),
        rng.uniform(-0.5, 0.5, outputs) if bias else None,
        **geometry,
    )
    pixels = int(np.prod(layer.gives((3, 3, channels), 0)))
    dense = Dense(rng.uniform(-0.2, 0.2, (2, pixels)), rng.uniform(-0.5, 0.5, 2))
    return ReluNetwork([layer, dense], input_shape=(3, 3, channels), domain=domain or Box(0, 1))


def exactly(array):
    """Return an object array of Fractions."""
    dense = np.asarray(array.toarray() if hasattr(array, "tocoo") else array)
    found = np.empty(dense.shape, dtype=object)
    found.ravel()[:] = [Fraction(x) for x in dense.ravel().tolist()]
    return found


def effective(first, second):
    """Return (L+, L-, the kernel of the constant) of a pair, in Fractions, axes (r, s, c_in, c_out).

    By what a ReLU does to a channel that looks at one other: Lemma 11 of da Cunha et al. 2023.
    """
    slopes = exactly(first.stored)
    kernel = exactly(second.stored)
    if slopes.ndim == 2:
        slopes, kernel = slopes.T[np.newaxis, np.newaxis], kernel.T[np.newaxis, np.newaxis]
    slopes = slopes[0, 0]
    offsets = exactly(np.zeros(slopes.shape[1]) if first.bias is None else first.bias)
    shape = (*kernel.shape[:2], len(slopes), kernel.shape[3])
    above, below, constant = (exactly(np.zeros(s)) for s in (shape, shape, (*shape[:2], shape[3])))
    for k in range(slopes.shape[1]):
        inputs = [t for t in range(len(slopes)) if slopes[t, k] != 0]
        assert len(inputs) <= 1, f"channel {k} looks at channels {inputs}"
        if inputs:
            assert offsets[k] == 0, f"channel {k} looks at a channel and has a bias"
            side = above if slopes[inputs[0], k] > 0 else below
            side[:, :, inputs[0]] += kernel[:, :, k] * slopes[inputs[0], k]
        elif offsets[k] > 0:
            constant += kernel[:, :, k] * offsets[k]
    return above, below, constant


def wanted(layer, shape):
    """Return the same of a target layer: its kernel twice, and the bias at one entry."""
    kernel = layer.stored.T[np.newaxis, np.newaxis] if layer.stored.ndim == 2 else layer.stored
    if getattr(layer, "groups", 1) > 1:
        whole = np.zeros((*kernel.shape[:2], layer.c_in, layer.c_out))
        each, some = layer.c_in // layer.groups, layer.c_out // layer.groups
        for g in range(layer.groups):
            part = kernel[..., g * some : (g + 1) * some]
            whole[:, :, g * each : (g + 1) * each, g * some : (g + 1) * some] = part
        kernel = whole
    constant = np.zeros((*kernel.shape[:2], kernel.shape[3]))
    if layer.bias is not None:
        place = (0, 0) if layer.stored.ndim == 2 else layer.whole_place(shape)
        constant[place] = layer.bias
    return exactly(kernel), exactly(constant)


def in_matrix(kernel, constant):
    """Return a kernel as rows over its channels, and the kernel of the constant as one column more."""
    return np.column_stack([kernel.transpose(0, 1, 3, 2).reshape(-1, kernel.shape[2]), constant.ravel()])
