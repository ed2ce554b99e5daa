"""ftso: find the wiring of a small image-classification network first, then its operators.

    import ftso_cli

    cell = ftso_cli.search_topology("digits", iters=1)
    cell = ftso_cli.assign_operators(cell, "sep_conv_3x3")
    ftso_cli.draw(cell, "cell.svg")
    print(ftso_cli.cost(cell).params)
    run = ftso_cli.train(cell, "digits", epochs=12)
    network = run.load()

Every command is a function here, with the same options. Functions print nothing and give typed results; what is wrong
with a request is an `FtsoError`. Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ftso_cli.errors import FtsoError

if TYPE_CHECKING:
    from ftso_cli.api.cells import read, write
    from ftso_cli.api.convert import export, import_genotype
    from ftso_cli.api.edits import assign_operators, prune
    from ftso_cli.api.health import examine
    from ftso_cli.api.library import genotypes
    from ftso_cli.api.nats_table2 import nats_table2
    from ftso_cli.api.networks import cost, formulas
    from ftso_cli.api.pictures import draw
    from ftso_cli.api.query import query
    from ftso_cli.api.scores import fit_predictor, score
    from ftso_cli.api.search.searches import search_baseline, search_operators, search_topology
    from ftso_cli.api.stability import stability
    from ftso_cli.api.training.predictions import predict
    from ftso_cli.api.training.trainings import train
    from ftso_cli.api.training.uses import evaluate, latency, load
    from ftso_cli.genotype import Genotype
    from ftso_cli.report.comparison import compare
    from ftso_cli.report.writing import write_report
    from ftso_cli.studies.verbs import run_study, study_results, study_status

__version__ = "0.2.0"

_PLACES = {
    "Genotype": "api.cells",
    "assign_operators": "api.edits",
    "compare": "report.comparison",
    "cost": "api.networks",
    "draw": "api.pictures",
    "evaluate": "api.training.uses",
    "examine": "api.health",
    "export": "api.convert",
    "fit_predictor": "api.scores",
    "formulas": "api.networks",
    "genotypes": "api.library",
    "import_genotype": "api.convert",
    "latency": "api.training.uses",
    "load": "api.training.uses",
    "nats_table2": "api.nats_table2",
    "predict": "api.training.predictions",
    "prune": "api.edits",
    "query": "api.query",
    "read": "api.cells",
    "run_study": "studies.verbs",
    "score": "api.scores",
    "search_baseline": "api.search.searches",
    "search_operators": "api.search.searches",
    "search_topology": "api.search.searches",
    "stability": "api.stability",
    "study_results": "studies.verbs",
    "study_status": "studies.verbs",
    "train": "api.training.trainings",
    "write": "api.cells",
    "write_report": "report.writing",
}
"""The module that has each name."""

__all__ = [
    "FtsoError",
    "Genotype",
    "__version__",
    "assign_operators",
    "compare",
    "cost",
    "draw",
    "evaluate",
    "examine",
    "export",
    "fit_predictor",
    "formulas",
    "genotypes",
    "import_genotype",
    "latency",
    "load",
    "nats_table2",
    "predict",
    "prune",
    "query",
    "read",
    "run_study",
    "score",
    "search_baseline",
    "search_operators",
    "search_topology",
    "stability",
    "study_results",
    "study_status",
    "train",
    "write",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ftso_cli.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
