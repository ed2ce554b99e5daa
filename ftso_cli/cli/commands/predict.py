"""`ftso predict`: the classes of images, by a trained network."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer

from ftso_cli.api.training.predictions import NONE, PredictionListener, Predictions, predict_images
from ftso_cli.cli.console import note, print_json, say, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.errors import FtsoError
from ftso_cli.settings.requests.use import PredictRequest
from ftso_cli.settings.shared import Update


class _Listener(CommandListener, PredictionListener):
    """Prints the classes of an image as soon as they are known, or shows a progress bar where they go elsewhere."""

    def __init__(self, elsewhere: bool) -> None:
        super().__init__()
        self._elsewhere = elsewhere

    @contextmanager
    def bar(self, title: str, unit: str) -> Iterator[Update]:
        """Show a progress bar where no lines are printed."""
        with super().bar(title, unit) if self._elsewhere else PredictionListener.bar(self, title, unit) as update:
            yield update

    def predicted(self, image: str, classes: Mapping[str, float], answer: str) -> None:
        """Print the classes of an image."""
        if self._elsewhere:
            return
        likeliest = ", ".join(f"{name} {share:.1%}" for name, share in classes.items())
        say(f"{image}: {NONE} ({likeliest})" if answer == NONE else f"{image}: {likeliest}")


@as_command(PredictRequest)
def predict(request: PredictRequest, as_json: bool) -> None:
    """Classify images with a trained network: the likeliest classes first, with their probabilities.

    What can't be read is left out and named at the end, with status 1. A training that was interrupted answers with
    its last checkpoint. An unknown thing gets the class that it is most like; --threshold 0.7 answers "none of these"
    where that class has less than 70 %.

    Examples: `ftso predict runs/cell-photos cat.jpg` · `ftso predict runs/cell-photos new/ --top 1 --json` ·
    `ftso predict runs/cell-photos new/ --threshold 0.7 --csv answers.csv`
    """
    from ftso_cli.data.files.skipped_files import broken_lines, with_count

    to_stdout = str(request.csv) == "-"
    if as_json and to_stdout:
        raise FtsoError("with --json, stdout is for the result; name a file for the table with --csv FILE")
    found = predict_images(request, _Listener(as_json or request.csv is not None))
    if as_json:
        print_json(_facts(request, found))
    elif to_stdout:
        sys.stdout.write(found.table())
    elif request.csv is not None:
        unsure = found.answers.count(NONE)
        say(
            f"wrote {request.csv}: {with_count(len(found.images), 'image')}"
            + (f", {unsure:,} {NONE}" if unsure else "")
        )
    if found.broken:
        warn(f"left out, can't be read: {with_count(len(found.broken), 'image')}")
        for line in broken_lines(found.broken):
            note(line)
        raise typer.Exit(1)


def _facts(request: PredictRequest, found: Predictions) -> dict[str, object]:
    """Return the result for --json."""
    images = [
        {"image": image, "answer": name, "classes": classes}
        for (image, classes), name in zip(found.images, found.answers, strict=True)
    ]
    return {"run": str(request.run), "images": images, **({"broken": list(found.broken)} if found.broken else {})}
