"""The table of a benchmark as an evaluator: what its authors reached with a cell."""

from ftso_cli.errors import SettingsError
from ftso_cli.search.evaluators.evaluator import EvaluationContext, Evaluator


def by_table(context: EvaluationContext) -> Evaluator:
    """Return the test accuracy on CIFAR-10 in percent, by the table of the search."""
    if context.reached is None:
        raise SettingsError("the evaluator table needs a table of the benchmark: give --table FILE")
    return context.reached
