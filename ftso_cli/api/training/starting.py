"""A training as a `Trainer`: from a request, or from its run folder; its images read, its steps fitted to a time."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ftso_cli.api.cells import UNNAMED
from ftso_cli.api.listening import Listener
from ftso_cli.api.record import versions
from ftso_cli.api.training.planning import device_here, training_device
from ftso_cli.api.training.run_images import images_of, is_gone, requested_images
from ftso_cli.errors import DataError, SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.storage import describe_error
from ftso_cli.settings.config_file import ConfigFile, StartRecord
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.recipes import MOST_EPOCHS, Recipe, with_epochs
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.settings.shared import DEFAULT_DATA, Update
from ftso_cli.settings.values import check_seed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Config

RUNS = Path("runs")


def started(
    cell: str,
    genotype: Genotype,
    asked: ConfigFile,
    settings: Recipe,
    folder: Path | None,
    group: "Group",
    device: str | None = None,
    images: "ImageData | None" = None,
) -> "Trainer":
    """A training from the beginning of the cell of that name; its run folder is not made yet.

    Its `images`, where they have been read already, are those that `asked` and `settings` mean. Where no `device` is
    given and that of `asked`, as the config.json of another machine has it, is not here, it takes what there is.
    Raises `SettingsError` for a value that is asked for and can't be.
    """
    from ftso_cli.nn.device import use_at_most
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Run

    check_seed(asked.seed)
    use_at_most(asked.threads)
    chosen, of_file = training_device(asked, device), asked.device or "auto"
    data = DEFAULT_DATA if asked.data is None else asked.data
    images = images or requested_images(data, asked, settings)
    if device is None and of_file not in ("auto", str(chosen)):
        remark = f"device {of_file} of the settings is not here; training on {chosen}"
        images = replace(images, remarks=(*images.remarks, remark))
    run = Run(_free_folder(cell, data) if folder is None else folder)
    _check_validates(images, settings)
    images, record, weights = _begun(images, asked, genotype)
    return Trainer(genotype, _config(asked, settings, genotype, images, record, chosen), images, run, group, weights)


def _config(
    asked: ConfigFile,
    settings: Recipe,
    genotype: Genotype,
    images: "ImageData",
    start: StartRecord | None,
    device: "torch.device",
) -> "Config":
    """The settings of a run in full; raises `SettingsError` for a value that can't be."""
    from ftso_cli.data import NAMES
    from ftso_cli.training.compiling import compiles_by_default
    from ftso_cli.training.precision import precision_of
    from ftso_cli.training.run import Config

    data = DEFAULT_DATA if asked.data is None else asked.data
    epoch = len(images.train) // settings.batch_size
    try:
        return Config(
            data=data if data in NAMES else str(Path(data).expanduser().resolve()),
            image_size=images.image_size,
            resize=asked.resize or "crop",
            nested=bool(asked.nested),
            fold=asked.fold,
            image_channels=images.channels,
            classes=images.classes,
            mean=images.mean,
            std=images.std,
            flip=images.flip,
            recipe=settings,
            start=start,
            seed=asked.seed or 0,
            device=str(device),
            precision=precision_of(asked.precision, genotype, device),
            compile=compiles_by_default(device, settings.epochs * epoch) if asked.compile is None else asked.compile,
            total_steps=asked.steps_of(settings, epoch),
            planned=asked.planned,
            threads=asked.threads,
            versions=versions(),
            **({} if asked.save_every is None else {"save_every": asked.save_every}),
        )
    except ValidationError as error:
        raise SettingsError(describe_error(error)) from None


def _begun(
    data: "ImageData", asked: ConfigFile, genotype: Genotype
) -> tuple["ImageData", StartRecord | None, "Mapping[str, Tensor] | None"]:
    """Return the images with a remark on the network to start from, the record of its weights, and these."""
    from ftso_cli.training.start import start_of

    if asked.start_from is None:
        return data, None, None
    found = start_of(Path(asked.start_from), asked.start, genotype, data.classes)
    return replace(data, remarks=(*data.remarks, *found.remarks)), found.record, found.tensors


