"""Random networks: keyed, exact, redrawable, and distributed as they say."""

import dataclasses
import json
import math
import time
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, Philox, SeedSequence

from subsetsum_nets.networks import (
    Box,
    Dense,
    DenseDraw,
    InvalidNetworkError,
    LinkDraw,
    Normal,
    OnesDraw,
    RandomRecipe,
    Signs,
    Uniform,
    keyed_words,
    network_digest,
    random_network,
    random_recipe_from_json,
)
from subsetsum_nets.networks.distributions import Distribution, distribution_from_json
from subsetsum_nets.networks.draw_kinds import KINDS
from subsetsum_nets.networks.layer_draws import LARGEST_DRAW, LayerDraw

seeds = st.integers(0, 2**200)
words = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20).map(
    lambda w: np.array(w, dtype=np.uint64)
)
scales = st.integers(-30, 30).map(lambda e: 2.0**e)


@given(seeds, st.integers(0, 100), st.integers(0, 1), st.integers(0, 300), st.integers(0, 50))
def test_any_slice_of_the_words_is_that_slice_of_the_whole(seed, layer, kind, start, count):
    whole = Philox(SeedSequence(seed, spawn_key=(layer, kind))).random_raw(350)
    part = keyed_words(seed, layer, kind, start, count)
    assert part.dtype == np.uint64
    assert np.array_equal(part, whole[start : start + count])


def test_streams_of_other_keys_and_seeds_differ():
    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**64, 0, 0)]
    assert len({keyed_words(*key, 0, 8).tobytes() for key in keys}) == len(keys)


def test_the_words_are_those_written_down_here():
    # Certificates of earlier releases are redrawn from these; a change breaks every one of them.
    assert [f"{word:016x}" for word in keyed_words(0, 0, 0, 0, 2)] == ["cf6c1e6a4ffd2aef", "8bceeb4dde6a1d0f"]
    assert (keyed_words(1, 2, 1, 5, 1)[0] >> np.uint64(40)).item() == 8720756


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, np.int64(-3), [1]])
def test_bad_seeds_are_refused(seed):
    for draw in (lambda: random_network([2, 1], seed=seed), lambda: keyed_words(seed, 0, 0, 0, 1)):
        with pytest.raises(ValueError, match="seed must be an integer of at least 0"):
            draw()


def test_numpy_seeds_are_seeds():
    assert np.array_equal(keyed_words(np.uint8(7), 0, 0, 0, 4), keyed_words(7, 0, 0, 0, 4))


@given(words, scales)
def test_uniform_weights_are_odd_multiples_and_exact_float32(raw, scale):
    weights = Uniform(scale).from_words(raw)
    for word, weight in zip(raw.tolist(), weights.tolist(), strict=True):
        assert Fraction(weight) == Fraction(2 * (word >> 40) + 1 - 2**24, 2**24) * Fraction(scale)
    assert np.array_equal(weights, weights.astype(np.float32))
    assert np.array_equal(-weights, Uniform(scale).from_words(~raw))  # symmetric


@given(words, words, scales, st.sampled_from([Uniform, Normal]), st.sampled_from([Uniform, Normal]))
def test_products_of_two_weights_are_exact(first, second, scale, one, other):
    for a in one(scale).from_words(first).tolist():
        for b in other(1.0).from_words(second).tolist():
            assert Fraction(a * b) == Fraction(a) * Fraction(b)


@pytest.mark.parametrize("std", [1.0, 0.5, 0.3, 3.0, 0.1])
def test_the_most_extreme_normal_weights_are_finite_symmetric_and_on_the_grid(std):
    extreme = np.array([0, 2**63, 2**63 - 1, 2**64 - 1, 2**11, 2**63 + 2**11], dtype=np.uint64)
    weights = Normal(std).from_words(extreme)
    assert np.isfinite(weights).all()
    assert weights[0] == -weights[1]
    assert weights[0] == pytest.approx(-8.29236 * std, rel=1e-5)
    assert abs(weights[2]) == abs(weights[3]) == 0
    grid = 2.0 ** (math.ceil(math.log2(std)) - 23)
    assert (weights / grid == np.rint(weights / grid)).all()
    for a in weights.tolist():
        assert all(Fraction(a * b) == Fraction(a) * Fraction(b) for b in weights.tolist())


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [
        (Uniform(0.7), lambda x: (x / 0.7 + 1) / 2),
        (Normal(0.3), lambda x: 0.5 * (1 + math.erf(x / 0.3 / math.sqrt(2)))),
    ],
)
def test_weights_have_the_distribution_they_are_named_after(distribution, cdf):
    weights = np.sort(random_network([100, 1000], distribution=distribution, seed=5).layers[0].weight.ravel())
    expected = np.array([cdf(x) for x in weights])
    distance = np.abs(expected - (np.arange(weights.size) + 0.5) / weights.size).max()
    assert distance < 2.2 / math.sqrt(weights.size)  # Kolmogorov-Smirnov, level far below 1 in 1000


