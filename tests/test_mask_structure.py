"""Structured masks: those of structured constructions pass, and each cut inside is named and refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant
from support.structured_cases import filtered, images
from test_audit import rewrite_certificate

from subsetsum_nets import mask_structure
from subsetsum_nets.audit import audit
from subsetsum_nets.cli import app
from subsetsum_nets.compiler import prune
from subsetsum_nets.mask_structure import check_structure
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import Box, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.pruned_network import PrunedNetwork
from subsetsum_nets.verification.certificate import CertificateFileError

F = images(channels=2, outputs=3)


@pytest.fixture(scope="module")
def pruned():
    return {name: filtered(F, name, 10) for name in ("structured", "structured-kernels")}


def copied(masks):
    return NetworkMasks(
        [mask.toarray() if is_sparse(mask) else mask.copy() for mask in masks.weights],
        [None if mask is None else mask.copy() for mask in masks.biases],
    )


def channels(masks, block, *, kept):
    """Return the channels of a block of the first pair that are kept, or are not."""
    size = masks.weights[0].shape[3] // 3
    used = masks.weights[1].any(axis=(0, 1, 3))[block * size : (block + 1) * size]
    return block * size + np.flatnonzero(used == kept)


def cut_inside(masks):
    k = channels(masks, 0, kept=True)[0]
    masks.weights[1][1, 1, k, 2] = False
    return rf"layer 1 keeps a part of the slice of channel {k}: entry \(1, 1, {k}, 2\) is removed"


def foreign_block(masks):
    k = channels(masks, 1, kept=True)[0]
    masks.weights[0][0, 0, :, k] = [True, False]
    return rf"layer 0 keeps entry \({k}, 0\): channel {k} is of block 1"


def two_blocks(masks):
    k = channels(masks, 0, kept=True)[0]
    masks.weights[0][0, 0, 1, k] = True
    return rf"layer 0 keeps entry \({k}, 1\): channel {k} is of block 0"


def reading_constant(masks):
    k = channels(masks, 2, kept=True)[0]
    masks.weights[0][0, 0, 0, k] = True
    return rf"layer 0 keeps entry \({k}, 0\): channel {k} is of block 2"


def foreign_bias(masks):
    k = channels(masks, 0, kept=True)[0]
    masks.biases[0][k] = True
    return rf"layer 0 keeps the bias of channel {k}: it is of block 0"


def slice_of_a_removed_filter(masks):
    k = channels(masks, 0, kept=False)[0]
    masks.weights[1][:, :, k] = True
    return rf"layer 1 keeps channel {k}, of which layer 0 keeps nothing"


def filter_without_slice(masks):
    k = channels(masks, 0, kept=False)[0]
    masks.weights[0][0, 0, 0, k] = True
    return rf"layer 0 keeps channel {k}, of which layer 1 keeps nothing"


def cut_in_a_dense_layer(masks):
    k = int(np.flatnonzero(masks.weights[3].any(axis=0))[0])
    masks.weights[3][1, k] = False
    return rf"layer 3 keeps a part of the slice of channel {k}: entry \(0, 0, {k}, 1\)"


def one_layer_less(masks):
    del masks.weights[3], masks.biases[3]
    return "3 masks; pairs for the target's layers are 4"


CUTS = [
    cut_inside,
    foreign_block,
    two_blocks,
    reading_constant,
    foreign_bias,
    slice_of_a_removed_filter,
    filter_without_slice,
    cut_in_a_dense_layer,
    one_layer_less,
]


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_not_whole_is_named(pruned, cut):
    masks = copied(pruned["structured"].all_masks)
    check_structure(masks, F)
    message = cut(masks)
    with pytest.raises(InvalidNetworkError, match=message):
        check_structure(masks, F)


def test_whole_kernels_are_whole_by_output(pruned):
    masks = copied(pruned["structured-kernels"].all_masks)
    check_structure(masks, F, "kernels")
    with pytest.raises(InvalidNetworkError, match="layer 1 keeps a part of the slice of channel"):
        check_structure(masks, F)
    k, o = np.argwhere(masks.weights[1].all(axis=(0, 1)))[0]
    masks.weights[1][2, 0, k, o] = False
    with pytest.raises(
        InvalidNetworkError, match=rf"part of the kernel of channel {k}: entry \(2, 0, {k}, {o}\)"
    ):
        check_structure(masks, F, "kernels")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_flipped_entry_is_seen(pruned, data):
    masks = copied(pruned["structured"].all_masks)
    index = data.draw(st.integers(0, 3))
    mask = masks.weights[index]
    at = tuple(data.draw(st.integers(0, size - 1)) for size in mask.shape)
    mask[at] = not mask[at]
    with pytest.raises(InvalidNetworkError, match="layer"):
        check_structure(masks, F)


PLANTED = [
    (mask_structure._check_first, "columns != block[rows]", "columns > block[rows]"),
    (mask_structure._check_first, "bias & (block < inputs)", "bias & (block < 0)"),
    (mask_structure._check_second, "some & ~every", "some & every & ~some"),
    (mask_structure.check_structure, "used != alive", "used & ~used"),
    (mask_structure._block_of, "channels // blocks", "channels // blocks + 1"),
]


def all_cuts(pruned):
    """See that every cut is named."""
    for cut in CUTS[:-1]:
        test_what_is_not_whole_is_named(pruned, cut)


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "right", "wrong"), PLANTED)
def test_mistakes_in_the_check_are_seen(monkeypatch, pruned, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception, ValueError)):
        all_cuts(pruned)


# ---------------------------------------------------------------- folders


def ticket(folder, construction):
    f = ReluNetwork([Dense([[0.5, -0.25], [0.75, 0.5]], [0.5, 0.25])], domain=Box(0, 1))
    found = prune(f, construction=construction, epsilon=0.5, candidates=12, threads=1)
    found.save(folder)
    return found


def test_a_folder_of_a_structured_construction_stands(tmp_path):
    ticket(tmp_path / "ticket", "structured")
    assert audit(tmp_path / "ticket").result.upper <= 0.5
    assert audit(tmp_path / "ticket").certificate.structure == "filters"
    assert PrunedNetwork.load(tmp_path / "ticket").collapse().widths[1] < 100


def test_a_folder_whose_masks_are_not_what_its_construction_says_is_refused(tmp_path):
    from typer.testing import CliRunner

    folder = tmp_path / "ticket"
    found = ticket(folder, "relu")
    rewrite_certificate(folder, structure="filters")
    with pytest.raises(CertificateFileError, match="whole filters were removed, the masks do not: layer"):
        audit(folder)
    with pytest.raises(CertificateFileError, match="whole filters were removed, the masks do not"):
        PrunedNetwork.load(folder)
    shown = CliRunner().invoke(app, ["verify", str(folder)])
    assert shown.exit_code == 2
    assert "whole filters" in " ".join(shown.output.split())
    rewrite_certificate(folder, structure="rows")
    with pytest.raises(CertificateFileError, match="what is whole is one of filters, kernels, got 'rows'"):
        audit(folder)
    assert found.certificate.structure is None
    assert "structure" not in found.certificate.to_json()


def test_masks_that_are_not_structured_do_not_leave_prune(monkeypatch):
    from subsetsum_nets.constructions import relu_blocks

    masks_of = relu_blocks.BlockConstruction.masks
    plant(monkeypatch, masks_of, "for k in range(d): ...", "for k in range(1): ...")
    f = images()
    with pytest.raises(InvalidNetworkError, match="keeps a part of the slice"):
        prune(f, construction="structured", candidates=9, epsilon=0.5, threads=1)
