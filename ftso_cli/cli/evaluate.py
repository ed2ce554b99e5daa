"""`ftso evaluate`: test what `ftso train` saved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftso_cli.api.trainings import evaluate as test
from ftso_cli.cli import common
from ftso_cli.cli.console import aligned, note, print_json, say, warn
from ftso_cli.drawing.plots import check_plot, plot_confusion

if TYPE_CHECKING:
    from ftso_cli.training.evaluate import Score


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training.", show_default=False)],
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw which classes are taken for which (.png, .svg or .pdf)."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="DATA",
            help="Other test images: a set, or a folder as `DIR/test/CLASS/*.jpg` or `DIR/CLASS/*.jpg`.",
            show_default="the test images of the training",
        ),
    ] = None,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Test a trained network on the test images again, from the files of its run.

    Says how often the likeliest class, or one of the likeliest five, is right, and that of each class alone. The run
    knows its test images: what is missing, changed or added is said, and what can't be read ends in status 1. A
    training that was interrupted is tested with its last checkpoint.

    Examples: `ftso evaluate runs/cell-digits` · `ftso evaluate runs/cell-digits --confusion confusion.png` ·
    `ftso evaluate runs/cell-photos --data new-photos/`
    """
    if confusion is not None:
        check_plot(confusion)
        common.check_writable(confusion)
    from ftso_cli.training.run import Run

    score = test(run, device, data=data)
    config = Run(run).config()
    _tell(score)
    if confusion is not None:
        plot_confusion(score.confusion.tolist(), config.classes, confusion)
    if as_json:
        print_json(_as_json(run, score, config.classes))
        raise typer.Exit(bool(score.broken))
    top5 = f", top-5 {score.top5:.2%}" if len(config.classes) > 5 else ""
    say(f"test accuracy {score.accuracy:.2%}{top5}, loss {score.loss:.4f}, on {score.share}")
    shares = ["-" if share is None else f"{share:.2%}" for share in score.class_accuracies]
    for line in aligned(list(zip(config.classes, shares, strict=True)), (True, False), "  "):
        say(f"  {line}")
    if confusion is not None:
        say(f"wrote {confusion}")
    raise typer.Exit(bool(score.broken))


def _tell(score: "Score") -> None:
    """Name the test images, and what of them is not as it was in the training."""
    from ftso_cli.data.left_out import broken_lines, counted

    if score.unfinished:
        warn(score.unfinished)
    note(f"test images: {score.test_from}")
    for line in (*score.remarks, *score.changes.lines()):
        warn(line)
    if score.broken:
        warn(f"left out, can't be read: {counted(len(score.broken), 'test image')}")
        for line in broken_lines(score.broken):
            note(line)


def _as_json(run: Path, score: "Score", classes: tuple[str, ...]) -> dict[str, object]:
    return {
        "run": str(run),
        "test_accuracy": score.accuracy,
        "top5_accuracy": score.top5,
        "test_loss": score.loss,
        "images": score.images,
        "class_accuracies": dict(zip(classes, score.class_accuracies, strict=True)),
        "confusion": score.confusion.tolist(),
        **score.changes.facts(),
        **({"broken": list(score.broken)} if score.broken else {}),
        **({"unfinished": score.unfinished} if score.unfinished else {}),
    }
