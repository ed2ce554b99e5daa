"""`ftso search-topology`: the first phase of FTSO."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ftso_cli.api import recorded
from ftso_cli.api.searches import blind_spots
from ftso_cli.api.settings import check_raceable, ensemble_seeds, operators, topology_settings
from ftso_cli.cli import common, ensembles, racing, recording, searching
from ftso_cli.cli.console import next_step, note, print_json, say, show, warn
from ftso_cli.cli.space_option import SpaceName, SpaceOption
from ftso_cli.genotype import Genotype, agreement, edit
from ftso_cli.settings.searches import MOST_NODES, RACE, SPACE_CHANGES, STABLE_SEEDS, TOPOLOGY, TopologySettings
from ftso_cli.spaces import DARTS, NATS, SPACES


class Rank(StrEnum):
    """The values of --rank."""

    beta = "beta"
    gradient = "gradient"
    race = "race"


class Preset(StrEnum):
    """The values of --preset."""

    paper = "paper"
    stable = "stable"


class Engine(StrEnum):
    """The values of --engine."""

    auto = "auto"
    general = "general"
    folded = "folded"


def _setting(name: str, text: str, least: float, *names: str) -> Any:
    """An option whose default depends on space and ranking; its help shows the paper's, those of a race and of nats."""
    paper, race = getattr(TOPOLOGY, name), getattr(RACE, name, None)
    nats = SPACE_CHANGES[NATS.name].get(name, paper)
    shown = f"{paper:g}" if race in (None, paper) else f"{paper:g}; {race:g} in a race"
    shown += "" if nats == paper else f"; {nats:g} in nats"
    return typer.Option(*names, min=least, help=text, show_default=shown)


