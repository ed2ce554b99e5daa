"""The structural predictor as an evaluator."""

from typing import TYPE_CHECKING

from ftso_cli.genotype import Genotype
from ftso_cli.search.evaluators.predictor.model import predictor_called
from ftso_cli.settings.asktell import AskTellSettings

if TYPE_CHECKING:
    from ftso_cli.search.evaluators.evaluator import EvaluationContext


class ByPredictor:
    """The evaluator of a predicted accuracy, in percent; it looks at no image."""

    def __init__(self, context: "EvaluationContext") -> None:
        """Raises `FileError` for a predictor that can't be read, `SettingsError` for one that lacks operators."""
        settings = context.settings
        self.predictor = predictor_called(settings.evaluate)
        if isinstance(settings, AskTellSettings):
            self.predictor.check_operators(settings.space, settings.choices)

    def __call__(self, genotype: Genotype) -> float:
        """Return the prediction; raises `GenotypeError` for a cell that the predictor can't be asked about."""
        return self.predictor.predict(genotype).accuracy
