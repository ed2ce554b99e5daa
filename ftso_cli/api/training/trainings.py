"""The verb that trains: train."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftso_cli.api.cells import error_context, read, reference_name
from ftso_cli.api.listening import Listener
from ftso_cli.api.search.recorded import telling
from ftso_cli.api.training.planning import planned
from ftso_cli.api.training.starting import fill, limited, refill, reopened_training, started
from ftso_cli.api.training.testing import tested
from ftso_cli.api.training.uses import load
from ftso_cli.api.verbs import verb
from ftso_cli.errors import DataError, RunError
from ftso_cli.files import locked_folder
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.settings.requests.train import TrainRequest
from ftso_cli.settings.shared import CellLike
from ftso_cli.shell import command_line

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.nn.distributed import Group
    from ftso_cli.training.curves import Curves
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.planning import Plan
    from ftso_cli.training.progress import Row, TrainingProgress
    from ftso_cli.training.testing.evaluate import Score
    from ftso_cli.training.use.classifier import Classifier


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A finished training: its run folder, the metrics of every epoch, and its test scores.

    `plan` has the choices for the images, the machine and the time; a `dry_run` has nothing else.
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


@verb(TrainRequest)
def train(request: TrainRequest) -> Trained:
    """Train a network on images from scratch, and test it once, at the end.

    Without a `cell` the network, its batches and epochs are chosen for the images, this machine and `time`. `recipe` is
    `auto`, `quick`, `cifar` or `imagenet`; other options, those of `ftso train`, overrule values of it. The run
    folder is `output`, or a new one in `runs/`. `resume=FOLDER` continues an interrupted run, to the same weights, on
    another `device` if asked; `config` reads the settings of another run. `start=FOLDER` starts from the weights of
    another run, and takes its cell, channels and image size where none are given; the classifier is new where classes
    differ. `freeze` trains the classifier alone, `body_rate` makes the rest learn slower. `flip` mirrors images at
    random; turn it off where classes differ by left and right. `progress(done, total, figures)` is called after every
    step.

    Raises `GenotypeError` for a cell without operators, `RunError` for a folder that holds a run already,
    `TrainingError` for a loss that is not finite.
    """
    return run_training(request, TrainingListener(request.progress))


class TrainingListener(Listener):
    """Hears how a training goes on."""

    def planned(self, plan: "Plan", data: "ImageData") -> None:
        """Hear what was chosen for the images, which have been read, the machine and the time."""

    def resumed(self, trainer: "Trainer", replaced: int, problem: str) -> None:
        """Hear that a run goes on: training images that stand in for others, and a damaged checkpoint."""

    def started(self, trainer: "Trainer") -> None:
        """Hear what is trained."""

    def epoch(self, row: "Row", epochs: int) -> None:
        """Hear the metrics of an epoch."""

    def tested(self, trainer: "Trainer", score: "Score") -> None:
        """Hear how the network does on the test images."""


def run_training(request: TrainRequest, listener: TrainingListener) -> Trained:
    """Run a training from its beginning or its last checkpoint, and test the network.

    The processes that `torchrun` has started train together; but for the first they do what that one says.
    """
    began = time.perf_counter()
    device = request.device if "device" in request.given else None
    plan = images = None
    if request.resume is None:
        hyper_parameters, cell, file = request.hyper_parameters, request.wanted, request.file
        # Before torch is imported, so that a wrong cell is told at once.
        genotype = complete(cell)
    from ftso_cli.nn.device import kept_threads
    from ftso_cli.nn.distributed import launched
    from ftso_cli.training.curves import Curves, check_tensorboard

    if request.tensorboard:
        check_tensorboard()
    with launched() as group, kept_threads():
        if not group.first:
            return _follow(Path(group.broadcast_text()), group)
        if request.resume is None:
            folder = None if request.output is None else Path(request.output)
            _check_free(request, folder)
            if request.planned:
                plan, images, genotype = planned(request, genotype, device, listener, began)
                taken = {"planned": plan.chosen, "threads": plan.threads}
                hyper_parameters, file = plan.recipe, file.model_copy(update=taken)
                if request.dry_run:
                    return Trained(plan=plan, folder=None, metrics=(), **NOT_TESTED)
            name = reference_name(cell) if request.names_cell else ""
            trainer = started(name, genotype, file, hyper_parameters, folder, group, device, images)
        else:
            trainer = reopened_training(Path(request.resume), group, device)
        listener.watch.lap("start")
        with telling(listener, lambda: _kept(trainer)), locked_folder(trainer.run.folder):
            new = request.resume is None
            trainer = _begun(trainer, request, listener, began) if new else _resumed(trainer, listener)
            _limit(trainer, began)
            listener.watch.lap("data")
            group.broadcast_text(str(trainer.run.folder))
            curves = Curves(trainer.run, len(trainer.rows)) if request.tensorboard else None
            return replace(_finished(trainer, listener, curves), plan=plan)


def _check_free(request: TrainRequest, folder: Path | None) -> None:
    """Raise `RunError` where the folder holds a run already, before images are read for minutes."""
    from ftso_cli.training.run import Run

    if folder is not None and not request.dry_run:
        Run(folder).check_free()


def _follow(folder: Path, group: "Group") -> Trained:
    """Train along with the process that talks to the user."""
    trainer = reopened_training(folder, group)
    refill(trainer, None)
    if trainer.checkpoints.exist():
        trainer.load_checkpoint()
    trainer.train(lambda progress: None, lambda row: None)
    return Trained(folder=folder, metrics=tuple(trainer.rows), **NOT_TESTED)


def _begun(trainer: "Trainer", request: TrainRequest, listener: TrainingListener, began: float) -> "Trainer":
    """Read the images, and begin the run folder."""
    with listener.bar("read images", "image") as update:
        trainer = fill(trainer, update)
    if request.limit is not None:
        trainer = limited(trainer, request, began + request.limit - time.perf_counter(), listener)
    _create(trainer)
    return trainer


def _resumed(trainer: "Trainer", listener: TrainingListener) -> "Trainer":
    """Read the images again, and go back to the last checkpoint."""
    with listener.bar("read images", "image") as update:
        replaced = refill(trainer, update)
    problem = trainer.load_checkpoint() if trainer.checkpoints.exist() else ""
    listener.resumed(trainer, replaced, problem)
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
    return (
        f"{trainer.saved}, go on with: {command_line('train', resume=run.folder)}" if run.config_file.exists() else ""
    )


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
    with error_context(reference_name(cell)):
        require_complete(genotype, "train")
    return genotype


@contextmanager
def advising(trainer: "Trainer") -> Iterator[None]:
    """Around training: an image that can't be read any more ends it with what to do."""
    try:
        yield
    except DataError as error:
        resume = command_line("train", resume=trainer.run.folder)
        raise DataError(f"{error}; then go on without it ({trainer.saved}): {resume}") from None