@pytest.mark.parametrize(
    "bad", [0, -1, np.inf, np.nan, True, "1", None, 2.0**401, 5e-324, 10**400, Fraction(1, 2)]
)
@pytest.mark.parametrize("kind", [Uniform, Normal])
def test_bad_scales_are_refused(kind, bad):
    with pytest.raises(InvalidNetworkError, match="must be a number between"):
        kind(bad)


@pytest.mark.parametrize("distribution", [Uniform(0.5), Normal(2.0)])
def test_a_weight_depends_on_its_key_alone(distribution):
    net = random_network([300, 200, 7], distribution=distribution, bias=True, seed=11)
    for layer, kind, array in [
        (0, 0, net.layers[0].weight),
        (0, 1, net.layers[0].bias),
        (1, 0, net.layers[1].weight),
        (1, 1, net.layers[1].bias),
    ]:
        flat = array.ravel()
        for start in (0, 1, flat.size // 2, flat.size - 3):
            again = distribution.from_words(keyed_words(11, layer, kind, start, 3))
            assert np.array_equal(flat[start : start + 3], again)


def test_random_network_is_what_was_asked_for():
    net = random_network([5, 4, 3], bias=True, seed=2, domain=Box(0, 1))
    assert net.widths == (5, 4, 3)
    assert net.relu_after == (True, False)
    assert net.domain == Box(0, 1)
    assert all(layer.bias is not None for layer in net.layers)
    assert all(layer.bias is None for layer in random_network([5, 4, 3]).layers)
    assert network_digest(net) == network_digest(random_network([5, 4, 3], bias=True, seed=2))
    assert network_digest(net) != network_digest(random_network([5, 4, 3], bias=True, seed=3))


@pytest.mark.parametrize("widths", [[], [3], [3, 0], [3, -1], [3, 2.0], [3, True], [2**16, 2**16]])
def test_bad_widths_are_refused(widths):
    with pytest.raises(InvalidNetworkError, match=r"two widths|integer >= 1|can be drawn"):
        random_network(widths)


def test_a_sampler_draws_from_its_own_keyed_generators():
    calls = []

    def sampler(rng, shape):
        calls.append(shape)
        return rng.exponential(size=shape).astype(np.float32)

    net = random_network([3, 2, 1], distribution=sampler, bias=True, seed=9)
    assert calls == [(2, 3), (2,), (1, 2), (1,)]
    expected = Generator(Philox(SeedSequence(9, spawn_key=(1, 0)))).exponential(size=(1, 2))
    assert np.array_equal(net.layers[1].weight, expected.astype(np.float32))


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (lambda rng, shape: rng.random(7), r"shape \(7,\), not \(2, 3\)"),
        (lambda rng, shape: np.full(shape, np.nan), "finite"),
        (lambda rng, shape: None, "dtype"),
        (lambda rng, shape: "a", "dtype"),
        (lambda rng, shape: 1.0, "shape"),
    ],
)
def test_what_a_sampler_returns_is_checked(sampler, message):
    with pytest.raises(
        InvalidNetworkError, match=f"the sampler returned for the weight of layer 0.*{message}"
    ):
        random_network([3, 2], distribution=sampler)


