"""`ftso evaluate`: test what `ftso train` saved."""

from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import print_json, say


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training.", show_default=False)],
    device: common.DeviceOption = "auto",
    as_json: common.JsonOption = False,
) -> None:
    """Test a trained network on the test images again, from the files of its run.

    Examples: `ftso evaluate runs/cell-digits` · `ftso evaluate runs/cell-digits --json`
    """
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.evaluate import evaluate as test
    from ftso_cli.training.evaluate import load_network
    from ftso_cli.training.run import Run

    folder = Run(run)
    config = folder.config()
    chosen = choose_device(device)
    network = load_network(folder, chosen)
    images = common.images_of(config)
    score = test(network, images.final, images, config.recipe.batch_size, chosen)
    if as_json:
        print_json({"run": str(run), "test_accuracy": score.accuracy, "test_loss": score.loss, "images": score.images})
    else:
        say(f"test accuracy {score.accuracy:.2%}, loss {score.loss:.4f}, on {score.images} images")
