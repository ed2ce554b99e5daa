"""The settings of an evaluator: by what a search that proposes whole cells chooses among them. No torch."""

from dataclasses import KW_ONLY
from typing import Annotated, Literal, get_args

from ftso_cli.settings.options import Bounds, Option, settings
from ftso_cli.settings.searches import ShortTraining

Score = Literal["params", "synflow", "naswot", "zico", "jacov", "snip", "grad_norm", "fisher", "grasp"]
"""A zero-cost score, see `search.evaluators.scores`."""

PREDICTOR = "predictor"
"""The structural predictor that comes with ftso; one of one's own is a file."""

EVALUATOR_NAMES = (PREDICTOR, "training", *get_args(Score))
"""The evaluator of any cell; a file of a predictor, too."""

EVALUATION = "Evaluated cells"
"""A panel of help."""


@settings
class EvaluationSettings(ShortTraining):
    """An evaluator and what decides its rewards; networks are those of a short training."""

    _: KW_ONLY
    evaluate: Annotated[
        str,
        Option(
            help="What cells are judged by: training (a short one), table (that of --table), "
            f"{PREDICTOR} (of wiring and operators; or FILE.json of ftso score --fit), or a zero-cost score: "
            f"{', '.join(get_args(Score))}.",
            metavar="EVALUATOR",
            panel=EVALUATION,
        ),
    ] = "training"
    steps: Annotated[int, Option(help="Training steps of a cell.", least=2, panel=EVALUATION)] = 20
    """The losses of the second half count."""
    images: Annotated[int, Bounds(least=2)] = 32
    """Images of a batch that a score looks at; two batches of zico."""
