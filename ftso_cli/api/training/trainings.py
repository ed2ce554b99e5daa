"""The verb that trains: train."""

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ftso_cli.api.cells import UNNAMED, about_file, name_of, read
from ftso_cli.api.listening import Listener
from ftso_cli.api.record import versions
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.training.planning import device_here, planned
from ftso_cli.api.training.run_images import asked_images, images_of, is_gone
from ftso_cli.api.training.uses import load
from ftso_cli.api.verbs import verb
from ftso_cli.errors import DataError, RunError, SettingsError
from ftso_cli.files import alone_in
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.storage import describe
from ftso_cli.settings.options import OptionError
from ftso_cli.settings.recipes import MOST_EPOCHS, Recipe, with_epochs
from ftso_cli.settings.shared import DEFAULT_DATA, CellLike, Update
from ftso_cli.settings.training import ConfigFile, StartRecord, Training
from ftso_cli.settings.values import check_seed
from ftso_cli.shell import command

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.training.curves import Curves
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.planning import Plan
    from ftso_cli.training.progress import Row, TrainingProgress
    from ftso_cli.training.run import Config
    from ftso_cli.training.testing.advice import Advice
    from ftso_cli.training.testing.evaluate import Score
    from ftso_cli.training.use.classifier import Classifier

RUNS = Path("runs")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training: its run folder, the metrics of every epoch, and what the test images say.

    `plan` is what was chosen for the images, the machine and the time. After a `dry_run` it is all there is.
    """

    folder: Path | None
    metrics: tuple[Mapping[str, float | None], ...]
    test_accuracy: float
    test_loss: float
    test_images: int
    plan: "Plan | None" = None

    def load(self, device: str = "cpu") -> "Classifier":
        """The trained network, as `ftso_cli.load` gives it; raises `RunError` after a dry run."""
        if self.folder is None:
            raise RunError("nothing was trained: it was a dry run")
        return load(self.folder, device)


NOT_TESTED: Mapping[str, Any] = {"test_accuracy": math.nan, "test_loss": math.nan, "test_images": 0}
"""The results of a training that has not tested its network itself."""


@verb(Training)
def train(request: Training) -> Trained:
    """Train a network on images from scratch, and test it once, at the end.

    Without a `cell` the network, its batches and epochs are chosen for the images, this machine and `time`. `recipe` is
    `auto`, `quick`, `cifar` or `imagenet`; other options, those of `ftso train`, overrule values of it. The run
    folder is `output`, or a new one in `runs/`. `resume=FOLDER` goes on with an interrupted run, to the same weights,
    elsewhere with a `device`; `config` reads the settings of another run. `start=FOLDER` begins with the weights of
    another run instead of random ones, and takes its cell, channels and image size where none are given; the classifier
    is new where classes differ. `freeze` trains that alone, `body_rate` makes the rest learn slower.

    `flip` says whether images are mirrored at
    random: not where classes differ by left and right. `progress(done, total, figures)` is called after every step.

    Raises `GenotypeError` for a cell without operators, `RunError` for a folder that holds a run already,
    `TrainingError` for a loss that is not finite.
    """
    return run_training(request, TrainingListener(request.progress))


class TrainingListener(Listener):
    """Hears how a training goes on."""

    def planned(self, plan: "Plan", images: "ImageData") -> None:
        """Hear what was chosen for the images, which have been read, the machine and the time."""

    def resumed(self, trainer: "Trainer", replaced: int, problem: str) -> None:
        """Hear that a run goes on: training images that stand in for others, and a damaged checkpoint."""

    def started(self, trainer: "Trainer") -> None:
        """Hear what is trained."""

    def epoch(self, row: "Row", epochs: int) -> None:
        """Hear the metrics of an epoch."""

    def tested(self, trainer: "Trainer", score: "Score") -> None:
        """Hear how the network does on the test images."""


def run_training(request: Training, listener: TrainingListener) -> Trained:
    """Run a training from its beginning or its last checkpoint, and test the network.

    The processes that `torchrun` has started train together; but for the first they do what that one says.
    """
    began = time.perf_counter()
    device = request.device if "device" in request.given else None
    plan = images = None
    if request.resume is None:
        hyper_parameters, cell = request.hyper_parameters, request.wanted
        # Before torch is imported, so that a wrong cell is told at once.
        genotype = complete(cell)
    from ftso_cli.nn.device import kept_threads
    from ftso_cli.nn.distributed import launched
    from ftso_cli.training.curves import Curves, check_tensorboard

    if request.tensorboard:
        check_tensorboard()
    with launched() as group, kept_threads():
        if not group.first:
            return _follow(Path(group.told()), group)
        if request.resume is None:
            if request.planned:
                plan, images = planned(request, genotype, device, listener, began)
                hyper_parameters = plan.recipe
                if request.dry_run:
                    return Trained(plan=plan, folder=None, metrics=(), **NOT_TESTED)
            folder = None if request.output is None else Path(request.output)
            name = name_of(cell) if request.names_cell else ""
            trainer = started(name, genotype, request.file, hyper_parameters, folder, group, device, images)
        else:
            trainer = opened(Path(request.resume), group, device)
        listener.watch.lap("start")
        with telling(listener, lambda: _kept(trainer)), alone_in(trainer.run.folder):
            trainer = _filled(trainer, request, listener, began)
            listener.watch.lap("data")
            group.told(str(trainer.run.folder))
            curves = Curves(trainer.run, len(trainer.rows)) if request.tensorboard else None
            return replace(_finished(trainer, listener, curves), plan=plan)


def _follow(folder: Path, group: "Group") -> Trained:
    """Train along with the process that talks to the user."""
    trainer = opened(folder, group)
    refill(trainer, None)
    if trainer.checkpoints.exist():
        trainer.load_checkpoint()
    trainer.train(lambda progress: None, lambda row: None)
    return Trained(folder=folder, metrics=tuple(trainer.rows), **NOT_TESTED)


def _filled(trainer: "Trainer", request: Training, listener: TrainingListener, began: float) -> "Trainer":
    """Read the images, and begin the run folder or go back to its last checkpoint; the command has `began` then."""
    with listener.bar("read images", "image") as update:
        if request.resume is None:
            trainer = fill(trainer, update)
        else:
            replaced = refill(trainer, update)
    if request.resume is None:
        if request.limit is not None:
            trainer = limited(trainer, request, began + request.limit - time.perf_counter(), listener)
        _create(trainer)
    else:
        problem = trainer.load_checkpoint() if trainer.checkpoints.exist() else ""
        listener.resumed(trainer, replaced, problem or "")
    _limit(trainer, began)
    return trainer


def _create(trainer: "Trainer") -> None:
    """Write what the run folder begins with."""
    from ftso_cli.data import record_of
    from ftso_cli.nn.checkpoint import packed

    start = None if trainer.start is None else packed(trainer.start)
    trainer.run.create(trainer.genotype, trainer.config, record_of(trainer.data), start)


def _limit(trainer: "Trainer", began: float) -> None:
    """Have a training with a time end in time, of which a run that goes on has taken what its rows say."""
    from ftso_cli.training.budget import TimeBudget, Work

    if trainer.config.time is not None:
        used = trainer.sums.seconds + sum(row["seconds"] or 0.0 for row in trainer.rows)
        trainer.budget = TimeBudget(began + trainer.config.time - used, Work.of(trainer))


def _finished(trainer: "Trainer", listener: TrainingListener, curves: "Curves | None") -> Trained:
    """Train the epochs that are left, and test the network once."""
    from ftso_cli.nn.device import peak_memory

    listener.started(trainer)
    _run(trainer, listener, curves)
    if trainer.waited:
        listener.note(f"ended after epoch {len(trainer.rows)}: {trainer.waited} validated without a better one")
    trainer.save_weights()
    listener.watch.lap("train")
    listener.watch.peak_memory = peak_memory(trainer.device)
    score = tested(trainer)
    listener.watch.lap("test")
    if curves is not None:
        curves.add_test(trainer.kept_epoch, score.accuracy)
    listener.tested(trainer, score)
    return Trained(
        folder=trainer.run.folder,
        metrics=tuple(trainer.rows),
        test_accuracy=score.accuracy,
        test_loss=score.loss,
        test_images=score.images,
    )


def _kept(trainer: "Trainer") -> str:
    """Return what there is to go on from, and how."""
    run = trainer.run
    return f"{trainer.saved}, go on with: {command('train', resume=run.folder)}" if run.config_file.exists() else ""


def _run(trainer: "Trainer", listener: TrainingListener, curves: "Curves | None") -> None:
    """Train behind a progress bar."""
    validated = ""
    with listener.bar("train", "step") as update:

        def on_step(state: "TrainingProgress") -> None:
            figures = f"epoch {state.epoch + 1}{validated}, loss {state.loss:.3f}, accuracy {state.accuracy:.1%}"
            update(state.epoch * trainer.batches.steps_per_epoch + state.step, trainer.course.end, figures)

        def on_epoch(row: "Row") -> None:
            nonlocal validated
            if row["val_accuracy"] is not None:
                validated = f", validation {row['val_accuracy']:.1%}"
            if curves is not None:
                curves.add(row)
            listener.epoch(row, trainer.epochs)

        with advising(trainer):
            trainer.train(on_step, on_epoch)


def complete(cell: CellLike) -> Genotype:
    """The genotype of a cell that can be trained; raises `GenotypeError`, naming the cell, where it can't."""
    genotype = read(cell)
    with about_file(name_of(cell)):
        require_complete(genotype, "train")
    return genotype


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
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Run

    check_seed(asked.seed)
    of_file = "auto" if asked.device is None else asked.device
    chosen = device_here(of_file if device is None else device, may_differ=device is None and asked.classes is not None)
    data = DEFAULT_DATA if asked.data is None else asked.data
    images = images or asked_images(data, asked, settings)
    if device is None and of_file not in ("auto", str(chosen)):
        remark = f"device {of_file} of the settings is not here; training on {chosen}"
        images = replace(images, remarks=(*images.remarks, remark))
    run = Run(_free_folder(cell, data) if folder is None else folder)
    run.check_free()
    _check_validates(images, settings)
    images, record, weights = _begun(images, asked, genotype)
    return Trainer(genotype, _config(asked, settings, images, record, chosen), images, run, group, weights)


