"""Effective weights against exact rational sums over the hidden units."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.sparse import csr_array
from verification.tiny_networks import check_encloses, exact_product, exact_values, random_pair

from subsetsum_nets.networks import Dense, ReluNetwork
from subsetsum_nets.verification import LayerErrors, UnsupportedStructureError, effective_layers
from subsetsum_nets.verification.enclosures.midrad import MidRad


def exact_two_slope(first, second):
    """Return exact P, N and c of a ReLU pair, from the definition."""
    weight, outgoing = (
        layer.weight.toarray() if hasattr(layer.weight, "tocsr") else layer.weight
        for layer in (first, second)
    )
    bias = np.zeros(first.d_out) if first.bias is None else first.bias
    out = np.zeros(second.d_out) if second.bias is None else second.bias
    ups, downs = np.maximum(weight, 0), np.minimum(weight, 0)
    constants = exact_product(outgoing, np.maximum(bias, 0)[:, None])
    constants = [[row[0] + Fraction(float(o))] for row, o in zip(constants, out, strict=True)]
    return exact_product(outgoing, ups), exact_product(outgoing, downs), constants


def check_images(pair, two_slope, seed):
    """Check the image of a set at its corners, evaluated exactly."""
    rng = np.random.default_rng(seed)
    inputs = MidRad(rng.uniform(-1, 1, pair[0].d_in), rng.choice([0.0, 0.5], pair[0].d_in))
    image = two_slope.image(inputs)
    corners = inputs.mid + inputs.rad * rng.choice([-1.0, 1.0], (20, pair[0].d_in))
    corners = np.clip(
        corners, np.nextafter(inputs.mid - inputs.rad, 2), np.nextafter(inputs.mid + inputs.rad, -2)
    )
    values, scale = exact_values(ReluNetwork(pair), np.where(inputs.rad > 0, corners, inputs.mid))
    for row in values:
        check_encloses(column(image), [[Fraction(int(v), 1 << scale)] for v in row])


def column(enclosure):
    return type(enclosure)(enclosure.mid[:, None], enclosure.rad[:, None])


@pytest.mark.parametrize("seed", range(12))
def test_relu_pairs(seed):
    f, g = random_pair(seed, (3, 4, 2), bias=seed % 3 > 0, sparse=seed % 2 == 0)
    for index, two_slope in enumerate(effective_layers(f, g)):
        check_images(g.layers[2 * index : 2 * index + 2], two_slope, seed)
        positive, negative, constant = exact_two_slope(*g.layers[2 * index : 2 * index + 2])
        check_encloses(two_slope.positive, positive)
        check_encloses(two_slope.negative, negative)
        check_encloses(column(two_slope.bias), constant)
        assert two_slope.positive.rad.max() < 1e-13
        errors = two_slope.minus(f.layers[index]).magnitudes()
        target = f.layers[index].weight
        for bounds, exact in ((errors.positive, positive), (errors.negative, negative)):
            for i, j in np.ndindex(target.shape):
                assert abs(exact[i][j] - Fraction(target[i, j])) <= Fraction(bounds[i, j])
                assert bounds[i, j] <= 0.05 + 1e-9
        b = np.zeros(f.layers[index].d_out) if f.layers[index].bias is None else f.layers[index].bias
        for i in range(b.size):
            assert abs(constant[i][0] - Fraction(float(b[i]))) <= Fraction(errors.bias[i])


@pytest.mark.parametrize("sparse", [False, True])
def test_linear_pairs_of_any_structure(sparse):
    f, g = random_pair(5, (3, 2), kinds=["linear"])
    if sparse:
        g = ReluNetwork([Dense(csr_array(x.weight), x.bias) for x in g.layers], linear_after=[0])
    (two_slope,) = effective_layers(f, g)
    first, second = g.layers
    assert two_slope.negative is two_slope.positive
    check_encloses(
        two_slope.positive,
        exact_product(*(x.weight.toarray() if sparse else x.weight for x in (second, first))),
    )
    weight = second.weight.toarray() if sparse else second.weight
    bias = [
        [row[0] + Fraction(float(v))]
        for row, v in zip(exact_product(weight, first.bias[:, None]), second.bias, strict=True)
    ]
    check_encloses(column(two_slope.bias), bias)


def test_equal_networks_have_no_error_at_all():
    f = ReluNetwork([Dense(csr_array([[0.1, 0.2]]), [0.3]), Dense([[0.7]])])
    for two_slope, layer in zip(effective_layers(f, f), f.layers, strict=True):
        assert two_slope.minus(layer).magnitudes().worst == 0.0


def test_dead_units_and_stored_zeros_count_for_nothing():
    first = csr_array(([0.5, 0.0, -0.25], [0, 1, 1], [0, 2, 3, 3]), shape=(3, 2))
    first.data[1] = 0.0
    g = ReluNetwork([Dense(first, [0.0, 0.0, -2.0]), Dense([[2.0, 4.0, 9.0]])])
    (two_slope,) = effective_layers(ReluNetwork([Dense([[1.0, 1.0]])]), g)
    assert two_slope.positive.mid.tolist() == [[1.0, 0.0]]
    assert two_slope.negative.mid.tolist() == [[0.0, -1.0]]
    assert two_slope.bias.mid.tolist() == [0.0]


F = ReluNetwork([Dense([[1.0, 2.0]])])


@pytest.mark.parametrize(
    ("g", "message"),
    [
        (
            ReluNetwork([Dense([[1.0, 0.0], [1.0, 1.0]]), Dense([[1.0, 1.0]])]),
            "unit 1 of hidden layer 0 has 2 nonzero input weights",
        ),
        (
            ReluNetwork([Dense([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.1]), Dense([[1.0, 1.0]])]),
            "unit 1 of hidden layer 0 has both an input weight and a bias",
        ),
        (
            ReluNetwork([Dense(np.eye(2)), Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, 1.0]])]),
            "unit 1 of hidden layer 1 has 2 nonzero input weights",
        ),
        (ReluNetwork([Dense([[1.0, 1.0]])], final_relu=True), "but not both"),
    ],
)
def test_unsupported_structures(g, message):
    with pytest.raises(UnsupportedStructureError, match=message):
        effective_layers(F, g)
    assert issubclass(UnsupportedStructureError, NotImplementedError)


def test_layers_of_another_size_are_unsupported():
    f = ReluNetwork([Dense([[1.0], [1.0]]), Dense([[1.0, 1.0]])])
    g = ReluNetwork([Dense([[1.0]] * 3), Dense(np.eye(3)), Dense([[1.0] * 3])])
    with pytest.raises(UnsupportedStructureError, match="has 3 layers of the widths"):
        effective_layers(f, g)
    f = ReluNetwork([Dense([[1.0], [1.0]]), Dense([[1.0, 1.0]])])
    g = ReluNetwork([Dense([[1.0], [1.0], [1.0]]), Dense([[1.0, 1.0, 1.0]])])
    with pytest.raises(UnsupportedStructureError, match="maps 1 to 2 values, its replacement 1 to 3"):
        effective_layers(f, g)


def test_worst_error():
    errors = LayerErrors(np.array([[1.0]]), np.array([[2.0]]), np.array([3.0]))
    assert errors.worst == 3.0
