"""A classifier's training data, recipe and use, in words and commands."""

import json
from collections.abc import Mapping, Sequence

from ftso_cli import shell
from ftso_cli.report.run.trained import TrainedRun
from ftso_cli.settings.recipes import Recipe
from ftso_cli.texts import last_name

FEW = 10
"""Names of images that can't be read that a page lists."""

AUGMENTATIONS: Mapping[str, str] = {
    "none": "no augmentation",
    "light": "light augmentation (random crops)",
    "strong": "strong augmentation (random crops, TrivialAugment)",
    "cifar": "padding and random crops",
    "imagenet": "random resized crops and colour jitter",
}


def trained_on(training: TrainedRun, counts: Mapping[str, Sequence[int]]) -> list[tuple[str, str]]:
    """The images that a classifier was trained on: their set, parts, size, and what was left out."""
    config, record = training.config, training.images
    height, width = config.image_size
    parts = [f"{sum(counts[part]):,} {name}" for part, name in PARTS.items() if part in counts]
    known = [
        ("data", last_name(config.data)),
        ("images", ", ".join(parts)),
        ("classes", f"{len(config.classes):,}"),
        ("size", f"{height}×{width} pixels, {'RGB' if config.image_channels == 3 else 'grey'}"),
        ("test images", "" if record is None else record.test_from),
        ("validation images", "" if record is None else record.val_from),
        ("left out", "" if record is None else _left_out(record.broken)),
    ]
    return [(name, value) for name, value in known if value]


PARTS: Mapping[str, str] = {"train": "for training", "val": "for validation", "test": "for testing"}


def _left_out(broken: Sequence[str]) -> str:
    if not broken:
        return ""
    more = f" and {len(broken) - FEW:,} more" if len(broken) > FEW else ""
    return f"{len(broken):,} that can't be read: {', '.join(broken[:FEW])}{more}"


def trained_how(training: TrainedRun) -> list[tuple[str, str]]:
    """Return the recipe of a classifier in words."""
    config, recipe, done = training.config, training.config.recipe, len(training.epochs)
    rate = f"{recipe.rate:g}, {recipe.schedule} schedule{_warmup(recipe)}"
    decay = "" if recipe.decay_norms else ", none on batch norms and biases"
    layers = f"stem {recipe.stem}{'' if recipe.reduction == 'residual' else f', {recipe.reduction} reductions'}"
    return [
        ("network", f"{recipe.cells} cells, {recipe.channels} channels in the first, {layers}"),
        *([("start", _start(training))] if config.start is not None else []),
        ("epochs", f"{done:,} of {recipe.epochs:,}, {training.duration}"),
        ("batch", f"{recipe.batch_size:,} images"),
        ("optimizer", f"SGD, momentum {recipe.momentum:g}{' (Nesterov)' if recipe.nesterov else ''}"),
        ("learning rate", rate),
        ("weight decay", f"{recipe.weight_decay:g}{decay}"),
        ("images", ", ".join(_augmentation(recipe, config.flip))),
        *([("besides", ", ".join(extra))] if (extra := _extras(recipe)) else []),
        ("seed", str(config.seed)),
        ("device", f"{config.device}, {config.precision}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in config.versions.items())),
    ]


def _start(training: TrainedRun) -> str:
    recipe, start = training.config.recipe, training.config.start
    assert start is not None
    body = ", all but its classifier left as it was" if recipe.freeze else ""
    slower = f", all but its classifier at {recipe.body_rate:g} of the rate" if recipe.body_rate != 1 else ""
    return f"the network of {last_name(start.run)}{body}{slower}"


def _warmup(recipe: Recipe) -> str:
    return f", warm-up of {recipe.warmup} epochs" if recipe.warmup else ""


def _augmentation(recipe: Recipe, flip: bool | None) -> list[str]:
    words = [AUGMENTATIONS[recipe.augmentation], "half of them mirrored" if flip else "not mirrored"]
    words += [f"cutout of {recipe.cutout:.0%} of the side"] if recipe.cutout else []
    words += [f"{name} {value:g}" for name in ("mixup", "cutmix") if (value := getattr(recipe, name))]
    return words


def _extras(recipe: Recipe) -> list[str]:
    """Return the values of a recipe that differ from the usual ones."""
    named = {
        "label smoothing": recipe.label_smoothing,
        "drop path": recipe.drop_path,
        "auxiliary head of weight": recipe.auxiliary,
        "gradients clipped at": recipe.clip,
        "averaged weights of decay": recipe.average,
    }
    words = [f"{name} {value:g}" for name, value in named.items() if value]
    return words


def uses(training: TrainedRun) -> list[tuple[str, str]]:
    """Commands that use the network, by what they are for, in the folder that the run is in."""
    run = training.shown_folder
    return [
        ("Classify images", shell.command_line("predict", run, "photo.jpg")),
        ("Test it again", shell.command_line("evaluate", run)),
        ("Measure its speed here", shell.command_line("latency", run)),
        ("Hand it on as ONNX", shell.command_line("export", run, format="onnx")),
    ]


def python_use(training: TrainedRun) -> str:
    """The lines of Python that use the network."""
    folder = json.dumps(str(training.shown_folder), ensure_ascii=True)
    return (
        "import ftso_cli\n\n"
        f"classifier = ftso_cli.load({folder}).deploy()\n"
        'probabilities = classifier.probabilities(["photo.jpg"])[0]\n'
        "print(classifier.classes[int(probabilities.argmax())])"
    )
