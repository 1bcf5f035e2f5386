"""Bounds on sup ||f - g||: every method of verify(), beside what others would run, on the same pairs.

f has He-normal weights and no bias. g replaces each layer of f by hidden units relu(x_j) and relu(-x_j) and
a second layer [P, -N], so that it computes P max(x, 0) + N min(x, 0), with P and N uniform within +-error of
f's weights. The norm is linf. "full" is the box [-1, 1] ([0, 1] for 784 inputs), "0.05" a cube of that radius
about a random point of it. Tables show medians over seeds; "lower" is the best difference that an attack
found, so that an upper/lower of 1 is perfect. Run it, on an otherwise idle machine, with

    python benchmarks/verification.py [--quick] [--section pairs splitting milp checker replay] [--json]

Others: "naive interval" is interval arithmetic in plain float64 on each network, and, where torch and
auto_LiRPA are installed, its IBP and CROWN run in this process on one module that computes f - g. That module
has the form in which CROWN loses least: g as N x + (P - N) relu(x), which is just P x behind a ReLU. None of
these rounds outward; ours do. Seconds of ours are those of the upper bound, without the attack.
"""

import argparse
import functools
import importlib
import inspect
import json
import math
import statistics
import subprocess
import sys
import tempfile
import types
import warnings
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from unittest.mock import patch

import numpy as np

# Python puts the folder of a script first on its path, where solvers.py would hide the package of that name.
FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]

from subsetsum_nets import load_network, prune, shipped_network  # noqa: E402
from subsetsum_nets.networks import Box, Dense, ReluNetwork  # noqa: E402
from subsetsum_nets.verification import (  # noqa: E402
    METHODS,
    Comparison,
    UnsupportedStructureError,
    check_certificate,
    verifier,
    verify,
)
from subsetsum_nets.verification.certificate import Certificate  # noqa: E402

NETWORKS = {
    "64-64-64-10": (64, 64, 64, 10),
    "196-200-200-10": (196, 200, 200, 10),
    "64-64x4-10": (64, 64, 64, 64, 64, 10),
    "784-500-500-10": (784, 500, 500, 10),
}
ERRORS = (1e-2, 1e-3, 1e-4)
TIMED = ("splitting", "milp")  # these use whatever time they are given, and have sections of their own

# Upper bounds of a zonotope in plain float, full box, error 1e-3, median of 5 other pairs: figures to beat.
PROTOTYPES = {"64-64-64-10": 2.1, "196-200-200-10": 16.6, "784-500-500-10": 59}


@dataclass
class Effort:
    """How much a section may do."""

    networks: tuple
    errors: tuple
    seeds: int
    splitting: float
    as_json: bool


@dataclass
class Pair:
    """A target, its pruned network, the slopes that that has for each layer, and a domain."""

    f: ReluNetwork
    g: ReluNetwork
    slopes: list
    domain: Box


@dataclass
class Row:
    """What a method did, as medians over seeds; None where it did nothing."""

    section: str
    network: str
    error: float
    domain: str
    method: str
    upper: float | None
    lower: float | None
    ratio: float | None
    seconds: float | None
    seeds: int
    note: str = ""


@dataclass
class Bound:
    """What a method did on one pair."""

    upper: float
    lower: float
    seconds: float


def make_pair(widths, error, kind, seed):
    """Draw a target and a pruned network near it."""
    rng = np.random.default_rng([seed, *widths])
    layers, replaced, slopes = [], [], []
    for d_in, d_out in pairwise(widths):
        weight = rng.normal(0.0, math.sqrt(2 / d_in), (d_out, d_in))
        positive, negative = (weight + rng.uniform(-error, error, weight.shape) for _ in range(2))
        identity = np.eye(d_in)
        layers.append(Dense(weight))
        replaced.append(Dense(np.concatenate([identity, -identity])))
        replaced.append(Dense(np.concatenate([positive, -negative], axis=1)))
        slopes.append((positive, negative))
    low = 0.0 if widths[0] == 784 else -1.0
    domain = Box(low, 1.0)
    if kind != "full":
        radius = float(kind)
        center = rng.uniform(low + radius, 1.0 - radius, widths[0])
        domain = Box(center - radius, center + radius)
    return Pair(ReluNetwork(layers), ReluNetwork(replaced), slopes, domain)


