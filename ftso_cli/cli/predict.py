"""`ftso predict`: the classes of images, by a trained network."""

from collections.abc import Mapping

import typer

from ftso_cli.api.uses import PredictionListener, predict_images
from ftso_cli.cli.console import note, print_json, say, warn
from ftso_cli.cli.derive import command
from ftso_cli.cli.listening import CommandListener
from ftso_cli.settings.use import Prediction


class _Listener(CommandListener, PredictionListener):
    """Prints the classes of an image as soon as they are known."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def predicted(self, image: str, classes: Mapping[str, float]) -> None:
        """Print the classes of an image."""
        if not self._as_json:
            say(f"{image}: " + ", ".join(f"{name} {share:.1%}" for name, share in classes.items()))


@command(Prediction)
def predict(request: Prediction, as_json: bool) -> None:
    """Tell the classes of images by a trained network: the likeliest first, with their probabilities.

    What can't be read is left out and named at the end, with status 1. A training that was interrupted answers with
    its last checkpoint.

    Examples: `ftso predict runs/cell-photos cat.jpg` · `ftso predict runs/cell-photos new/ --top 1 --json`
    """
    from ftso_cli.data.left_out import broken_lines, counted

    found = predict_images(request, _Listener(as_json))
    if as_json:
        images = [{"image": image, "classes": classes} for image, classes in found.images]
        broken = {"broken": list(found.broken)} if found.broken else {}
        print_json({"run": str(request.run), "images": images} | broken)
    if found.broken:
        warn(f"left out, can't be read: {counted(len(found.broken), 'image')}")
        for line in broken_lines(found.broken):
            note(line)
        raise typer.Exit(1)
