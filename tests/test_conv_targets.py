"""prune() and convolutional networks: refused by name, as long as no construction makes them."""

import numpy as np
import pytest

from subsetsum_nets import Conv2d, Dense, ReluNetwork, prune
from subsetsum_nets.networks import InvalidNetworkError

LAYERS = [Conv2d(np.ones((3, 3, 1, 2))), Dense(np.ones((1, 8)))]
IMAGES = ReluNetwork(LAYERS, input_shape=(2, 2, 1))


@pytest.mark.parametrize("construction", ["relu", "relu-paper", "linear"])
@pytest.mark.parametrize("target", [IMAGES, ReluNetwork(LAYERS[:1])])
def test_convolutional_targets_are_refused_by_name(construction, target):
    with pytest.raises(InvalidNetworkError, match=r"layer 0 of target is a Conv2d\(3x3, 1 -> 2\)"):
        prune(target, construction=construction)


def test_convolutional_random_networks_are_refused_by_name():
    with pytest.raises(InvalidNetworkError, match="layer 0 of into is a Conv2d"):
        prune(ReluNetwork([Dense(np.ones((1, 4)))]), into=IMAGES)
