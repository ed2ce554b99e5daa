"""The verbs of networks that are trained: train, evaluate, load."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from pydantic import ValidationError

from ftso_cli.api.cells import DEFAULT_DATA, UNNAMED, CellLike, Data, about_file, name_of, read
from ftso_cli.api.record import versions
from ftso_cli.api.searching import Update
from ftso_cli.api.settings import check_seed
from ftso_cli.errors import RunError, SettingsError, short
from ftso_cli.files import alone_in
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.storage import describe
from ftso_cli.training.recipes import Recipe
from ftso_cli.training.request import Precision, Request, read_request

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.training.classifier import Classifier
    from ftso_cli.training.evaluate import Score
    from ftso_cli.training.loop import Progress, Row, Trainer
    from ftso_cli.training.run import Config

RUNS = Path("runs")

Folder = str | os.PathLike[str]


class RecipeOptions(TypedDict, total=False):
    """Values that overrule those of a recipe; `ftso train --help` says what each is."""

    epochs: int
    channels: int
    cells: int
    stem: str
    batch_size: int
    rate: float
    schedule: str
    warmup: int
    momentum: float
    weight_decay: float
    clip: float
    label_smoothing: float
    drop_path: float
    cutout: float
    auxiliary: float
    augmentation: str


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training: its run folder, the metrics of every epoch, and what the test images say."""

    folder: Path
    metrics: tuple[Mapping[str, float], ...]
    test_accuracy: float
    test_loss: float
    test_images: int

    def load(self, device: str = "cpu") -> "Classifier":
        """The trained network, as `ftso_cli.load` gives it."""
        return load(self.folder, device)


def train(
    cell: CellLike | None = None,
    data: Data | None = None,
    *,
    recipe: str | None = None,
    config: Folder | None = None,
    output: Folder | None = None,
    resume: Folder | None = None,
    seed: int | None = None,
    image_size: int | None = None,
    device: str | None = None,
    precision: Precision | None = None,
    compile: bool | None = None,
    save_minutes: float | None = None,
    progress: Update | None = None,
    **overruled: Unpack[RecipeOptions],
) -> Trained:
    """Trains the network of a cell from scratch, and tests it once, after the last epoch.

    `recipe` is `quick`, `cifar` or `imagenet`; `overruled` are values of it: `epochs`, `channels`, `cells`, `stem`,
    `batch_size`, `rate`, `schedule`, `warmup`, `momentum`, `weight_decay`, `clip`, `label_smoothing`, `drop_path`,
    `cutout`, `auxiliary`, `augmentation`. The run folder is `output`, or a new one in `runs/`. `resume=FOLDER` alone
    goes on with an interrupted run, to the same weights; `config` reads the settings of another run.
    `progress(done, total, figures)` is called after every step.

    Raises `GenotypeError` for a cell without operators, `RunError` for a folder that holds a run already,
    `TrainingError` for a loss that is not finite.
    """
    given = {
        "data": None if data is None else os.fspath(data),
        "seed": seed,
        "image_size": image_size,
        "device": device,
        "precision": precision,
        "compile": compile,
        "save_minutes": save_minutes,
    }
    given = {name: value for name, value in given.items() if value is not None}
    from ftso_cli.nn.distributed import ALONE

    if resume is not None:
        if cell or recipe or config or output or given or overruled:
            raise SettingsError("a resumed run has its cell and settings; give resume alone")
        trainer = opened(Path(resume), ALONE)
    else:
        asked = read_request(Path(config)) if config else Request()
        chosen = cell or asked.cell
        if chosen is None:
            raise SettingsError("give a cell to train, or resume")
        settings = asked.settings(recipe, dict(overruled))
        genotype = complete(chosen)
        asked = asked.model_copy(update=given)
        folder = None if output is None else Path(output)
        trainer = started(name_of(chosen), genotype, asked, settings, folder, ALONE)
    with alone_in(trainer.run.folder):
        if resume is None:
            fill(trainer, None)
        else:
            if trainer.checkpoints.exist():
                trainer.load_checkpoint()
            trainer.data.train.load_all()
        _run(trainer, progress)
        trainer.save_weights()
        score = tested(trainer)
    return Trained(
        folder=trainer.run.folder,
        metrics=tuple(trainer.rows),
        test_accuracy=score.accuracy,
        test_loss=score.loss,
        test_images=score.images,
    )


def _run(trainer: "Trainer", progress: Update | None) -> None:
    epochs = trainer.config.recipe.epochs

    def on_step(state: "Progress") -> None:
        if progress is not None:
            figures = f"epoch {state.epoch + 1}, loss {state.loss:.3f}, accuracy {state.accuracy:.1%}"
            progress(state.epoch * state.steps + state.step, epochs * state.steps, figures)

    def on_epoch(row: "Row") -> None:
        return

    trainer.train(on_step, on_epoch)


def complete(cell: CellLike) -> Genotype:
    """The genotype of a cell that can be trained; raises `GenotypeError`, naming the cell, where it can't."""
    genotype = read(cell)
    with about_file(name_of(cell)):
        require_complete(genotype, "train")
    return genotype


