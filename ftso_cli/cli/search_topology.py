"""`ftso search-topology`: the first phase of FTSO."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftso_cli.cli import common, searching
from ftso_cli.cli.console import next_step, note, print_json, say, show, warn
from ftso_cli.genotype import Genotype, agreement, edit
from ftso_cli.search.settings import TOPOLOGY, TopologySettings

if TYPE_CHECKING:
    import torch

    from ftso_cli.data import ImageData
    from ftso_cli.search.bilevel import Progress


class Rank(StrEnum):
    """The values of --rank."""

    beta = "beta"
    gradient = "gradient"


class Engine(StrEnum):
    """The values of --engine."""

    auto = "auto"
    general = "general"
    folded = "folded"


def search_topology(
    data: common.DataOption = common.DEFAULT_DATA,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(TOPOLOGY.epochs)] = None,
    output: searching.NewFileOption = None,
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
    rank: Annotated[
        Rank,
        typer.Option(help="What ranks the edges: β at the end (the paper), or its mean gradient while β stays 0."),
    ] = Rank.beta,
    seed: common.SeedOption = 0,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="SEEDS",
            help="Search from many seeds, as in 0-15 or 3,5,8, and say how far they agree; instead of --seed.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Seeds searched at the same time.", show_default="one a core; 1 on a GPU"),
    ] = None,
    image_size: common.ImageSizeOption = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Search how the nodes of a cell are wired, with one cheap operator on every edge (Algorithm 1).

    Writes every edge with its strength; `ftso prune` then keeps the strongest. Half of the training images move the
    weights, the other half the strengths; test images are not touched.

    One seed returns a wiring whether there was one to find or not. `--seeds 0-15` searches from many, stores how far
    they agree beside what random wirings share, and marks the edges that were drawn by lot.

    Examples: `ftso search-topology --data digits --iters 1 -o cell.json` ·
    `ftso search-topology --data photos/ --epochs 1 --op max_pool_3x3 -o pool.json` ·
    `ftso search-topology --rank gradient --iters 10 --seeds 0-15 -o many.json`
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
        rank=rank.value,
    )
    members = None if seeds is None else common.seeds_of(seeds)
    request = searching.Request(
        command="search-topology",
        data=data,
        image_size=image_size,
        settings=settings,
        seed=seed if members is None else None,
        device=device,
        output=searching.new_file(output),
        notes=_blind_spots(settings),
    )
    from ftso_cli.search import ensemble, phases

    def search(images: "ImageData", on: "torch.device", each: Callable[["Progress"], None]) -> Genotype:
        if members is None and settings.rank == "beta":
            return phases.search_topology(images, settings, seed=seed, device=on, on_iteration=each)
        return ensemble.search_ensemble(
            images, settings, seeds=members or (seed,), device=on, on_iteration=each, workers=workers
        )

    genotype, facts = searching.execute(request, search, watch)
    wiring, _ = edit.prune(genotype)
    if as_json:
        print_json(facts | _certainty(wiring))
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(wiring, title="What was found; pruned: what ftso prune will take out", pruned=True))
        _comment(wiring)
        say(f"wrote {request.output} in {searching.seconds(watch)}")
        next_step(f"ftso assign-ops {request.output} --op sep_conv_3x3")


def _blind_spots(settings: TopologySettings) -> tuple[str, ...]:
    """Warns of what the operators can't see of the topology, whatever the images; gives the warning for the record."""
    from ftso_cli.search.visibility import blind_spots

    notes = tuple(
        f"{', '.join(settings.ops)} with --partial {settings.partial} sees {found.visible} of the {found.freedom} "
        f"degrees of freedom of a {found.kind} cell's wiring"
        for found in blind_spots(settings)
    )
    for text in notes:
        warn(f"{text}; the rest is drawn by lot (--op max_pool_3x3 sees all)")
    return notes


def _certainty(wiring: Genotype) -> dict[str, Any]:
    """For --json: the agreement of an ensemble and its edges that were found."""
    if wiring.ensemble is None:
        return {}
    found, chosen = agreement.found(wiring)
    return {"ensemble": wiring.ensemble.model_dump(mode="json"), "edges_found": found, "edges_chosen": chosen}


def _comment(wiring: Genotype) -> None:
    """Says whether the wiring was found, or is no better than a draw."""
    if wiring.ensemble is None or len(wiring.ensemble.seeds) < 2:
        note("one seed can't tell a wiring that was found from one drawn by lot; --seeds 0-15 can")
        return
    found, chosen = agreement.found(wiring)
    say(f"found {found} of the {chosen} edges that there was a choice for; the others were drawn by lot")
    if 2 * found < chosen:
        warn("this wiring is hardly better than a draw; more --seeds may tell edges apart (ftso stability)")
