"""What commands say of a bound: proven, verified, falsified or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.cli.terminal import at_least, at_most
from subsetsum_nets.shown import shown_domain

if TYPE_CHECKING:
    from subsetsum_nets.networks import Domain


def verdict(
    bound: float, epsilon: float | None, attack: float, norm: str, domain: Domain, exponent: int = 0
) -> str:
    """Return the sentence, with rich's markup; it speaks of 2^-exponent g."""
    shown = at_most(bound, epsilon)
    compared = f"2^{-exponent} g(x)" if exponent else "g(x)"
    claim = f"||f(x) - {compared}||_{norm[1:]} <= {shown} for every x in {shown_domain(domain)}"
    if epsilon is None:
        return f"[bold]proven[/] {claim}"
    if bound <= epsilon:
        return f"[bold green]verified[/] {claim}; required {epsilon:g}"
    if attack > epsilon:
        reached = at_least(attack, epsilon)
        return f"[bold red]falsified[/] the difference reaches {reached}; required {epsilon:g}"
    return f"[bold red]not verified[/] proven is only {claim}; required {epsilon:g}"
