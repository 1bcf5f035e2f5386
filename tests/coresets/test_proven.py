"""sparsify(epsilon=): what is returned is proven, over a domain or near points, and nearly the smallest."""

import numpy as np
import pytest
from support.planting import plant

from subsetsum_nets import Dense, ReluNetwork, load_network, shipped_network, sparsify, verify, verify_near
from subsetsum_nets.coresets.proven import OverDomain, fewest
from subsetsum_nets.networks.files.shipped import load_test_split

TARGET = load_network(shipped_network())
IMAGES, _ = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
SMALL = ReluNetwork(
    [Dense(np.random.default_rng(size).normal(size=(size, 8))) for size in (8, 8)], domain=TARGET.domain
)
DATA, NEAR = IMAGES[:300], IMAGES[300:304]


@pytest.mark.parametrize(
    "method",
    ["box-cost", *(pytest.param(name, marks=pytest.mark.slow) for name in ("magnitude", "corenet", "svd"))],
)
def test_the_error_over_the_domain_is_proven(method):
    found = sparsify(TARGET, DATA, method=method, epsilon=4.0, norm="l2")
    assert found.bound.verified
    again = verify(TARGET, found, domain=TARGET.domain, norm="l2", method="zonotope")
    assert again.upper == found.bound.upper <= 4.0
    assert found.errors(IMAGES).max() <= again.upper


@pytest.mark.slow
def test_dropping_the_cheapest_proves_what_was_measured():
    shares = [
        sparsify(TARGET, DATA, method="box-cost", epsilon=e, norm="l2").fraction for e in (0.1, 1.0, 4.0)
    ]
    assert shares == pytest.approx([0.868, 0.746, 0.604], abs=0.005)
    assert sparsify(TARGET, DATA, method="magnitude", epsilon=4.0, norm="l2").fraction > shares[-1] + 0.02


def test_the_error_near_points_is_proven():
    found = sparsify(TARGET, DATA, epsilon=1.0, near=NEAR, radius=0.02)
    assert found.bound.verified
    assert found.fraction < 0.45
    again = verify_near(TARGET, found, NEAR, 0.02)
    np.testing.assert_array_equal(again.uppers, found.bound.uppers)
    assert found.errors(NEAR).max() <= found.bound.upper <= 1.0
    with pytest.raises(ValueError, match="chose the size"):
        found.population(NEAR)
    with pytest.raises(ValueError, match="coordinate 0 is 5"):
        sparsify(TARGET, DATA, epsilon=1.0, near=np.full((1, 64), 5.0), radius=0.02)


def test_what_cannot_be_spared_is_kept():
    net = ReluNetwork([Dense([[3.0, 1.0]]), Dense([[5.0]])], domain=TARGET.domain)
    found = sparsify(net, np.ones((4, 2)), method="magnitude", epsilon=1e-9)
    assert found.size == 3
    assert found.bound.verified


def test_progress_is_told():
    told = []
    sparsify(SMALL, np.ones((4, 8)), method="magnitude", epsilon=1.0, progress=lambda *now: told.append(now))
    assert told[-1][0] <= told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_judge_that_is_too_kind_is_noticed(monkeypatch):
    plant(
        monkeypatch,
        OverDomain.within,
        "zonotope_bound(comparison).upper <= epsilon",
        "zonotope_bound(comparison).upper <= 2 * epsilon",
    )
    assert not sparsify(SMALL, np.ones((4, 8)), method="magnitude", epsilon=1.0).bound.verified


def test_a_size_that_failed_is_not_returned(monkeypatch):
    plant(
        monkeypatch,
        fewest,
        "judge.within(network_of(task.target, found.matrices), epsilon)",
        "judge.within(network_of(task.target, task.matrices), epsilon)",
    )
    assert not sparsify(SMALL, np.ones((4, 8)), method="magnitude", epsilon=1.0).bound.verified