def test_what_is_no_distribution_is_refused():
    with pytest.raises(InvalidNetworkError, match="Uniform, Normal, Signs, LogUniform or a sampler"):
        random_network([3, 2], distribution="uniform")


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 3))
def test_a_link_gives_every_target_weight_its_own_units(d_out, d_in, per_link, bias, layer):
    link = LinkDraw(d_out, d_in, per_link, bias, Uniform(2.0))
    columns = d_in + bias
    assert link.units == link.random_parameters == per_link * d_out * columns
    coefficients = Uniform(2.0).from_words(keyed_words(4, layer, 0, 0, link.units))
    weight, offsets = np.zeros((link.units, d_in)), np.zeros(link.units)
    for i in range(d_out):
        for j in range(columns):
            for c in range(per_link):
                unit = (i * columns + j) * per_link + c
                if j < d_in:
                    weight[unit, j] = coefficients[unit]
                else:
                    offsets[unit] = coefficients[unit]
    drawn = link.draw(4, layer)
    assert drawn.weight.shape == link.shape
    assert np.array_equal(drawn.weight.toarray(), weight)
    assert drawn.weight.nnz == per_link * d_out * d_in
    if bias:
        assert np.array_equal(drawn.bias, offsets)
    else:
        assert drawn.bias is None
    ones = OnesDraw(d_out, d_in, per_link, bias)
    expected = np.zeros(ones.shape)
    for unit in range(link.units):
        expected[unit // (columns * per_link), unit] = 1
    assert np.array_equal(ones.draw(4, 1).weight.toarray(), expected)
    assert ones.draw(4, 1).bias is None
    assert ones.random_parameters == 0


def test_a_link_and_its_ones_add_up_the_coefficients_of_every_target_weight():
    recipe = RandomRecipe((LinkDraw(2, 3, 5, bias=True), OnesDraw(2, 3, 5, bias=True)), linear_after=(0,))
    net = recipe.draw(0)
    sums = Uniform().from_words(keyed_words(0, 0, 0, 0, 40)).reshape(2, 4, 5).sum(axis=2)
    x = np.array([0.5, -2.0, 1.0])
    assert net(x) == pytest.approx(sums[:, :3] @ x + sums[:, 3])
    assert recipe.random_parameters == 40


def test_a_link_of_samplers_takes_one_row_of_coefficients():
    link = LinkDraw(1, 2, 2, bias=True, distribution=lambda rng, shape: np.arange(1.0, 7.0).reshape(shape))
    drawn = link.draw(0, 0)
    assert drawn.weight.toarray().tolist() == [[1, 0], [2, 0], [0, 3], [0, 4], [0, 0], [0, 0]]
    assert drawn.bias.tolist() == [0, 0, 0, 0, 5, 6]


sizes = st.integers(1, 5)
distributions = st.one_of(
    st.builds(Uniform, scales),
    st.builds(Normal, scales),
    st.builds(Signs, st.sampled_from([1.0, 2.0**-30, 2.0**-1022])),
)


@st.composite
def recipes(draw):
    layers, width = [], draw(sizes)
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            layers.append(DenseDraw(draw(sizes), width, draw(st.booleans()), draw(distributions)))
        else:
            fields = (draw(sizes), width, draw(sizes), draw(st.booleans()))
            layers += [LinkDraw(*fields, draw(distributions)), OnesDraw(*fields)]
        width = layers[-1].shape[0]
    linear = draw(st.sets(st.integers(0, len(layers) - 2), max_size=2)) if len(layers) > 1 else set()
    return RandomRecipe(tuple(layers), tuple(sorted(linear)), draw(st.booleans()))


@given(recipes(), seeds)
@settings(max_examples=50)
def test_a_recipe_read_back_from_json_draws_the_same_network(recipe, seed):
    again = random_recipe_from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    net = recipe.draw(seed)
    assert network_digest(again.draw(seed)) == network_digest(net)
    assert net.linear_after == recipe.linear_after
    assert net.final_relu == recipe.final_relu
    ones = sum(layer.size for layer in recipe.layers if isinstance(layer, OnesDraw))
    zeros = sum(
        layer.draw(0, 0).bias.size - layer.per_link * layer.d_out
        for layer in recipe.layers
        if isinstance(layer, LinkDraw) and layer.bias
    )
    assert recipe.random_parameters == net.parameters - ones - zeros


def test_recipes_written_by_earlier_releases_are_drawn_as_they_were():
    written = (
        '{"layers": [{"kind": "link", "d_out": 2, "d_in": 3, "per_link": 4, "bias": true, '
        '"distribution": {"kind": "uniform", "scale": 0.5}}, '
        '{"kind": "ones", "d_out": 2, "d_in": 3, "per_link": 4, "bias": true}, '
        '{"kind": "dense", "d_out": 5, "d_in": 2, "bias": false, '
        '"distribution": {"kind": "normal", "std": 2.0}}], "linear_after": [0], "final_relu": true}'
    )
    recipe = random_recipe_from_json(json.loads(written))
    link, ones = LinkDraw(2, 3, 4, bias=True, distribution=Uniform(0.5)), OnesDraw(2, 3, 4, bias=True)
    assert recipe == RandomRecipe(
        (link, ones, DenseDraw(5, 2, distribution=Normal(2.0))), (0,), final_relu=True
    )
    assert json.dumps(recipe.to_json()) == written
    assert (
        network_digest(recipe.draw(3)) == "d1f89f71c6151e9b9e55f1d15856380c874342d6ca4ad389617a30e3e48922a4"
    )


@dataclasses.dataclass(frozen=True)
class SignsDraw(LayerDraw):
    """A kind of layer as a newcomer adds it: one class and one entry of KINDS."""

    kind = "signs"

    rows: int
    columns: int
    distribution: Distribution

    @property
    def shape(self):
        return self.rows, self.columns

    @property
    def size(self):
        return self.rows * self.columns

    def draw(self, seed, layer):
        return Dense(
            np.sign(self.distribution.from_words(keyed_words(seed, layer, 0, 0, self.size))).reshape(
                self.shape
            )
        )


def test_a_further_kind_of_layer_needs_one_entry(monkeypatch):
    signs = SignsDraw(2, np.int64(3), Normal())
    with pytest.raises(InvalidNetworkError, match=r"SignsDraw.* none of DenseDraw, LinkDraw, OnesDraw"):
        RandomRecipe((signs,))
    with pytest.raises(
        InvalidNetworkError, match="unknown kind of layer 'signs'; known are dense, link, ones"
    ):
        random_recipe_from_json({**recipe_json, "layers": [signs.to_json()]})
    monkeypatch.setitem(KINDS, "signs", SignsDraw)
    recipe = RandomRecipe((DenseDraw(3, 1), signs))
    assert random_recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert abs(recipe.draw(1).layers[1].weight).tolist() == [[1.0] * 3] * 2
    assert recipe.random_parameters == 9
    for change in ({"rows": 0}, {"columns": 1.5}, {"distribution": {"kind": "cauchy"}}, {"more": 1}):
        with pytest.raises(InvalidNetworkError):
            random_recipe_from_json({**recipe_json, "layers": [{**signs.to_json(), **change}]})
    with pytest.raises(InvalidNetworkError, match="rows of SignsDraw must be an integer >= 1, got 0"):
        SignsDraw(0, 1, Normal())
    with pytest.raises(InvalidNetworkError, match="SignsDraw asks for"):
        SignsDraw(LARGEST_DRAW, 2, Normal())


def test_recipes_of_numpy_integers_can_be_written():
    layer = DenseDraw(np.int64(2), np.int32(3))
    recipe = RandomRecipe((layer, DenseDraw(1, 2)), linear_after=(np.int64(0),))
    assert random_recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_a_sampler_cannot_be_written():
    with pytest.raises(InvalidNetworkError, match="save the drawn network itself"):
        RandomRecipe((DenseDraw(1, 1, distribution=lambda rng, shape: rng.random(shape)),)).to_json()


dense = DenseDraw(2, 3, bias=True).to_json()
link = LinkDraw(2, 3, 4, bias=True, distribution=Normal()).to_json()
recipe_json = {"layers": [dense], "linear_after": [], "final_relu": False}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "recipe",
        {},
        {**recipe_json, "more": 1},
        {**recipe_json, "layers": []},
        {**recipe_json, "layers": {}},
        {**recipe_json, "layers": [dense, dense]},  # 2 values into 3
        {**recipe_json, "linear_after": [0]},
        {**recipe_json, "linear_after": ["0"]},
        {**recipe_json, "linear_after": None},
        {**recipe_json, "final_relu": 1},
        *(
            {**recipe_json, "layers": [{**link, field: value}]}
            for field in ("d_out", "d_in", "per_link")
            for value in (0, -1, 1.0, True, None, "3", [2], 10**30, LARGEST_DRAW)
        ),
        *(
            {**recipe_json, "layers": [{**layer, **change}]}
            for layer in (dense, link)
            for change in (
                {"kind": "conv"},
                {"kind": None},
                {"kind": []},
                {"bias": 0},
                {"unknown": 1},
                {"distribution": None},
                {"distribution": {"kind": "cauchy"}},
                {"distribution": {"kind": "uniform"}},
                {"distribution": {"kind": "uniform", "scale": "1"}},
                {"distribution": {"kind": "uniform", "scale": -1.0}},
                {"distribution": {"kind": "normal", "std": 1e999}},
                {"distribution": {"kind": "normal", "scale": 1.0}},
            )
        ),
        {**recipe_json, "layers": [{key: dense[key] for key in dense if key != "bias"}]},
        {**recipe_json, "layers": [DenseDraw(2**15, 2**15).to_json()] * 3},
    ],
)
def test_malformed_recipes_are_refused(bad):
    with pytest.raises(InvalidNetworkError):
        random_recipe_from_json(bad)


