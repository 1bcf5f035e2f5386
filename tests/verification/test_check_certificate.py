"""The small checker: it agrees with the float bound from below, and refuses what is wrong by a hair."""

import ast
import dataclasses
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.planting import plain_python
from verification.geometry_cases import geometry_pair
from verification.tiny_networks import (
    Case,
    exact_pair,
    exact_sizes,
    power,
    random_cases,
    single,
    single_pair,
    tight_cases,
    truth,
)

from subsetsum_nets import load_network, prune
from subsetsum_nets.networks import AvgPool2d, Ball, Box, Dense, ReluNetwork, save_network
from subsetsum_nets.networks.digests import network_digest
from subsetsum_nets.networks.files.shipped import shipped_network
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.verification import check_certificate, verify
from subsetsum_nets.verification.certificate import (
    PAIR_FORMAT,
    PAIR_SEMANTICS,
    Certificate,
    PairCertificate,
    _body_digest,
)
from subsetsum_nets.verification.check_certificate import ONE, BadFileError, RefusedError

NAME = "subsetsum_nets.verification.check_certificate"
PATH = Path(check_certificate.__file__)


def write_folder(folder, f, g, domain, norm, method="differential"):
    """Write what prune() would, but for the random network and its masks, which the checker leaves alone."""
    folder.mkdir()
    pruned = sparse_form(g)
    save_network(f, folder / "target.safetensors")
    save_network(pruned, folder / "pruned.safetensors")
    result = verify(f, g, domain=domain, norm=norm, method=method, epsilon=1.0)
    Certificate(
        target_digest=network_digest(f),
        random_digest="",
        masks_digest="",
        pruned_digest=network_digest(pruned),
        seed=0,
        recipe=None,
        construction="relu",
        candidates=0,
        epsilon=1.0,
        delta=0.01,
        counts={},
        status_counts={},
        shortfall=None,
        **Certificate.findings(result),
    ).save(folder / "certificate.json")
    return folder


def forge(folder, *, sign=True, **changes):
    """Edit the certificate like one who knows its format and renews its digest; return where it stands."""
    page = {**json.loads((folder / "certificate.json").read_text()), **changes}
    body = {key: value for key, value in page.items() if key != "digest"}
    forged = folder / "forged.json"
    forged.write_text(json.dumps({**body, "digest": _body_digest(body) if sign else page["digest"]}))
    return forged


def one_layer_for_one():
    """Return cases whose pruned network has one layer for each of the target's."""
    cases = []
    for seed, (norm, domain) in enumerate(
        [("l2", Box(-1, 1)), ("linf", Ball(0.5, [0.25, -1.0])), ("l1", Box([0, -1], [1, 2]))]
    ):
        rng = np.random.default_rng(seed)
        f_layers, g_layers = [], []
        for d_in, d_out in ((2, 4), (4, 3), (3, 2)):
            weight, bias = rng.uniform(-1, 1, (d_out, d_in)), rng.uniform(-1, 1, d_out)
            f_layers.append(Dense(weight, bias))
            g_layers.append(Dense(weight + rng.uniform(-0.01, 0.01, weight.shape), bias + 0.001))
        networks = single(f_layers, g_layers, linear_after=[1] if seed else [], final_relu=seed == 2)
        cases.append(Case(f"one-for-one{seed}", *networks, domain, norm, "differential", tight=False))
    return cases


def adversarial_cases():
    """Return cases with huge, subnormal and cancelling weights, and balls where one slope alone is wrong."""
    tiny, small = 2.0**-1074, 2.0**-600
    cases = [
        ([[1e300, -1e-300]], [[1e300, 1e-300]], [[1e300, 0.0]], 1.0),
        ([[tiny, 0.5]], [[3 * tiny, 0.5 + 2.0**-53]], [[tiny, 0.5]], 1.0),
        ([[tiny], [tiny]], [[2 * tiny], [2 * tiny]], [[tiny], [tiny]], 1.0),
        ([[small]], [[small * (1 + 2.0**-52)]], [[small]], small),
        ([[1.0, 2.0**-60], [-1.0, 0.25]], [[1.0, 0.0], [-1.0, 0.25]], [[1.0, 0.0], [-1.0, 0.0]], 1.0),
        ([[0.5, 0.5]], [[0.5, 0.5]], [[0.75, 0.75]], 1.0),
        ([[0.5, 0.5]], [[0.75, 0.75]], [[0.5, 0.5]], 1.0),
    ]
    return [
        Case(f"adversarial{index}", *single_pair(*pair), domain, norm, "differential", tight=False)
        for index, (*pair, size) in enumerate(cases)
        for domain in (Box(-size, size), Ball(size))
        for norm in ("linf", "l2")
    ]


