"""`ftso train`: train a network on images, that of a cell or one that is chosen for them."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from ftso_cli import shell
from ftso_cli.api.training.testing import advice_of
from ftso_cli.api.training.trainings import TrainingListener, run_training
from ftso_cli.cli.console import next_step, note, print_json, say, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output import common
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.cli.output.plan import print_plan
from ftso_cli.cli.output.scores import print_advice, print_score, score_facts
from ftso_cli.cli.output.set_table import print_set
from ftso_cli.errors import FtsoError
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.requests.train import TrainRequest

if TYPE_CHECKING:
    from ftso_cli.data import ImageData
    from ftso_cli.training.loop import Trainer
    from ftso_cli.training.planning import Plan
    from ftso_cli.training.progress import Row
    from ftso_cli.training.testing.evaluate import Score


@as_command(TrainRequest)
def train(request: TrainRequest, as_json: bool) -> None:
    """Train a network on images from scratch, and test it once, at the end.

    Without a CELL the network, its batches and epochs are chosen for the images, this machine and --time; --dry-run
    says what, and stops. With a CELL its network is trained by the recipe quick, or by one of the paper's.

    The run folder gets the settings, the metrics of each epoch as CSV and the weights as safetensors. An interrupted
    training goes on with --resume, to the same weights. What a run did can be done again with --config RUN/config.json.

    `torchrun --nproc-per-node 2 -m ftso_cli train ...` does the same in several processes (docs/machines.md).

    Examples: `ftso train --data photos/` · `ftso train --data photos/ --time 30m --fit-params 500k` ·
    `ftso train cell.json --data digits` · `ftso train cell.json --data photos/ --epochs 30 --channels 24` ·
    `ftso train --resume runs/cell-digits` · `ftso train --config runs/cell-digits/config.json --seed 1`
    """
    if request.resume is None and "warmup" not in request.given:
        _tell_warmup(request.hyper_parameters, request.file.base(request.recipe))
    run_training(request, TrainListener(as_json, request.dry_run))


class TrainListener(CommandListener, TrainingListener):
    """Shows a training behind a progress bar, with a line an epoch, and says what came of it."""

    def __init__(self, as_json: bool, only_plans: bool) -> None:
        super().__init__()
        self._as_json, self._only_plans = as_json, only_plans
        self._is_planned = False

    def planned(self, plan: "Plan", data: "ImageData") -> None:
        """Show the images and what was chosen for them, and why."""
        table = print_set(data)
        print_plan(plan)
        if self._only_plans and self._as_json:
            print_json({"set": table.facts(), "plan": plan.facts()})
        self._is_planned = True

    def resumed(self, trainer: "Trainer", replaced: int, problem: str) -> None:
        """Tell where a run goes on, and what is not as it was."""
        device = trainer.run.config().device
        if device != trainer.config.device:
            note(f"the run was started on {device}; going on on {trainer.config.device}, to slightly other weights")
        if replaced:
            warn(f"in the place of {replaced:,} training images that are gone, others of their class are trained on")
        if problem:
            warn(f"{problem}; going on from the checkpoint before it")
        step = f", step {trainer.sums.steps} of the next" if trainer.sums.steps else ""
        note(f"{trainer.run.folder}: going on after epoch {len(trainer.rows)} of {trainer.epochs}{step}")

    def started(self, trainer: "Trainer") -> None:
        """Tell what is trained, on which images."""
        if not self._is_planned:
            common.print_images(trainer.data, tested=True)
        common.print_name(trainer.config.data)
        note(_description(trainer))
        note(_flipping(trainer))
        if trainer.config.start is not None:
            note(_start(trainer))
        if not self._is_planned and (uneven := _uneven(trainer)):
            note(uneven)

    def epoch(self, row: "Row", epochs: int) -> None:
        """Print the metrics of an epoch."""
        validated = "" if row["val_accuracy"] is None else f"validation {row['val_accuracy']:.2%}  "
        note(
            f"epoch {row['epoch']:>3}/{epochs}  loss {row['loss']:.3f}  "
            f"accuracy {row['accuracy']:.2%}  {validated}{row['seconds']:.1f} s"
        )

    def tested(self, trainer: "Trainer", score: "Score") -> None:
        """Say what came of it."""
        run, pictures = trainer.run, _draw_metrics(trainer)
        advice = advice_of(trainer, score)
        if self._as_json:
            result = {"run": str(run.folder), **score_facts(score), "test_images": score.images}
            result["advice"] = [asdict(one) for one in advice]
            print_json(result | trainer.data.skipped.facts() | self.watch.facts())
            return
        epochs = len(trainer.rows)
        if trainer.kept_epoch != epochs:
            note(f"tested: the network of epoch {trainer.kept_epoch} of {epochs}, the best on the validation images")
        print_score(score, shell.command_line("evaluate", run.folder, json=True))
        print_advice(advice)
        page = self._write_page(trainer)
        written = f"answers.csv, {page}config.json, genotype.json, images.json, latency.json, result.json"
        say("", f"wrote {run.folder}: weights.safetensors, metrics.csv, {pictures}{written}")
        say(f"took {self.watch}")
        files = trainer.data.final.paths
        next_step(*(("predict", run.folder, files[0]) if files else ("evaluate", run.folder)))

    def _write_page(self, trainer: "Trainer") -> str:
        """Write the page of a planned run, or one that is there, anew; gives the name of the file, for a list."""
        from ftso_cli.report.writing import DEFAULT_PAGE, write_run_page

        folder = trainer.run.folder
        if not (self._is_planned or trainer.config.time or os.path.lexists(folder / DEFAULT_PAGE)):
            return ""
        try:
            return f"{write_run_page(folder).name}, "
        except FtsoError as error:
            note(f"no page of the run: {error}")
            return ""


def _tell_warmup(settings: Recipe, base: Recipe) -> None:
    """Say where the warm-up of a recipe was cut to its share of fewer epochs."""
    if settings.warmup == base.warmup * settings.epochs // base.epochs < base.warmup:
        note(f"warm-up: {settings.warmup} epochs instead of the recipe's {base.warmup}, a share of {settings.epochs}")


def _draw_metrics(trainer: "Trainer") -> str:
    """Draws the curves where matplotlib is installed; gives the names of the files, for a list."""
    from ftso_cli.drawing.plots import can_plot, plot_metrics

    if not can_plot():
        note("for curves as pictures: pip install 'ftso[plots]'")
        return ""
    names = ("metrics.png", "metrics.svg")
    plot_metrics(trainer.rows, *(trainer.run.folder / name for name in names))
    return "".join(f"{name}, " for name in names)


def _description(trainer: "Trainer") -> str:
    recipe, images = trainer.config.recipe, trainer.data
    height, width = images.image_size
    where = f"{trainer.device}, {trainer.group.size} processes" if trainer.group.size > 1 else str(trainer.device)
    return (
        f"{recipe.cells} cells, {recipe.channels} channels, {_weights(trainer)}; "
        f"{len(images.train)} training images of {height}×{width}, {len(images.classes)} classes, "
        f"on {where}{_how(trainer)}"
    )


def _how(trainer: "Trainer") -> str:
    """Return the choices for the device that differ from the plain way, and how to choose otherwise."""
    config = trainer.config
    chosen = ["bfloat16"] if config.precision == "bfloat16" else []
    chosen += ["compiled, which takes minutes (--no-compile starts at once)"] if config.compile else []
    return "".join(f", {each}" for each in chosen)


def _flipping(trainer: "Trainer") -> str:
    if trainer.data.flip:
        return "half of the training images are mirrored; where classes differ by left and right: --no-flip"
    return "training images are not mirrored (--no-flip)"


def _start(trainer: "Trainer") -> str:
    """Say what a training starts from, and what of it is trained."""
    config, recipe = trainer.config, trainer.config.recipe
    assert config.start is not None
    pace = f"learns at {recipe.body_rate:g} of the rate" if recipe.body_rate != 1 else "is trained as well"
    trained = "stays as it is (--freeze)" if recipe.freeze else f"{pace} (--freeze keeps it, --body-rate 0.1 slows it)"
    return f"starts from the network of {config.start.run}; all but its classifier {trained}"


BALANCING = {
    "none": "--balance loss or sampling makes up for it",
    "loss": "the loss weighs images inversely to the root of the size of their class",
    "sampling": "an epoch draws all classes equally often",
}


def _uneven(trainer: "Trainer") -> str:
    """Say how uneven the classes are, and what is done about it; "" where they are not."""
    from ftso_cli.data.batching.balance import ClassSizes

    names = trainer.data.classes
    sizes = ClassSizes.of(trainer.data.train.labels, len(names))
    if not sizes.uneven:
        return ""
    least, most = sizes.smallest, sizes.largest
    told = f"{sizes.counts[least]:,} images of {names[least]}, {sizes.counts[most]:,} of {names[most]}"
    return f"classes differ in size, {told}: {BALANCING[trainer.config.recipe.balance]}"


def _weights(trainer: "Trainer") -> str:
    """The parameters of the network, and besides those of the auxiliary head, which goes when training ends."""
    helper = trainer.network.auxiliary
    extra = 0 if helper is None else sum(parameter.numel() for parameter in helper.parameters())
    count = sum(parameter.numel() for parameter in trainer.network.parameters()) - extra
    return f"{count:,} parameters" + (f" and {extra:,} of the auxiliary head" if extra else "")
