"""The run folder of a training: what was asked for, what came out, and where to go on.

    genotype.json           the cell, as it was when the training started
    config.json             data set, recipe, seed, device: all that decides the result
    start.safetensors       the weights that it starts from, where these are those of another run
    images.json             names of the training and validation images, names and checksums of the test images
    metrics.csv             a line an epoch
    checkpoint.safetensors  everything that the next step needs, and checkpoint-before.safetensors as it was once before
    best.safetensors        the network of the best epoch so far, where that is kept
    weights.safetensors     the trained network without its auxiliary head
    result.json             the accuracy on the test images, of the last epoch's network or of the best one's
    answers.csv             a line a test image: its class, the answer, and the probabilities of both
    latency.json            how long the network takes, as it was measured last

Files are replaced in one piece. Only safetensors, JSON and CSV: nothing here is ever unpickled.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ftso_cli.bounds import MOST_PIXELS
from ftso_cli.errors import RunError
from ftso_cli.files import RUN_CONFIG, RUN_GENOTYPE, make_folder, read_bytes, write_inside
from ftso_cli.genotype import Genotype, storage
from ftso_cli.genotype.schema import Model, Seed
from ftso_cli.settings.config_file import IMAGES, START, Precision, StartRecord
from ftso_cli.settings.options import FILE_CONFIG
from ftso_cli.settings.recipes import Recipe
from ftso_cli.settings.values import Fold
from ftso_cli.shell import option
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.sets import Resize

if TYPE_CHECKING:
    from ftso_cli.data import ImageRecord

TEXT_LIMIT = 16_000_000

IMAGES_LIMIT = 200_000_000
"""Bytes of images.json; that of ImageNet has 70 million."""

FEW = 5
"""Runs that a message names."""


MOST_CLASSES = 1_000_000

Side = Annotated[int, Field(ge=1, le=MOST_PIXELS)]


class Config(Model):
    """config.json: everything that decides the result of a training, but the genotype."""

    model_config = FILE_CONFIG

    data: str
    image_size: tuple[Side, Side]
    image_channels: int = Field(ge=1, le=3)
    classes: tuple[str, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    mean: tuple[Annotated[float, Field(ge=-1000, le=1000)], ...]
    std: tuple[Annotated[float, Field(ge=1e-6, le=1000)], ...]
    resize: Resize = "crop"
    nested: bool = False
    fold: Fold = None
    flip: bool | None = Field(default=None, description="Whether images are mirrored; None: as is usual for the set.")
    recipe: Recipe
    start: StartRecord | None = None
    seed: Seed
    device: str
    precision: Precision = "float32"
    compile: bool = False
    time: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="Seconds that the training may take, where these have decided its epochs."
    )
    total_steps: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Steps of the training, where the last epoch is cut short."
    )
    save_every: float = Field(default=10, ge=0, le=1e9, description="Minutes between checkpoints within an epoch.")
    planned: tuple[str, ...] = Field(
        default=(), description="Values of the recipe that were chosen for the images, the machine and the time."
    )
    threads: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Threads of a processor, where a plan has taken fewer than there were."
    )
    versions: dict[str, str]

    @model_validator(mode="after")
    def _normalises_every_channel(self) -> Self:
        if not len(self.mean) == len(self.std) == self.image_channels:
            raise ValueError(f"mean and std: not one value for each of {self.image_channels} image channels")
        return self

    @property
    def shape(self) -> NetworkShape:
        """The shape of the network that is trained."""
        return self.recipe.shape(classes=len(self.classes), image_channels=self.image_channels)


def _number(value: object) -> object:
    return None if value in ("", None) or not math.isfinite(float(str(value))) else value


Number = Annotated[float | None, BeforeValidator(_number)]
"""A number of a table: None for an empty field, and for what is not finite, as a loss that went astray."""


class Epoch(BaseModel):
    """A line of metrics.csv: means over the epoch's training images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: Annotated[int, Field(ge=1)]
    rate: Number
    drop_path: Number
    loss: Number
    accuracy: Number
    seconds: Number
    val_loss: Number = None
    val_accuracy: Number = None


class TestResult(Model):
    """result.json: the last line of a training."""

    model_config = ConfigDict(extra="ignore")

    test_accuracy: Annotated[float, Field(ge=0, le=1)]
    test_images: Annotated[int, Field(ge=1)]
    epoch: Annotated[int, Field(ge=1)] | None = Field(default=None, description="The epoch whose network was tested.")
    tested_on: str = Field(default="", description="A digest of the test images; equal for equal images.")


class MeasuredLatency(Model):
    """latency.json: the time of a batch in milliseconds, by percentile, as `ftso latency` measured it last."""

    model_config = ConfigDict(extra="ignore")

    device: str
    threads: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    milliseconds: Mapping[int, Annotated[float, Field(gt=0, le=1e9)]]

    @property
    def median(self) -> float | None:
        """Milliseconds of a batch in half of the runs."""
        return self.milliseconds.get(50)


def read_images(path: Path) -> "ImageRecord":
    """The images in an images.json; raises `RunError` where it holds anything else."""
    # Here, because reports read runs without torch.
    from ftso_cli.data import ImageRecord

    try:
        return ImageRecord.model_validate_json(read_bytes(path, limit=IMAGES_LIMIT))
    except ValidationError as error:
        raise RunError(f"{path}: {storage.describe_error(error)}") from None