def agreement_cases():
    tight = [case for case in tight_cases() if case.method == "differential"]
    return tight + random_cases(range(16), ["differential"]) + one_layer_for_one() + adversarial_cases()


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Return (case, folder, largest difference at the points tried, a power of it) for every case."""
    place, found = tmp_path_factory.mktemp("examples"), []
    for number, case in enumerate(agreement_cases()):
        folder = write_folder(place / str(number), case.f, case.g, case.domain, case.norm)
        inside = tuple(point for point in case.points if case.domain.contains(np.array(point)))
        found.append((case, folder, truth(dataclasses.replace(case, points=inside))))
    return found


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Return a folder whose exact bound, and exact difference at its witness, are no floats."""
    f = ReluNetwork([Dense([[0.1, -0.7], [0.3, 0.2]], [0.1, 0.2]), Dense([[0.9, 0.4], [-0.3, 1.1]])])
    g_layers = []
    for layer, error in zip(f.layers, (0.01, -0.03), strict=True):
        g_layers += exact_pair(layer.weight + error, layer.weight - error, layer.bias)
    return write_folder(tmp_path_factory.mktemp("honest") / "box", f, ReluNetwork(g_layers), Box(-1, 1), "l2")


@pytest.fixture(scope="module")
def in_ball(tmp_path_factory):
    f, g = ReluNetwork([Dense([[1.0, 0.5]])]), ReluNetwork(exact_pair([[1.5, 0.25]], [[1.25, 0.5]]))
    return write_folder(tmp_path_factory.mktemp("ball") / "ball", f, g, Ball(1.0, [0.5, 0.25]), "l1")


def refuses(checker, folder, certificate=None):
    """Tell how a checker takes a folder: 'bad', 'refused', or None when it confirms."""
    try:
        checker.check(folder, certificate)
    except checker.BadFileError:
        return "bad"
    except checker.RefusedError:
        return "refused"
    return None


def largest_weight(case):
    """Return the size of the weights, to which the float bound's rounding errors are relative."""
    return max(
        Fraction(float(abs(layer.weight).max())) for network in (case.f, case.g) for layer in network.layers
    )


def check_agreement(checker, examples):
    """See that exact bounds hold, are at most the float ones, and only by rounding below them."""
    for case, folder, reached in examples:
        claimed = Fraction(json.loads((folder / "certificate.json").read_text())["bound"])
        exact = Fraction(checker.check(folder), ONE)
        assert exact <= claimed, f"{case}: {float(exact)} exceeds the float bound {float(claimed)}"
        assert reached <= exact ** power(case.norm), f"{case}: {float(exact)} is exceeded at some point"
        slack = exact / 10**9 + largest_weight(case) / 10**14
        assert claimed <= exact + slack, f"{case}: {float(exact)} is too far below {float(claimed)}"


