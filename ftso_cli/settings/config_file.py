"""A file of settings for a training, as `--config` reads it.

The config.json of a run is one, with every value resolved; its cell and its images lie beside it. No torch.
"""

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from ftso_cli.errors import SettingsError
from ftso_cli.files import RUN_GENOTYPE, read_bytes
from ftso_cli.genotype.schema import Model
from ftso_cli.genotype.storage import describe_error
from ftso_cli.settings.options import FILE_CONFIG
from ftso_cli.settings.recipes import AUTO, CUTOUT, Recipe, check_trains, recipe, with_epochs
from ftso_cli.settings.values import Fold, ImageSize, parse_duration
from ftso_cli.spaces.sets import Resize

LIMIT = 16_000_000
"""Bytes of a file that are read."""

DEFAULT_RECIPE = "quick"

IMAGES = "images.json"
"""The file in a run folder that names its images."""

START = "start.safetensors"
"""The file in a run folder with the weights that it started from, where these are those of another run."""

Precision = Literal["float32", "bfloat16"]


class StartRecord(Model):
    """The network that a training has started from: the name of its run folder, and a digest of the weights taken."""

    run: str
    weights: str


class ConfigFile(Model):
    """A file for --config, or the request of a command. What it leaves out has the default of the flag."""

    model_config = FILE_CONFIG

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
    time: Annotated[float | None, BeforeValidator(parse_duration)] = Field(
        default=None,
        description="How long it may take, as in 10m or in seconds; of a run, what decided its epochs.",
    )
    total_steps: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Steps of a run whose last epoch was cut short."
    )
    save_every: Annotated[float, Field(ge=0)] | None = None
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
    planned: tuple[str, ...] = ()
    threads: Annotated[int, Field(ge=1)] | None = None
    versions: dict[str, str] | None = None

    def settings(self, name: str | None, overruled: dict[str, Any]) -> Recipe:
        """The recipe called `name`, or that of the file, with the values of the file and then those `overruled`.

        Where no other are asked for, the warm-up of a recipe keeps its share of fewer epochs, and an augmentation has
        its own cutout.
        Raises `SettingsError` for a name or a value that is not known, and for values that train nothing together.
        """
        base, values = self.base(name), self.values_beside(name)
        asked = base
        for given in (values, overruled):
            before, asked = asked, Recipe(**{**asdict(asked), **given})
            if asked.augmentation != before.augmentation and "cutout" not in given:
                asked = replace(asked, cutout=CUTOUT.get(asked.augmentation, base.cutout))
        if "warmup" not in {**values, **overruled}:
            asked = replace(asked, warmup=with_epochs(base, asked.epochs).warmup)
        check_trains(asked)
        return asked

    def values_beside(self, name: str | None) -> dict[str, Any]:
        """Return the values of the file that hold beside a recipe that is asked for by `name`.

        Where the file has every value, as the config.json of a run, the recipe takes the place of them all; but of a
        run that was planned, `auto` chooses again what was chosen, and the user's own values stay.
        """
        values = self.values
        known = {field.name for field in fields(Recipe)}
        # Runs of before have fewer values.
        if name is None or (self.versions is None and not values.keys() >= known):
            return values
        if name != AUTO or not self.planned:
            return {}
        return {key: value for key, value in values.items() if key not in self.planned}

    def steps_of(self, settings: Recipe, epoch: int) -> int | None:
        """Return the steps of the run whose settings these are, where its last epoch, of `epoch` steps, was cut short.

        With other images it has all its epochs.
        """
        is_same = self.versions is not None and settings == self.settings(None, {})
        is_cut = self.total_steps is not None and -(-self.total_steps // max(epoch, 1)) == settings.epochs
        return self.total_steps if is_same and is_cut else None

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
        raise SettingsError(f"{path}: {describe_error(error)}") from None
    of_run = request.classes is not None
    beside = {"cell": path.parent / RUN_GENOTYPE} | ({"images": path.parent / IMAGES} if of_run else {})
    beside |= {"start_from": path.parent / START} if request.start is not None else {}
    found = {name: str(file) for name, file in beside.items() if getattr(request, name) is None and file.is_file()}
    return request.model_copy(update=found)
