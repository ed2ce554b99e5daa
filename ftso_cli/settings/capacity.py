"""The settings of the search for operators by capacity, then trainability. No torch here."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, fields
from typing import Annotated, Any

from ftso_cli.errors import SettingsError
from ftso_cli.settings.evaluation import Budgeted, EvaluationSettings, Score
from ftso_cli.settings.limits import Limited
from ftso_cli.settings.options import Bounds, Option, Settings, settings
from ftso_cli.settings.searches import TOO_FEW, Operators, ShortTraining

CAPACITY = "With --strategy capacity"
"""A panel of help."""


@settings
class ByCapacity(Settings):
    """The options of a search by capacity alone."""

    _: KW_ONLY
    score: Annotated[Score, Option(help="Measure of how much a cell holds.", panel=CAPACITY)] = "synflow"
    slack: Annotated[
        float, Option(help="How far below the highest score a cell may be and still race.", least=0, panel=CAPACITY)
    ] = 1.0
    """The largest distance below the best score at which a cell is raced; synflow is in nats."""
    steps: Annotated[int, Option(help="Training steps of a run.", least=2, panel=CAPACITY)] = 20
    """Training steps of a run; the losses of the second half count."""
    inits: Annotated[int, Option(help="Runs of each cell, from paired weights.", least=1, panel=CAPACITY)] = 3


@settings
class CapacitySettings(ShortTraining, ByCapacity, Budgeted, Limited):
    """Everything that decides the search but the data and the seed; `docs/nats.md` has the effect of each."""

    _: KW_ONLY
    ops: Operators = ()
    """The operators to choose from."""
    images: Annotated[int, Bounds(least=2)] = 32
    """Images of a batch that scores look at."""

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return networks of the benchmark's five cells a stage: a residual connection is worth more in deep ones."""
        return {**super().defaults(given), "cells": 15, "batch_size": 32, "weight_lr": 0.1}

    def __post_init__(self) -> None:
        """Raise `SettingsError` where there is nothing to choose from."""
        if len(set(self.ops)) < 2:
            raise SettingsError(TOO_FEW)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them."""
        return {"strategy": "capacity"} | self.decisive() | {"ops": list(self.ops)}

    @property
    def evaluation(self) -> EvaluationSettings:
        """The settings of scores and of short trainings."""
        own = {field.name: getattr(self, field.name) for field in fields(ShortTraining)}
        return EvaluationSettings(**own, evaluate=self.score, steps=self.steps, images=self.images)

    @property
    def takes_all_images(self) -> bool:
        """A few hundred batches are read, not every image."""
        return False
