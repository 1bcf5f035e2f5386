"""What is said, in words, of a network of signs that equals the target rounded to finite precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.networks.rounding import integer_weights
from subsetsum_nets.theory.binary_sizes import sreenivasan_2021_integers

if TYPE_CHECKING:
    from subsetsum_nets.pruned_network import PrunedNetwork


def exact_rows(pruned: PrunedNetwork) -> list[tuple[str, str]]:
    """Return names and texts: what it equals, its layout, what it holds, its size beside the paper's.

    There are none where its certificate claims no such thing.
    """
    exact = None if pruned.certificate is None else pruned.certificate.exact
    if exact is None:
        return []
    target, width, depth = pruned.target.widths, max(pruned.random.widths[1:]), len(pruned.random.layers)
    largest = max(int(abs(whole).max()) for whole in integer_weights(pruned.target, exact["bits"]))
    papers = sreenivasan_2021_integers(max(target), len(target) - 1, max(1, largest.bit_length()))
    held = [f"every |w| <= {most:,}" if most else "this one" for most in exact.get("held", ())]
    off = f" (up to {exact['slack']} more than the nearest off)" if "slack" in exact else ""
    scaled = ", ".join(f"+-2^-{bits}" for bits in exact["ends"] if bits)
    ends = f"block ends {scaled}, all other weights +-1" if scaled else "all weights +-1"
    times = f"; the outputs are 2^{exact['outputs']} times larger" if "outputs" in exact else ""
    equals = f"the target in multiples of 2^-s{off}, s = {exact['bits']}, for {exact['inputs']}{times}"
    return [
        ("equals, exactly", equals),
        ("layout", f"{', '.join(exact['layouts'])}; {ends}"),
        ("integer layers held", f"{'; '.join(held)}, for the choices made"),
        ("width", f"{width}, {width / max(target):.1f} times the target's; the paper's {papers.width:,}"),
        ("depth", f"{depth}, the paper's {papers.depth}; the paper's signs {papers.parameters:.1e}"),
    ]
