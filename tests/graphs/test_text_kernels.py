"""Floats as text: what Python's repr writes, for any float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.graphs.files.text_kernels import LONGEST_FLOAT, powers_of_ten, put_edges

WORDS = tuple(
    np.frombuffer(word, dtype=np.uint8) for word in (b"", b">", b" ", b"", b" no", b" o", b";", b"\n")
)


def lines(values, put=put_edges):
    """Return the lines of edges with these weights; every other is not kept, all but one have an origin."""
    count = len(values)
    bits = np.asarray(values, dtype=np.float64).view(np.uint64)
    out = np.full(count * 100, 255, dtype=np.uint8)
    ends = 7 * np.arange(count) ** 3, np.full(count, 9 * 10**18)
    kept, origins = np.arange(count) % 2 == 0, np.arange(count) - 1
    size = put(out, *ends, bits, kept, origins, powers_of_ten(), WORDS)
    return out[:size].tobytes().decode().splitlines()


def expected_lines(values):
    return [
        f"{7 * n**3}>{9 * 10**18} {float(value)!r}{' no' * (n % 2)}{f' o{n - 1};' * (n > 0)}"
        for n, value in enumerate(values)
    ]


def tricky():
    rng = np.random.default_rng(0)
    exponents = np.arange(-1074, 1024)
    values = [
        2.0**exponents,
        np.nextafter(2.0 ** np.arange(-1021, 1024), 0),
        np.nextafter(2.0 ** np.arange(-1021, 1023), np.inf),
        10.0 ** np.arange(-323, 309),
        np.nextafter(10.0 ** np.arange(-307, 309), 0),
        np.arange(1, 500) * 5e-324,
        4.0 * np.arange(2**52 + 1, 2**52 + 201, 2),  # short decimals half-way to the next float
        np.arange(-300.0, 300.0),
        rng.integers(0, 2**64, 4000, dtype=np.uint64).view(np.float64),
        rng.uniform(-1, 1, 1000),
        rng.uniform(-1, 1, 1000).astype(np.float32).astype(np.float64),
        rng.integers(1, 1000, 1000) * 10.0 ** rng.integers(-30, 30, 1000),
        np.array([0.0, -0.0, 1.7976931348623157e308, 9007199254740993.0, 1e16, 1e15, 123456.0, 1e-4, 1e-5]),
    ]
    every = np.concatenate(values)
    return every[np.isfinite(every)]


def test_tricky_floats():
    values = tricky()
    assert lines(values) == expected_lines(values)
    assert max(len(repr(value)) for value in values.tolist()) <= LONGEST_FLOAT


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_any_float(values):
    assert lines(values) == expected_lines(values)


@pytest.mark.slow
def test_millions_of_floats():
    rng = np.random.default_rng(1)
    for _ in range(40):
        values = rng.integers(0, 2**64, 100_000, dtype=np.uint64).view(np.float64)
        values = values[np.isfinite(values)]
        assert lines(values) == expected_lines(values)


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("where", "formula", "broken"),
    [
        ("_shortest", "closer = fraction == 0 and biased > 1", "closer = False"),
        (
            "_shortest",
            "upper = _round_to_odd(g1, g0, (four * c + two) << h) - odd",
            "upper = _round_to_odd(g1, g0, (four * c + two) << h)",
        ),
        ("_shortest", "value > middle or (value == middle and (s & one) != 0)", "value >= middle"),
        ("_round_to_odd", "cut < below", "False"),
        ("_round_to_odd", "np.uint64(cut > np.uint64(1))", "np.uint64(0)"),
        ("_shortest", "biased if biased != 0 else np.int64(1)", "biased"),
        ("_put_float", "0 < point <= 16", "0 < point <= 17"),
        ("_put_float", "-4 < point <= 0", "-3 < point <= 0"),
        ("_put_float", "45 if power < 0 else 43", "43"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, where, formula, broken):
    copy = plain_python(monkeypatch, "subsetsum_nets.graphs.files.text_kernels", where, formula, broken)
    values = tricky()[::7]
    with np.errstate(over="ignore"):
        assert lines(values, copy.put_edges) != expected_lines(values)
