"""The small checker on networks whose hidden layers mostly carry, and on mistakes planted in it."""

import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from support.planting import plain_python
from verification.test_check_certificate import NAME, forge, refuses, write_folder

from subsetsum_nets import prune
from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import check_certificate
from subsetsum_nets.verification.check_certificate import ONE

SPLIT = [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]


def grown(widths, bits, domain, seed=0, **options):
    """Return a target, and a network of random signs that equals it rounded."""
    rng = np.random.default_rng(seed)
    layers = [Dense(rng.uniform(-1, 1, (b, a)), rng.uniform(-1, 1, b)) for a, b in pairwise(widths)]
    target = ReluNetwork(layers)
    return target, prune(target, construction="binary", bits=bits, domain=domain, **options).network


def carried(last, constant=0.0, **options):
    """Return 4 relu layers that carry both halves of two inputs, twice doubled, and a last layer."""
    double = Dense(2.0 * np.eye(4), constant * np.ones(4) if np.any(constant) else None)
    return ReluNetwork([Dense(SPLIT), double, double, Dense([last])], **options)


def cases():
    yield *grown((3, 4, 2), (4, 3), Box(-1, 1)), Box(-1, 1), "linf"
    yield (
        *grown((3, 4, 2), (4, 3), Box([-1.0, 0.0, -1.0], [0.0, 1.0, 1.0]), seed=1, scale="every"),
        Box([-1.0, 0.0, -1.0], [0.0, 1.0, 1.0]),
        "l1",
    )
    yield *grown((3, 3, 3, 1), 4, Ball(2.0), seed=2), Ball(2.0), "l2"
    yield ReluNetwork([Dense([[3.5, -1.0]])]), carried([1.0, -1.0, -0.25, 0.25]), Box(-1, 1), "l2"
    yield ReluNetwork([Dense([[3.5, -1.0]], [7.0])]), carried([1.0, 1.0, -0.25, 0.25], 1.0), Box(0, 1), "l2"
    linear = carried([1.0, -1.0, -0.25, 0.25], linear_after=[1])
    yield ReluNetwork([Dense([[3.5, -1.0]])]), linear, Box(-1, 1), "l2"
    halving = [Dense(0.5 * np.eye(2), [0.25, 0.5])] * 2
    last = [Dense([[16.0, -4.0]])]
    yield ReluNetwork([Dense([[4.0, -1.0]], [3.0])]), ReluNetwork([*halving, *last]), Box(0, 1), "l2"
    half = [Dense(SPLIT), Dense(np.eye(4)), Dense([[1.0, -1, 0, 0], [0, 0, -1, 1]]), Dense([[4.0, 1.0]])]
    yield ReluNetwork([Dense([[4.0, -1.0]])]), ReluNetwork(half, linear_after=[2]), Box(-1, 1), "l2"
    positive = ReluNetwork([Dense([[0.5, 0.25], [0.25, 0.6]]), Dense([[1.0, 0.5]])])
    yield positive, prune(positive, construction="binary", bits=3, domain=Box(0, 1)).network, Box(0, 1), "l2"
    yield BENT, after_carrying([[1.0, -1.0], [0, 0]], [0.0, -1.0], [2.0, 5.0]), Box(0, 1), "l2"


BENT = ReluNetwork([Dense([[1.0, -1.0]]), Dense([[2.0]])])