def search_topology(
    context: typer.Context,
    data: common.DataOption = common.DEFAULT_DATA,
    space: SpaceOption = SpaceName.darts,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(TOPOLOGY.epochs)] = None,
    output: searching.NewFileOption = None,
    preset: Annotated[
        Preset, typer.Option(help="Settings to start from: the paper's, or an ensemble whose wiring repeats itself.")
    ] = Preset.paper,
    recipe: searching.RecipeOption = searching.Recipe.cifar,
    op: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OP",
            help="The operator on every edge; several (repeated, or a,b,c, or 3op, 4op) are weighed.",
            show_default=f"{','.join(TOPOLOGY.ops)}; {RACE.op} in a race",
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_NODES,
            help="Nodes of a cell besides its inputs.",
            show_default=f"{DARTS.nodes}; {NATS.nodes} in nats",
        ),
    ] = None,
    channels: Annotated[int | None, _setting("channels", "Channels of the first cells.", 1)] = None,
    cells: Annotated[int | None, _setting("cells", "Cells of the network that is trained.", 1)] = None,
    partial: Annotated[
        int | None, _setting("partial", "One in so many channels passes through the operators; 1 is DARTS.", 1)
    ] = None,
    batch_size: Annotated[int | None, _setting("batch_size", "Images a step.", 2, "--batch-size", "-b")] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="How skip connections are evaluated: folded is faster, equal to rounding; auto takes it."),
    ] = Engine.auto,
    weight_rate: Annotated[
        float | None, _setting("weight_rate", "Learning rate of the weights; falls along a cosine over the epochs.", 0)
    ] = None,
    arch_rate: Annotated[float | None, _setting("arch_rate", "Learning rate of α and β.", 0)] = None,
    warmup: Annotated[float | None, _setting("warmup", searching.WARMUP, 0)] = None,
    weight_share: searching.WeightShareOption = None,
    arch_share: searching.ArchShareOption = None,
    rank: Annotated[
        Rank | None,
        typer.Option(
            help="What ranks the edges: β at the end (the paper), its mean gradient while β stays 0, "
            "or a race of whole wirings.",
            show_default="beta; gradient in the preset stable",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="BUDGET", help="Race: a time as in 90s, 5m, 1h, or training steps as in 2000.", show_default="5m"
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="DIR",
            help="Folder of β and losses over time, and of checkpoints.",
            show_default="OUTPUT.COMMAND; none for one iteration, or for many seeds",
        ),
    ] = None,
    resume: recording.ResumeOption = False,
    tensorboard: recording.TensorboardOption = False,
    track: recording.TrackOption = None,
    early_stop: recording.EarlyStopOption = None,
    every: recording.EveryOption = None,
    save_minutes: recording.SaveOption = recording.SAVE_MINUTES,
    seed: common.SeedOption = 0,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="SEEDS",
            help="Search from many seeds, as in 0-15 or 3,5,8, and say how far they agree; instead of --seed.",
            show_default=f"none; 0-{len(STABLE_SEEDS) - 1} in the preset stable",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Seeds, or wirings, trained at the same time.", show_default="one a core; 1 on a GPU"),
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

    `--rank race` trains networks of many wirings, the widest, the deepest, drawn and changed ones, with the operator
    that they will get, and keeps the one that trains fastest.

    `torchrun --nproc-per-node 2 -m ftso_cli search-topology ...` does the same in several processes (docs/methods.md).

    Examples: `ftso search-topology --data digits --iters 1 -o cell.json` ·
    `ftso search-topology --data photos/ --epochs 1 --op max_pool_3x3 -o pool.json` ·
    `ftso search-topology --data photos/ --preset stable -o many.json` ·
    `ftso search-topology --data photos/ --rank race --budget 5m -o fast.json`
    """
    watch = common.Stopwatch()
    searching.check_length(iters, epochs)
    given: dict[str, Any] = {
        "ops": operators(op) or None,
        "iters": iters,
        "epochs": epochs,
        "nodes": nodes,
        "channels": channels,
        "cells": cells,
        "partial": partial,
        "batch_size": batch_size,
        "engine": None if engine is Engine.auto else engine.value,
        "weight_rate": weight_rate,
        "arch_rate": arch_rate,
        "warmup": warmup,
        "weight_share": weight_share,
        "arch_share": arch_share,
        "recipe": None if recipe is searching.Recipe.cifar else recipe,
        "seeds": seeds,
        "budget": budget,
        "resume": resume or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    request = searching.Request(
        command="search-topology",
        data=data,
        image_size=image_size,
        settings=TOPOLOGY,
        seed=seed,
        device=device,
        output=common.hold(searching.new_file(output), context),
    )
    if rank is Rank.race:
        check_raceable(space.value)
        if run or track or early_stop or tensorboard:
            raise typer.BadParameter(
                "has no meaning in a race", param_hint="--run, --track, --early-stop, --tensorboard"
            )
        settings = racing.settings(given | {"preset": preset.value})
        racing.race(
            replace(request, settings=settings),
            settings,
            resume=resume,
            workers=workers,
            as_json=as_json,
            watch=watch,
        )
        return
    chosen = _settings(preset, space, rank, given)
    kept = recording.options(request, run, every, track, early_stop, resume, save_minutes)
    members = ensemble_seeds(preset.value, given.get("seeds"))
    if members is not None and common.is_given(context, "seed"):
        raise typer.BadParameter("is for a search from one seed; name the others with --seeds", param_hint="--seed")
    if run or kept.track or kept.early_stop or tensorboard:
        if members is not None or chosen.rank != "beta":
            raise typer.BadParameter(
                "is for a search from one --seed, ranked by β", param_hint="--run, --track, --tensorboard"
            )
    elif chosen.iters == 1 and not resume:
        kept = replace(kept, folder=None)
    _search(request, chosen, members, workers, as_json, watch, kept, tensorboard)


def _settings(preset: Preset, space: SpaceName, rank: Rank | None, given: dict[str, Any]) -> TopologySettings:
    """Those of the preset, with what the command line gives."""
    if "budget" in given:
        raise typer.BadParameter("belongs to a race; give --rank race", param_hint="--budget")
    known = {name: value for name, value in given.items() if name not in ("seeds", "resume", "recipe")}
    recipe = given.get("recipe", searching.Recipe.cifar).value
    ranked = None if rank is None else rank.value
    return topology_settings(preset=preset.value, space=space.value, recipe=recipe, rank=ranked, given=known)


def _search(
    request: searching.Request,
    settings: TopologySettings,
    members: tuple[int, ...] | None,
    workers: int | None,
    as_json: bool,
    watch: common.Stopwatch,
    kept: recorded.Options,
    tensorboard: bool,
) -> None:
    """Runs the search, from one seed or many, and prints what it found; that of one seed is shown on the way."""
    seed = request.seed or 0
    request = replace(request, settings=settings, seed=seed if members is None else None, notes=_blind_spots(settings))
    from ftso_cli.search import phases

    if members is not None or settings.rank != "beta":
        genotype, facts = ensembles.search(request, settings, members or (seed,), workers, watch, resume=kept.resume)
    else:
        genotype, facts = recording.execute(
            request,
            kept,
            lambda images, on, group: phases.topology(images, settings, seed=seed, device=on, group=group),
            watch,
            tensorboard=tensorboard,
        )
    wiring, _ = edit.prune(genotype)
    if as_json:
        print_json(facts | ensembles.certainty(wiring))
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(wiring, title="What was found; pruned: what ftso prune will take out", pruned=True))
        _comment(wiring)
        say(f"wrote {request.output} in {watch}")
        next_step("assign-ops", request.output, op=SPACES[settings.space].usual)


def _blind_spots(settings: TopologySettings) -> list[str]:
    """Warns of what the operators can't see of the topology, whatever the images; gives the warning for the record."""
    notes, all_kept = blind_spots(settings)
    for text in notes:
        if all_kept:
            warn(f"{text}: along the rest its gradient is rounding, and β shows its random start")
        else:
            warn(f"{text}; the rest is drawn by lot (--op max_pool_3x3 sees all)")
    return notes


def _comment(wiring: Genotype) -> None:
    """Says whether the wiring was found, or is no better than a draw."""
    if all(edge.kept for cell in wiring.cells.values() for edge in cell.edges):
        note(f"all edges are kept: a {wiring.space} cell has no choice of them, so β decides nothing")
        return
    if wiring.ensemble is None or len(wiring.ensemble.seeds) < 2:
        note("one seed can't tell a wiring that was found from one drawn by lot; many can: --preset stable, or --seeds")
        note("what races find trained better than that in our study: --rank race (docs/topology.md)")
        return
    found, chosen = agreement.found(wiring)
    say(f"found {found} of the {chosen} edges that there was a choice for; the others were drawn by lot")
    if 2 * found < chosen:
        warn("this wiring is hardly better than a draw; more --seeds may tell edges apart (ftso stability)")
