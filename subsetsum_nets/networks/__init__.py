"""Networks: the target that goes in, the random network that is pruned, and the files both live in.

First room of the flow. It knows nothing of subset sums, graphs or proofs.
"""

from subsetsum_nets.networks.block_draws import BlocksDraw, ConvBlocksDraw
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.convolution_draws import ConvDraw, FixedConvDraw
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.digests import array_digest, network_digest
from subsetsum_nets.networks.distributions import LogUniform, Normal, Signs, Uniform, keyed_words
from subsetsum_nets.networks.domains import Ball, Box, Domain, domain_from_json
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files.network_files import load_network, read_extra, save_network
from subsetsum_nets.networks.files.onnx_description import OnnxDescription, describe_onnx
from subsetsum_nets.networks.files.shipped import load_test_split, shipped_network, shipped_networks
from subsetsum_nets.networks.layer_draws import DenseDraw, LayerDraw, LinkDraw, OnesDraw, ScalingDraw
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning
from subsetsum_nets.networks.pooling import AvgPool2d, MaxPool2d
from subsetsum_nets.networks.random_networks import RandomRecipe, random_network, random_recipe_from_json
from subsetsum_nets.networks.relu_network import ReluNetwork

__all__ = [
    "AvgPool2d",
    "Ball",
    "BlocksDraw",
    "Box",
    "Conv2d",
    "ConvBlocksDraw",
    "ConvDraw",
    "ConvolutionMatrix",
    "Dense",
    "DenseDraw",
    "Domain",
    "FixedConvDraw",
    "InvalidNetworkError",
    "LayerDraw",
    "LinkDraw",
    "LogUniform",
    "MaxPool2d",
    "NetworkFileError",
    "Normal",
    "OnesDraw",
    "OnnxDescription",
    "RandomRecipe",
    "ReluNetwork",
    "RoundedFoldingWarning",
    "ScalingDraw",
    "Signs",
    "Uniform",
    "array_digest",
    "describe_onnx",
    "domain_from_json",
    "keyed_words",
    "load_network",
    "load_test_split",
    "network_digest",
    "random_network",
    "random_recipe_from_json",
    "read_extra",
    "save_network",
    "shipped_network",
    "shipped_networks",
]
