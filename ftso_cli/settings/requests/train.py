"""The request for a training: a recipe, values that overrule it, data, seed, from flags, a file, or both. No torch."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator

from ftso_cli.files import RUN_CONFIG
from ftso_cli.settings.config_file import DEFAULT_RECIPE, ConfigFile, Precision, read_config
from ftso_cli.settings.limits import LIMITS, FittedNetwork
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.recipes import AUTO, RECIPES, Recipe
from ftso_cli.settings.shared import DATA_HELP, DEFAULT_DATA, CellLike, Data, File, OnData, Seeded
from ftso_cli.settings.values import as_option, parse_duration, parse_fold, parse_size
from ftso_cli.spaces.sets import Resize

PLANNED_CELL = "ftso_single"
"""The cell of the networks that are chosen."""

PLANNED_SECONDS = 600.0
"""The time that a planned training may take where none is given."""

OF_START = ("channels", "cells", "stem", "reduction")
"""The values of a recipe that weights to start from decide."""

CHOSEN = ("epochs", "channels", "stem", "reduction", "batch_size", "rate")
"""The values of the recipe auto that are chosen."""

OF_A_RESUMED_RUN = {"resume", "device", "tensorboard"}
"""The options that can be given beside `resume`."""


FITTED = "Chosen network"
"""A panel of help."""


@settings
class OnCellOrNot(Settings):
    """A request about a cell, which may have it from elsewhere."""

    cell: Annotated[
        Annotated[CellLike | None, PlainValidator(lambda value: value)],
        Option(help="A genotype file, or the name of a published cell.", metavar="CELL", argument=True),
    ] = None


@settings
class TrainRequest(OnData, OnCellOrNot, FittedNetwork, Recipe, Seeded):
    """A training of the network of a cell from scratch."""

    data: Annotated[
        Data, Option(help=DATA_HELP, short="-d", metavar="DATA", shown=f"{DEFAULT_DATA} with a CELL; else needed")
    ] = DEFAULT_DATA
    _: KW_ONLY
    recipe: Annotated[
        str | None,
        Option(
            help=f"Hyper-parameters: {', '.join(RECIPES)}. auto chooses what is not given for the images and the time.",
            short="-r",
            metavar="NAME",
            shown=f"{DEFAULT_RECIPE}; {AUTO} without a CELL",
        ),
    ] = None
    start: Annotated[
        File | None,
        Option(
            help="Start from the network of another run, which may have other classes.",
            spelled="--from",
            metavar="RUN",
            shown="random weights",
            in_studies=False,
        ),
    ] = None
    time: Annotated[
        Annotated[str | float | None, BeforeValidator(as_option(parse_duration))],
        Option(
            help="Take as many epochs as fit in this time, as in 90s, 10m, 1h.",
            metavar="TIME",
            shown="none; 10m in auto",
        ),
    ] = None
    fit_latency: Annotated[
        Annotated[str | float | None, BeforeValidator(as_option(parse_duration))],
        Option(help="auto: a network of at most this latency an image, as in 2ms.", metavar="TIME", panel=LIMITS),
    ] = None
    search: Annotated[
        bool,
        Option(
            help="auto: spend a fifth of the time on trying other operators in the cell first.",
            panel=FITTED,
            in_studies=False,
        ),
    ] = False
    dry_run: Annotated[bool, Option(help="auto: show the plan, and stop.", panel=FITTED, in_studies=False)] = False
    config: Annotated[
        File | None,
        Option(
            help="Settings as JSON, as in the config.json of a run; flags overrule them.",
            short="-c",
            metavar="FILE",
            shown="",
            in_studies=False,
        ),
    ] = None
    output: Annotated[
        File | None,
        Option(help="The run folder.", short="-o", metavar="RUN", shown="a new one in runs/", in_studies=False),
    ] = None
    resume: Annotated[
        File | None,
        Option(
            help="Resume an interrupted run from its last checkpoint.",
            metavar="RUN",
            shown="",
            in_studies=False,
        ),
    ] = None
    image_size: Annotated[
        Annotated[tuple[int, int] | None, BeforeValidator(as_option(parse_size))],
        Option(
            help="Bring images to this size in pixels: 64 or, height by width, 64x96.",
            metavar="SIZE",
            shown="that of a set; of a folder 64, or less where its images are smaller squares",
        ),
    ] = None
    resize: Annotated[
        Resize | None,
        Option(
            help="How images of another shape are brought to it. crop: the centre is cut out. pad: all of it, between "
            "black bars. stretch: scaled to the size.",
            shown="crop",
        ),
    ] = None
    nested: Annotated[
        bool | None,
        Option(
            help="Take images in folders within a class folder, too.", spelled="--nested/--no-nested", shown="no-nested"
        ),
    ] = None
    fold: Annotated[
        Annotated[tuple[int, int] | None, BeforeValidator(as_option(parse_fold))],
        Option(
            help="Cross-validation: test on one of several equal parts of the training images, as in 2/5, and train on "
            "the others.",
            metavar="N/K",
            shown="none",
        ),
    ] = None
    precision: Annotated[
        Literal["auto", Precision] | None,
        Option(help="float32, or bfloat16 where that is exact enough.", shown="auto: bfloat16 where it is fast"),
    ] = None
    compile: Annotated[
        bool | None,
        Option(
            help="Compile the cells of the network first, which takes minutes.",
            spelled="--compile/--no-compile",
            shown="auto: long trainings on GPUs",
        ),
    ] = None
    flip: Annotated[
        bool | None,
        Option(
            help="Mirror half of the training images; not where classes differ by left and right.",
            spelled="--flip/--no-flip",
            shown="flip; of digits no-flip",
        ),
    ] = None
    save_every: Annotated[
        float | None, Option(help="Time between checkpoints.", least=0, metavar="MINUTES", shown="10")
    ] = None
    tensorboard: Annotated[bool, Option(help="Write curves for TensorBoard into RUN/tensorboard, too.")] = False

    @classmethod
    def variants(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the recipes."""
        others = {f"in {name}": asdict(known) for name, known in RECIPES.items() if name != DEFAULT_RECIPE}
        for name in CHOSEN:
            del others[f"in {AUTO}"][name]
        return {"": asdict(RECIPES[DEFAULT_RECIPE]), **others}

    def check(self) -> None:
        """Raise `OptionError` for options that have no meaning together, `SettingsError` for a recipe that can't be."""
        if self.resume is None:
            self.wanted  # noqa: B018 - it raises
            if self.hyper_parameters.augmentation == "imagenet" and self.file.resize not in (None, "crop"):
                raise OptionError("resize", "has no meaning with {augmentation=imagenet}, which cuts out of pictures")
            self._check_start()
            if not self.planned and (fits := self.asked("fit_macs", "fit_params", "fit_latency", "search", "dry_run")):
                raise OptionError(fits[0], f"is for a network that is chosen: give {{recipe={AUTO}}}")
            of_file = self.time is None and self.file.versions is None and "epochs" in self.file.names | self.given
            if (self.time is not None and "epochs" in self.given) or (of_file and self.file.time is not None):
                raise OptionError("time", "decides the number of epochs; give {time} or {epochs}, not both")
            if self.search and self.limit is None:
                raise OptionError("search", "takes a share of the time; give {time} instead of {epochs}")
        elif self.given - {*OF_A_RESUMED_RUN, "progress"}:
            raise OptionError(
                "resume",
                "a resumed run has its cell and settings; give {resume} alone, or with {device} or {tensorboard}",
            )

    def _check_start(self) -> None:
        """Raise `OptionError` for options that the network to start from does not have, or that need one."""
        recipe = self.hyper_parameters
        if self.search and self.file.start_from is not None:
            raise OptionError("search", "changes the cell, whose weights {start} has; leave one of them out")
        if self.file.start_from is None:
            if recipe.freeze or recipe.body_rate != 1:
                name = "freeze" if recipe.freeze else "body_rate"
                raise OptionError(name, "is for a network that starts from another: give {start=RUN}")
        elif recipe.freeze and recipe.body_rate != 1:
            raise OptionError("body_rate", "has no meaning with {freeze}, which keeps the weights")
        for name, needed in self.start_values.items():
            if (asked := getattr(recipe, name)) != needed:
                raise OptionError(name, f"can't be {asked}: the network of {{start}} has {needed}; leave it out")

    @cached_property
    def of_start(self) -> ConfigFile | None:
        """The settings of the run that is started from; raises `OptionError` where there is none."""
        if self.start is None:
            return None
        file = Path(self.start) / RUN_CONFIG
        if not file.is_file():
            raise OptionError("start", f"{self.start} is no run folder, it has no config.json")
        return read_config(file)

    @property
    def start_values(self) -> dict[str, Any]:
        """The values of a recipe that the weights decide which are started from."""
        values = {} if self.of_start is None else {**asdict(self.of_start.base(None)), **self.of_start.values}
        return {name: values[name] for name in OF_START if name in values}

    @cached_property
    def file(self) -> ConfigFile:
        """The config file with what is given besides, and with what the run has that is started from."""
        of_file = ConfigFile() if self.config is None else read_config(Path(self.config))
        names = {"data", "seed", "image_size", "resize", "nested", "fold", "precision", "compile", "flip"} & self.given
        own = {name: getattr(self, name) for name in names}
        if "fold" in own and own["fold"] != of_file.fold:
            own["images"] = None
        own |= {"save_every": self.save_every} if self.save_every is not None else {}
        if of_file.planned:
            by_time = set() if self.time is None else {"epochs"}
            own["planned"] = tuple(sorted({*of_file.planned, *by_time} - self.given))
        if own.get("precision") == "auto":
            own["precision"] = None
        if (other := self.of_start) is not None:
            own |= {"start_from": str(self.start), "start": None}
            own |= {"image_channels": other.image_channels, "mean": other.mean, "std": other.std}
            own = {name: getattr(of_file, name) or getattr(other, name) for name in ("image_size", "resize")} | own
        return of_file.model_copy(update=own)

    @cached_property
    def hyper_parameters(self) -> Recipe:
        """The recipe, with what the file and the options overrule."""
        return self.file.settings(self.named, self.overruled)

    @property
    def named(self) -> str | None:
        """The name of the recipe that is asked for, if only by leaving all to the plan."""
        return AUTO if self.planned and not self.file.recipe_name else self.recipe

    @cached_property
    def planned(self) -> bool:
        """True where network and recipe are chosen for the images, the machine and the time."""
        named = self.recipe or self.file.recipe_name
        if named is not None:
            return named == AUTO
        return not self.names_cell and self.file.versions is None

    @property
    def names_cell(self) -> bool:
        """True where a cell is given, in the file or besides."""
        return self.cell is not None or self.file.cell is not None

    @property
    def limit(self) -> float | None:
        """The seconds that it may take; None where epochs are given, as by the file of a run."""
        of_file = self.file.time if self.file.versions is None else None
        given = of_file if self.time is None else float(self.time)
        chosen = self.planned and "epochs" not in self.fixed
        return PLANNED_SECONDS if given is None and chosen else given

    @property
    def seconds(self) -> float:
        """The time that a planned training may take."""
        return self.limit or PLANNED_SECONDS

    @property
    def fixed(self) -> set[str]:
        """The names of the values of the recipe that are given, in the file or besides."""
        return {*self.overruled, *self.file.values_beside(self.named)}

    @property
    def overruled(self) -> dict[str, Any]:
        """The values of the recipe that are given."""
        names = {field.name for field in fields(Recipe)} - {"image_size"}
        return {**self.start_values, **{name: getattr(self, name) for name in names & self.given}}

    @property
    def wanted(self) -> CellLike:
        """The cell that is given, or that of the file; raises `OptionError` where there is none."""
        found = self.file.cell if self.cell is None else self.cell
        if found is None and self.of_start is not None:
            found = self.of_start.cell
        if found is not None:
            return found
        if not self.planned:
            raise OptionError("cell", f"give a cell to train, or {{recipe={AUTO}}}, which has one of its own")
        if self.file.data is None:
            raise OptionError("data", "give the folder of your images, as in {data=photos/}, a cell, or {resume=RUN}")
        return PLANNED_CELL

    @property
    def takes_seed(self) -> bool:
        """True where the result depends on `seed`."""
        return True
