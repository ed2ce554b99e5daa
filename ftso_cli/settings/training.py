"""The request of a training: a recipe, values that overrule it, data, seed. From flags, a file, or both. No torch.

`--config FILE` reads this as JSON. The config.json of a run is such a file too, with every value resolved; its cell
and its images lie beside it.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationError

from ftso_cli.errors import SettingsError
from ftso_cli.files import read_bytes
from ftso_cli.genotype.schema import Model
from ftso_cli.genotype.storage import describe
from ftso_cli.settings.costs import count
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.recipes import AUTO, CUTOUT, RECIPES, Recipe, check_trains, recipe, with_epochs
from ftso_cli.settings.shared import CellLike, File, OnData, Seeded
from ftso_cli.settings.values import Fold, ImageSize, as_option, duration, fold_numbers, size
from ftso_cli.spaces.sets import Resize

LIMIT = 16_000_000

DEFAULT_RECIPE = "quick"

IMAGES = "images.json"
"""The file in a run folder that names its images."""

START = "start.safetensors"
"""The file in a run folder with the weights that it started from, where these are those of another run."""

Precision = Literal["float32", "bfloat16"]

MOST_SECONDS = 1e9
"""More is a slip of the hand."""


def _seconds(value: object) -> object:
    """Return the seconds of a time that is given; raises `SettingsError` for one that is none."""
    if value is None:
        return None
    seconds = duration(value)  # type: ignore[arg-type]
    if not 0 < seconds <= MOST_SECONDS:
        raise SettingsError(f"a time is above 0 and at most {MOST_SECONDS:,.0f} seconds, not {seconds:,.0f}")
    return seconds


class StartRecord(Model):
    """The network that a training has started from: the name of its run folder, and a digest of the weights taken."""

    run: str
    weights: str


class ConfigFile(Model):
    """A file for --config, or the request of a command. What it leaves out has the default of the flag."""

    cell: str | None = Field(default=None, description="A genotype file, or the name of a published cell.")
    data: str | None = None
    recipe: str | dict[str, Any] = Field(default={}, description="The name of a recipe, or values that overrule one.")
    seed: Annotated[int, Field(ge=0)] | None = None
    image_size: ImageSize = None
    resize: Resize | None = None
    nested: bool | None = None
    fold: Fold = None
    device: str | None = None
    precision: Precision | None = None
    compile: bool | None = None
    time: Annotated[float | None, BeforeValidator(_seconds)] = Field(
        default=None,
        description="How long it may take, as in 10m or in seconds; of a run, what decided its epochs.",
    )
    total_steps: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Steps of a run whose last epoch was cut short."
    )
    save_minutes: Annotated[float, Field(ge=0)] | None = None
    flip: bool | None = Field(default=None, description="Whether images are mirrored at random in training.")
    images: str | None = Field(default=None, description="The images.json of a run: the same images again.")
    start_from: str | None = Field(
        default=None, description="The run folder of a network to start from, or the start.safetensors of a run."
    )

    # What a run has found in its data, and what it ran on: known again, or different, when it runs again.
    image_channels: int | None = None
    classes: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    start: StartRecord | None = None
    versions: dict[str, str] | None = None

    def settings(self, name: str | None, overruled: dict[str, Any]) -> Recipe:
        """The recipe called `name`, or that of the file, with the values of the file and then those `overruled`.

        Where the file has every value, as the config.json of a run, `name` takes the place of them all. Where no other
        are asked for, the warm-up of a recipe keeps its share of fewer epochs, and an augmentation has its own cutout.
        Raises `SettingsError` for a name or a value that is not known, and for values that train nothing together.
        """
        base, values = self.base(name), self.values
        known = {field.name for field in fields(Recipe)}
        # Runs of before have fewer values.
        if name is not None and (self.versions is not None or values.keys() >= known):
            values = {}
        asked = base
        for given in (values, overruled):
            before, asked = asked, Recipe(**{**asdict(asked), **given})
            if asked.augmentation != before.augmentation and "cutout" not in given:
                asked = replace(asked, cutout=CUTOUT.get(asked.augmentation, base.cutout))
        if "warmup" not in {**values, **overruled}:
            asked = replace(asked, warmup=with_epochs(base, asked.epochs).warmup)
        check_trains(asked)
        return asked

    def steps_of(self, settings: Recipe) -> int | None:
        """Return the steps of the run whose settings these are, where its last epoch was cut short."""
        return self.total_steps if self.versions is not None and settings == self.settings(None, {}) else None

    def base(self, name: str | None) -> Recipe:
        """Return the recipe called `name`, or that of the file, without the values that overrule it."""
        return recipe(name or self.recipe_name or DEFAULT_RECIPE)

    @property
    def recipe_name(self) -> str | None:
        """The name of the recipe, where the file has one."""
        name = self.recipe.get("name") if isinstance(self.recipe, dict) else self.recipe
        return None if name is None else str(name)

    @property
    def names(self) -> set[str]:
        """The names of the values of a recipe that the file has."""
        return set(self.values)

    @property
    def values(self) -> dict[str, Any]:
        """The values of a recipe that the file has."""
        known = self.recipe if isinstance(self.recipe, dict) else {}
        return {key: value for key, value in known.items() if key != "name"}


def read_config(path: Path) -> ConfigFile:
    """The request in a JSON file, of a user or of a run, whose cell and images lie beside it.

    Raises `FileError` where it can't be read, and `SettingsError` where it holds anything else.
    """
    try:
        request = ConfigFile.model_validate_json(read_bytes(path, limit=LIMIT))
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from None
    of_run = request.classes is not None
    beside = {"cell": path.parent / "genotype.json"} | ({"images": path.parent / IMAGES} if of_run else {})
    beside |= {"start_from": path.parent / START} if request.start is not None else {}
    found = {name: str(file) for name, file in beside.items() if getattr(request, name) is None and file.is_file()}
    return request.model_copy(update=found)


PLANNED_CELL = "ftso_block"
"""The cell of the networks that are chosen."""

PLANNED_SECONDS = 600.0
"""The time that a planned training may take where none is given."""

OF_START = ("channels", "cells", "stem")
"""The values of a recipe that weights to start from decide."""

CHOSEN = ("epochs", "channels", "stem", "batch_size", "rate")
"""The values of the recipe auto that are chosen."""

FITTED = "Chosen network"
"""A panel of help."""

OF_A_RESUMED_RUN = {"resume", "device", "tensorboard"}
"""The options that can be given beside `resume`."""


@settings
class OnCellOrNot(Settings):
    """A request about a cell, which may have it from elsewhere."""

    cell: Annotated[
        Annotated[CellLike | None, PlainValidator(lambda value: value)],
        Option(help="A genotype file, or the name of a published cell.", metavar="CELL", argument=True),
    ] = None


@settings
class Training(OnData, OnCellOrNot, Recipe, Seeded):
    """A training of the network of a cell from scratch."""

    former: ClassVar[Mapping[str, str]] = {"save_minutes": "save_every"}

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
        Annotated[str | float | None, BeforeValidator(_seconds)],
        Option(
            help="Take as many epochs as fit in this time, as in 90s, 10m, 1h.",
            metavar="TIME",
            shown="none; 10m in auto",
        ),
    ] = None
    fit_macs: Annotated[
        Annotated[int | None, BeforeValidator(count)],
        Option(
            help="auto: a network within so many MACs, as in 30M.", least=1, metavar="COUNT", panel=FITTED, written=True
        ),
    ] = None
    fit_params: Annotated[
        Annotated[int | None, BeforeValidator(count)],
        Option(
            help="auto: a network within so many parameters, as in 100k.",
            least=1,
            metavar="COUNT",
            panel=FITTED,
            written=True,
        ),
    ] = None
    fit_latency: Annotated[
        Annotated[str | float | None, BeforeValidator(_seconds)],
        Option(
            help="auto: a network that takes at most so long for an image, as in 2ms.", metavar="TIME", panel=FITTED
        ),
    ] = None
    dry_run: Annotated[bool, Option(help="auto: say what was chosen, and stop.", panel=FITTED, in_studies=False)] = (
        False
    )
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
            help="Go on with an interrupted run, where its last checkpoint ends.",
            metavar="RUN",
            shown="",
            in_studies=False,
        ),
    ] = None
    image_size: Annotated[
        Annotated[tuple[int, int] | None, BeforeValidator(as_option(size))],
        Option(
            help="Bring images to this size in pixels: 64 or, height by width, 64x96.",
            metavar="SIZE",
            shown="that of a set; of a folder 64, or less where its images are smaller squares",
        ),
    ] = None
    resize: Annotated[
        Resize | None,
        Option(
            help="How images of another shape come to it. crop: the centre is cut out. pad: all of it, between black "
            "bars. stretch: scaled to the size.",
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
        Annotated[tuple[int, int] | None, BeforeValidator(as_option(fold_numbers))],
        Option(
            help="Cross-validation: test on one of several equal parts of the training images, as in 2/5, and train on "
            "the others.",
            metavar="N/K",
            shown="none",
        ),
    ] = None
    precision: Annotated[
        Literal["auto", Precision] | None,
        Option(help="float32, or bfloat16 where that is exact enough.", shown="auto: bfloat16 on GPUs"),
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
            if not self.planned and (fits := self.asked("fit_macs", "fit_params", "fit_latency", "dry_run")):
                raise OptionError(fits[0], f"is for a network that is chosen: give {{recipe={AUTO}}}")
            of_file = self.time is None and self.file.versions is None and "epochs" in self.file.names | self.given
            if (self.time is not None and "epochs" in self.given) or (of_file and self.file.time is not None):
                raise OptionError("time", "decides the number of epochs; give {time} or {epochs}, not both")
        elif self.given - {*OF_A_RESUMED_RUN, "progress"}:
            raise OptionError(
                "resume",
                "a resumed run has its cell and settings; give {resume} alone, or with {device} or {tensorboard}",
            )

    def _check_start(self) -> None:
        """Raise `OptionError` for options that the network to start from does not have, or that need one."""
        recipe = self.hyper_parameters
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
        file = Path(self.start) / "config.json"
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
        own |= {"save_minutes": self.save_every} if self.save_every is not None else {}
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
        return self.file.settings(AUTO if self.planned and not self.file.recipe_name else self.recipe, self.overruled)

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
        return set(self.overruled) | self.file.names

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
