"""The settings of an evaluator: by what a search that proposes whole cells chooses among them. No torch."""

from dataclasses import KW_ONLY
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, get_args

from ftso_cli.files import read_bytes
from ftso_cli.settings.options import Bounds, Option, Settings, settings
from ftso_cli.settings.searches import ShortTraining

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
