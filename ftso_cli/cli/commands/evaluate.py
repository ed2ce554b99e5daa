"""`ftso evaluate`: test what `ftso train` saved."""

from typing import TYPE_CHECKING

import typer

from ftso_cli import shell
from ftso_cli.api.training import uses
from ftso_cli.cli.console import note, print_json, say, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.scores import print_score, score_facts
from ftso_cli.settings.requests.use import EvaluateRequest

if TYPE_CHECKING:
    from ftso_cli.training.testing.evaluate import Score


@as_command(EvaluateRequest)
def evaluate(request: EvaluateRequest, as_json: bool) -> None:
    """Test a trained network on the test images again, from the files of its run.

    Says how often the likeliest class, or one of the likeliest five, is right, and that of each class alone. The run
    knows its test images: what is missing, changed or added is said, and what can't be read ends in status 1. A
    training that was interrupted is tested with its last checkpoint.

    Examples: `ftso evaluate runs/cell-digits` · `ftso evaluate runs/cell-digits --confusion confusion.png` ·
    `ftso evaluate runs/cell-photos --data new-photos/`
    """
    score = uses.evaluate.run(request)
    _tell(score)
    if as_json:
        print_json(_as_json(request, score))
        raise typer.Exit(bool(score.broken))
    print_score(score, shell.command_line("evaluate", request.run, json=True))
    if request.confusion is not None:
        say(f"wrote {request.confusion}")
    raise typer.Exit(bool(score.broken))


def _tell(score: "Score") -> None:
    """Name the test images, and what of them is not as it was in the training."""
    from ftso_cli.data.files.skipped_files import broken_lines, with_count

    if score.unfinished:
        warn(score.unfinished)
    note(f"test images: {score.test_from}")
    for line in (*score.remarks, *score.changes.lines()):
        warn(line)
    if score.broken:
        warn(f"left out, can't be read: {with_count(len(score.broken), 'test image')}")
        for line in broken_lines(score.broken):
            note(line)


def _as_json(request: EvaluateRequest, score: "Score") -> dict[str, object]:
    return {
        "run": str(request.run),
        **score_facts(score),
        "images": score.images,
        "class_accuracies": dict(zip(score.classes, score.class_accuracies, strict=True)),
        **score.changes.facts(),
        **({"broken": list(score.broken)} if score.broken else {}),
        **({"unfinished": score.unfinished} if score.unfinished else {}),
    }
