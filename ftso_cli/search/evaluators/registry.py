"""The evaluators by name, and by the suffix of a file that one is read from."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ftso_cli.errors import SettingsError, unknown
from ftso_cli.search.evaluators.evaluator import EvaluationContext, Evaluator, MakeEvaluator
from ftso_cli.search.evaluators.predictor.evaluator import ByPredictor
from ftso_cli.search.evaluators.scores import SCORES
from ftso_cli.search.evaluators.shared_weights import BySharedWeights
from ftso_cli.search.evaluators.short_training import ByTraining
from ftso_cli.search.evaluators.table import by_table
from ftso_cli.search.evaluators.zero_cost import ByScore
from ftso_cli.settings.evaluation import PREDICTOR, PREDICTOR_SUFFIX

EVALUATORS: Mapping[str, MakeEvaluator] = {
    "training": ByTraining,
    "table": by_table,
    PREDICTOR: ByPredictor,
    **{name: partial(ByScore, name) for name in SCORES},
}
"""The evaluators of `--evaluate NAME`."""

READERS: Mapping[str, MakeEvaluator] = {PREDICTOR_SUFFIX: ByPredictor, ".safetensors": BySharedWeights}
"""The readers of `--evaluate FILE`, by the suffix of the file."""


def make_evaluator(context: EvaluationContext) -> Evaluator:
    """Return the evaluator that `context.settings.evaluate` names; raises `SettingsError` where there is none."""
    name = context.settings.evaluate
    make = EVALUATORS.get(name) or READERS.get(Path(name).suffix)
    if make is None:
        raise SettingsError(
            unknown(
                "evaluator", name, [*EVALUATORS, "FILE.json of ftso score --fit", "supernet.safetensors of ftso search"]
            )
        )
    return make(context)
