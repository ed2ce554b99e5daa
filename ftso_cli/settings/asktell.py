"""The settings of searches by evaluation: which cells, how many of them, and within which limits. No torch."""

from dataclasses import KW_ONLY, asdict, fields
from pathlib import Path
from typing import Annotated, Any

from ftso_cli.settings.evaluation import EVALUATION, EvaluationSettings, EvaluatorOptions
from ftso_cli.settings.limits import Limited
from ftso_cli.settings.options import Option, OptionError, settings
from ftso_cli.settings.searches import Method, OfCells, Operators
from ftso_cli.settings.shared import HISTORY, File
from ftso_cli.settings.values import parse_budget
from ftso_cli.spaces import DARTS, NATS, SPACES

USUAL = 100
"""Cells that are evaluated where no other budget is given."""

MOST_EVALUATIONS = 1_000_000


@settings
class ByEvaluation(EvaluatorOptions):
    """The options of a search by evaluation alone."""

    _: KW_ONLY
    budget: Annotated[
        str | int | None,
        Option(
            help="How many cells are evaluated, or for how long, as in 90s, 5m, 1h; in a race a number is training "
            "steps.",
            metavar="BUDGET",
            shown=f"{USUAL} cells, 24 of random; 5m in a race",
            panel=EVALUATION,
        ),
    ] = None
    table: Annotated[
        File | None,
        Option(help="A table of NATS-Bench, as ftso query takes it.", short="-t", metavar="FILE", panel=EVALUATION),
    ] = None


@settings
class AskTellSettings(EvaluationSettings, ByEvaluation, OfCells, Limited):
    """A search that proposes cells and is told what each is worth: what decides it but the data and the seed."""

    _: KW_ONLY
    method: Method
    ops: Operators = DARTS.candidates
    """The operators to choose from; those that a found cell may not carry are left out."""

    def check(self) -> None:
        """Raise `OptionError` for a budget that is none, and a table without its evaluator or without its space."""
        if (self.evaluations or 1) > MOST_EVALUATIONS:
            raise OptionError("budget", f"is at most {MOST_EVALUATIONS:,} cells")
        if (self.evaluate == "table") != (self.table is not None):
            raise OptionError("table", "goes with {evaluate=table}, and that with a table")
        if self.table is not None and self.space != NATS.name:
            raise OptionError("table", "has cells of the nats space: give {space=nats}")

    @property
    def evaluations(self) -> int | None:
        """Return the number of cells that are evaluated; None where a time is the budget."""
        return parse_budget(USUAL if self.budget is None else self.budget).get("steps")

    @property
    def seconds(self) -> float | None:
        """Return the time that evaluations may take together; None where their number is the budget."""
        return parse_budget(USUAL if self.budget is None else self.budget).get("seconds")

    @property
    def choices(self) -> tuple[str, ...]:
        """The operators that a found cell may carry."""
        return tuple(op for op in self.ops if op not in SPACES[self.space].never_derived)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them, without those that decided nothing."""
        kept: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        kept |= {"ops": list(self.ops), "budget": str(self.budget or USUAL), **self.judged_by}
        if not self.limited:
            del kept["setting"]
        return kept | ({"table": Path(self.table).name} if self.table is not None else {})

    @property
    def takes_all_images(self) -> bool:
        """Cells are trained on some batches."""
        return False


BY_EVALUATION = {field.name for field in fields(AskTellSettings)} | {
    *("data", "image_size", "device", "seed", "output"),
    *HISTORY,
} - {"track", "early_stop"}
"""The options that a search by evaluation has."""
