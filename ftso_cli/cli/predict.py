"""`ftso predict`: the classes of images, by a trained network."""

from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import note, print_json, say, warn

BATCH = 64


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training.", show_default=False)],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False)
    ],
    top: Annotated[int, typer.Option(min=1, help="How many of the likeliest classes to show.")] = 5,
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Tell the classes of images by a trained network: the likeliest first, with their probabilities.

    What can't be read is left out and named at the end, with status 1. A training that was interrupted answers with
    its last checkpoint.

    Examples: `ftso predict runs/cell-photos cat.jpg` · `ftso predict runs/cell-photos new/ --top 1 --json`
    """
    import ftso_cli
    from ftso_cli.data.left_out import LeftOut, broken_lines, counted
    from ftso_cli.data.listing import list_below

    left_out = LeftOut()
    files = [str(file) for image in images for file in (list_below(image, left_out) if image.is_dir() else [image])]
    classifier = ftso_cli.load(run, device)
    if classifier.unfinished:
        warn(classifier.unfinished)
    for line in left_out.lines():
        note(line)
    results = []
    broken: dict[str, str] = {}
    for first in range(0, len(files), BATCH):
        for image, shares in classifier.answers(files[first : first + BATCH], broken):
            best = shares.topk(min(top, len(classifier.classes)))
            names = [classifier.classes[at] for at in best.indices.tolist()]
            found = dict(zip(names, best.values.tolist(), strict=True))
            results.append({"image": image, "classes": found})
            if not as_json:
                say(f"{image}: " + ", ".join(f"{name} {share:.1%}" for name, share in found.items()))
    if as_json:
        print_json({"run": str(run), "images": results} | ({"broken": list(broken)} if broken else {}))
    if broken:
        warn(f"left out, can't be read: {counted(len(broken), 'image')}")
        for line in broken_lines(broken):
            note(line)
        raise typer.Exit(1)