def started(
    cell: str, genotype: Genotype, asked: Request, settings: Recipe, folder: Path | None, group: "Group"
) -> "Trainer":
    """A training from the beginning of the cell of that name; its run folder is not made yet.

    Raises `SettingsError` for a value that is asked for and can't be.
    """
    from ftso_cli.data import NAMES, open_images
    from ftso_cli.nn.device import choose_device, has_fast_bfloat16
    from ftso_cli.training.compiling import compiles_by_default
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Config, Run

    check_seed(asked.seed)
    device = choose_device(asked.device or "auto")
    data = asked.data or DEFAULT_DATA
    images = _framed(open_images(data, image_size=asked.side or settings.image_size), settings)
    run = Run(folder or _free_folder(cell, data))
    run.check_free()
    steps = settings.epochs * (len(images.train) // settings.batch_size)
    compiled = compiles_by_default(device, steps) if asked.compile is None else asked.compile
    try:
        config = Config(
            data=data if data in NAMES else str(Path(data).expanduser().resolve()),
            image_size=images.image_size,
            image_channels=images.channels,
            classes=images.classes,
            mean=images.mean,
            std=images.std,
            recipe=settings,
            seed=asked.seed or 0,
            device=str(device),
            precision=_precision(asked.precision, has_fast_bfloat16(device)),
            compile=compiled,
            versions=versions(),
            **({} if asked.save_minutes is None else {"save_minutes": asked.save_minutes}),
        )
    except ValidationError as error:
        raise SettingsError(describe(error)) from None
    return Trainer(genotype, config, images, run, group)


def fill(trainer: "Trainer", update: Update | None) -> None:
    """Reads the training images, all of which every epoch needs, and writes what the run folder begins with."""
    # Images first: once a damaged one is gone, the same request can be given again.
    trainer.data.train.load_all(update)
    trainer.run.create(trainer.genotype, trainer.config)


def opened(folder: Path, group: "Group") -> "Trainer":
    """The training of a run folder, at its beginning."""
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Run

    run = Run(folder)
    config = run.config()
    return Trainer(run.genotype(), config, images_of(config), run, group)


def tested(trainer: "Trainer") -> "Score":
    """How the weights that were saved do on the test images, which the run folder keeps as its result."""
    from ftso_cli.training.evaluate import evaluate as test
    from ftso_cli.training.evaluate import load_network

    images = trainer.data
    network = load_network(trainer.run, trainer.device)
    score = test(network, images.final, images, trainer.config.recipe.batch_size, trainer.device)
    trainer.run.write_result({"test_accuracy": score.accuracy, "test_loss": score.loss, "test_images": score.images})
    return score


def evaluate(run: Folder, device: str = "auto") -> "Score":
    """Tests a trained network on the test images again: `accuracy`, `top5`, `loss`, `class_accuracies`, `confusion`.

    Raises `RunError` where the folder holds no trained network, and `DataError` where its images are gone.
    """
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.evaluate import evaluate as test
    from ftso_cli.training.evaluate import load_network
    from ftso_cli.training.run import Run

    folder = Run(Path(run))
    config, chosen = folder.config(), choose_device(device)
    network = load_network(folder, chosen)
    images = images_of(config)
    return test(network, images.final, images, config.recipe.batch_size, chosen)


def load(run: Folder, device: str = "cpu") -> "Classifier":
    """The trained network in a run folder, an `nn.Module` with `classes` and `preprocess`, ready to evaluate.

    Raises `RunError` where the folder holds no trained network.
    """
    from ftso_cli.nn.device import choose_device
    from ftso_cli.training.classifier import load_classifier
    from ftso_cli.training.run import Run

    return load_classifier(Run(Path(run)), choose_device(device))


def images_of(config: "Config") -> "ImageData":
    """The images that a run was started on; raises `RunError` where they have other classes by now."""
    from ftso_cli.data import open_images

    size = config.image_size[0] if config.image_size[0] == config.image_size[1] else None
    images = _framed(open_images(config.data, image_size=size), config.recipe)
    if images.classes != config.classes:
        known = short(", ".join(config.classes), 200)
        raise RunError(f"{config.data}: has other classes than the run was started with, {known}")
    return images


def _framed(images: "ImageData", recipe: Recipe) -> "ImageData":
    """The images as a recipe cuts them out."""
    from ftso_cli.data import as_imagenet

    return as_imagenet(images) if recipe.augmentation == "imagenet" else images


def _precision(asked: str | None, fast: bool) -> Any:
    """That of the training; what isn't asked for is bfloat16 where it is fast."""
    if asked in (None, "auto"):
        return "bfloat16" if fast else "float32"
    return asked


def _free_folder(cell: str, data: str) -> Path:
    """runs/CELL-DATA, with a number behind it where that is taken."""
    # Not the stem: a published cell is called bayesnas_0.01.
    known = "" if cell in (UNNAMED, "-") else Path(cell).name.removesuffix(".json")
    name = f"{known or 'cell'}-{Path(data).name or 'data'}"
    names = (RUNS / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(folder for folder in names if not folder.exists())