# -- ours, and others ----------------------------------------------------------------------------------


def attack(pair):
    """Return the best lower bound that the attack finds."""
    return verify(pair.f, pair.g, domain=pair.domain, norm="linf", method="interval")


def ours(method, **options):
    """Return a function that bounds a pair by one of our methods, given the lower bound found before."""

    def run(pair, found):
        # The attack takes longer than most methods; all are compared with the one that was run before.
        with patch.object(verifier, "falsify", lambda *_, **__: found):
            start = perf_counter()
            result = verify(pair.f, pair.g, domain=pair.domain, norm="linf", method=method, **options)
            return Bound(result.upper, found.lower, perf_counter() - start)

    return run


def naive_interval(pair, found):
    """Bound both networks by intervals in plain float64, and subtract."""
    start = perf_counter()
    ends = []
    for network in (pair.f, pair.g):
        low, high = pair.domain.bounds(network.widths[0])
        for layer, relu in zip(network.layers, network.relu_after, strict=True):
            middle, reach = layer.weight @ ((low + high) / 2), np.abs(layer.weight) @ ((high - low) / 2)
            low, high = middle - reach, middle + reach
            if relu:
                low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
        ends.append((low, high))
    (f_low, f_high), (g_low, g_high) = ends
    upper = float(np.maximum(f_high - g_low, g_high - f_low).max())
    return Bound(upper, found.lower, perf_counter() - start)


@functools.cache
def load_lirpa():
    """Import auto_LiRPA; its last published version, 0.3, expects older numpy and torch and is helped out."""
    import torch

    helper = importlib.import_module("torch.onnx.symbolic_helper")
    if not hasattr(np.lib, "arraysetops"):
        moved = types.ModuleType("numpy.lib.arraysetops")
        moved.isin = np.isin
        sys.modules[moved.__name__] = moved
    if not hasattr(helper, "_set_opset_version"):
        helper._set_opset_version = lambda version: None  # noqa: ARG005, SLF001 - nothing is exported
    node = torch._C.Node  # noqa: SLF001
    if not hasattr(node, "__getitem__"):
        node.__getitem__ = lambda self, name: getattr(self, self.kindOf(name))(name)
    import auto_LiRPA

    members = auto_LiRPA.BoundedModule._named_members  # noqa: SLF001

    def named_members(self, *given, remove_duplicate=True, **named):  # noqa: ARG001 - new in torch 2
        return members(self, *given, **named)

    if "remove_duplicate" not in inspect.signature(members).parameters:
        auto_LiRPA.BoundedModule._named_members = named_members  # noqa: SLF001
    return torch, auto_LiRPA


