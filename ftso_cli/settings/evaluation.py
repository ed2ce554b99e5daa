"""The settings of an evaluator: by what a search that proposes whole cells chooses among them. No torch."""

from dataclasses import KW_ONLY
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from ftso_cli.files import read_bytes
from ftso_cli.settings.options import Bounds, Option, OptionError, Settings, settings
from ftso_cli.settings.searches import ShortTraining
from ftso_cli.settings.values import parse_budget

Score = Literal["params", "synflow", "naswot", "zico", "jacov", "snip", "grad_norm", "fisher", "grasp"]
"""A zero-cost score, see `search.evaluators.scores`."""

PREDICTOR = "predictor"
"""The structural predictor that comes with ftso; one of one's own is a file."""

PREDICTOR_SUFFIX = ".json"

SIZE_LIMIT = 4_000_000
"""Bytes of a predictor's file; one has some ten thousand."""

EVALUATOR_NAMES = (PREDICTOR, "training", *get_args(Score))
"""The evaluator of any cell; a file of a predictor, too."""

EVALUATION = "Evaluated cells"
"""A panel of help."""


@settings
class EvaluatorOptions(Settings):
    """The options of an evaluator."""

    _: KW_ONLY
    evaluate: Annotated[
        str,
        Option(
            help="What cells are judged by: training (a short one), table (that of --table), "
            f"{PREDICTOR} (of wiring and operators; or FILE.json of ftso score --fit), the supernet.safetensors of a "
            "search with --keep-weights, or a zero-cost score: "
            f"{', '.join(get_args(Score))}.",
            metavar="EVALUATOR",
            panel=EVALUATION,
        ),
    ] = "training"
    steps: Annotated[int, Option(help="Training steps of a cell.", least=2, panel=EVALUATION)] = 20
    """The losses of the second half count."""


USUAL = 100
"""Cells that are evaluated where no other budget is given."""

MOST_EVALUATIONS = 1_000_000


@settings
class Budgeted(Settings):
    """A search that ends with a number of evaluations, or with a time."""

    default_budget: ClassVar[int | None] = None
    """The evaluations where no budget is given; None where a search ends by itself."""
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

    def check(self) -> None:
        """Raise `OptionError` for more evaluations than anyone waits for, `SettingsError` for a budget that is none."""
        if (self.evaluations or 1) > MOST_EVALUATIONS:
            raise OptionError("budget", f"is at most {MOST_EVALUATIONS:,} cells")

    @property
    def evaluations(self) -> int | None:
        """The number of evaluations; None where a time is the budget, or nothing."""
        return self._limits.get("steps")

    @property
    def seconds(self) -> float | None:
        """The time that evaluations may take together; None where their number is the budget, or nothing."""
        return self._limits.get("seconds")

    @property
    def _limits(self) -> dict[str, Any]:
        budget = self.default_budget if self.budget is None else self.budget
        return {} if budget is None else parse_budget(budget)


@settings
class EvaluationSettings(ShortTraining, EvaluatorOptions):
    """An evaluator and what decides its rewards; networks are those of a short training."""

    _: KW_ONLY
    images: Annotated[int, Bounds(least=2)] = 32
    """Images of a batch that a score looks at; two batches of zico."""

    @property
    def judged_by(self) -> dict[str, str]:
        """Return what history keeps of the evaluator: its name, and of a file the name and a digest of the content."""
        if self.evaluate in EVALUATOR_NAMES or not self.evaluate.lower().endswith(PREDICTOR_SUFFIX):
            return {"evaluate": self.evaluate}
        path = Path(self.evaluate)
        return {"evaluate": path.name, "predictor": sha256(read_bytes(path, limit=SIZE_LIMIT)).hexdigest()[:16]}