@pytest.mark.slow
@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists)
    | st.just(link)
)
def test_recipes_of_arbitrary_json_are_refused(value):
    for bad in (value, {**recipe_json, "linear_after": value}, {**recipe_json, "layers": [value, value]}):
        if bad != recipe_json:
            with pytest.raises(InvalidNetworkError):
                random_recipe_from_json(bad)


def test_something_that_is_no_layer_is_refused():
    with pytest.raises(InvalidNetworkError, match="layer 0 of the recipe is 3"):
        RandomRecipe((3,))
    with pytest.raises(InvalidNetworkError, match="unknown distribution 'beta'"):
        distribution_from_json({"kind": "beta"})


@pytest.mark.parametrize(
    "layer",
    [
        lambda: DenseDraw(2**16, 2**16),
        lambda: LinkDraw(2**16, 2**15, 2),
        lambda: OnesDraw(2**16, 2**15, 2),
        lambda: DenseDraw(2**400, 1),
    ],
)
def test_single_layers_of_absurd_size_are_refused(layer):
    with pytest.raises(InvalidNetworkError, match=f"at most {LARGEST_DRAW} can be drawn"):
        layer()


def test_recipes_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DenseDraw(1, 1).d_in = 2


def test_drawing_takes_little_more_memory_than_the_result():
    size = 2**21
    draw = DenseDraw(size // 1024, 1024)
    tracemalloc.start()
    layer = draw.draw(0, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert layer.weight.nbytes == 8 * size
    assert peak < 8 * size * 1.15


@pytest.mark.slow
def test_large_networks_are_drawn_in_about_a_second():
    seconds = []
    for draw in (DenseDraw(8000, 5000), LinkDraw(500, 793, 21, bias=True), OnesDraw(500, 793, 21, bias=True)):
        start = time.process_time()
        draw.draw(0, 0)
        seconds.append(time.process_time() - start)
    assert max(seconds) < 5, seconds  # a loop over units would take minutes


@pytest.mark.parametrize("scale", [1.0, 2.0**-29])
def test_a_sign_is_one_bit_of_its_stream(scale: float) -> None:
    drawn = DenseDraw(150, 130, distribution=Signs(scale)).draw(3, 5)
    words = keyed_words(3, 5, 0, 0, -(-150 * 130 // 64)).tolist()
    bits = [words[n // 64] >> n % 64 & 1 for n in range(150 * 130)]
    assert np.array_equal(drawn.weight.ravel(), np.where(bits, scale, -scale))
    assert abs(np.mean(bits) - 0.5) < 0.02


@pytest.mark.parametrize("scale", [0.0, -1.0, 3.0, 2.0**1023, 2.0**-1030, True, "1", float("nan")])
def test_the_scale_of_signs_is_a_power_of_two(scale: object) -> None:
    with pytest.raises(InvalidNetworkError, match="power of two"):
        Signs(scale)  # type: ignore[arg-type]
