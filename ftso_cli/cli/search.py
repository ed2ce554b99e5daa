"""`ftso search`: the searches for wiring and operators at once, which FTSO is compared with."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ftso_cli.api.recorded import SAVE_MINUTES
from ftso_cli.api.settings import check_trackable, joint_settings, operators
from ftso_cli.cli import common, recording, searching
from ftso_cli.cli.console import print_json, say, show
from ftso_cli.cli.space_option import SpaceName, SpaceOption
from ftso_cli.errors import SettingsError
from ftso_cli.settings.methods import METHODS
from ftso_cli.settings.searches import MOST_NODES

OF_THE_METHOD = "that of the method"


class Method(StrEnum):
    """The values of --method."""

    darts_1st = "darts-1st"
    darts_2nd = "darts-2nd"
    pc_darts = "pc-darts"
    random = "random"


def _setting(name: str, text: str, least: float = 0, shown: str | None = None) -> Any:
    values = {f"{getattr(recipe, name):g}" for recipe in METHODS.values()}
    return typer.Option(
        min=least, help=text, show_default=shown or (values.pop() if len(values) == 1 else OF_THE_METHOD)
    )


def search(
    context: typer.Context,
    method: Annotated[Method, typer.Option("--method", "-m", help="How to search.", show_default=False)],
    data: common.DataOption = common.DEFAULT_DATA,
    space: SpaceOption = SpaceName.darts,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(METHODS["darts-1st"].epochs)] = None,
    output: searching.NewFileOption = None,
    ops: Annotated[
        list[str] | None,
        typer.Option(metavar="OP", help="The candidates (repeated, or a,b,c).", show_default="all of the space"),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_NODES, help="Nodes of a cell besides its inputs.", show_default="4; 3 in nats"),
    ] = None,
    channels: Annotated[int | None, _setting("channels", "Channels of the first cells.", 1)] = None,
    cells: Annotated[int | None, _setting("cells", "Cells of the network that is trained.", 1, "8; 3 in nats")] = None,
    recipe: searching.RecipeOption = searching.Recipe.cifar,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", "-b", min=2, help="Images a step.", show_default="64; 256 for pc-darts"),
    ] = None,
    weight_rate: Annotated[
        float | None,
        _setting("weight_rate", "Learning rate of the weights at the start.", shown="0.025; 0.1 for pc-darts"),
    ] = None,
    arch_rate: Annotated[
        float | None, _setting("arch_rate", "Learning rate of α and β.", shown="3e-4; 6e-4 for pc-darts")
    ] = None,
    warmup: Annotated[
        float | None,
        _setting("warmup", searching.WARMUP, shown="0; 0.3 for pc-darts"),
    ] = None,
    samples: Annotated[
        int | None, _setting("samples", "Random search: the cells that share the iterations.", 1)
    ] = None,
    weight_share: searching.WeightShareOption = None,
    arch_share: searching.ArchShareOption = None,
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
    """Search wiring and operators at once, as the methods do that FTSO is compared with.

    darts-1st and darts-2nd weigh all operators on all edges, of all channels, by first- and second-order gradients;
    pc-darts a quarter of the channels, and edges too, after a warm-up; random trains random cells for equal shares of
    the search and takes the best on held-out images. Hyper-parameters are the published ones. The file that comes out
    has its operators: train, draw and cost take it.

    `torchrun --nproc-per-node 2 -m ftso_cli search ...` does the same in several processes (docs/methods.md).

    Examples: `ftso search --method pc-darts --data cifar10 -o pc.json` ·
    `ftso search -m darts-2nd --data digits --epochs 1 --channels 8 --cells 3` · `ftso search -m random --iters 240`
    """
    watch = common.Stopwatch()
    searching.check_length(iters, epochs)
    overruled: dict[str, Any] = {
        "ops": operators(ops) or None,
        "iters": iters,
        "epochs": epochs,
        "nodes": nodes,
        "channels": channels,
        "cells": cells,
        "batch_size": batch_size,
        "weight_rate": weight_rate,
        "arch_rate": arch_rate,
        "warmup": warmup,
        "samples": samples,
        "weight_share": weight_share,
        "arch_share": arch_share,
    }
    settings = joint_settings(method.value, space.value, recipe.value, searching.given(overruled))
    try:
        check_trackable(settings, track=track is not None, early_stop=early_stop is not None)
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from None
    request = searching.Request(
        command="search",
        data=data,
        image_size=image_size,
        settings=settings,
        seed=seed,
        device=device,
        output=common.hold(searching.new_file(output), context),
    )
    from ftso_cli.search.joint import joint

    genotype, facts = recording.execute(
        request,
        recording.options(request, run, every, track, early_stop, resume, save_minutes),
        lambda images, on, group: joint(images, settings, seed=seed, device=on, group=group),
        watch,
        tensorboard=tensorboard,
    )
    if as_json:
        print_json(facts)
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(genotype, title=f"What {method.value} has found"))
        say(searching.counted(genotype))
        say(f"wrote {request.output} in {watch}")
        searching.propose_training(request)
