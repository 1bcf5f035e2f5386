"""A construction with rows of two dimensions, for tests."""

from subsetsum_nets.constructions.relu_signed import ReluSigned


class PairedOutputs(ReluSigned):
    """The blocks of "relu", where one subset of hidden units serves two outputs of a layer that has pairs."""

    name = "paired"
    source = "a toy of the tests"
    allocations = ("recursion",)

    def dimension(self, layer):
        return 2 if layer.d_out % 2 == 0 else 1