def _check_validates(data: "ImageData", settings: Recipe) -> None:
    """Raise `OptionError` for a recipe that looks at validation images, where there are none."""
    if data.val is None and (settings.keep == "best" or settings.patience):
        name = "keep" if settings.keep == "best" else "patience"
        raise OptionError(
            name, f"{{{name}}} looks at validation images, and {data.name} has none; give {{validation=0.1}}"
        )


def _free_folder(cell: str, data: str) -> Path:
    """runs/CELL-DATA, or runs/DATA where the cell was chosen, with a number behind it where that is taken."""
    # Not the stem: a published cell is called bayesnas_0.01.
    known = "cell" if cell in (UNNAMED, "-") else Path(cell).name.removesuffix(".json")
    name = "-".join(filter(None, (known, re.sub(r"\.[ct]sv$", "", Path(data).name) or "data")))
    names = (RUNS / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(folder for folder in names if not folder.exists())


def fill(trainer: "Trainer", update: Update | None) -> "Trainer":
    """Reads all images; gives the training without broken images."""
    from ftso_cli.data import read_held_out, read_training_images
    from ftso_cli.training.loop import Trainer

    # Images first: where a class has none, the same request can be given again.
    images = read_training_images(trainer.data, update)
    if images is not trainer.data:
        trainer = Trainer(trainer.genotype, trainer.config, images, trainer.run, trainer.group, trainer.start)
    trainer.data = read_held_out(images, update)
    return trainer


def limited(trainer: "Trainer", request: TrainRequest, left: float, listener: Listener) -> "Trainer":
    """Time some steps, and return the training with as many of them as fit in the seconds that are left."""
    from ftso_cli.training.budget import Work, described, measure, steps_for
    from ftso_cli.training.loop import Trainer

    seconds, config = request.seconds, trainer.config
    # Its steps leave no trace in the training itself.
    began, trial = (
        time.perf_counter(),
        Trainer(trainer.genotype, config, trainer.data, trainer.run, start=trainer.start),
    )
    step = measure(trial, seconds) / trainer.group.size
    work = Work.of(trainer)
    most = request.hyper_parameters.epochs if request.planned else MOST_EPOCHS
    steps = steps_for(left - (time.perf_counter() - began), step, work, most)
    listener.note(described(steps, step, work, config.recipe.batch_size, seconds))
    if steps < work.epoch:
        listener.warn(f"that is less than one epoch: {max(left, 0):.0f} s of the time are left for training; give more")
    recipe = with_epochs(config.recipe, -(-steps // work.epoch))
    planned = {"recipe": recipe, "time": seconds, "total_steps": steps if steps % work.epoch else None}
    config = config.model_copy(update=planned)
    return Trainer(trainer.genotype, config, trainer.data, trainer.run, trainer.group, trainer.start)


def reopened_training(folder: Path, group: "Group", device: str | None = None) -> "Trainer":
    """The training of a run folder, at its beginning, on `device` or on that of the run where it is here."""
    from ftso_cli.nn.checkpoint import Checkpoints
    from ftso_cli.nn.device import use_at_most
    from ftso_cli.training.compiling import missing_compiler
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Run
    from ftso_cli.training.start import read_start

    run = Run(folder)
    config = run.config()
    use_at_most(config.threads)
    chosen = device_here(config.device if device is None else device, may_differ=device is None)
    # To compile only makes it faster, and needs what the other machine may have had.
    compiled = config.compile and (str(chosen) == config.device or missing_compiler(chosen) is None)
    config = config.model_copy(update={"device": str(chosen), "compile": compiled})
    try:
        images = images_of(config, run.images(), stand_in=True)
    except DataError as error:
        hint = "; put it back, or a link to where it is now" if is_gone(config.data) else ""
        raise DataError(f"{error}{hint}") from None
    # A checkpoint holds all that has become of them.
    fresh = config.start is not None and not Checkpoints(run.checkpoint_file).exist()
    start = read_start(run.start_file, config.start) if fresh and config.start is not None else None
    return Trainer(run.genotype(), config, images, run, group, start)


def refill(trainer: "Trainer", update: Update | None) -> int:
    """Reads the images of a training that goes on; returns how many training images stand in for others now."""
    from ftso_cli.data import read_held_out, reread_training

    replaced = reread_training(trainer.data, update)
    trainer.data = read_held_out(trainer.data, update)
    return replaced
