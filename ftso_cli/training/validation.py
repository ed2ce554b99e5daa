"""Validation after an epoch: how often, which epoch is the best, and when to stop waiting for a better one."""

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from ftso_cli.data import ImageData, on_device, readable_batches
from ftso_cli.errors import DataError
from ftso_cli.nn.network import Network
from ftso_cli.settings.recipes import Recipe
from ftso_cli.training.progress import NOT_VALIDATED, Row

if TYPE_CHECKING:
    from ftso_cli.training.loop import Trainer

LARGEST_SHARE = 0.1
"""The most that validation may add to the time of training."""

FORWARD = 1 / 3
"""The time of an image that is only answered, compared with that of one that is trained on."""


def validates(recipe: Recipe, data: ImageData) -> bool:
    """Return True where a training by this recipe looks at the validation images, which the set has to have."""
    return data.val is not None and (recipe.validation > 0 or recipe.keep == "best" or recipe.patience > 0)


def interval(image_count: int, trained: int) -> int:
    """Return the number of epochs of `trained` images each from one validation on `images` to the next.

    It depends on numbers alone, and not on how busy the machine is: a training is repeated exactly.
    """
    return max(1, math.ceil(FORWARD * image_count / (LARGEST_SHARE * trained)))


def best_epoch(rows: Sequence[Row]) -> Row | None:
    """Return the row of the highest accuracy on the validation images, of equals the lowest loss, then the last."""
    known = [row for row in rows if row.get("val_accuracy") is not None]
    return max(known, key=_rank, default=None)


def waited(rows: Sequence[Row]) -> int:
    """Return the number of epochs that were validated after the best one."""
    best = best_epoch(rows)
    validated = [row["epoch"] for row in rows if row.get("val_accuracy") is not None]
    return 0 if best is None else len(validated) - 1 - validated.index(best["epoch"])


def _rank(row: Row) -> tuple[float, float, float]:
    accuracy, loss = row["val_accuracy"] or 0.0, row["val_loss"]
    return accuracy, -math.inf if loss is None or math.isnan(loss) else -loss, row["epoch"] or 0


def validation_columns(trainer: "Trainer") -> Row:
    """Return what validation adds to the row of an epoch that has ended; the last one always has some, if any has.

    The first of several processes looks at the images, and tells the others.
    """
    recipe, data, started = trainer.config.recipe, trainer.data, time.perf_counter()
    if data.val is None or not validates(recipe, data):
        return NOT_VALIDATED
    epoch = len(trainer.rows) + 1
    every = interval(len(data.val), trainer.batches.steps_per_epoch * recipe.batch_size)
    if epoch % every and epoch < trainer.epochs:
        return NOT_VALIDATED
    numbers = torch.zeros(2, dtype=torch.float64)
    if trainer.group.first:
        found = validate(_plain(trainer), data, recipe.batch_size, trainer.device)
        numbers += torch.tensor(found, dtype=numbers.dtype)
    loss, accuracy = trainer.group.total(numbers).tolist()
    seconds = trainer.sums.seconds + time.perf_counter() - started
    return {"seconds": round(seconds, 3), "val_loss": loss, "val_accuracy": accuracy}


def _plain(trainer: "Trainer") -> Network:
    """The trained network as it is built to be used: neither compiled nor shared by processes."""
    with torch.device("meta"):
        network = Network(trainer.genotype, trainer.config.shape, auxiliary=False)
    network.load_state_dict(trainer.weights(), assign=True)
    return network.eval()


@torch.inference_mode()
def validate(network: nn.Module, data: ImageData, batch_size: int, device: torch.device) -> tuple[float, float]:
    """Return the mean loss and the accuracy of a network on the validation images.

    Raises `DataError` where none can be read.
    """
    assert data.val is not None
    count, right, loss = 0, 0, 0.0
    for images, labels in readable_batches(on_device(data.val, device), batch_size, data, {}):
        logits = network(images.to(device, memory_format=torch.channels_last))[0].float().cpu()
        loss += functional.cross_entropy(logits, labels, reduction="sum").item()
        right += int((logits.argmax(1) == labels).sum())
        count += len(labels)
    if not count:
        raise DataError(f"{data.name}: none of the {len(data.val)} validation images can be read")
    return loss / count, right / count