def _config(
    asked: ConfigFile, settings: Recipe, images: "ImageData", start: StartRecord | None, device: "torch.device"
) -> "Config":
    """The settings of a run in full; raises `SettingsError` for a value that can't be."""
    from ftso_cli.data import NAMES
    from ftso_cli.nn.device import has_fast_bfloat16
    from ftso_cli.training.compiling import compiles_by_default
    from ftso_cli.training.run import Config

    data = DEFAULT_DATA if asked.data is None else asked.data
    steps = settings.epochs * (len(images.train) // settings.batch_size)
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
            precision=_precision(asked.precision, has_fast_bfloat16(device)),
            compile=compiles_by_default(device, steps) if asked.compile is None else asked.compile,
            total_steps=asked.steps_of(settings),
            versions=versions(),
            **({} if asked.save_minutes is None else {"save_minutes": asked.save_minutes}),
        )
    except ValidationError as error:
        raise SettingsError(describe(error)) from None


def _begun(
    images: "ImageData", asked: ConfigFile, genotype: Genotype
) -> tuple["ImageData", StartRecord | None, "Mapping[str, Tensor] | None"]:
    """Return the images with a remark on the network to start from, the record of its weights, and these."""
    from ftso_cli.training.start import start_of

    if asked.start_from is None:
        return images, None, None
    found = start_of(Path(asked.start_from), asked.start, genotype, images.classes)
    return replace(images, remarks=(*images.remarks, *found.remarks)), found.record, found.tensors


