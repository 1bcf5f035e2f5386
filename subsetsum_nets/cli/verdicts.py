"""What commands say of a bound: proven, verified, falsified or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.cli.terminal import at_least, at_most

if TYPE_CHECKING:
    from subsetsum_nets.networks import Domain

_LONGEST = 80  # characters of a domain that is shown in full


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


def shown_domain(domain: Domain) -> str:
    """Return a domain as people can read it: not every one of 784 bounds."""
    text = repr(domain)
    return text if len(text) <= _LONGEST else f"a {type(domain).__name__} of {domain.dimension} coordinates"
