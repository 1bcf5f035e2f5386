""".nnet files: exactly the file's decimals, the normalisation where it is asked for, no line missing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets import Box, load_network, save_network
from subsetsum_nets.networks import NetworkFileError, read_extra
from subsetsum_nets.networks.files import nnet_files
from subsetsum_nets.networks.files.nnet_files import read_nnet
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning

WEIGHTS = [[[0.5, -0.25], [1.0, 2.0], [0.1, -3e-2]], [[1.0, -1.0, 0.5]]]
BIASES = [[0.25, -0.5, 0.0], [1.5]]


def lines(low=(-1.0, 0.0), high=(1.0, 8.0), means=(0.0, 4.0, 10.0), ranges=(2.0, 8.0, 4.0)):
    """Return a file of the layers above, line by line."""
    text = ["// a comment, of two lines", "// the second", "2,2,1,3,", "2,3,1,", "0,"]
    text += [",".join(map(repr, numbers)) + "," for numbers in (low, high, means, ranges)]
    for weight, bias in zip(WEIGHTS, BIASES, strict=True):
        text += [",".join(map(repr, row)) + "," for row in weight]
        text += [f"{number!r}," for number in bias]
    return text


def written(tmp_path, text):
    path = tmp_path / "net.nnet"
    path.write_text("\n".join(text) + "\n")
    return path


def test_the_layers_are_exactly_those_of_the_file(tmp_path):
    network = load_network(written(tmp_path, lines()))
    assert [layer.weight.tolist() for layer in network.layers] == WEIGHTS
    assert [layer.bias.tolist() for layer in network.layers] == BIASES
    assert network.relu_after == (True, False)
    assert network.domain == Box([-0.5, -0.5], [0.5, 0.5])
    assert read_extra(tmp_path / "net.nnet") == {"comment": "a comment, of two lines\nthe second"}


def test_with_the_normalisation_it_takes_and_gives_raw_values(tmp_path):
    path = written(tmp_path, lines())
    plain, raw = read_nnet(path), read_nnet(path, normalize=True)
    assert raw.domain == Box([-1.0, 0.0], [1.0, 8.0])
    points = np.random.default_rng(0).integers(-8, 9, (20, 2)) / 8 * [1, 4] + [0, 4]
    wanted = plain((points - [0.0, 4.0]) / [2.0, 8.0]) * 4.0 + 10.0  # exact: ranges are powers of two
    assert np.array_equal(raw(points), wanted)
    save_network(raw, tmp_path / "raw.npz")
    assert np.array_equal(load_network(tmp_path / "raw.npz")(points), wanted)


ENDS = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(sorted)


def check_normalised_box(module, low, high, mean, spread):
    numbers = module.Scaling(*(np.array(values) for values in ([low], [high], [mean, 0.0], [spread, 1.0])))
    box = module._normalised(numbers)
    (least,), (most,) = (end.tolist() for end in box.bounds(1))
    exact = [(Fraction(end) - Fraction(mean)) / Fraction(spread) for end in (low, high)]
    assert Fraction(least) <= exact[0] <= Fraction(np.nextafter(least, np.inf).item())
    assert Fraction(np.nextafter(most, -np.inf).item()) <= exact[1] <= Fraction(most)


@given(ends=ENDS, mean=st.floats(-1e3, 1e3), spread=st.floats(1e-3, 1e3))
def test_the_normalised_box_is_rounded_outward(ends, mean, spread):
    check_normalised_box(nnet_files, *ends, mean, spread)


@pytest.mark.parametrize(
    ("formula", "broken"),
    [
        ("Fraction(nearest) == value or (Fraction(nearest) > value) == up", "True"),
        ("(Fraction(nearest) > value) == up", "(Fraction(nearest) < value) == up"),
        ("math.inf if up else -math.inf", "-math.inf"),
    ],
)
def test_planted_mistakes_of_rounding_are_noticed(monkeypatch, formula, broken):
    module = plain_python(monkeypatch, nnet_files.__name__, "_outward", formula, broken)
    with pytest.raises(AssertionError):
        [check_normalised_box(module, -i / 10, i / 7, 0.1 * i, 0.3) for i in range(1, 9)]


@pytest.mark.parametrize("count", range(17))
def test_a_file_that_is_cut_off_is_refused(tmp_path, count):
    with pytest.raises(NetworkFileError, match=r"it ends where .* should follow"):
        read_nnet(written(tmp_path, lines()[:count]))


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, "2,2,1,", "line 3 has 3 numbers, layers, inputs"),
        (3, "0,2,1,3,", "line 3 should say layers"),
        (3, "2.5,2,1,3,", "line 3 should say layers"),
        (3, "999999999999,2,1,3,", "line 3 should say layers"),
        (3, "9999999,2,1,3,", "line 4 has 3 numbers, the sizes of the layers are 10000000"),
        (3, "2,2,2,3,", "it has 2 outputs, and its last layer 1 units"),
        (4, "2,-3,1,", "line 4 should say the sizes"),
        (4, "2,1000000000,1,", "line 13 has 1 numbers, row 3 of the weights of layer 0 are 2"),
        (6, "nan,0.0,", "line 6 holds 'nan'"),
        (6, "1e999,0.0,", "line 6 holds '1e999'"),
        (6, "1_0,0.0,", "line 6 holds '1_0'"),
        (6, "0.0,,", "line 6 holds ''"),
        (6, "5.0,0.0,", r"an input in \[5.0, 1.0\] of range 2.0 cannot be normalised"),
        (9, "0.0,8.0,1.0,", "of range 0.0 cannot be normalised"),
        (10, "0.5,-0.25,1.0,", "line 10 has 3 numbers, row 0 of the weights of layer 0 are 2"),
        (13, "0.5,1.0,", "line 13 has 2 numbers, bias 0 of layer 0 are 1"),
        (17, "1.5,\n2.5,", "line 18 is more than the layers"),
        (1, "\x80", "byte 0 is no ASCII"),
        (1, "PK", "line 1 holds 'PK'"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_the_line(tmp_path, line, text, message):
    changed = lines()
    changed[line - 1] = text
    path = tmp_path / "net.nnet"
    path.write_bytes("\n".join(changed).encode("latin-1"))
    with pytest.raises(NetworkFileError, match=message):
        load_network(path)


def test_reciprocals_that_are_rounded_are_told(tmp_path):
    path = written(tmp_path, lines(ranges=(3.0, 8.0, 4.0)))
    with pytest.warns(RoundedFoldingWarning, match=r"net\.nnet rounds the reciprocals of its ranges"):
        raw = read_nnet(path, normalize=True)
    assert raw.layers[1].weight[0, 0] == 1 / 3


def test_a_range_of_zero_cannot_be_applied(tmp_path):
    with pytest.raises(NetworkFileError, match=r"a range is 0\.0"):
        read_nnet(written(tmp_path, lines(ranges=(2.0, 8.0, 0.0))), normalize=True)


def test_networks_are_not_saved_as_nnet(tmp_path):
    with pytest.raises(ValueError, match="are saved as"):
        save_network(read_nnet(written(tmp_path, lines())), tmp_path / "other.nnet")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("net.pt", "read_state_dict"),
        ("net.pth", "read_state_dict"),
        ("net.keras", "model.export"),
        ("net.h5", "model.export"),
        ("net.tflite", "tf2onnx.convert --tflite"),
        ("net.pb", "tf2onnx.convert --saved-model"),
        ("net.txt", "none of them"),
    ],
)
def test_files_of_other_programs_are_refused_with_the_way_here(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=advice):
        load_network(tmp_path / name)