def difference_module(torch, pair):
    """Return f - g as one torch module."""

    def linear(weight):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
        layer.weight.data = torch.from_numpy(np.array(weight))
        return layer.requires_grad_(False)  # noqa: FBT003 - torch's own name for it

    class Difference(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.of_f = torch.nn.ModuleList([linear(layer.weight) for layer in pair.f.layers])
            (positive, negative), *rest = pair.slopes
            self.straight, self.kink = linear(negative), linear(positive - negative)
            self.of_g = torch.nn.ModuleList([linear(slopes[0]) for slopes in rest])

        def forward(self, x):
            f = self.of_f[0](x)
            g = self.straight(x) + self.kink(torch.relu(x))
            for of_f, of_g in zip(self.of_f[1:], self.of_g, strict=True):
                f, g = of_f(torch.relu(f)), of_g(torch.relu(g))
            return f - g

    return Difference()


def lirpa(method):
    """Return a function that bounds a pair by a method of auto_LiRPA."""

    def run(pair, found):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch, library = load_lirpa()
        low, high = (torch.from_numpy(end)[None] for end in pair.domain.bounds(pair.f.widths[0]))
        center = (low + high) / 2
        start = perf_counter()
        bounded = library.BoundedModule(
            difference_module(torch, pair), center, bound_opts={"conv_mode": "matrix"}
        )
        region = library.PerturbationLpNorm(norm=math.inf, x_L=low, x_U=high)
        with torch.no_grad():
            ends = bounded.compute_bounds(x=(library.BoundedTensor(center, region),), method=method)
        upper = max(float(end.abs().max()) for end in ends)
        return Bound(upper, found.lower, perf_counter() - start)

    return run


def programs():
    """Return (name, function of a pair and a lower bound) for everything that is compared."""
    timeless = [(method, ours(method)) for method in METHODS if method not in TIMED]
    others = [("naive interval", naive_interval)]
    others += [(f"auto_LiRPA {method}", lirpa(method)) for method in ("IBP", "CROWN")]
    return timeless + others


# -- tables --------------------------------------------------------------------------------------------


def summary(bounds, note="", **names):
    """Return the medians of what a method did on some pairs."""
    if not bounds:
        return Row(**names, upper=None, lower=None, ratio=None, seconds=None, seeds=0, note=note)
    return Row(
        **names,
        upper=statistics.median(bound.upper for bound in bounds),
        lower=statistics.median(bound.lower for bound in bounds),
        ratio=statistics.median(ratio(bound) for bound in bounds),
        seconds=statistics.median(bound.seconds for bound in bounds),
        seeds=len(bounds),
        note=note,
    )


def ratio(bound):
    return bound.upper / bound.lower if bound.lower > 0 else math.inf


def show(effort, row):
    """Print a row, for people or for machines."""
    if effort.as_json:
        print(json.dumps(asdict(row)), flush=True)
    elif row.seeds:
        figures = (
            f"{row.upper:>11.3g}{row.lower:>11.3g}{row.ratio:>13,.6g}{clock(row.seconds):>10}{row.seeds:>6}"
        )
        print(f"{row.method:24}{figures}  {row.note}", flush=True)
    else:
        print(f"{row.method:24}{row.note}", flush=True)


def head(effort, title):
    if not effort.as_json:
        print(f"\n## {title}\n")
        print(f"{'method':24}{'upper':>11}{'lower':>11}{'upper/lower':>13}{'time':>10}{'seeds':>6}")


def say(effort, text):
    if not effort.as_json:
        print(text, flush=True)


def clock(seconds):
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def goal(effort, what, measured, limit, unit=""):
    """Print one of the targets that this package sets itself, and whether it was met."""
    verdict = "met" if measured <= limit else "NOT MET"
    say(effort, f"target: {what}: {measured:,.7g}{unit} (wanted <= {limit:,.7g}{unit}): {verdict}")


def not_available(effort, section, method):
    show(
        effort, summary([], "not available", section=section, network="", error=0.0, domain="", method=method)
    )


# -- sections ------------------------------------------------------------------------------------------


def pairs(effort):
    """Compare every method without a time limit on every pair."""
    for network in effort.networks:
        for error in effort.errors:
            for kind in ("full", "0.05"):
                head(effort, f"{network}, error {error:g}, {kind}")
                drawn = [make_pair(NETWORKS[network], error, kind, seed) for seed in range(effort.seeds)]
                found = [attack(pair) for pair in drawn]
                rows = {}
                for name, program in programs():
                    bounds, note = [], ""
                    for pair, lower in zip(drawn, found, strict=True):
                        try:
                            bounds.append(program(pair, lower))
                        except (UnsupportedStructureError, ImportError) as refusal:
                            note = f"not available: {refusal}"[:80]
                            break
                    names = {"section": "pairs", "network": network, "error": error, "domain": kind}
                    rows[name] = summary(bounds, note, **names, method=name)
                    show(effort, rows[name])
                if (error, kind) == (1e-3, "full") and network in PROTOTYPES and "zonotope" in rows:
                    limit = PROTOTYPES[network]
                    goal(effort, "zonotope, as tight as in plain float", rows["zonotope"].upper, limit)


def timed(effort, method, widths, error, kind, limit, seeds):
    """Run a method that takes a time limit; return its row."""
    names = {"section": method, "network": "-".join(map(str, widths)), "error": error, "domain": kind}
    bounds = []
    for seed in range(seeds):
        pair = make_pair(widths, error, kind, seed)
        start = perf_counter()
        result = verify(pair.f, pair.g, domain=pair.domain, norm="linf", method=method, time_limit=limit)
        bounds.append(Bound(result.upper, result.lower, perf_counter() - start))
    row = summary(bounds, f"time limit {limit:g} s", **names, method=method)
    show(effort, row)
    return row


def splitting(effort):
    """Split the inputs and units of a network that no method without splitting bounds tightly."""
    if "splitting" not in METHODS:
        not_available(effort, "splitting", "splitting")
        return
    head(effort, "splitting: 64-64-64-10, error 0.01, 0.05")
    row = timed(effort, "splitting", NETWORKS["64-64-64-10"], 1e-2, "0.05", effort.splitting, effort.seeds)
    goal(effort, f"splitting for {effort.splitting:g} s, upper/lower", row.ratio, 3)


def milp(effort):
    """Bracket the exact supremum of a small network."""
    if "milp" not in METHODS:
        not_available(effort, "milp", "milp")
        return
    head(effort, "milp: 4-8-8-2")
    for error in effort.errors:
        row = timed(effort, "milp", (4, 8, 8, 2), error, "full", 60.0, effort.seeds)
        goal(effort, f"milp at error {error:g}, upper/lower", row.ratio, 1 + 1e-6)
        goal(effort, f"milp at error {error:g}", row.seconds, 60, " s")


def checker(effort):
    """Time the small exact checker on the shipped networks' tickets, in a process of its own."""
    head(
        effort,
        "the small checker (exact integers, nothing but Python), on certificates of method differential",
    )
    for name in ("digits-64-32-10", "digits-64-128-64-10"):
        pruned = prune(load_network(shipped_network(name)))
        domain = pruned.certificate.domain_set
        result = verify(pruned.target, pruned, domain=domain, method="differential", epsilon=pruned.epsilon)
        page = {**asdict(pruned.certificate), **Certificate.findings(result)}
        with tempfile.TemporaryDirectory() as folder:
            pruned.save(folder)
            Certificate(**page).save(Path(folder) / "differential.json")
            command = [sys.executable, "-I", "-S", check_certificate.__file__]
            seconds = []
            for _ in range(effort.seeds):
                start = perf_counter()
                done = subprocess.run(  # noqa: S603 - our own file
                    [*command, folder, str(Path(folder) / "differential.json")],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                seconds.append(perf_counter() - start)
        bounds = [Bound(result.upper, result.lower, second) for second in seconds]
        names = {"section": "checker", "network": name, "error": 0.0, "domain": "certificate"}
        show(effort, summary(bounds, done.stdout.strip(), **names, method=name))
        goal(effort, f"checking {name}", statistics.median(seconds), 60, " s")


def replay(effort):
    """Time the replay of each method's bound in exact arithmetic, and see that it agrees from below."""
    from subsetsum_nets.verification.methods.table import TABLE
    from subsetsum_nets.verification.replay.replay import REPLAYED_METHODS, replayed_bound

    for network in effort.networks[:2]:
        head(effort, f"exact replay: {network}, error 0.001, full")
        pair = make_pair(NETWORKS[network], 1e-3, "full", 0)
        found = attack(pair)
        for method in REPLAYED_METHODS:
            if method in TIMED:  # replayed by verify(exact=True), which keeps the record of their search
                continue
            comparison = Comparison(pair.f, pair.g, pair.domain, "linf")
            bound = TABLE[method].bound(comparison)
            claimed = bound.upper
            start = perf_counter()
            exact = replayed_bound(method, comparison, bound.record)
            seconds = perf_counter() - start
            if exact > claimed:
                raise AssertionError(f"{method} claims {claimed!r}, exact arithmetic proves {float(exact)!r}")
            note = f"the float bound is {float(claimed / exact - 1):.1e} above"
            names = {"section": "replay", "network": network, "error": 1e-3, "domain": "full"}
            show(effort, summary([Bound(float(exact), found.lower, seconds)], note, **names, method=method))


SECTIONS = {"pairs": pairs, "splitting": splitting, "milp": milp, "checker": checker, "replay": replay}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small networks, one seed, shorter limits")
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, help="of section pairs; all unless --quick"
    )
    parser.add_argument("--seeds", type=int, help="pairs of each kind (5; with --quick 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    arguments = parser.parse_args()
    quick = arguments.quick
    effort = Effort(
        networks=tuple(arguments.networks or (("64-64-64-10", "64-64x4-10") if quick else NETWORKS)),
        errors=(1e-3,) if quick else ERRORS,
        seeds=arguments.seeds or (1 if quick else 5),
        splitting=5.0 if quick else 60.0,
        as_json=arguments.json,
    )
    for name in arguments.section:
        SECTIONS[name](effort)


if __name__ == "__main__":
    main()
