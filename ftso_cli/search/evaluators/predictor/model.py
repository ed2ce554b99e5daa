"""The structural predictor, a file of weights: an accuracy in percent is the intercept and Σ weight · feature."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ftso_cli.errors import FileError, GenotypeError, SettingsError, short
from ftso_cli.files import read_bytes, write_atomic
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.genotype.schema import Model, Name
from ftso_cli.genotype.storage import describe_error, format_json
from ftso_cli.search.evaluators.predictor.features import Family, family, features, operator_feature
from ftso_cli.settings.evaluation import PREDICTOR, PREDICTOR_SUFFIX, SIZE_LIMIT
from ftso_cli.spaces import SPACES

BUILT_IN = Path(__file__).parent / "darts_nb301.json"
"""The predictor that comes with ftso."""

MOST_FEATURES = 1000

LEAST_CELLS = 8
"""Different cells that a predictor is fitted to, at least."""

Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Count = Annotated[float, Field(ge=0, le=1e100)]
Text = Annotated[str, Field(max_length=2000)]


class Weight(Model):
    """The weight of a feature, in percentage points, and the range of the feature in the cells of the fit."""

    weight: Number
    least: Count
    most: Count


class Validation(Model):
    """The cross-validation of a predictor on cells left out, as means over several orders of the cells."""

    folds: int = Field(ge=2, le=1000)
    orders: int = Field(ge=1, le=1000)
    spearman: float | None = Field(ge=-1, le=1, description="Rank correlation with accuracy; null where none is.")
    error: float = Field(ge=0, le=1e9, description="Root of the mean squared error, in percentage points.")
    behind: float = Field(ge=0, le=100, description="How far the best by prediction is behind the best, in points.")


@dataclass(frozen=True, kw_only=True)
class PredictedAccuracy:
    """A predicted accuracy in percent, and the features with values that no cell of the fit had."""

    accuracy: float
    beyond: tuple[str, ...]


class Predictor(Model):
    """A linear function of the features of a cell; see `features`."""

    format: Literal["ftso-predictor/1"]
    space: Name
    target: Name = Field(description="The accuracy that it predicts, in percent, as its column was called.")
    cells: int = Field(ge=LEAST_CELLS, le=10**9, description="Different cells that it was fitted to.")
    penalty: float = Field(gt=0, le=1e9, description="The penalty of the ridge regression.")
    intercept: Number
    features: dict[Name, Weight] = Field(min_length=1, max_length=MOST_FEATURES)
    validation: Validation
    source: Text | None = None
    limits: Text | None = None

    @model_validator(mode="after")
    def _is_of_a_space(self) -> Self:
        if self.space not in SPACES:
            raise ValueError(f"space: {short(self.space)} is none of {', '.join(SPACES)}")
        kinds = SPACES[self.space].kinds
        for name in self.features:
            if name.partition(".")[0] not in kinds or family(name) is None:
                raise ValueError(f"features: {short(name)} is no feature of a cell of the {self.space} space")
        return self

    def predict(self, genotype: Genotype) -> PredictedAccuracy:
        """Raise `GenotypeError` for a cell of another space, without operators, or with one that it does not know."""
        if genotype.space != self.space:
            raise GenotypeError(
                f"is of the {genotype.space} space, and the predictor of {self.space}; "
                "ftso score --fit RESULTS.csv -o predictor.json fits one to trained cells"
            )
        require_complete(genotype, "the predictor")
        found = features(genotype)
        for name in found:
            if family(name) is Family.OPERATORS and name not in self.features:
                kind, op = name.split(".")
                raise GenotypeError(f"has {op} in its {kind} cell, and no cell that the predictor was fitted to has")
        values = {name: found.get(name, 0.0) for name in self.features}
        accuracy = self.intercept + sum(self.features[name].weight * value for name, value in values.items())
        beyond = (name for name, value in values.items() if not self._covers(name, value))
        return PredictedAccuracy(accuracy=accuracy, beyond=tuple(beyond))

    def _covers(self, name: str, value: float) -> bool:
        return self.features[name].least <= value <= self.features[name].most

    def check_operators(self, space: str, ops: Sequence[str]) -> None:
        """Raise `SettingsError` where cells of a search in `space` can have an operator that it does not know."""
        if space != self.space:
            raise SettingsError(
                f"the predictor is fitted to cells of the {self.space} space, not of {space}; "
                "ftso score --fit fits one, or give another --evaluate"
            )
        kinds = SPACES[space].kinds
        known = [op for op in ops if all(operator_feature(kind, op) in self.features for kind in kinds)]
        if unknown := [op for op in ops if op not in known]:
            raise SettingsError(
                f"the predictor was fitted to cells without {', '.join(unknown)}; search with --ops {','.join(known)}"
            )


def read_predictor(path: Path) -> Predictor:
    """Read a file; raises `FileError`, with the place and the rule, where it can't be read or is not valid."""
    try:
        return Predictor.model_validate_json(read_bytes(path, limit=SIZE_LIMIT))
    except ValidationError as error:
        raise FileError(f"{path}: is no predictor: {describe_error(error)}; ftso score --fit writes one") from None


def is_predictor(name: str) -> bool:
    """Return whether an evaluator of this name is a predictor: the one that comes with ftso, or a file."""
    return name == PREDICTOR or name.lower().endswith(PREDICTOR_SUFFIX)


def predictor_called(name: str) -> Predictor:
    """Return the predictor of a name or a file; raises `FileError`."""
    return built_in() if name == PREDICTOR else read_predictor(Path(name))


@cache
def built_in() -> Predictor:
    """Return the predictor that comes with ftso; a process reads it once."""
    return read_predictor(BUILT_IN)


def write_predictor(predictor: Predictor, path: Path) -> None:
    """Write a file in one piece; raises `FileError` where it can't be written."""
    write_atomic(path, (format_json(json.loads(predictor.model_dump_json(exclude_none=True))) + "\n").encode())