def check_refusals(checker, honest, in_ball):
    """See that claims which are false by a hair are refused, and those which are true by a hair are not."""
    page = json.loads((honest / "certificate.json").read_text())
    exact = Fraction(check_certificate.check(honest), ONE)
    bound = float(exact)
    above, below = (bound, math.nextafter(bound, 0)) if bound >= exact else (math.nextafter(bound, 1), bound)
    assert refuses(checker, honest, forge(honest, bound=above)) is None
    assert refuses(checker, honest, forge(honest, bound=below)) == "refused"
    assert refuses(checker, honest, forge(honest, bound=math.inf, verified=False)) == "refused"
    assert refuses(checker, honest, forge(honest, bound=math.nan, verified=False)) == "refused"
    assert refuses(checker, honest, forge(honest, bound="0.1")) == "bad"
    assert refuses(checker, honest, forge(honest, bound=True)) == "bad"
    # The difference at the witness, to the last bit.
    f, g = (load_network(honest / f"{name}.safetensors") for name in ("target", "pruned"))
    (size,) = exact_sizes(f, g, np.array([page["witness"]]), "l2")
    attack = math.sqrt(size)
    down, over = (math.nextafter(attack, end) for end in (0, 1))
    assert Fraction(down) ** 2 < size < Fraction(over) ** 2
    assert refuses(checker, honest, forge(honest, attack=down)) is None
    assert refuses(checker, honest, forge(honest, attack=over)) == "refused"
    for norm in ("linf", "l1"):  # bound and attack of another norm than those claimed
        (size,) = exact_sizes(f, g, np.array([page["witness"]]), norm)
        claims = {"norm": norm, "bound": 1.0, "attack": float(size) * (1 - 1e-15)}
        assert refuses(checker, honest, forge(honest, **claims)) is None
        claims["attack"] = float(size) * (1 + 1e-15)
        assert refuses(checker, honest, forge(honest, **claims)) == "refused"
    assert refuses(checker, honest, forge(honest, norm="l3")) == "bad"
    outside = [math.nextafter(1.0, 2.0), 0.0]
    assert refuses(checker, honest, forge(honest, witness=outside, attack=0.0)) == "refused"
    assert refuses(checker, honest, forge(honest, witness=[-1.0, 1.0], attack=0.0)) is None
    assert refuses(checker, honest, forge(honest, witness=[0.0], attack=0.0)) == "bad"
    assert refuses(checker, honest, forge(honest, witness=[0.0, math.nan], attack=0.0)) == "bad"
    # A ball of radius 1 about (1/2, 1/4): (3/2, 1/4) is its last point there, (3/2, 5/4) a corner of its box.
    for witness, verdict in (([1.5, 0.25], None), ([1.5, 1.25], "refused"), ([1.5, 0.25 + 1e-9], "refused")):
        assert refuses(checker, in_ball, forge(in_ball, witness=witness, attack=0.0)) == verdict
    wider = {"kind": "ball", "radius": 1.0 + 2.0**-52, "center": [0.5, 0.25]}
    assert refuses(checker, in_ball, forge(in_ball, domain=wider, bound=tight_bound(in_ball))) == "refused"
    assert refuses(checker, in_ball, forge(in_ball, bound=tight_bound(in_ball))) is None
    for domain in (
        {"kind": "box", "low": -1.0, "high": 1.0 + 2.0**-52},
        {"kind": "box", "low": [-1.0, -1.0 - 2.0**-52], "high": 1.0},
    ):
        assert refuses(checker, honest, forge(honest, domain=domain, bound=above)) == "refused"
    for domain in ({"kind": "cube"}, {"kind": "box", "low": [0.0] * 3, "high": 1.0}, {"kind": "box"}, None):
        assert refuses(checker, honest, forge(honest, domain=domain)) == "bad"
    # Edits that a forger did not sign, and ones that contradict the files.
    assert refuses(checker, honest, forge(honest, sign=False, epsilon=2.0)) == "bad"
    assert refuses(checker, honest, forge(honest, verified=False)) == "bad"
    assert refuses(checker, honest, forge(honest, target_digest=page["pruned_digest"])) == "bad"
    assert refuses(checker, honest, forge(honest, pruned_digest=page["target_digest"])) == "bad"
    assert refuses(checker, honest, forge(honest, semantics="f and g are alike")) == "bad"
    assert refuses(checker, honest, forge(honest, version=2)) == "bad"
    # Certificates of pairs: nothing need be asked, and then nothing is decided.
    pair = {"format": PAIR_FORMAT, "semantics": PAIR_SEMANTICS}
    assert refuses(checker, honest, forge(honest, **pair)) is None
    assert refuses(checker, honest, forge(honest, **pair, epsilon=None, verified=None)) is None
    assert refuses(checker, honest, forge(honest, **pair, epsilon=None)) == "bad"
    assert refuses(checker, honest, forge(honest, **pair, verified=None)) == "bad"
    assert refuses(checker, honest, forge(honest, **pair, epsilon=bound / 2)) == "bad"
    assert refuses(checker, honest, forge(honest, **pair, bound=below)) == "refused"
    assert refuses(checker, honest, forge(honest, semantics=PAIR_SEMANTICS)) == "bad"
    assert refuses(checker, honest, forge(honest, format="pair", semantics=None)) == "bad"


def tight_bound(folder):
    """Return the least float that is not below the exact bound of a folder."""
    exact = Fraction(check_certificate.check(folder), ONE)
    bound = float(exact)
    return bound if bound >= exact else math.nextafter(bound, math.inf)


@pytest.mark.slow
def test_agrees_with_the_float_bound_from_below(examples):
    check_agreement(check_certificate, examples)


def test_false_claims_are_refused_and_true_ones_confirmed(honest, in_ball):
    check_refusals(check_certificate, honest, in_ball)


