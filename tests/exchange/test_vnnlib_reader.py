"""VNN-LIB files read back as questions: exactly, outward where float64 ends, and nothing else."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.exchange import vnnlib_reader
from subsetsum_nets.exchange.vnnlib import Tensor, difference_property, pair_property
from subsetsum_nets.exchange.vnnlib_reader import VnnlibError, read_question
from subsetsum_nets.networks import Box, NetworkFileError

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(min_value=2.0**-1074, allow_nan=False, allow_infinity=False)


def written(tmp_path, text, **options):
    path = tmp_path / "question.vnnlib"
    path.write_text(text)
    return read_question(path, **options)


@given(
    bounds=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4),
    outputs=st.integers(1, 3),
    epsilon=POSITIVE,
)
def test_what_is_written_is_read_back(tmp_path_factory, bounds, outputs, epsilon):
    low, high = np.sort(np.array(bounds), axis=1).T
    place = tmp_path_factory.mktemp("vnnlib")
    d = len(low)
    inputs = Tensor((1, d), [(0, i) for i in range(d)])
    answers = Tensor((1, outputs), [(0, j) for j in range(outputs)])
    pair = pair_property(low, high, epsilon, inputs=(inputs, inputs), outputs=(answers, answers))
    for text, shape in ((difference_property(low, high, outputs, epsilon), None), (pair, (1, d))):
        found = written(place, text)
        assert found.box == Box(low + 0.0, high + 0.0)
        assert (found.epsilon, found.outputs, found.shape, found.rounded) == (epsilon, outputs, shape, False)


BOX = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n(assert (>= X_0 0.1))\n(assert (<= X_0 0.3))\n"
ASK = "(assert (or (and (>= Y_0 0.1)) (and (<= Y_0 -0.1))))\n"


def check_outward(reader, tmp_path):
    """See that decimals which are no float64 make the box larger and epsilon smaller, by one step at most."""
    path = tmp_path / "question.vnnlib"
    path.write_text(BOX + ASK)
    found = reader.read_question(path)
    low, high = (float(end[0]) for end in found.box.bounds(1))
    assert Fraction(low) <= Fraction(1, 10) <= Fraction(np.nextafter(low, 1).item())
    assert Fraction(np.nextafter(high, 0).item()) <= Fraction(3, 10) <= Fraction(high)
    assert Fraction(found.epsilon) <= Fraction(1, 10) <= Fraction(np.nextafter(found.epsilon, 1).item())
    assert found.rounded
    path.write_text(
        "(declare-const X_0 Real)(assert (and (<= 1 X_0) (<= X_0 3) (>= X_0 0) (<= 2 X_0) (>= 5 X_0)))"
    )
    assert reader.read_question(path).box == Box([2.0], [3.0])


def test_decimals_are_rounded_outward(tmp_path):
    check_outward(vnnlib_reader, tmp_path)


@pytest.mark.parametrize(
    ("where", "formula", "broken"),
    [
        ("_rounded", "up and Fraction(nearest) < value", "False"),
        ("_rounded", "not up and Fraction(nearest) > value", "False"),
        ("_rounded", "return math.nextafter(nearest, math.inf)", "return nearest"),
        ("_Reader._bound", "(max, self._low)", "(min, self._low)"),
        ("_Reader._bound", "(min, self._high)", "(max, self._high)"),
        ("_comparison", "turned.get(relation, relation)", "relation"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, tmp_path, where, formula, broken):
    reader = plain_python(monkeypatch, vnnlib_reader.__name__, where, formula, broken)
    with pytest.raises((AssertionError, reader.VnnlibError)):
        check_outward(reader, tmp_path)


def test_a_box_alone_asks_nothing(tmp_path):
    assert written(tmp_path, BOX).epsilon is None
    found = written(tmp_path, BOX + "(assert (<= Y_0 3.5))", outputs=False)
    assert found.epsilon is None
    assert found.box.dimension == 1


PAIR = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,1]) (declare-output Y real [1,1]))
(declare-network g (declare-input U real [1,1]) (declare-output V real [1,1]))
(assert (>= X[0,0] 0.0)) (assert (<= X[0,0] 1.0))
"""
WIDE = "(declare-network f (declare-input X real [1]) (declare-output Y real [1,999999999]))\n"
SAME = "(assert (== X[0,0] U[0,0]))\n"


