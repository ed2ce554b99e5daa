"""`ftso search-ops`: the second phase of FTSO, by gradient or by capacity."""

from typing import Annotated

import typer

from ftso_cli.api.cells import about_file
from ftso_cli.api.recorded import SAVE_MINUTES
from ftso_cli.api.settings import operator_settings, operators
from ftso_cli.cli import capacity, common, recording, searching
from ftso_cli.cli.console import next_step, print_json, say, show
from ftso_cli.genotype import library
from ftso_cli.genotype.edit import require_searchable
from ftso_cli.settings.searches import OPERATORS


def search_ops(
    context: typer.Context,
    cell: common.CellArgument,
    data: common.DataOption = common.DEFAULT_DATA,
    strategy: capacity.StrategyOption = capacity.Strategy.gradient,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(OPERATORS.epochs)] = None,
    output: common.OutputOption = None,
    ops: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OP",
            help="The candidates (repeated, or a,b,c, or 3op, 4op).",
            show_default="all of the cell's space",
        ),
    ] = None,
    channels: searching.ChannelsOption = OPERATORS.channels,
    cells: searching.CellsOption = OPERATORS.cells,
    partial: searching.PartialOption = OPERATORS.partial,
    recipe: searching.RecipeOption = searching.Recipe.cifar,
    batch_size: searching.BatchOption = None,
    weight_rate: searching.WeightRateOption = None,
    arch_rate: searching.ArchRateOption = None,
    weight_share: searching.WeightShareOption = None,
    arch_share: searching.ArchShareOption = None,
    warmup: searching.WarmupOption = OPERATORS.warmup,
    score: capacity.ScoreOption = None,
    slack: capacity.SlackOption = None,
    steps: capacity.StepsOption = None,
    inits: capacity.InitsOption = None,
    run: recording.RunOption = None,
    resume: recording.ResumeOption = False,
    tensorboard: recording.TensorboardOption = False,
    track: recording.TrackOption = None,
    early_stop: recording.EarlyStopOption = None,
    every: recording.EveryOption = None,
    save_minutes: recording.SaveOption = SAVE_MINUTES,
    seed: common.SeedOption = 0,
    image_size: common.ImageSizeOption = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Search the operator of every kept edge (Algorithm 2, second strategy).

    By gradient, each edge weighs all candidates and keeps the strongest; in darts `none` is weighed, never kept. The
    quicker way, and the paper's default, is `ftso assign-ops`.

    `--strategy capacity` (ours) climbs a training-free score, edge by edge, then trains the cells that come close to
    the highest for a few steps and takes the one that learns fastest. Its networks have 8 channels and 15 cells, its
    batches 32 images and its rate is 0.1, where no option says otherwise.

    `torchrun --nproc-per-node 2 -m ftso_cli search-ops ...` does the same in several processes (docs/methods.md).

    Examples: `ftso search-ops cell.json --data digits --epochs 2` ·
    `ftso search-ops cell.json --ops skip_connect,sep_conv_3x3 --iters 50 -o found.json` ·
    `ftso search-ops cell.json --strategy capacity --data cifar10`
    """
    watch = common.Stopwatch()
    searching.check_length(iters, epochs)
    output = common.hold(common.output_for(cell, output), context)
    start = library.load(cell)
    with about_file(cell):
        require_searchable(start)
    if capacity.asked(context, strategy):
        chosen = capacity.settings(context, start)
        capacity.choose(
            start,
            searching.Request(
                command="search-ops",
                data=data,
                image_size=image_size,
                settings=chosen,
                seed=seed,
                device=device,
                output=output,
            ),
            chosen,
            watch,
            as_json=as_json,
        )
        return
    given = {
        "ops": operators(ops) or None,
        "iters": iters,
        "epochs": epochs,
        "channels": channels,
        "cells": cells,
        "partial": partial,
        "warmup": warmup,
        "batch_size": batch_size,
        "weight_rate": weight_rate,
        "arch_rate": arch_rate,
        "weight_share": weight_share,
        "arch_share": arch_share,
    }
    settings = operator_settings(start.space, recipe.value, searching.given(given))
    request = searching.Request(
        command="search-ops",
        data=data,
        image_size=image_size,
        settings=settings,
        seed=seed,
        device=device,
        output=output,
    )
    from ftso_cli.search import phases

    genotype, facts = recording.execute(
        request,
        recording.options(request, run, every, track, early_stop, resume, save_minutes),
        lambda images, on, group: phases.operators(start, images, settings, seed=seed, device=on, group=group),
        watch,
        start,
        tensorboard=tensorboard,
    )
    if as_json:
        print_json(facts)
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(genotype))
        say(searching.counted(genotype))
        say(f"wrote {request.output} in {watch}")
        next_step("draw", request.output)