def test_a_bound_of_another_method_is_confirmed_where_it_is_not_tighter(tmp_path):
    f, g = ReluNetwork([Dense([[1.0, 0.5]])]), ReluNetwork([Dense([[1.5, 0.25]])])
    folder = write_folder(tmp_path / "interval", f, g, Box(-1, 1), "l2", "interval")
    assert check_certificate.check(folder) == 3 * ONE // 4
    with pytest.raises(
        RefusedError, match=r"prove 0\.75 by .* claims 0\.5 by 'interval'; only bounds by 'diff"
    ):
        check_certificate.check(folder, forge(folder, bound=0.5, attack=0.0, verified=True))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Dense([[1.0, 1.0]]), Dense([[1.0]])], "more than one input"),
        ([Dense([[1.0, 0.0]], [0.5]), Dense([[1.0]])], "an input and a bias"),
        ([Dense(np.eye(2)), Dense(np.eye(2)), Dense([[1.0, 0.0]])], "g has 3 layers, f has 1"),
    ],
)
def test_networks_of_another_structure_are_refused(tmp_path, layers, message):
    f = ReluNetwork([Dense([[1.0, 0.0]])])
    folder = write_folder(tmp_path / "other", f, ReluNetwork(layers), Box(-1, 1), "l2", "interval")
    with pytest.raises(RefusedError, match=message):
        check_certificate.check(folder)


def test_a_final_relu_in_one_network_only_is_refused(tmp_path):
    f = ReluNetwork([Dense([[1.0]])])
    g = ReluNetwork([Dense([[1.0]])], final_relu=True)
    folder = write_folder(tmp_path / "relu", f, g, Box(-1, 1), "l2", "interval")
    with pytest.raises(RefusedError, match="one by one"):
        check_certificate.check(folder)


def replaced(folder, place, name, content):
    """Copy a folder with one file replaced by other bytes."""
    place.mkdir(exist_ok=True)
    for file in ("target.safetensors", "pruned.safetensors", "certificate.json"):
        (place / file).write_bytes(content if file == name else (folder / file).read_bytes())
    return place


@pytest.mark.parametrize("name", ["target.safetensors", "pruned.safetensors"])
def test_a_flipped_bit_of_any_array_is_noticed(honest, tmp_path, name):
    raw = (honest / name).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    for position in range(start, len(raw), 3):
        flipped = bytearray(raw)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(BadFileError):
            check_certificate.check(replaced(honest, tmp_path / "flipped", name, bytes(flipped)))


