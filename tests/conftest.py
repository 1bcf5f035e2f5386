"""Hypothesis without deadlines, as no test depends on how fast the machine is; and tests of every backend.

A test that takes ``backend``, ``proving_backend`` or ``counting_backend`` runs on each that is registered and
is of that kind. ``pytest --backend NAME`` runs these tests only, none thinned, on one backend: a registered
one, or with ``--backend MODULE:CLASS`` one that is registered for this run.
"""

import signal
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from support.backends import KINDS, asked_for

from solvers.backend.registry import BACKENDS, backend_named

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

ONLY = pytest.StashKey()  # the name that --backend comes down to, or None


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        metavar="NAME",
        help="run the tests of backends only, and on this one: a registered one, or MODULE:CLASS to register",
    )


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    given = config.getoption("--backend")
    try:
        config.stash[ONLY] = None if given is None else asked_for(given).name
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise pytest.UsageError(f"--backend {given}: {error}") from error


def pytest_generate_tests(metafunc):
    only = metafunc.config.stash[ONLY]
    for fixture, is_of_that_kind in KINDS.items():
        by_hand = any(fixture in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
        if fixture in metafunc.fixturenames and not by_hand:
            names = list(BACKENDS) if only is None else [only]
            metafunc.parametrize(fixture, [n for n in names if is_of_that_kind(backend_named(n))])


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their marks
def pytest_collection_modifyitems(config, items):
    only = config.stash[ONLY]
    if only is None:
        run_every_third_by_default(items)
        return
    chosen = [only in map(parameters_of(item).get, KINDS) for item in items]
    config.hook.pytest_deselected(items=[item for item, kept in zip(items, chosen, strict=True) if not kept])
    items[:] = [item for item, kept in zip(items, chosen, strict=True) if kept]


def run_every_third_by_default(items):
    """Of a test marked ``thinned``, run a third of the cases by default and the others with the slow tests.

    Of three cases in a row one is kept, each time another: cases often go round in threes themselves.
    """
    families = Counter()
    for item in items:
        if item.get_closest_marker("thinned") is None:
            continue
        family = item.path, item.originalname
        number = families[family]
        families[family] += 1
        if (number + number // 3) % 3:
            item.add_marker(pytest.mark.slow)


def parameters_of(item):
    return item.callspec.params if hasattr(item, "callspec") else {}
