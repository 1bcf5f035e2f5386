"""Command graph: what a network is made of as a graph, and its pictures and exports."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subsetsum_nets.cli.network_options import Logits, Output, read_network
from subsetsum_nets.cli.options import FILES, Json, MaxMemory, app
from subsetsum_nets.cli.terminal import console, print_pairs, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.graphs import LayeredDag

_PICTURES = (".png", ".svg", ".pdf")


@app.command(rich_help_panel=FILES)
def graph(
    target: Annotated[
        Path,
        typer.Argument(metavar="TARGET|DIR", help="Network or graph file, or a folder that prune wrote."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Picture (.png, .svg, .pdf) or export (.graphml, .json, .dot, .safetensors) by suffix.",
            metavar="FILE",
        ),
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Draw only what goes into this layer, from 1.")] = None,
    serving: Annotated[
        tuple[int, int, int] | None,
        typer.Option(
            help="Only the part that implements one target weight (from 0; the last column is the bias).",
            metavar="LAYER ROW COLUMN",
        ),
    ] = None,
    without_dead: Annotated[bool, typer.Option("--without-dead", help="Remove dead units first.")] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Draw maps of the masks.")] = False,
    channels: Annotated[
        bool, typer.Option("--channels", help="A node for each channel of a convolution.")
    ] = False,
    output: Output = None,
    logits: Logits = False,  # noqa: ARG001 - the callback of output sees to it
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Show a network as a graph: layers, units, edges, what is kept and what is dead; draw or export it."""
    with refusing_bad_input(as_json):
        from subsetsum_nets.graphs.pictures.drawing import SMALL, draw

        picture = out is not None and out.suffix in _PICTURES
        if (masks or layer is not None) and not picture:
            raise ValueError("--masks and --layer say what is drawn; give --out FILE.png, .svg or .pdf, too")
        dag = _load(target, output, channels=channels)
        if serving is not None:
            try:
                dag = dag.serving(*serving, candidates=True)
            except IndexError as error:
                raise ValueError(str(error)) from error
        if without_dead:
            dag = dag.without_dead_units()
        page = _page(dag, target)
        if out is not None and picture:
            layers = None if layer is None else (layer - 1, layer)
            if layer is not None and not 1 <= layer <= dag.depth:
                raise ValueError(f"--layer must be from 1 to {dag.depth}, got {layer}")
            if serving is not None and max(dag.widths) > SMALL[0]:
                dag = dag.without_dead_units()  # what serves, not a summary of all
            page["drawn"] = list(dag.widths)
            page["view"] = draw(dag, out, title=target.name, view="masks" if masks else "auto", layers=layers)
        elif out is not None:
            dag.save(out)
        page["out"] = None if out is None else str(out)
    if as_json:
        print(json.dumps(page))  # noqa: T201
        return
    _show(page)


def _load(place: Path, output: str | None, *, channels: bool) -> LayeredDag:
    """Read a pruned network, a network or a graph."""
    from subsetsum_nets.graphs import GraphFileError, LayeredDag
    from subsetsum_nets.networks import NetworkFileError
    from subsetsum_nets.pruned_network import PrunedNetwork

    if place.is_dir():
        return LayeredDag.from_network(PrunedNetwork.load(place), channels=channels)
    if place.suffix not in (".graphml", ".json"):
        try:
            return LayeredDag.from_network(read_network(place, output), channels=channels)
        except NetworkFileError as not_a_network:
            if place.suffix != ".safetensors":
                raise
            try:
                dag = LayeredDag.load(place)
            except GraphFileError:
                raise not_a_network from None
    else:
        dag = LayeredDag.load(place)
    if channels:
        raise ValueError(f"--channels needs a network; {place} holds a graph")
    return dag


def _page(dag: LayeredDag, source: Path) -> dict[str, Any]:
    """Return everything there is to count."""
    from subsetsum_nets.graphs.analysis.reachability import live_units

    live = live_units(dag)
    layers = []
    for number, nodes in enumerate(dag.layers):
        biases = 0 if nodes.bias is None else nodes.size
        layers.append(
            {
                "layer": number,
                "kind": dag.kind(number),
                "units": nodes.size,
                "relu": int(nodes.relu.sum()),
                "biases": biases,
                "kept_biases": biases if nodes.bias_kept is None else int(nodes.bias_kept.sum()),
                "dead": int((~live[number]).sum()),
            }
        )
    return {
        "source": str(source),
        "widths": list(dag.widths),
        "depth": dag.depth,
        "units": dag.nodes,
        "edges": dag.edges,
        "kept_edges": dag.kept_edges,
        "parameters": dag.parameters,
        "kept_parameters": dag.kept_parameters,
        "dead_units": sum(layer["dead"] for layer in layers),
        "paths": f"{Decimal(dag.path_count()):f}",  # text: a number this large would lose digits elsewhere
        "layered": dag.layered,
        "channels": dag.summary,
        "layers": layers,
        "blocks": [
            {"from": a, "to": b, "edges": block.edges, "kept_edges": block.kept_edges}
            for (a, b), block in dag.blocks.items()
        ],
    }


def _show(page: dict[str, Any]) -> None:
    from subsetsum_nets.graphs.pictures.picture_files import counted, share

    rows = [
        ("depth", f"{counted(page['depth'], 'layer')} behind the inputs"),
        ("units", f"{page['units']:,}, {page['dead_units']:,} of them dead"),
        ("edges", _kept(page["edges"], page["kept_edges"])),
        ("parameters", _kept(page["parameters"], page["kept_parameters"])),
        ("paths", _large(page["paths"])),
    ]
    for layer in page["layers"]:
        words = [counted(layer["units"], "input" if layer["kind"] == "input" else "unit")]
        if layer["kind"] != "input":
            words.append(f"{layer['relu']:,} with ReLU")
        if layer["biases"]:
            words.append(f"{layer['kept_biases']:,} of {counted(layer['biases'], 'bias', 'biases')} kept")
        if layer["dead"]:
            words.append(f"{layer['dead']:,} dead")
        rows.append((_name(page, layer["layer"]), ", ".join(words)))
    for block in page["blocks"]:
        name = f"{_name(page, block['from'])} -> {_name(page, block['to'])}"
        kept = f"{block['kept_edges']:,} of {counted(block['edges'], 'edge')} kept"
        rows.append((name, f"{kept} ({share(block['kept_edges'], block['edges'])})"))
    shape = "-".join(map(str, page["widths"])) if page["depth"] < 12 else f"{page['depth'] + 1} layers"
    print_pairs(f"{page['source']} ({shape})", rows)
    if page["out"] is not None:
        view = f" ({page['view']} view)" if "view" in page else ""
        if page.get("drawn", page["widths"]) != page["widths"]:
            view = f" ({page['view']} view of what serves: {'-'.join(map(str, page['drawn']))})"
        console().print(f"written to {page['out']}{view}", highlight=False, markup=False)


def _kept(whole: int, kept: int) -> str:
    from subsetsum_nets.graphs.pictures.picture_files import share

    return f"{whole:,}, {kept:,} of them kept" + (f" ({share(kept, whole)})" if whole else "")


def _large(digits: str) -> str:
    return f"{int(digits):,}" if len(digits) <= 15 else f"about {Decimal(digits):.3e}"


def _name(page: dict[str, Any], number: int) -> str:
    return {0: "inputs", page["depth"]: "outputs"}.get(number, f"layer {number}")
