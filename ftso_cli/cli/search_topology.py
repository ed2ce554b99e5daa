"""`ftso search-topology`: the first phase of FTSO."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.cli import common, searching
from ftso_cli.cli.console import next_step, print_json, say, show
from ftso_cli.errors import FileError
from ftso_cli.genotype import edit
from ftso_cli.search.settings import TOPOLOGY, TopologySettings

DEFAULT_OUTPUT = Path("cell.json")


class Engine(StrEnum):
    """The values of --engine."""

    auto = "auto"
    general = "general"
    folded = "folded"


def search_topology(
    data: common.DataOption = common.DEFAULT_DATA,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(TOPOLOGY.epochs)] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The genotype file.", show_default=str(DEFAULT_OUTPUT)),
    ] = None,
    op: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OP",
            help="The operator on every edge; several (repeated, or a,b,c) are weighed against each other.",
            show_default=",".join(TOPOLOGY.ops),
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, max=32, help="Intermediate nodes of a cell.")] = TOPOLOGY.nodes,
    channels: searching.ChannelsOption = TOPOLOGY.channels,
    cells: searching.CellsOption = TOPOLOGY.cells,
    partial: searching.PartialOption = TOPOLOGY.partial,
    batch_size: searching.BatchOption = TOPOLOGY.batch_size,
    engine: Annotated[
        Engine,
        typer.Option(help="How skip connections are evaluated: folded is faster, equal to rounding; auto takes it."),
    ] = Engine.auto,
    weight_rate: searching.WeightRateOption = TOPOLOGY.weight_rate,
    arch_rate: searching.ArchRateOption = TOPOLOGY.arch_rate,
    seed: common.SeedOption = 0,
    image_size: common.ImageSizeOption = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Search how the nodes of a cell are wired, with one cheap operator on every edge (Algorithm 1).

    Writes every edge with its strength; `ftso prune` then keeps the strongest. Half of the training images move the
    weights, the other half the strengths; test images are not touched.

    Examples: `ftso search-topology --data digits --iters 1 -o cell.json` ·
    `ftso search-topology --data photos/ --epochs 1 --op max_pool_3x3 -o pool.json`
    """
    watch = common.Stopwatch()
    searching.check_length(iters, epochs)
    settings = TopologySettings(
        ops=common.listed(op) or TOPOLOGY.ops,
        iters=iters,
        epochs=epochs or TOPOLOGY.epochs,
        nodes=nodes,
        channels=channels,
        cells=cells,
        partial=partial,
        batch_size=batch_size,
        engine=engine.value,
        weight_rate=weight_rate,
        arch_rate=arch_rate,
    )
    request = searching.Request(
        command="search-topology",
        data=data,
        image_size=image_size,
        settings=settings,
        seed=seed,
        device=device,
        output=_new(output),
    )
    from ftso_cli.search import phases

    genotype, facts = searching.execute(
        request,
        lambda images, on, each: phases.search_topology(images, settings, seed=seed, device=on, on_iteration=each),
        watch,
    )
    if as_json:
        print_json(facts)
    elif str(request.output) != "-":
        from ftso_cli import drawing

        wiring, _ = edit.prune(genotype)
        show(drawing.text(wiring, title="What was found; pruned: what ftso prune will take out", pruned=True))
        say(f"wrote {request.output} in {searching.seconds(watch)}")
        next_step(f"ftso assign-ops {request.output} --op sep_conv_3x3")


def _new(output: Path | None) -> Path:
    """The file to write; a default is never written over, for a search may have taken hours."""
    if output is None and DEFAULT_OUTPUT.exists():
        raise FileError(
            f"{DEFAULT_OUTPUT} exists; name another file with -o FILE, or replace it with -o {DEFAULT_OUTPUT}"
        )
    return output or DEFAULT_OUTPUT