REFUSED = [
    ("", "no input is declared"),
    ("(", "line 1: the parenthesis opened there is never closed"),
    ("\n)", "line 2: a parenthesis closes nothing"),
    ("hello", "line 1: hello is not read"),
    ("(check-sat)", "line 1: .check-sat. is not read"),
    ("(" * 60 + ")" * 60, "line 1: nested more than 50"),
    ("(declare-const Z_0 Real)", "line 1: .declare-const Z_0 Real. declares no real input"),
    ("(declare-const X_1 Real)", "line 1: .* comes out of turn"),
    ("(declare-const X_0 Int)", "line 1: .* declares no real input"),
    ("(declare-const X_0 Real)", "X_0 has no lower bound"),
    ("(declare-const X_0 Real)(assert (>= X_0 1))", "X_0 has no upper bound"),
    ("(declare-const X_0 Real)(assert (>= X_0 1))(assert (<= X_0 0))", "the box is empty"),
    ("(declare-const X_0 Real)\n(assert (< X_0 1))", "line 2: .* by neither"),
    ("(declare-const X_0 Real)\n(assert (<= X_1 1))", "line 2: X_1 is not declared"),
    ("(declare-const X_0 Real)\n(assert (<= X_0 1e999))", "line 2: 1e999 is beyond the range"),
    ("(declare-const X_0 Real)\n(assert (<= X_0 nan))", "line 2: nan is no number"),
    (f"(declare-const X_0 Real)\n(assert (<= X_0 {'1' * 3000}))", "line 2: 1+.*is no number"),
    ("(assert)", "line 1: .assert. does not assert one thing"),
    (BOX + "(assert (or (and (<= X_0 1)) (and (<= X_0 2))))", "line 5: .* joins boxes by or"),
    (BOX + "(assert (<= Y_0 Y_1))", "line 5: Y_1 is no number; read is the question"),
    (BOX + "(assert (<= Y_0 0.5))", "line 5: .* has no case where output 0 is > its bound"),
    (BOX + "(assert (or (>= Y_0 1) (<= Y_0 -2)))", "line 5: .* has another epsilon"),
    (BOX + "(assert (or (>= Y_0 0.0) (<= Y_0 0.0)))", "line 5: epsilon is 0.0"),
    (BOX + "(assert (or (>= Y_0 1e-400) (<= Y_0 -1e-400)))", "line 5: epsilon is 0.0"),
    (BOX + ASK + ASK, "line 6: more is asserted of the outputs"),
    (BOX + "(assert (or (and (>= Y_0 1) (>= Y_0 2))))", "line 5: .>= Y_0 2. is no number; read is"),
    (PAIR, r"X\[0, 0\] of f is not said to equal"),
    (PAIR + SAME + "(assert (or (> Y[0,0] 1.0)))", "line 6: .* is not about f - g"),
    (PAIR + "(assert (== X[0,0] 1.0))", "line 5: 1.0 stands where a value of U"),
    (PAIR + "(assert (<= X[0,1] 1.0))", r"line 5: X\[0,1\] is not declared"),
    (PAIR + "(assert (<= X_0 1.0))", "line 5: X_0 is written as in version 1.0"),
    ("(vnnlib-version <3.0>)", "line 1: .* is not version 2.0"),
    ("(declare-network f (declare-input X real [2,1]) (declare-output Y real [1]))", "first axis"),
    ("(declare-network f (declare-input X int [1]) (declare-output Y real [1]))", "is not"),
    ("(declare-network f)", "line 1: .* has not one input and one output"),
    (
        WIDE + "(assert (<= X[0] 1))(assert (>= X[0] 0))(assert (or (>= Y[0,0] 1.0)))",
        "line 2: .* no case where output 0 is <",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_other_questions_and_damaged_files_are_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(VnnlibError, match=message):
        written(tmp_path, text)


def test_every_prefix_of_a_property_is_refused_or_asks_nothing_more(tmp_path):
    whole = BOX + ASK
    for end in range(len(whole.rstrip())):
        try:
            found = written(tmp_path, whole[:end])
        except VnnlibError:
            continue
        assert found.epsilon is None
        assert found.box.bounds(1)[1][0] >= 0.3


def test_files_that_are_no_text_and_missing_ones_are_refused(tmp_path):
    path = tmp_path / "question.vnnlib"
    path.write_bytes(b"(declare-const X_0 \xff)")
    with pytest.raises(VnnlibError, match="byte 19 is no ASCII"):
        read_question(path)
    with pytest.raises(FileNotFoundError):
        read_question(tmp_path / "none.vnnlib")
    with pytest.raises((OSError, NetworkFileError)):
        read_question(tmp_path)
