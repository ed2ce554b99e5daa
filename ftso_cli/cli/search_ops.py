"""`ftso search-ops`: the second phase of FTSO, by gradient."""

from typing import Annotated

import typer

from ftso_cli.cli import common, recording, searching
from ftso_cli.cli.console import next_step, print_json, say, show
from ftso_cli.genotype import library
from ftso_cli.genotype.edit import require_pruned
from ftso_cli.search.settings import OPERATORS, SearchSettings
from ftso_cli.spaces import SPACES


def search_ops(
    cell: common.CellArgument,
    data: common.DataOption = common.DEFAULT_DATA,
    iters: searching.ItersOption = None,
    epochs: Annotated[int | None, searching.epochs_option(OPERATORS.epochs)] = None,
    output: common.OutputOption = None,
    ops: Annotated[
        list[str] | None,
        typer.Option(metavar="OP", help="The candidates (repeated, or a,b,c).", show_default="all of the cell's space"),
    ] = None,
    channels: searching.ChannelsOption = OPERATORS.channels,
    cells: searching.CellsOption = OPERATORS.cells,
    partial: searching.PartialOption = OPERATORS.partial,
    batch_size: searching.BatchOption = OPERATORS.batch_size,
    weight_rate: searching.WeightRateOption = OPERATORS.weight_rate,
    arch_rate: searching.ArchRateOption = OPERATORS.arch_rate,
    warmup: searching.WarmupOption = OPERATORS.warmup,
    run: recording.RunOption = None,
    resume: recording.ResumeOption = False,
    track: recording.TrackOption = None,
    early_stop: recording.EarlyStopOption = None,
    every: recording.EveryOption = None,
    save_minutes: recording.SaveOption = recording.SAVE_MINUTES,
    seed: common.SeedOption = 0,
    image_size: common.ImageSizeOption = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Search the operator of every kept edge by gradient (Algorithm 2, second strategy).

    Each edge weighs all candidates and keeps the strongest; `none` is weighed, never kept. The quicker way, and the
    paper's default, is `ftso assign-ops`.

    Examples: `ftso search-ops cell.json --data digits --epochs 2` ·
    `ftso search-ops cell.json --ops skip_connect,sep_conv_3x3 --iters 50 -o found.json`
    """
    watch = common.Stopwatch()
    searching.check_length(iters, epochs)
    start = library.load(cell)
    settings = SearchSettings(
        ops=common.listed(ops) or SPACES[start.space].candidates,
        iters=iters,
        epochs=epochs or OPERATORS.epochs,
        channels=channels,
        cells=cells,
        partial=partial,
        batch_size=batch_size,
        weight_rate=weight_rate,
        arch_rate=arch_rate,
        warmup=warmup,
    )
    request = searching.Request(
        command="search-ops",
        data=data,
        image_size=image_size,
        settings=settings,
        seed=seed,
        device=device,
        output=common.output_for(cell, output),
    )
    with common.about_file(cell):
        require_pruned(start, "search-ops")
    from ftso_cli.search import phases

    recorded = recording.Recorded(
        request,
        recording.Options(
            folder=recording.folder_of(request.output, run),
            every=every,
            track=track is not None,
            early_stop=early_stop is not None,
            save_minutes=save_minutes,
            resume=resume,
        ),
        lambda images, on: phases.operators(start, images, settings, seed=seed, device=on),
        start,
    )
    genotype, facts = searching.execute(request, recorded, watch, recorded.leaders)
    recorded.close()
    if as_json:
        print_json(facts)
    elif str(request.output) != "-":
        from ftso_cli import drawing

        show(drawing.text(genotype))
        say(searching.counted(genotype))
        say(f"wrote {request.output} in {searching.seconds(watch)}")
        next_step(f"ftso draw {request.output}")
