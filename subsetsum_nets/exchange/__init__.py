"""Networks, masks and questions for other programs: PyTorch, and verifiers that read ONNX and VNN-LIB.

Beside the flow: it takes what :mod:`subsetsum_nets.networks` and :mod:`subsetsum_nets.masks` hold and knows
nothing of how it came about. ONNX files of single networks are in
:mod:`subsetsum_nets.networks.files.onnx_files`.
"""

from subsetsum_nets.exchange.pair import export_pair
from subsetsum_nets.exchange.scores import masks_from_scores, read_scores
from subsetsum_nets.exchange.torch_masks import read_masks, read_state_dict, write_masks, write_state_dict
from subsetsum_nets.exchange.torch_modules import from_torch
from subsetsum_nets.exchange.torch_networks import to_torch
from subsetsum_nets.networks.merged import difference_network, without_dead_units

__all__ = [
    "difference_network",
    "export_pair",
    "from_torch",
    "masks_from_scores",
    "read_masks",
    "read_scores",
    "read_state_dict",
    "to_torch",
    "without_dead_units",
    "write_masks",
    "write_state_dict",
]