def _check_validates(images: "ImageData", settings: Recipe) -> None:
    """Raise `OptionError` for a recipe that looks at validation images, where there are none."""
    if images.val is None and (settings.keep == "best" or settings.patience):
        name = "keep" if settings.keep == "best" else "patience"
        raise OptionError(
            name, f"{{{name}}} looks at validation images, and {images.name} has none; give {{validation=0.1}}"
        )


def fill(trainer: "Trainer", update: Update | None) -> "Trainer":
    """Reads all images; gives the training without broken images."""
    from ftso_cli.data import read_held, read_training
    from ftso_cli.training.loop import Trainer

    # Images first: where a class has none, the same request can be given again.
    images = read_training(trainer.data, update)
    if images is not trainer.data:
        trainer = Trainer(trainer.genotype, trainer.config, images, trainer.run, trainer.group, trainer.start)
    trainer.data = read_held(images, update)
    return trainer


def limited(trainer: "Trainer", request: Training, left: float, listener: TrainingListener) -> "Trainer":
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
        listener.warn(f"that is less than one epoch: {left:.0f} s of the time are left for training; give more")
    recipe = with_epochs(config.recipe, -(-steps // work.epoch))
    planned = {"recipe": recipe, "time": seconds, "total_steps": steps if steps % work.epoch else None}
    config = config.model_copy(update=planned)
    return Trainer(trainer.genotype, config, trainer.data, trainer.run, trainer.group, trainer.start)


def opened(folder: Path, group: "Group", device: str | None = None) -> "Trainer":
    """The training of a run folder, at its beginning, on `device` or on that of the run where it is here."""
    from ftso_cli.nn.checkpoint import Checkpoints
    from ftso_cli.training.compiling import missing_compiler
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.run import Run
    from ftso_cli.training.start import read_start

    run = Run(folder)
    config = run.config()
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
    from ftso_cli.data import read_held, reread_training

    replaced = reread_training(trainer.data, update)
    trainer.data = read_held(trainer.data, update)
    return replaced


@contextmanager
def advising(trainer: "Trainer") -> Iterator[None]:
    """Around training: an image that can't be read any more ends it with what to do."""
    try:
        yield
    except DataError as error:
        resume = command("train", resume=trainer.run.folder)
        raise DataError(f"{error}; then go on without it ({trainer.saved}): {resume}") from None


def tested(trainer: "Trainer") -> "Score":
    """Test the saved weights, and keep the result in the run folder."""
    from ftso_cli.training.testing.answers import write_answers
    from ftso_cli.training.testing.evaluate import evaluate as test
    from ftso_cli.training.testing.evaluate import load_network

    images = trainer.data
    network = load_network(trainer.run, trainer.device)
    score = test(network, images.final, images, trainer.config.recipe.batch_size, trainer.device)
    result = {
        "test_accuracy": score.accuracy,
        "balanced_accuracy": score.balanced_accuracy,
        "test_loss": score.loss,
        "test_images": score.images,
    }
    write_answers(trainer.run, images.classes, score.answers)
    result |= {"epoch": trainer.kept_epoch}
    record = trainer.run.images()
    trainer.run.write_result(result if record is None else result | {"tested_on": record.tests})
    return score


def advice_of(trainer: "Trainer", score: "Score") -> "list[Advice]":
    """Return advice on a training, from its curves and its answers for the test images."""
    from ftso_cli.training.testing.advice import Finished, advise

    labels = trainer.data.train.labels
    return advise(
        Finished(
            folder=trainer.run.folder,
            epochs=trainer.run.epochs(),
            recipe=trainer.config.recipe,
            time=trainer.config.time,
            table=score.by_class,
            trained=labels.bincount(minlength=len(score.classes)).tolist(),
            answers=score.answers,
        )
    )


def _precision(asked: str | None, fast: bool) -> Any:
    """Return the precision of the training: the one asked for, else bfloat16 where it is fast."""
    if asked in (None, "auto"):
        return "bfloat16" if fast else "float32"
    return asked


def _free_folder(cell: str, data: str) -> Path:
    """runs/CELL-DATA, or runs/DATA where the cell was chosen, with a number behind it where that is taken."""
    # Not the stem: a published cell is called bayesnas_0.01.
    known = "cell" if cell in (UNNAMED, "-") else Path(cell).name.removesuffix(".json")
    name = "-".join(filter(None, (known, re.sub(r"\.[ct]sv$", "", Path(data).name) or "data")))
    names = (RUNS / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(folder for folder in names if not folder.exists())