def runs_inside(folder: Path, is_run: Callable[[Path], bool]) -> str:
    """Goes on from "no run folder": it holds some, one is to be named, a few are listed; "" where it holds none."""
    try:
        found = sorted(path for path in folder.iterdir() if is_run(path))
    except OSError:
        return ""
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return f", but it holds some; name one: {', '.join(map(str, found[:FEW]))}{more}" if found else ""


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @property
    def genotype_file(self) -> Path:
        """The cell that is trained."""
        return self.folder / RUN_GENOTYPE

    @property
    def config_file(self) -> Path:
        """The settings."""
        return self.folder / RUN_CONFIG

    @property
    def images_file(self) -> Path:
        """The images that it trains and is tested on."""
        return self.folder / IMAGES

    @property
    def start_file(self) -> Path:
        """The weights that it starts from, where these are those of another run."""
        return self.folder / START

    @property
    def metrics_file(self) -> Path:
        """A line an epoch."""
        return self.folder / "metrics.csv"

    @property
    def checkpoint_file(self) -> Path:
        """The checkpoint that an interrupted training resumes from."""
        return self.folder / "checkpoint.safetensors"

    @property
    def best_file(self) -> Path:
        """The network of the best epoch so far."""
        return self.folder / "best.safetensors"

    @property
    def weights_file(self) -> Path:
        """The trained network."""
        return self.folder / "weights.safetensors"

    @property
    def result_file(self) -> Path:
        """The accuracy on the test images."""
        return self.folder / "result.json"

    @property
    def answers_file(self) -> Path:
        """The answers for the test images."""
        return self.folder / "answers.csv"

    @property
    def latency_file(self) -> Path:
        """The time that the network takes."""
        return self.folder / "latency.json"

    def check_free(self) -> None:
        """Raises `RunError` where the folder holds a run already."""
        if self.config_file.exists():
            raise RunError(
                f"{self.folder} holds a run; go on with {option('resume', self.folder)} or name another folder"
            )

    def create(
        self, genotype: Genotype, config: Config, images: "ImageRecord | None" = None, start: bytes | None = None
    ) -> None:
        """Makes the folder with its genotype, its settings, its images, and the weights that it starts from.

        Raises `RunError` where it holds a run already.
        """
        self.check_free()
        make_folder(self.folder)
        write_inside(self.genotype_file, storage.genotype_json(genotype).encode())
        if start is not None:
            write_inside(self.start_file, start)
        if images is not None:
            write_inside(self.images_file, (images.model_dump_json(indent=1) + "\n").encode())
        write_inside(self.config_file, (config.model_dump_json(indent=2) + "\n").encode())

    def genotype(self) -> Genotype:
        """The cell that is trained here."""
        return storage.read_genotype(self.genotype_file)

    def config(self) -> Config:
        """The settings; raises `RunError` where the folder holds none or they are not valid."""
        if not self.config_file.is_file():
            what = "it has no config.json" if self.folder.exists() else "nothing is there"
            inside = runs_inside(self.folder, lambda path: Run(path).config_file.is_file())
            raise RunError(f"{self.folder}: no run folder{inside or f', {what}; ftso train makes one'}")
        try:
            return Config.model_validate_json(read_bytes(self.config_file, limit=TEXT_LIMIT))
        except ValidationError as error:
            raise RunError(f"{self.config_file}: {storage.describe_error(error)}") from None

    def images(self) -> "ImageRecord | None":
        """The images that it trains and is tested on; None for a run of an earlier version, which kept no record."""
        return read_images(self.images_file) if self.images_file.is_file() else None

    def epochs(self) -> tuple[Epoch, ...]:
        """The epochs that are done; raises `RunError` where metrics.csv is none of a training."""
        if not self.metrics_file.is_file():
            return ()
        try:
            text = io.StringIO(read_bytes(self.metrics_file, limit=TEXT_LIMIT).decode())
            return TypeAdapter(tuple[Epoch, ...]).validate_python(list(csv.DictReader(text)))
        except (ValueError, csv.Error) as error:
            what = storage.describe_error(error) if isinstance(error, ValidationError) else error
            raise RunError(f"{self.metrics_file}: no metrics of a training ({what})") from None

    def result(self) -> TestResult | None:
        """The result; None while the training isn't finished. Raises `RunError` where result.json is damaged."""
        if not self.result_file.is_file():
            return None
        try:
            return TestResult.model_validate_json(read_bytes(self.result_file, limit=TEXT_LIMIT))
        except ValidationError as error:
            raise RunError(f"{self.result_file}: {storage.describe_error(error)}") from None

    def latency(self) -> MeasuredLatency | None:
        """The measured latency, or None. Raises `RunError` for a damaged file."""
        if not self.latency_file.is_file():
            return None
        try:
            return MeasuredLatency.model_validate_json(read_bytes(self.latency_file, limit=TEXT_LIMIT))
        except ValidationError as error:
            raise RunError(f"{self.latency_file}: {storage.describe_error(error)}") from None

    def write_latency(self, found: Mapping[str, Any]) -> None:
        """Replace latency.json."""
        write_inside(self.latency_file, (json.dumps(found, indent=2) + "\n").encode())

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replaces metrics.csv by these rows."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_inside(self.metrics_file, text.getvalue().encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Replaces result.json."""
        write_inside(self.result_file, (json.dumps(result, indent=2) + "\n").encode())