def after_carrying(weight, bias, last):
    """Return a network that bends in its fourth layer alone."""
    return ReluNetwork([*[Dense(np.eye(2))] * 3, Dense(weight, bias), Dense([last])])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders that are right, and the bounds that are proven there."""
    place, found = tmp_path_factory.mktemp("carried"), []
    for number, (f, g, domain, norm) in enumerate(cases()):
        folder = write_folder(place / str(number), f, g, domain, norm)
        found.append((folder, check_certificate.check(folder)))
    return found


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Return folders whose certificate is of another network: kinks, other weights, too fine ones."""
    place, found = tmp_path_factory.mktemp("wrong"), []
    f, domain = ReluNetwork([Dense([[4.0, -1.0]])]), Box(-1, 1)
    bend = Dense([[1.0, 0, -1.0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    others = [
        carried([1.0, 1.0, -0.25, 0.25]),
        carried([-1.0, -1.0, -0.25, 0.25]),
        carried([1.0, -1.0, -0.25, 0.125]),
        carried([1.0, -1.0, -0.25, 0.25], np.array([1.0, 0, 0, 0])),
        carried([1.0, -1.0, -0.25, 0.25], -1.0),
        ReluNetwork([Dense(SPLIT), bend, Dense(np.eye(4)), Dense([[4.0, -4.0, 3.0, 1.0]])]),
        ReluNetwork(
            [Dense([[1.0, 1.0], [1, 0], [0, 1]]), *[Dense(np.eye(3))] * 2, Dense([[0.0, 4.0, -1.0]])]
        ),
    ]
    fine = np.vstack([np.hstack([np.eye(4), np.zeros((4, 1))]), [[0, 0, 0, 0, 2.0**-600]]])
    first = np.vstack([SPLIT, [[2.0**-600, 0.0]]])
    tiny = ReluNetwork([Dense(first), Dense(fine), Dense([[4.0, -4.0, -1.0, 1.0, 1.0]])])
    pairs = [(f, g, domain) for g in others]
    pairs.append((f, tiny, Box(0, 1)))
    pairs.append((BENT, after_carrying([[1.0, -1.0], [0.25, -0.25]], [0.0, 0.0], [2.0, 0.5]), Box(0, 1)))
    for number, (target, g, area) in enumerate(pairs):
        folder = write_folder(place / str(number), target, g, area, "l2", "interval")
        found.append((folder, forge(folder, bound=0.25, attack=0.0, verified=True)))
    return found


def test_bounds_are_those_of_the_package_to_the_last_digits(folders):
    for folder, exact in folders:
        claimed = json.loads((folder / "certificate.json").read_text())["bound"]
        assert Fraction(exact, ONE) <= Fraction(claimed) <= Fraction(exact, ONE) * (1 + Fraction(1, 10**9))


def test_other_networks_are_refused(wrong):
    assert {refuses(check_certificate, *pair) for pair in wrong} == {"refused"}


def right(checker, folders, wrong):
    """Whether a checker proves what is proven, and refuses what is wrong."""
    try:
        proven = all(checker.check(folder) == exact for folder, exact in folders)
        return proven and all(refuses(checker, *pair) == "refused" for pair in wrong)
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        return False


SCALED = "times(mine._replace(rows=mine.rows[:units], bias=mine.bias[:units]), -places)"
MISTAKES = [
    ("shifted", "value % (1 << -places) == 0", "True"),
    ("shifted", "value >> -places", "value"),
    ("collapsed", "-int(domain[0][j] < 0)", "int(domain[0][j] < 0)"),
    ("collapsed", "-int(domain[0][j] < 0)", "-1"),
    ("collapsed", "bias << -exponent", "bias"),
    ("collapsed", "total.get(key, 0) + w * value", "w * value"),
    ("collapsed", "len(both) == 2", "False"),
    ("collapsed", "len(seen) == 1", "True"),
    ("collapsed", "v > 0 or not layer.relu", "True"),
    ("collapsed", "v > 0 or not layer.relu", "v > 0"),
    ("collapsed", "not both or total.get(~key, 0) == -value", "True"),
    ("collapsed", "value if key >= 0 else -value", "value"),
    ("collapsed", "index not in keep", "True"),
    ("collapsed", "index + 1 < len(g)", "True"),
    ("in_scale", "max(mine.bias[j], 0)", "mine.bias[j]"),
    ("in_scale", "max(mine.bias[j], 0)", "0"),
    ("in_scale", "any(mine.rows[units:])", "False"),
    ("in_scale", "shifted(w, places)", "w"),
    ("in_scale", SCALED, "mine._replace(rows=mine.rows[:units], bias=mine.bias[:units])"),
    ("times", "[shifted(bias, places) for bias in layer.bias]", "layer.bias"),
    ("times", "[[(j, shifted(w, places)) for j, w in row] for row in layer.rows]", "layer.rows"),
]


def test_the_checker_is_right(folders, wrong):
    assert right(check_certificate, folders, wrong)


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "old", "new"), MISTAKES)
def test_a_planted_mistake_is_seen(monkeypatch, folders, wrong, function, old, new):
    assert not right(plain_python(monkeypatch, NAME, function, old, new), folders, wrong)
