"""`ftso train`: train the network of a genotype from scratch."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftso_cli.api.trainings import advising, complete, fill, opened, refill, started, tested
from ftso_cli.cli import common
from ftso_cli.cli.console import next_step, note, print_json, say, warn
from ftso_cli.cli.progress import bar
from ftso_cli.files import alone_in
from ftso_cli.settings.recipes import RECIPES, Recipe
from ftso_cli.settings.training import DEFAULT_RECIPE, Request, read_request
from ftso_cli.shell import command

if TYPE_CHECKING:
    from ftso_cli.nn.distributed import Group
    from ftso_cli.training.curves import Curves
    from ftso_cli.training.loop import Progress, Row, Trainer


class Precision(StrEnum):
    """The values of --precision."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"


METAVARS = {int: "N", float: "NUMBER", str: "TEXT"}
"""How a value of a type is shown in help."""


def _setting(field: str, text: str, *names: str) -> Any:
    """An option that overrules a value of the recipe; its help shows what the recipes say."""
    values = {name: getattr(known, field) for name, known in RECIPES.items()}
    metavar = METAVARS[type(values[DEFAULT_RECIPE])]
    shown = ", ".join(f"{name} {_written(value)}" for name, value in values.items())
    return typer.Option(*names, metavar=metavar, help=text, show_default=shown)


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def train(
    cell: Annotated[
        str | None,
        typer.Argument(metavar="CELL", help="A genotype file, or the name of a published cell.", show_default=False),
    ] = None,
    data: Annotated[str | None, common.data_option(common.DEFAULT_DATA)] = None,
    recipe_name: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            "-r",
            metavar="NAME",
            help=f"Hyper-parameters: {', '.join(RECIPES)}.",
            show_default=DEFAULT_RECIPE,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="Settings as JSON, as in the config.json of a run; flags overrule them.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="RUN", help="The run folder.", show_default="a new one in runs/"),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with an interrupted run, where its last checkpoint ends."),
    ] = None,
    epochs: Annotated[int | None, _setting("epochs", "Passes over the images.", "--epochs", "-e")] = None,
    channels: Annotated[int | None, _setting("channels", "Channels of the first cells.")] = None,
    cells: Annotated[int | None, _setting("cells", "Cells of the network.")] = None,
    stem: Annotated[
        str | None, _setting("stem", "What comes before the cells: cifar, or imagenet for an eighth.")
    ] = None,
    batch_size: Annotated[int | None, _setting("batch_size", "Images a step.", "--batch-size", "-b")] = None,
    rate: Annotated[float | None, _setting("rate", "Highest learning rate.")] = None,
    schedule: Annotated[str | None, _setting("schedule", "How the rate falls to 0: cosine or linear.")] = None,
    warmup: Annotated[int | None, _setting("warmup", "Epochs in which the rate rises.")] = None,
    momentum: Annotated[float | None, _setting("momentum", "Momentum of SGD.")] = None,
    weight_decay: Annotated[float | None, _setting("weight_decay", "Weight decay.")] = None,
    clip: Annotated[float | None, _setting("clip", "Largest norm of the gradient; 0: any.")] = None,
    label_smoothing: Annotated[float | None, _setting("label_smoothing", "Label smoothing of both losses.")] = None,
    drop_path: Annotated[float | None, _setting("drop_path", "Drop-path rate of the last epoch.")] = None,
    cutout: Annotated[
        float | None, _setting("cutout", "Side of the square cut out of each image, as a share of the image's.")
    ] = None,
    auxiliary: Annotated[float | None, _setting("auxiliary", "Weight of the auxiliary head's loss; 0: none.")] = None,
    augmentation: Annotated[
        str | None,
        _setting(
            "augmentation",
            "cifar: padding, random crop and flip. imagenet: random resized crop, flip and colour jitter; tests take "
            "the centre of a larger picture.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", "-s", min=0, help="The same seed gives the same result.", show_default="0"),
    ] = None,
    image_size: common.ImageSizeOption = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="auto (a GPU where there is one), cpu, cuda, cuda:1, mps.", show_default="auto"
        ),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="float32, or bfloat16 where that is exact enough.", show_default="auto: bfloat16 on GPUs"),
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the cells of the network first, which takes minutes.",
            show_default="auto: long trainings on GPUs",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Mirror half of the training images; not where classes differ by left and right.",
            show_default="flip; of digits no-flip",
        ),
    ] = None,
    save_minutes: Annotated[
        float | None,
        typer.Option("--save-every", metavar="MINUTES", min=0, help="Time between checkpoints.", show_default="10"),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write curves for TensorBoard into RUN/tensorboard, too.")
    ] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Train the network of a cell from scratch, and test it once, after the last epoch.

    The run folder gets the settings, the metrics of each epoch as CSV and the weights as safetensors. An interrupted
    training goes on with --resume, to the same weights. What a run did can be done again with --config RUN/config.json.

    `torchrun --nproc-per-node 2 -m ftso_cli train ...` does the same in several processes (docs/methods.md).

    Examples: `ftso train cell.json --data digits` · `ftso train cell.json --data photos/ --epochs 30 --channels 24` ·
    `ftso train --resume runs/cell-digits` · `ftso train --config runs/cell-digits/config.json --seed 1`
    """
    watch = common.Stopwatch()
    given: dict[str, Any] = {
        "data": data,
        "seed": seed,
        "image_size": image_size,
        "precision": None if precision is None else precision.value,
        "compile": compiled,
        "flip": flip,
        "save_minutes": save_minutes,
    }
    overruled: dict[str, Any] = {
        "epochs": epochs,
        "channels": channels,
        "cells": cells,
        "stem": stem,
        "batch_size": batch_size,
        "rate": rate,
        "schedule": schedule,
        "warmup": warmup,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "clip": clip,
        "label_smoothing": label_smoothing,
        "drop_path": drop_path,
        "cutout": cutout,
        "auxiliary": auxiliary,
        "augmentation": augmentation,
    }
    given, overruled = _present(given), _present(overruled)
    if resume is not None:
        others = (cell, run, config, recipe_name)
        if given or overruled or not all(value is None for value in others):
            raise typer.BadParameter(
                "a resumed run has its cell and settings; give --resume RUN alone, or with --device"
            )
        make, prepare = partial(opened, resume, device=device), _go_back
    else:
        asked = Request() if config is None else read_request(config)
        cell = asked.cell if cell is None else cell
        if cell is None:
            raise typer.BadParameter("give a genotype file, or --resume RUN", param_hint="CELL")
        settings = asked.settings(recipe_name, overruled)
        if "warmup" not in overruled:
            _tell_warmup(settings, asked.base(recipe_name))
        # Before torch is imported, so that a wrong cell is told at once.
        genotype = complete(cell)
        make = partial(started, cell, genotype, asked.model_copy(update=given), settings, run, device=device)
        prepare = _fill
    from ftso_cli.nn.distributed import launched
    from ftso_cli.training.curves import Curves, check_tensorboard

    if tensorboard:
        check_tensorboard()
    with launched() as group:
        if not group.first:
            _follow(Path(group.told()), group)
            return
        trainer = make(group)
        watch.lap("start")
        with common.telling(lambda: _kept(trainer)), alone_in(trainer.run.folder):
            trainer = prepare(trainer)
            watch.lap("data")
            group.told(str(trainer.run.folder))
            curves = Curves(trainer.run, len(trainer.rows)) if tensorboard else None
            _finish(trainer, watch, curves, as_json)


def _tell_warmup(settings: Recipe, base: Recipe) -> None:
    """Says where the warm-up of a recipe was cut to its share of fewer epochs."""
    if settings.warmup == base.warmup * settings.epochs // base.epochs < base.warmup:
        note(f"warm-up: {settings.warmup} epochs instead of the recipe's {base.warmup}, a share of {settings.epochs}")


def _follow(folder: Path, group: "Group") -> None:
    """Trains along with the process that talks to the user."""
    trainer = opened(folder, group)
    refill(trainer, None)
    if trainer.checkpoints.exist():
        trainer.load_checkpoint()
    trainer.train(lambda progress: None, lambda row: None)


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _fill(trainer: "Trainer") -> "Trainer":
    """Reads the images, and begins the run folder."""
    with bar("read images", "image") as progress:
        return fill(trainer, progress.update)


def _go_back(trainer: "Trainer") -> "Trainer":
    """Reads the images, and goes back to the last checkpoint."""
    device = trainer.run.config().device
    if device != trainer.config.device:
        note(f"the run was started on {device}; going on on {trainer.config.device}, to slightly other weights")
    with bar("read images", "image") as progress:
        replaced = refill(trainer, progress.update)
    if replaced:
        warn(f"in the place of {replaced:,} training images that are gone, others of their class are trained on")
    if trainer.checkpoints.exist() and (problem := trainer.load_checkpoint()):
        warn(f"{problem}; going on from the checkpoint before it")
    step = f", step {trainer.sums.steps} of the next" if trainer.sums.steps else ""
    note(f"{trainer.run.folder}: going on after epoch {len(trainer.rows)} of {trainer.config.recipe.epochs}{step}")
    return trainer


def _finish(trainer: "Trainer", watch: common.Stopwatch, curves: "Curves | None", as_json: bool) -> None:
    """Trains the epochs that are left, tests the network once, and says what came of it."""
    from ftso_cli.nn.device import peak_memory

    run, config = trainer.run, trainer.config
    common.tell_images(trainer.data, tested=True)
    common.tell_name(config.data)
    note(_description(trainer))
    note(_flipping(trainer))
    _train(trainer, curves)
    trainer.save_weights()
    watch.lap("train")
    watch.peak_memory = peak_memory(trainer.device)
    score = tested(trainer)
    watch.lap("test")
    if curves is not None:
        curves.add_test(config.recipe.epochs, score.accuracy)
    pictures = _draw_metrics(trainer)
    if as_json:
        result = {"run": str(run.folder), "test_accuracy": score.accuracy, "test_images": score.images}
        print_json(result | trainer.data.left_out.facts() | watch.facts())
        return
    say(f"test accuracy {score.accuracy:.2%} on {score.share} after epoch {config.recipe.epochs}")
    files = "config.json, genotype.json, images.json, result.json"
    say(f"wrote {run.folder}: weights.safetensors, metrics.csv, {pictures}{files}")
    say(f"took {watch}")
    next_step("evaluate", run.folder)


def _draw_metrics(trainer: "Trainer") -> str:
    """Draws the curves where matplotlib is installed; gives the names of the files, for a list."""
    from ftso_cli.drawing.plots import can_plot, plot_metrics

    if not can_plot():
        note("for curves as pictures: pip install 'ftso[plots]'")
        return ""
    for name in ("metrics.png", "metrics.svg"):
        plot_metrics(trainer.rows, trainer.run.folder / name)
    return "metrics.png, metrics.svg, "


def _kept(trainer: "Trainer") -> str:
    """What there is to go on from, and how."""
    run = trainer.run
    return f"{trainer.saved}, go on with: {command('train', resume=run.folder)}" if run.config_file.exists() else ""


def _train(trainer: "Trainer", curves: "Curves | None") -> None:
    """Trains behind a progress bar, with a line an epoch."""
    epochs = trainer.config.recipe.epochs
    with bar("train", "step") as progress:

        def on_step(state: "Progress") -> None:
            figures = f"epoch {state.epoch + 1}, loss {state.loss:.3f}, accuracy {state.accuracy:.1%}"
            progress.update(state.epoch * state.steps + state.step, epochs * state.steps, figures)

        def on_epoch(row: "Row") -> None:
            if curves is not None:
                curves.add(row)
            note(
                f"epoch {row['epoch']:>3}/{epochs}  loss {row['loss']:.3f}  "
                f"accuracy {row['accuracy']:.2%}  {row['seconds']:.1f} s"
            )

        with advising(trainer):
            trainer.train(on_step, on_epoch)


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
    """What was chosen for the device, where that is not the plain way, and how to choose otherwise."""
    config = trainer.config
    chosen = ["bfloat16"] if config.precision == "bfloat16" else []
    chosen += ["compiled, which takes minutes (--no-compile starts at once)"] if config.compile else []
    return "".join(f", {each}" for each in chosen)


def _flipping(trainer: "Trainer") -> str:
    if trainer.data.flip:
        return "half of the training images are mirrored; where classes differ by left and right: --no-flip"
    return "training images are not mirrored (--no-flip)"


def _weights(trainer: "Trainer") -> str:
    """The parameters of the network, and besides those of the auxiliary head, which goes when training ends."""
    helper = trainer.network.auxiliary
    extra = 0 if helper is None else sum(parameter.numel() for parameter in helper.parameters())
    count = sum(parameter.numel() for parameter in trainer.network.parameters()) - extra
    return f"{count:,} parameters" + (f" and {extra:,} of the auxiliary head" if extra else "")
