"""PrunedNetwork: what prune() returns, and its folder on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers import BatchSolution
from subsetsum_nets.constructions import removed_whole
from subsetsum_nets.masks import NetworkMasks, random_counts
from subsetsum_nets.networks.domains import Box, Domain
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.network_files import save_network
from subsetsum_nets.networks.input_scaling import hidden_of_pairs
from subsetsum_nets.networks.relu_network import sparse_form
from subsetsum_nets.networks.rounding import with_outputs_times
from subsetsum_nets.networks.trimmed import trimmed
from subsetsum_nets.shown import bounds_figure, bracket, panel, shown_domain
from subsetsum_nets.ticket_files import check_provenance, read_provenance, read_ticket
from subsetsum_nets.ticket_folder import (
    CERTIFICATE,
    FORMAT,
    MASKS,
    PROVENANCE,
    PRUNED,
    RANDOM,
    SOLUTION,
    TARGET,
    replaced,
)
from subsetsum_nets.verification.alignment import small_like
from subsetsum_nets.verification.certificate import Certificate, CertificateFileError, solution_digest

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork


@dataclass(frozen=True)
class Shortfall:
    """Weights for which the random network offers no subset within their tolerance, or too little in all.

    Attributes
    ----------
    rows : int
        How many subset sums missed; 0 where all met their tolerance and still too little was proven.
    worst_excess : float
        The largest error beyond its tolerance.
    worst_ratio : float
        The largest error as a multiple of its tolerance; where no row missed, the bound proven as a multiple
        of epsilon.
    enough_candidates : int or None
        A number of candidates that is predicted to do; None when epsilon is too small for any.
    advice : str or None
        What should do, where that is no number of candidates.

    """

    rows: int
    worst_excess: float
    worst_ratio: float
    enough_candidates: int | None
    advice: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; advice is left out where there is none, as in files of before."""
        page = asdict(self)
        if self.advice is None:
            del page["advice"]
        return page

    def __str__(self) -> str:
        if not self.rows:
            missed = (
                f"all subset sums met their tolerance, but {self.worst_ratio:.3g} epsilon is what was proven"
            )
        else:
            missed = (
                f"{self.rows} subset sums missed their tolerance, the worst by {self.worst_excess:.3g} "
                f"({self.worst_ratio:.3g} times the tolerance)"
            )
        if self.advice is not None:
            return f"{missed}; {self.advice}"
        if self.enough_candidates is None:
            return f"{missed}; epsilon is too small for any number of candidates"
        return f"{missed}; candidates={self.enough_candidates} should do"


