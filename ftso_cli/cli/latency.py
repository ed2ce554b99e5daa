"""`ftso latency`: how long a trained network takes on this device."""

from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import print_json, say, warn


def latency(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training.", show_default=False)],
    batch_size: Annotated[int, typer.Option("--batch-size", "-b", min=1, help="Images at a time.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="Batches that are timed.")] = 100,
    warm_up: Annotated[int, typer.Option(min=0, help="Batches before, which don't count.")] = 10,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Measure how long a trained network takes on this device, from pixels in memory to its answer.

    The batch norm is folded, as in an exported network. The number of threads is that of torch (`OMP_NUM_THREADS`).

    Examples: `ftso latency runs/cell-digits` · `ftso latency runs/cell-photos --batch-size 32 --device cuda`
    """
    import torch

    import ftso_cli
    from ftso_cli.training.latency import measure_latency

    classifier = ftso_cli.load(run, device)
    if classifier.unfinished:
        warn(classifier.unfinished)
    found = measure_latency(classifier, batch_size=batch_size, runs=runs, warm_up=warm_up)
    where, threads = str(classifier.mean.device), torch.get_num_threads()
    if as_json:
        named = {f"p{at}": value for at, value in found.milliseconds.items()}
        size = {"device": where, "threads": threads, "batch_size": batch_size, "runs": runs}
        print_json({"run": str(run), **size, "milliseconds": named, "images_a_second": found.images_a_second})
        return
    median, slow, slowest = found.milliseconds.values()
    with_threads = f", {threads} thread{'s' if threads > 1 else ''}" if where == "cpu" else ""
    say(
        f"{median:.2f} ms a batch of {batch_size}, {found.images_a_second:.0f} images a second on {where}{with_threads}"
    )
    say(f"90 % of {runs} runs under {slow:.2f} ms, 99 % under {slowest:.2f} ms")
