"""What `verify F G` asks: the domain, the norm and epsilon, from options and from files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from subsetsum_nets.choices import Norm  # noqa: TC001 - typer reads the annotations

if TYPE_CHECKING:
    from subsetsum_nets.exchange.vnnlib_reader import Question as Property
    from subsetsum_nets.networks import Box, Domain, ReluNetwork
    from subsetsum_nets.networks.arrays import FloatArray

DomainRange = Annotated[
    tuple[float, float] | None, typer.Option(help="Every input in [LOW, HIGH].", metavar="LOW HIGH")
]
BoxFile = Annotated[
    Path | None,
    typer.Option(help="A box: .npz with low and high, or .csv with 'low, high' for each coordinate."),
]
BallRadius = Annotated[float | None, typer.Option(help="Inputs of at most this l2 norm.")]
Spec = Annotated[Path | None, typer.Option(help="Box and epsilon of a VNN-LIB file (maximum norm).")]
Around = Annotated[
    Path | None, typer.Option(help="Data points (.csv, .npy, .npz): one question for the ball about each.")
]
Radius = Annotated[float | None, typer.Option(help="Of the balls, in the maximum norm.")]
ChannelsFirst = Annotated[
    bool | None,
    typer.Option(
        "--channels-first/--channels-last",
        help="Order of images in --box, --around and --spec files, and of a network of vectors beside one of "
        "images; (h, w, c), channels last, if not given.",
    ),
]


class Asked(NamedTuple):
    """The options as they were given."""

    domain: tuple[float, float] | None
    box: Path | None
    ball: float | None
    spec: Path | None
    around: Path | None
    radius: float | None
    norm: Norm | None
    epsilon: float | None
    channels_first: bool | None

    @property
    def given(self) -> list[str]:
        """The options that were given, as they are typed."""
        values = self._asdict()
        return [f"--{name.replace('_', '-')}" for name, value in values.items() if value is not None]


@dataclass(frozen=True)
class Questions:
    """What is asked of f and g: one question for each domain.

    ``notes`` say what a reader has to know of how the files were taken.
    """

    domains: list[Domain]
    norm: Norm
    epsilon: float | None
    around: bool = False
    notes: list[str] = field(default_factory=list)


def questions(asked: Asked, f: ReluNetwork, g: ReluNetwork) -> Questions:
    """Return what the options ask of f and g, which are in one order.

    Raises
    ------
    ValueError
        For options that contradict one another, and files that do not go with the networks.

    """
    if (asked.around is None) != (asked.radius is None):
        raise ValueError("--around FILE and --radius R go together")
    chosen = [name for name in ("domain", "box", "ball", "spec") if getattr(asked, name) is not None]
    if len(chosen) > 1:
        raise ValueError(f"give one of {', '.join(f'--{name}' for name in chosen)}: each is the domain")
    order = _Order(f.widths[0], f.input_shape or g.input_shape, asked.channels_first)
    if asked.spec is not None:
        return _of_property(asked, order, f)
    domain = _domain(asked, order)
    norm, notes = asked.norm or "l2", order.notes(asked)
    if asked.around is None or asked.radius is None:
        from subsetsum_nets.networks import Box

        return Questions([domain or f.domain or Box(-1, 1)], norm, asked.epsilon, notes=notes)
    from subsetsum_nets.exchange.points import ball_boxes, read_points

    points = order.ours(read_points(asked.around), asked.around)
    boxes = ball_boxes(points, asked.radius, _box(domain))
    return Questions([*boxes], norm, asked.epsilon, around=True, notes=notes)


def _domain(asked: Asked, order: _Order) -> Domain | None:
    from subsetsum_nets.networks import Ball, Box

    if asked.domain is not None:
        return Box(*asked.domain)
    if asked.ball is not None:
        return Ball(asked.ball)
    if asked.box is None:
        return None
    from subsetsum_nets.exchange.points import read_box

    return order.box(read_box(asked.box), asked.box)


def _box(domain: Domain | None) -> Box | None:
    from subsetsum_nets.networks import Ball

    if isinstance(domain, Ball):
        raise ValueError("--around cuts its balls to a box; give --domain or --box, not --ball")  # noqa: TRY004
    return domain


def _of_property(asked: Asked, order: _Order, target: ReluNetwork) -> Questions:
    from subsetsum_nets.exchange.vnnlib_reader import read_question

    if asked.spec is None or asked.around is not None:
        raise ValueError("--spec asks about its own box; give --around with --domain or --box")
    said = read_question(asked.spec, outputs=asked.epsilon is None)
    if said.epsilon is not None and said.outputs != target.widths[-1]:
        raise ValueError(f"{asked.spec} is about {said.outputs} outputs, f has {target.widths[-1]}")
    if said.epsilon is not None and asked.norm not in (None, "linf"):
        raise ValueError(f"{asked.spec} asks in the maximum norm; give --epsilon to ask in {asked.norm}")
    notes = [] if asked.epsilon is None else [f"of {asked.spec} only the box is asked about, with --epsilon"]
    if said.rounded:
        notes.append(f"decimals of {asked.spec} that float64 cannot hold are rounded outward")
    norm = asked.norm or "linf"
    epsilon = said.epsilon if asked.epsilon is None else asked.epsilon
    return Questions([order.of_property(said, asked.spec)], norm, epsilon, notes=notes)


def in_one_order(
    f: ReluNetwork, g: ReluNetwork, channels_first: bool | None
) -> tuple[ReluNetwork, ReluNetwork]:
    """Return f and g taking their inputs in one order, where one takes images and the other vectors.

    Raises
    ------
    ValueError
        If nothing says in what order the vectors list the values of an image.

    """
    images = [network.input_shape for network in (f, g)]
    shape = images[0] or images[1]
    if shape is None or None not in images or shape[2] == 1:
        return f, g
    if channels_first is None:
        raise ValueError(
            f"one network takes images (h, w, c) = {shape}, the other vectors: in what order do these list "
            "the values? Say --channels-first for (c, h, w), as PyTorch and most ONNX files do, or "
            "--channels-last"
        )
    if not channels_first:
        return f, g
    return (f, _reordered(g, shape)) if images[0] else (_reordered(f, shape), g)


def _reordered(network: ReluNetwork, image: tuple[int, int, int]) -> ReluNetwork:
    """Return a network of vectors that takes flattened (h, w, c) images instead of (c, h, w) ones."""
    from subsetsum_nets.networks import Ball, Box, ReluNetwork
    from subsetsum_nets.networks.arrays import dense_array
    from subsetsum_nets.networks.files.onnx_layouts import columns_from_channels_first

    d = network.widths[0]
    if d != image[0] * image[1] * image[2]:
        return network  # of another size: that is said elsewhere
    first, *others = network.layers
    weight = columns_from_channels_first(dense_array(first.stored), image)
    domain = network.domain
    if isinstance(domain, Box):
        domain = Box(*(columns_from_channels_first(end[None], image)[0] for end in domain.bounds(d)))
    elif isinstance(domain, Ball):
        domain = Ball(domain.radius, columns_from_channels_first(domain.centre(d)[None], image)[0])
    return ReluNetwork(
        [first.with_stored(weight, first.bias), *others],
        final_relu=network.final_relu,
        linear_after=network.linear_after,
        domain=domain,
    )


class _Order:
    """The order of an image's values in files, and in our networks: flattened (h, w, c)."""

    def __init__(self, inputs: int, image: tuple[int, int, int] | None, channels_first: bool | None) -> None:
        self._inputs, self._image, self._channels_first = inputs, image, channels_first
        if channels_first is not None and image is None:
            raise ValueError(
                "--channels-first and --channels-last are about images, and f and g take vectors"
            )

    def notes(self, asked: Asked) -> list[str]:
        """Say which order was assumed, where a file could have meant another."""
        files = [path for path in (asked.box, asked.around) if path is not None]
        if not files or self._channels_first is not None or self._image is None or self._image[2] == 1:
            return []
        return [
            f"the values of {' and '.join(map(str, files))} are taken as images (h, w, c) = {self._image}"
        ]

    def ours(self, values: FloatArray, path: Path) -> FloatArray:
        """Return points (n, d) of a file in our order."""
        if values.shape[1] != self._inputs:
            raise ValueError(f"{path} has {values.shape[1]} coordinates, f takes {self._inputs}")
        if not self._channels_first or self._image is None:
            return values
        from subsetsum_nets.networks.files.onnx_layouts import columns_from_channels_first

        return columns_from_channels_first(values, self._image)

    def box(self, box: Box, path: Path) -> Box:
        """Return the box of a file in our order."""
        from subsetsum_nets.networks import Box as Coordinates

        low, high = (self.ours(end[None], path)[0] for end in box.bounds(box.dimension or self._inputs))
        return Coordinates(low, high)

    def of_property(self, said: Property, path: Path) -> Box:
        """Return the box of a VNN-LIB file, whose tensors of four axes are channels first."""
        shape: Any = said.shape
        if self._image is None or self._image[2] == 1:
            return self.box(said.box, path)
        h, w, c = self._image
        if shape == (1, c, h, w) and self._channels_first is None:
            self._channels_first = True
        if self._channels_first is None:
            raise ValueError(
                f"{path} does not say in what order it lists the values of an image: give --channels-first "
                "for (c, h, w), ONNX's order, or --channels-last for (h, w, c), that of difference.vnnlib"
            )
        return self.box(said.box, path)