@pytest.mark.parametrize("name", ["target.safetensors", "pruned.safetensors", "certificate.json"])
def test_truncated_lengthened_foreign_and_missing_files_are_noticed(honest, tmp_path, name):
    raw = (honest / name).read_bytes()
    contents = [raw[:length] for length in (0, 1, 8, 9, 100, len(raw) // 2, len(raw) - 3)]
    contents += [raw + b"x", b"{}", b"[]", b"null", b"1e999", b'"text"', b"[" * 100_000, b"\xff" * 64]
    contents += [len(text).to_bytes(8, "little") + text for text in (b"{}", b"[]", b'{"__metadata__":{}}')]
    for content in contents:
        with pytest.raises(BadFileError):
            check_certificate.check(replaced(honest, tmp_path / "other", name, content))
    place = replaced(honest, tmp_path / "missing", name, b"")
    (place / name).unlink()
    with pytest.raises(BadFileError, match="missing"):
        check_certificate.check(place)


def headers(raw):
    """Yield .safetensors files with the same arrays, whose headers lie in one point each."""
    size = int.from_bytes(raw[:8], "little")
    text, body = raw[8 : 8 + size].decode(), raw[8 + size :]
    ours = json.loads(json.loads(text)["__metadata__"]["subsetsum-nets"])
    lies = [
        {"version": 2},
        {"format": "other"},
        {"relu_after": [not relu for relu in ours["relu_after"]]},
        {"relu_after": [int(relu) for relu in ours["relu_after"]]},
        {"relu_after": []},
        {"layers": ours["layers"][:-1]},
        {"layers": [{**ours["layers"][0], "kind": "convolution"}, *ours["layers"][1:]]},
        {"layers": [{**ours["layers"][0], "bias": False}, *ours["layers"][1:]]},
        {"layers": [{**ours["layers"][0], "shape": [2**40, 2]}, *ours["layers"][1:]]},
        {"layers": [{**ours["layers"][0], "kind": "dense"}, *ours["layers"][1:]]},
    ]
    for lie in lies:
        header = {**json.loads(text), "__metadata__": {"subsetsum-nets": json.dumps({**ours, **lie})}}
        yield json.dumps(header).encode(), body
    tables = json.loads(text)
    for name in tables:
        if name != "__metadata__":
            for key, value in (("dtype", "F32"), ("shape", [1]), ("data_offsets", [0, 8]), ("dtype", "X")):
                if tables[name][key] != value:
                    yield json.dumps({**tables, name: {**tables[name], key: value}}).encode(), body


def test_headers_that_lie_are_noticed(honest, tmp_path):
    raw = (honest / "pruned.safetensors").read_bytes()
    count = 0
    for text, body in headers(raw):
        content = len(text).to_bytes(8, "little") + text + body
        count += 1
        with pytest.raises(BadFileError):
            check_certificate.check(replaced(honest, tmp_path / "lie", "pruned.safetensors", content))
    assert count > 40


def test_broken_sparse_arrays_are_noticed_even_if_their_digest_is_certified(honest, tmp_path):
    """Indices out of range, negative, twice or out of order, and row pointers that run back."""
    with (honest / "pruned.safetensors").open("rb") as file:
        raw = file.read()
    size = int.from_bytes(raw[:8], "little")
    tables = json.loads(raw[8 : 8 + size])
    for name, values in (
        ("layers.3.weight.indices", [0, 1, 2, 3, 0, 1, 2, 9]),
        ("layers.3.weight.indices", [-1, 1, 2, 3, 0, 1, 2, 3]),
        ("layers.3.weight.indices", [0, 0, 2, 3, 0, 1, 2, 3]),
        ("layers.3.weight.indices", [1, 0, 2, 3, 0, 1, 2, 3]),
        ("layers.3.weight.indptr", [0, 9, 8]),
        ("layers.3.weight.indptr", [1, 4, 8]),
        ("layers.3.weight.indptr", [0, 4, 7]),
    ):
        changed = bytearray(raw)
        start, end = (8 + size + offset for offset in tables[name]["data_offsets"])
        content = np.array(values, dtype="<i4").tobytes()
        assert len(content) == end - start
        changed[start:end] = content
        place = replaced(honest, tmp_path / "broken", "pruned.safetensors", bytes(changed))
        with pytest.raises(BadFileError) as caught:  # what it hashes to is what a forger would certify
            check_certificate.check(place)
        assert "sparse" in str(caught.value) or "rows" in str(caught.value)


# ---------------------------------------------------------------- convolutions


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return (f, g, domain, norm, folder) of networks of every kind of window."""
    place, found = tmp_path_factory.mktemp("images"), []
    for seed in (0, 3, 9, 12, 13, 19, 22, 28, 31, *range(18, 24)):
        f, g, domain = geometry_pair(seed)
        norm = ("l2", "linf", "l1")[seed % 3]
        found.append((f, g, domain, norm, write_folder(place / f"{len(found)}", f, g, domain, norm)))
    means = [AvgPool2d((1, 2))]  # which stays as it is, before a layer that a pair stands for
    f = ReluNetwork([*means, Dense([[1.0]])], input_shape=(1, 2, 1), linear_after=[0])
    g = ReluNetwork([*means, *exact_pair([[1.25]], [[1.0]])], input_shape=(1, 2, 1), linear_after=[0])
    found.append((f, g, Box(-1, 1), "l2", write_folder(place / "means", f, g, Box(-1, 1), "l2")))
    return found


def check_images(checker, images):
    """See that exact bounds are a rounding below the float ones, and above what is reached somewhere."""
    for f, g, domain, norm, folder in images:
        claimed = Fraction(json.loads((folder / "certificate.json").read_text())["bound"])
        exact = Fraction(checker.check(folder), ONE)
        assert exact <= claimed <= exact * (1 + Fraction(1, 10**9)) + Fraction(1, 10**14)
        points = domain.project(np.random.default_rng(0).uniform(-1, 1, (30, f.widths[0])))
        inside = np.array([point for point in points if domain.contains(point)])
        assert max(exact_sizes(f, g, inside, norm), default=0) <= exact ** power(norm)


@pytest.mark.slow
def test_convolutions_are_written_out_and_confirmed(images):
    check_images(check_certificate, images)


def test_headers_that_lie_about_windows_are_noticed(images, tmp_path):
    *_, folder = images[2]
    raw = (folder / "target.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    ours = json.loads(header["__metadata__"]["subsetsum-nets"])
    assert [kind["kind"] for kind in ours["layers"]] == ["conv", "conv", "dense"]
    lies = [{"version": 1}, {"version": 4}, {"input_shape": None}, {"input_shape": [1, 2, 1]}]
    lies += [{"input_shape": shape} for shape in ([1, 1], [1.0, 1, 2], [0, 1, 2], [2**40, 1, 2])]
    for name, values in {
        "stride": (2, [0, 1], [1.0, 2], [True, 2], [1, 2, 3]),
        "dilation": ([0, 1], [2**40, 1], None),
        "padding": ("full", [[0, -1], [0, 0]], [[0, 0.5], [0, 0]], [[0, 2**40], [0, 0]], [1, 1]),
        "groups": (2, 0, "1"),
    }.items():
        first, second, dense = ours["layers"]
        lies += [{"layers": [first, {**second, name: value}, dense]} for value in values]
    for lie in lies:
        text = {**header, "__metadata__": {"subsetsum-nets": json.dumps({**ours, **lie})}}
        told = json.dumps(text).encode()
        content = len(told).to_bytes(8, "little") + told + raw[8 + size :]
        with pytest.raises((BadFileError, RefusedError)):
            check_certificate.check(replaced(folder, tmp_path / "lie", "target.safetensors", content))


SEEN = "a, b = i * s + p * d - top, j * t + q * e - left"
IMAGE_MUTANTS = [
    ("windows", "dilation * (places - 1) + 1", "places"),
    ("windows", "-(-pixels // stride)", "pixels // stride"),
    ("windows", 'padding == "same_upper"', "True"),
    ("windows", "(pixels + before + after - reach) // stride + 1", "(pixels + after - reach) // stride + 1"),
    (
        "unrolled",
        "a, b = i * s + p * d - top, j * t + q * e - left",
        "a, b = i + p * d - top, j * t + q * e - left",
    ),
    (
        "unrolled",
        "a, b = i * s + p * d - top, j * t + q * e - left",
        "a, b = i * s + p * d - top, j * t + q * e",
    ),
    (
        "unrolled",
        "a, b = i * s + p * d - top, j * t + q * e - left",
        "a, b = i * s + p * d - top, j * t + q - left",
    ),
    ("unrolled", "rows - 1 - p", "p"),
    ("unrolled", "columns - 1 - q", "q"),
    ("unrolled", "group * c_in + c", "c"),
    ("unrolled", "0 <= a < h and 0 <= b < w and weight", "0 <= a < h and 0 <= b and weight"),
    ("in_pairs", "g[0] == layer", "False"),
    ("read_network", "biases * (len(rows) // outputs)", "[0] * len(rows)"),
    ("read_network", 'kind.keys() & {"stride", "padding", "dilation", "groups"}', "()"),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("where", "formula", "broken"), IMAGE_MUTANTS)
def test_mistakes_about_windows_are_noticed(monkeypatch, images, where, formula, broken):
    checker = plain_python(monkeypatch, NAME, where, formula, broken)
    with pytest.raises((AssertionError, checker.RefusedError, checker.BadFileError)):
        check_images(checker, images)


MUTANTS = [
    # the primitives
    ("up", "return -(-product >> BITS)", "return product >> BITS"),
    ("root_up", "root if root * root == product else root + 1", "root if root * root == product else root"),
    ("number", "numerator * ONE // denominator", "numerator * (ONE >> 30) // denominator << 30"),
    # effective weights
    ("layer_errors", "positive[j] = negative[j] = -w * ONE", "positive[j] = -w * ONE"),
    ("layer_errors", "positive[j] = negative[j] = -w * ONE", "positive[j] = negative[j] = w * ONE"),
    ("layer_errors", "u > 0 or not first.relu", "u > 0"),
    ("layer_errors", "u < 0 or not first.relu", "u < 0"),
    ("layer_errors", "u > 0 or not first.relu", "u < 0 or not first.relu"),
    ("layer_errors", "(second.bias[i] - layer.bias[i]) * ONE", "0"),
    ("layer_errors", "(second.bias[i] - layer.bias[i]) * ONE", "second.bias[i] * ONE"),
    ("layer_errors", "max(first.bias[unit], 0) if first.relu else first.bias[unit]", "first.bias[unit]"),
    (
        "layer_errors",
        "max(first.bias[unit], 0) if first.relu else first.bias[unit]",
        "max(first.bias[unit], 0)",
    ),
    ("layer_errors", "max(first.bias[unit], 0) if first.relu else first.bias[unit]", "0"),
    (
        "layer_errors",
        "([up(abs(e)) for e in positive], [up(abs(e)) for e in negative], up(abs(constant)))",
        "([up(e) for e in positive], [up(abs(e)) for e in negative], up(abs(constant)))",
    ),
    (
        "layer_errors",
        "([up(abs(e)) for e in positive], [up(abs(e)) for e in negative], up(abs(constant)))",
        "([up(abs(e)) for e in positive], [up(abs(e)) for e in positive], up(abs(constant)))",
    ),
    # the recursion
    (
        "deviations",
        "[max(h + d, 0) for h, d in zip(high, before, strict=True)]",
        "[max(h, 0) for h, d in zip(high, before, strict=True)]",
    ),
    ("deviations", "max(d - lo, 0)", "max(-lo, 0)"),
    ("deviations", "max(d - lo, 0) if signed else 0", "0"),
    ("deviations", "signed = index == 0 or not f[index - 1].relu", "signed = index == 0"),
    ("deviations", "signed = index == 0 or not f[index - 1].relu", "signed = True"),
    ("deviations", "-up(-sum(w * (low if w > 0 else high)[j] for j, w in row)) + bias", "0"),
    (
        "deviations",
        "up(sum(w * (high if w > 0 else low)[j] for j, w in row))",
        "up(sum(w * high[j] for j, w in row))",
    ),
    ("deviations", "sum(max(p * a, n * b) for p, a, n, b in sides)", "sum(p * a for p, a, n, b in sides)"),
    ("deviations", "sum(max(p * a, n * b) for p, a, n, b in sides)", "sum(n * b for p, a, n, b in sides)"),
    (
        "deviations",
        "sum(max(p * a, n * b) for p, a, n, b in sides)",
        "max(max(p * a, n * b) for p, a, n, b in sides)",
    ),
    (
        "deviations",
        "sum(max(p * a, n * b) for p, a, n, b in sides)",
        "sum(p * a + n * b for p, a, n, b in sides)",
    ),
    ("deviations", "abs(w) * before[j]", "w * before[j]"),
    ("deviations", "up(sum(abs(w) * before[j] for j, w in row) + fresh)", "up(fresh)"),
    (
        "deviations",
        "up(sum(abs(w) * before[j] for j, w in row) + fresh) + constant",
        "up(sum(abs(w) * before[j] for j, w in row) + fresh)",
    ),
    (
        "deviations",
        "sum(abs(w) * before[j] for j, w in row) + fresh",
        "sum(abs(w) * before[j] for j, w in row)",
    ),
    ("deviations", "min(deviation, max(most + deviation, 0))", "min(deviation, max(most, 0))"),
    ("deviations", "least, most = max(least, 0), max(most, 0)", "pass"),
    ("deviations", "min(deviation, max(most + deviation, 0))", "deviation"),
    ("deviations", "layer.relu", "True"),
    # the ball
    (
        "deviations",
        (
            "for row, bias, (positive, negative, constant) in zip(layer.rows, layer.bias, errors, "
            "strict=True): ...\n"
            "...\n"
            "index == 0 and ball"
        ),
        "ball and layer.inputs == len(ball[0])",
    ),
    ("deviations", "index == 0 and ball", "index == 9 and ball"),
    ("deviations", "min(most, bias + up(middle + reach))", "min(most, bias + up(reach))"),
    ("deviations", "max(least, bias - up(reach - middle))", "max(least, bias - up(reach))"),
    ("deviations", "root_up(sum(w * w for _, w in row))", "max([abs(w) for _, w in row], default=0)"),
    ("deviations", "root_up(sum(e * e for e in counted))", "max(counted)"),
    ("deviations", "max(p if a else 0, n if b else 0)", "max(p, 0)"),
    (
        "deviations",
        "sum(e * abs(c) for e, c in zip(counted, center, strict=True)) + reach",
        "sum(e * abs(c) for e, c in zip(counted, center, strict=True))",
    ),
    (
        "deviations",
        "fresh = min(fresh, sum(e * abs(c) for e, c in zip(counted, center, strict=True)) + reach)",
        "fresh = reach",
    ),
    ("read_domain", "c - radius", "c"),
    # norms, the witness, the claims
    ("norm", "max(vector)", "sum(vector)"),
    ("norm", "sum(vector)", "max(vector)"),
    ("norm", "root(sum(v * v for v in vector))", "max(vector)"),
    ("exact_value", "bias << BITS * depth", "bias"),
    ("exact_value", "[max(v, 0) for v in x] if layer.relu else x", "x"),
    (
        "check_witness",
        "inside and sum((v - c) ** 2 for v, c in zip(x, ball[0], strict=True)) <= ball[1] ** 2",
        "inside or sum((v - c) ** 2 for v, c in zip(x, ball[0], strict=True)) <= ball[1] ** 2",
    ),
    (
        "check_witness",
        "inside = inside and sum((v - c) ** 2 for v, c in zip(x, ball[0], strict=True)) <= ball[1] ** 2",
        "pass",
    ),
    ("check_witness", "low <= v <= high", "low <= v"),
    ("check_witness", "abs((a << finer) - b)", "abs(a << finer)"),
    ("check_witness", "reached >= attack", "reached > 0"),
    ("check_files", 'page["norm"]', '"linf"'),
    ("check_files", 'number(page["bound"])', '2 * number(page["bound"])'),
    ("check_files", 'page["bound"] < math.inf', "True"),
    ("read_network", "digest.hexdigest() == stated", "True"),
    ("read_certificate", "not edited", "True"),
    ("check_files", 'page["verified"] is asked', "True"),
    ("read_certificate", "claim in CLAIMS", "claim[:2] in [known[:2] for known in CLAIMS]"),
]


def check_linear_pair(checker):
    """A hidden unit without a ReLU is 2 x - 3, half of it x - 1.5: also where its bias is negative."""
    one = checker.ONE
    layer = checker.Layer([[(0, one)]], [-3 * one // 2], 1, relu=False)
    first = checker.Layer([[(0, 2 * one)]], [-3 * one], 1, relu=False)
    second = checker.Layer([[(0, one // 2)]], [0], 1, relu=False)
    assert checker.layer_errors(layer, first, second) == [([0], [0], 0)]


def everything(checker, examples, honest, in_ball):
    check_linear_pair(checker)
    check_agreement(checker, examples)
    check_refusals(checker, honest, in_ball)


def test_the_checks_pass_on_an_unchanged_copy(monkeypatch, examples, honest, in_ball):
    everything(plain_python(monkeypatch, NAME), examples, honest, in_ball)


@pytest.mark.thinned
@pytest.mark.parametrize(("where", "formula", "broken"), MUTANTS)
def test_planted_mistakes_are_noticed(monkeypatch, examples, honest, in_ball, where, formula, broken):
    checker = plain_python(monkeypatch, NAME, where, formula, broken)
    with pytest.raises((AssertionError, checker.RefusedError)):
        everything(checker, examples, honest, in_ball)


# ---------------------------------------------------------------- the file itself, and a real ticket


def test_the_file_is_short_and_imports_the_standard_library_only():
    source = PATH.read_text()
    assert len(source.splitlines()) <= 500
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported <= sys.stdlib_module_names
    called = {
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"float", "round", "eval", "exec", "open", "__import__"}


def run(*arguments):
    """Run the file as its users do, without this package or any other that is installed."""
    command = [sys.executable, "-I", "-S", str(PATH), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_it_runs_alone_with_exit_codes_that_tell_the_outcome(honest, tmp_path):
    code, text = run(honest)
    assert code == 0
    assert text.startswith("CONFIRMED: exact integers prove 0.")
    code, text = run(honest, forge(honest, bound=1e-3, attack=0.0))
    assert code == 1
    assert text.startswith("REFUSED: exact integers prove 0.")
    assert "claims 0.001 by 'differential'" in text
    code, text = run(tmp_path)
    assert code == 2
    assert text.startswith("BAD INPUT: a file is missing or damaged")
    code, text = run()
    assert code == 2
    assert "usage" in text


def test_two_network_files_are_checked_against_the_certificate_of_the_pair(tmp_path):
    f, g = (ReluNetwork([Dense([[1.0, w]]), Dense([[2.0]])]) for w in (0.5, 0.25))
    paths = [tmp_path / name for name in ("f.safetensors", "g.safetensors", "pair.json")]
    save_network(f, paths[0])
    save_network(g, paths[1])
    PairCertificate.about(f, g, verify(f, g, method="differential", epsilon=0.6)).save(paths[2])
    assert run(*paths) == (0, "CONFIRMED: exact integers prove 0.5, which is enough\n")
    code, text = run(paths[1], paths[0], paths[2])
    assert (code, text[:9]) == (2, "BAD INPUT")
    assert "not the network that was certified" in text


def confirm_ticket(folder, target):
    """Confirm the certificate of a ticket, written anew by method differential."""
    pruned = prune(load_network(shipped_network(target)))
    pruned.save(folder)
    result = verify(
        pruned.target,
        pruned,
        domain=pruned.certificate.domain_set,
        method="differential",
        epsilon=pruned.epsilon,
    )
    certificate = dataclasses.replace(pruned.certificate, **Certificate.findings(result))
    certificate.save(folder / "differential.json")
    exact = check_certificate.check(folder, folder / "differential.json")
    assert Fraction(result.lower) <= Fraction(exact, ONE) <= Fraction(result.upper)
    assert Fraction(result.upper) <= Fraction(exact, ONE) * (1 + Fraction(1, 10**5))
    bound = math.nextafter(float(Fraction(exact, ONE)), 0.0)
    dataclasses.replace(certificate, bound=math.nextafter(bound, 0.0)).save(folder / "lower.json")
    with pytest.raises(RefusedError):
        check_certificate.check(folder, folder / "lower.json")


@pytest.mark.slow
def test_it_confirms_the_digits_ticket(tmp_path):
    confirm_ticket(tmp_path / "ticket", "digits-64-32-10")


@pytest.mark.slow
def test_it_confirms_the_large_digits_ticket(tmp_path):
    confirm_ticket(tmp_path / "ticket", "digits-64-128-64-10")
