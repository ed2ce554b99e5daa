"""What a training has left in its run folder: settings, a line an epoch, the accuracy on the test images."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ftso_cli.errors import RunError
from ftso_cli.files import read_bytes
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.storage import describe
from ftso_cli.report.trace import Number
from ftso_cli.training.run import TEXT_LIMIT, Config, Run


class Epoch(BaseModel):
    """A line of metrics.csv: means over the epoch's training images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: Annotated[int, Field(ge=1)]
    rate: Number
    drop_path: Number
    loss: Number
    accuracy: Number
    seconds: Number


class Result(BaseModel):
    """result.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    test_accuracy: Annotated[float, Field(ge=0, le=1)]
    test_images: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Training:
    """A run folder of `ftso train`; `result` is None while it isn't finished."""

    folder: Path
    genotype: Genotype
    config: Config
    epochs: tuple[Epoch, ...]
    result: Result | None

    @property
    def name(self) -> str:
        """What the run is called: as its folder, or as the one around it where that is called no more than run."""
        return self.folder.resolve().parent.name if self.folder.name == "run" else self.folder.name

    @property
    def seconds(self) -> float:
        """Those of all epochs."""
        return sum(epoch.seconds or 0.0 for epoch in self.epochs)


def is_training(folder: Path) -> bool:
    """Whether `ftso train` has made this folder."""
    return (folder / "config.json").is_file() and (folder / "genotype.json").is_file()


def read_training(folder: Path) -> Training:
    """The training of a run folder; raises `RunError` or `GenotypeError` where a file in it is damaged."""
    run = Run(folder)
    return Training(
        folder=folder,
        genotype=run.genotype(),
        config=run.config(),
        epochs=_epochs(run.metrics_file),
        result=_result(run.result_file),
    )


def _epochs(path: Path) -> tuple[Epoch, ...]:
    if not path.is_file():
        return ()
    try:
        lines = list(csv.DictReader(io.StringIO(read_bytes(path, limit=TEXT_LIMIT).decode())))
        return TypeAdapter(tuple[Epoch, ...]).validate_python(lines)
    except ValidationError as error:
        raise RunError(f"{path}: no metrics of a training ({describe(error)})") from None
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path}: no metrics of a training ({error})") from None


def _result(path: Path) -> Result | None:
    if not path.is_file():
        return None
    try:
        return Result.model_validate(json.loads(read_bytes(path, limit=TEXT_LIMIT)))
    except ValidationError as error:
        raise RunError(f"{path}: {describe(error)}") from None
    except ValueError:
        raise RunError(f"{path}: is no JSON") from None
