"""The request of `ftso score`: scores of cells, and a predictor that is fitted to trained cells. No torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, fields
from typing import Annotated, get_args

from pydantic import BeforeValidator

from ftso_cli.settings.evaluation import PREDICTOR, EvaluationSettings, Score
from ftso_cli.settings.options import Option, OptionError, Settings, settings
from ftso_cli.settings.requests.looks import Cells, several
from ftso_cli.settings.shared import File, OnImages, Seeded
from ftso_cli.settings.values import parse_list

MOST_CELLS = 1000
"""Cells of one table."""

DEFAULT = (PREDICTOR, "params", "synflow", "naswot")
"""The scores that are shown unless others are asked for."""

FITTING = "A predictor of one's own"
"""A panel of help."""


@settings
class ScoreOptions(Settings):
    """The cells that are scored, and by what."""

    cell: Annotated[
        Cells,
        Option(
            help="Genotype files, - for standard input, names of published cells, or run folders of trainings.",
            metavar="CELL",
            argument=True,
        ),
    ] = ()
    _: KW_ONLY
    evaluate: Annotated[
        Sequence[str],
        BeforeValidator(lambda value: parse_list(value)),
        Option(
            help=f"What to score by (repeated, or a,b,c): {PREDICTOR}, FILE.json of --fit, training (a short one), "
            f"or a zero-cost score: {', '.join(get_args(Score))}.",
            metavar="SCORE",
        ),
    ] = DEFAULT
    channels: Annotated[int, Option(help="Channels of the first cells of the networks.", least=1, most=1024)] = 8
    cells: Annotated[int, Option(help="Cells of the networks.", least=1, most=100)] = 5


@settings
class ScoreRequest(OnImages, Seeded, ScoreOptions):
    """Scores of cells."""

    def check(self) -> None:
        """Raise `OptionError` where there is nothing to score, or nothing to score by."""
        if not self.cell:
            raise OptionError("cell", "nothing to score: give a CELL (a genotype file or a name from ftso genotypes)")
        if len(self.cell) > MOST_CELLS:
            raise OptionError("cell", f"give at most {MOST_CELLS} cells, not {len(self.cell)}")
        if not self.evaluate:
            raise OptionError("evaluate", f"give a score, as in {{evaluate={PREDICTOR}}}")

    def evaluation(self, name: str) -> EvaluationSettings:
        """Return the settings of one of the scores."""
        return EvaluationSettings(evaluate=name, channels=self.channels, cells=self.cells)


@settings
class FitPredictorRequest(Settings):
    """A predictor that is fitted to trained cells."""

    fit: Annotated[
        Sequence[File],
        BeforeValidator(several),
        Option(
            help="Fit a predictor to trained cells: a CSV table of cells and accuracies, a run folder of a training, "
            "a folder of these, or a study (repeated).",
            metavar="RESULTS",
            panel=FITTING,
        ),
    ] = ()
    output: Annotated[File | None, Option(help="The predictor.", short="-o", metavar="FILE.json", panel=FITTING)] = None
    _: KW_ONLY
    target: Annotated[
        str | None,
        Option(
            help="The column of accuracies.", metavar="COLUMN", shown="the one that ends in accuracy", panel=FITTING
        ),
    ] = None

    def check(self) -> None:
        """Raise `OptionError` where there is nothing to fit to, or the file would be taken for something else."""
        if not self.fit:
            raise OptionError("fit", "nothing to fit to: give a table of trained cells, as in {fit=results.csv}")
        if self.output is not None and str(self.output).lower()[-5:] != ".json":
            raise OptionError("output", f"a predictor is a file called NAME.json, not {self.output}")


@settings
class ScoreCommandRequest(FitPredictorRequest, ScoreRequest):
    """The request of `ftso score`: to score cells, or to fit a predictor."""

    def check(self) -> None:
        """Raise `OptionError` where it is not clear which of both is asked."""
        fitting = self.asked("output", "target", "fit")
        if self.fit and self.cell:
            raise OptionError("fit", "fits a predictor, and scores no cells: leave out {fit} or CELL")
        if self.fit:
            scoring = {field.name for field in fields(ScoreRequest)} & self.given
            if scoring:
                raise OptionError(min(scoring), "is for scores of cells: leave it out, or {fit}")
            FitPredictorRequest.check(self)
        elif fitting:
            raise OptionError(
                fitting[0], "is for a predictor of one's own: give trained cells, as in {fit=results.csv}"
            )
        else:
            ScoreRequest.check(self)
