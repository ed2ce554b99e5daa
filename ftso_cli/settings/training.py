"""What a training is asked for: a recipe, values that overrule it, data, seed. From flags, a file, or both. No torch.

`--config FILE` reads this as JSON. The config.json of a run is such a file too, with every value resolved; its cell
and its images lie beside it.
"""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from ftso_cli.errors import SettingsError, unknown
from ftso_cli.files import read_bytes
from ftso_cli.genotype.schema import Model
from ftso_cli.genotype.storage import describe
from ftso_cli.settings.recipes import Recipe, check_trains, recipe

LIMIT = 16_000_000

DEFAULT_RECIPE = "quick"

IMAGES = "images.json"
"""The file in a run folder that names its images."""

Precision = Literal["float32", "bfloat16"]


class Request(Model):
    """A file for --config. What it leaves out has the default of the flag."""

    cell: str | None = Field(default=None, description="A genotype file, or the name of a published cell.")
    data: str | None = None
    recipe: str | dict[str, Any] = Field(default={}, description="The name of a recipe, or values that overrule one.")
    seed: Annotated[int, Field(ge=0)] | None = None
    image_size: tuple[int, int] | Annotated[int, Field(ge=1)] | None = None
    device: str | None = None
    precision: Precision | None = None
    compile: bool | None = None
    save_minutes: Annotated[float, Field(ge=0)] | None = None
    flip: bool | None = Field(default=None, description="Whether images are mirrored at random in training.")
    images: str | None = Field(default=None, description="The images.json of a run: the same images again.")

    # What a run has found in its data, and what it ran on: known again, or different, when it runs again.
    image_channels: int | None = None
    classes: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    versions: dict[str, str] | None = None

    def settings(self, name: str | None, overruled: dict[str, Any]) -> Recipe:
        """The recipe called `name`, or that of the file, with the values of the file and then those `overruled`.

        Where the file has every value, as the config.json of a run, `name` takes the place of them all. The warm-up of
        a recipe, where no other is asked for, keeps its share of fewer epochs.
        Raises `SettingsError` for a name or a value that is not known, and for values that train nothing together.
        """
        base, values = self.base(name), self._values
        known = [field.name for field in fields(Recipe)]
        # Runs of before have fewer values.
        if name is not None and (self.versions is not None or values.keys() >= set(known)):
            values = {}
        for value in (*values, *overruled):
            if value not in known:
                raise SettingsError(unknown("value of a recipe", value, known))
        try:
            # Strict, so that 2.5 epochs are refused; by JSON, for strictly no mapping is a dataclass.
            asked = TypeAdapter(Recipe).validate_json(json.dumps({**asdict(base), **values, **overruled}), strict=True)
        except ValidationError as error:
            raise SettingsError(f"recipe: {describe(error)}") from None
        if "warmup" not in {**values, **overruled} and 2 * asked.warmup > asked.epochs:
            asked = replace(asked, warmup=base.warmup * asked.epochs // base.epochs)
        check_trains(asked)
        return asked

    def base(self, name: str | None) -> Recipe:
        """Return the recipe called `name`, or that of the file, without the values that overrule it."""
        of_file = self.recipe.get("name", DEFAULT_RECIPE) if isinstance(self.recipe, dict) else self.recipe
        return recipe(str(of_file) if name is None else name)

    @property
    def _values(self) -> dict[str, Any]:
        """The values of a recipe that the file has."""
        known = self.recipe if isinstance(self.recipe, dict) else {}
        return {key: value for key, value in known.items() if key != "name"}

    @property
    def side(self) -> int | None:
        """The side of the images; None where they keep their size or are no squares."""
        if isinstance(self.image_size, tuple):
            return self.image_size[0] if self.image_size[0] == self.image_size[1] else None
        return self.image_size


def read_request(path: Path) -> Request:
    """The request in a JSON file, of a user or of a run, whose cell and images lie beside it.

    Raises `FileError` where it can't be read, and `SettingsError` where it holds anything else.
    """
    try:
        request = Request.model_validate_json(read_bytes(path, limit=LIMIT))
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from None
    of_run = request.classes is not None
    beside = {"cell": path.parent / "genotype.json"} | ({"images": path.parent / IMAGES} if of_run else {})
    found = {name: str(file) for name, file in beside.items() if getattr(request, name) is None and file.is_file()}
    return request.model_copy(update=found)
