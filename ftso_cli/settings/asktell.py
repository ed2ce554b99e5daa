"""The settings of searches by evaluation: which cells, how many of them, and within which limits. No torch."""

from dataclasses import KW_ONLY, fields
from pathlib import Path
from typing import Annotated, Any

from ftso_cli.settings.evaluation import EVALUATION, USUAL, Budgeted, EvaluationSettings, EvaluatorOptions
from ftso_cli.settings.limits import Limited
from ftso_cli.settings.options import Option, OptionError, settings
from ftso_cli.settings.searches import Method, OfCells, Operators, evaluates_cells
from ftso_cli.settings.shared import HISTORY, OF_SUPERNETS, File
from ftso_cli.spaces import DARTS, NATS, SPACES


@settings
class ByEvaluation(EvaluatorOptions, Budgeted):
    """The options of a search by evaluation alone."""

    _: KW_ONLY
    table: Annotated[
        File | None,
        Option(help="A table of NATS-Bench, as ftso query takes it.", short="-t", metavar="FILE", panel=EVALUATION),
    ] = None


@settings
class OfOneDecision(ByEvaluation):
    """A search for the wiring or the operators alone, along a gradient or by a method that evaluates cells."""

    _: KW_ONLY
    method: Method | None = None
    """None: the paper's."""

    @property
    def evaluates(self) -> bool:
        """True where the method evaluates whole cells."""
        return evaluates_cells(self.method)


@settings
class AskTellSettings(EvaluationSettings, ByEvaluation, OfCells, Limited):
    """A search that proposes cells and is told what each is worth: what decides it but the data and the seed."""

    default_budget = USUAL
    _: KW_ONLY
    method: Method
    ops: Operators = DARTS.candidates
    """The operators to choose from; those that a found cell may not carry are left out."""

    def check(self) -> None:
        """Raise `OptionError` for a budget that is none, and a table without its evaluator or without its space."""
        super().check()
        if self.evaluate == "table" and self.table is None:
            raise OptionError("evaluate", "looks cells up in the CSV file of NATS-Bench: give {table=FILE}")
        if self.evaluate != "table" and self.table is not None:
            raise OptionError("table", "is looked up by one evaluator alone: give {evaluate=table}")
        if self.table is not None and self.space != NATS.name:
            raise OptionError(
                "table", f"has cells of the {NATS.name} space, not of {self.space}: search in {NATS.name}"
            )

    @property
    def choices(self) -> tuple[str, ...]:
        """The operators that a found cell may carry."""
        return tuple(op for op in self.ops if op not in SPACES[self.space].never_derived)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as the genotype's history keeps them, without those that decided nothing."""
        kept = self.decisive() | {"ops": list(self.ops), "budget": str(self.budget or USUAL), **self.judged_by}
        return kept | ({"table": Path(self.table).name} if self.table is not None else {})

    @property
    def takes_all_images(self) -> bool:
        """Cells are trained on some batches."""
        return False


BY_EVALUATION = {field.name for field in fields(AskTellSettings)} | {
    *("data", "image_size", "device", "seed", "output"),
    *HISTORY,
} - {*OF_SUPERNETS}
"""The options that a search by evaluation has."""

EVALUATING = "a search that evaluates cells"

BY_EVOLUTION = "{method=evolution}"
"""The option that makes a search one of these."""

BY_DARTS = "{method=darts-1st}"
"""The option that makes it a search by gradient instead."""
