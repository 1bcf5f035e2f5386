"""Weight by weight on the convolutions of LeNet-5: coefficients of their own, and ReLU blocks beside them."""

from subsetsum_nets.experiments.conv_weights.outputs import write_outputs
from subsetsum_nets.experiments.conv_weights.run import ConvWeights, run_conv_weights

__all__ = ["ConvWeights", "run_conv_weights", "write_outputs"]