@dataclass(frozen=True, eq=False)
class PrunedNetwork:
    """A random network, pruned to approximate a target.

    Attributes
    ----------
    target : ReluNetwork
    random : ReluNetwork
        The random network before pruning.
    masks : list of bool arrays
        One per layer of ``random``, of the shape of its weight; scipy.sparse where the weight is.
    bias_masks : list of bool arrays or None
        One per layer, for its bias.
    network : ReluNetwork
        The random network with the masks applied.
    construction : str
    epsilon : float
        The bound on sup ||f - g|| that was asked for.
    seed : int or None
        None for a random network that was given.
    recipe : RandomRecipe or None
        How ``random`` was drawn from the seed.
    candidates : int
    solution : BatchSolution
        The subset sums, one row for each target weight and sign that needs one.
    certificate : Certificate or None
    shortfall : Shortfall or None
        None when nothing was missed: with allocation "tight" when epsilon was proven, with "recursion" when
        every row met its tolerance.

    """

    target: ReluNetwork
    random: ReluNetwork
    all_masks: NetworkMasks
    network: ReluNetwork
    construction: str
    epsilon: float
    seed: int | None
    recipe: RandomRecipe | None
    candidates: int
    solution: BatchSolution
    certificate: Certificate | None = None
    shortfall: Shortfall | None = None

    def __repr__(self) -> str:
        drawn, kept = self.random_counts
        shape, to = (_widths(network) for network in (self.target, self.random))
        claim = "no certificate"
        if self.certificate is not None:
            made = self.certificate
            claim = f"{bracket(made.attack, made.bound, made.norm, made.epsilon)}, {made.verdict}"
        return f"PrunedNetwork({self.construction}, {shape} in {to}, {kept:,} of {drawn:,} kept, {claim})"

    def _repr_html_(self) -> str:
        """Return verdict, figure and table for notebooks; bounds are rounded outward."""
        drawn, kept = self.random_counts
        made = self.certificate
        rows: list[tuple[str, object]] = [
            ("target", repr(self.target)),
            ("random network", f"{_widths(self.random)}, {drawn:,} random parameters"),
            ("kept", f"{kept:,} ({kept / drawn:.1%})" if drawn else "0"),
            ("subset sums", repr(self.solution)),
            *([] if self.shortfall is None else [("shortfall", str(self.shortfall))]),
        ]
        if made is None:
            return panel("PrunedNetwork", "no certificate", "", rows)
        figure = bounds_figure(made.attack, made.bound, made.epsilon)
        proven = bracket(made.attack, made.bound, made.norm, made.epsilon)
        rows[:0] = [("proven", proven), ("domain", shown_domain(self.domain))]
        return panel("PrunedNetwork", made.verdict, figure, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as ``json.dumps`` takes it: all but networks, masks and subset sums."""
        drawn, kept = self.random_counts
        return {
            "construction": self.construction,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "candidates": self.candidates,
            "random_parameters": drawn,
            "kept_parameters": kept,
            "subset_sums": self.solution.summary(),
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
            "shortfall": None if self.shortfall is None else self.shortfall.to_json(),
        }

    @property
    def masks(self) -> list[Any]:
        """Masks of the weights, one per layer."""
        return self.all_masks.weights

    @property
    def bias_masks(self) -> list[Bools | None]:
        """Masks of the biases, one per layer."""
        return self.all_masks.biases

    @property
    def domain(self) -> Domain:
        """The domain that the certificate is about; without one the target's, else Box(-1, 1)."""
        if self.certificate is not None:
            return self.certificate.domain_set
        return self.target.domain or Box(-1, 1)

    @property
    def random_counts(self) -> tuple[int, int]:
        """How many parameters are random, and how many of those are kept; fixed layers count in neither."""
        return random_counts(self.random, self.all_masks, self.recipe)

    def collapse(self) -> ReluNetwork:
        """Return the small network that ``network`` equals on the domain, units in the order of the target's.

        Hidden layers that only carry are multiplied out, in exact integers
        (:func:`subsetsum_nets.verification.collapse`); for construction "binary" this gives the target with
        rounded weights. Without such layers it is ``network`` itself.

        Of structured constructions, and where there are convolutions, it is what removing filters leaves: the
        hidden channels of each pair that are kept, with the weights that are kept of them.

        Raises
        ------
        UnsupportedStructureError
            If a weight of the small network is no float64.

        """
        if self.target.convolutional or removed_whole(self.construction):
            return trimmed(self.network, self.hidden_layers)
        return small_like(self.compared, self.target, self.domain)

    @property
    def compared(self) -> ReluNetwork:
        """What is compared with the target: ``network``, or 2^-t times it where its certificate says so."""
        exponent = 0 if self.certificate is None else self.certificate.output_exponent
        return with_outputs_times(self.network, -exponent)

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Of a pair for each layer of the target, the first layers by their index."""
        return hidden_of_pairs(self.target)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write everything to a folder: a new one appears complete, an earlier one is replaced whole.

        Files: target, pruned (sparse) and, when it cannot be drawn again, random network as .safetensors;
        masks.npz, solution.npz, certificate.json, provenance.json.

        Raises
        ------
        FileExistsError
            If the folder holds something else than an earlier result.
        OSError
            If it cannot be written; an earlier result is then left as it was.

        """
        with replaced(folder) as staging:
            self._write(staging)

    def _write(self, folder: Path) -> None:
        save_network(self.target, folder / TARGET)
        if self.recipe is None:
            save_network(self.random, folder / RANDOM)
        save_network(sparse_form(self.network), folder / PRUNED)
        self.all_masks.save(folder / MASKS)
        self.solution.save(folder / SOLUTION)
        provenance = {
            "format": FORMAT,
            "version": 1,
            "construction": self.construction,
            "epsilon": self.epsilon,
            "seed": self.seed,
            "recipe": None if self.recipe is None else self.recipe.to_json(),
            "candidates": self.candidates,
            "shortfall": None if self.shortfall is None else self.shortfall.to_json(),
        }
        (folder / PROVENANCE).write_text(json.dumps(provenance, indent=1) + "\n")
        if self.certificate is not None:
            self.certificate.save(folder / CERTIFICATE)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> PrunedNetwork:
        """Read what :meth:`save` wrote; the random network is drawn again where it can be.

        All that is used is compared with the certificate beside it, where there is one. The bound is not
        proven again: ``subsetsum-nets verify`` and :func:`subsetsum_nets.audit.audit` do that.

        Raises
        ------
        FileNotFoundError
            If the folder or one of its files is missing.
        CertificateFileError
            If a file is not the one that was certified.
        NetworkFileError, InvalidNetworkError, InvalidProblemError
            If a file is foreign or damaged, provenance.json says something else than the certificate, or the
            masks do not go with the random network.

        """
        place = Path(folder)
        said = read_provenance(place)
        try:
            shortfall = None if said["shortfall"] is None else Shortfall(**said["shortfall"])
            epsilon, candidates = float(said["epsilon"]), int(said["candidates"])
        except (ValueError, TypeError, OverflowError) as error:
            raise NetworkFileError(f"{place / PROVENANCE} is damaged: {error}") from error
        files = read_ticket(place, said)
        solution = BatchSolution.load(place / SOLUTION)
        if files.certificate is not None:
            try:
                check_provenance(said, files.certificate)
            except CertificateFileError as error:
                raise NetworkFileError(f"{place / PROVENANCE}: {error}") from error
            if files.certificate.solution_digest is not None:
                digest = solution_digest(solution.arrays())
                files.certificate.check_about("subset sums", digest, files.certificate.solution_digest)
        return cls(
            target=files.target,
            random=files.random,
            all_masks=files.masks,
            network=files.network,
            construction=str(said["construction"]),
            epsilon=epsilon,
            seed=files.seed,
            recipe=files.recipe,
            candidates=candidates,
            solution=solution,
            certificate=files.certificate,
            shortfall=shortfall,
        )


def _widths(network: ReluNetwork) -> str:
    return "-".join(map(str, network.widths))
