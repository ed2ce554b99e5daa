"""The verbs that score cells, and fit a predictor to trained ones: score, fit_predictor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.api.cells import check_writable, error_context, read_trained, reference_names
from ftso_cli.api.listening import Listener
from ftso_cli.api.verbs import verb
from ftso_cli.errors import GenotypeError, SettingsError, unknown
from ftso_cli.genotype import Genotype
from ftso_cli.genotype.edit import require_complete
from ftso_cli.settings.evaluation import EVALUATOR_NAMES
from ftso_cli.settings.requests.scoring import FitPredictorRequest, ScoreRequest

if TYPE_CHECKING:
    from ftso_cli.search.evaluators.predictor.model import Predictor

Score = Callable[[Genotype], float]

FEW = 3
"""Features that a remark names."""


@dataclass(frozen=True, kw_only=True)
class ScoredCell:
    """A cell, its scores by name, and remarks on them; None where it has no score, for the reason in `remarks`."""

    name: str
    scores: Mapping[str, float | None]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of cells. `network` describes the networks and images that were looked at; None where none were."""

    cells: tuple[ScoredCell, ...]
    network: str | None
    predictors: "Mapping[str, Predictor]"


@verb(ScoreRequest)
def score(request: ScoreRequest) -> Scores:
    """Score cells without training them: by the structural predictor, zero-cost scores or a short training.

    Cells are genotypes, files, published names, or run folders of trainings. Scores are those by
    which a search with the same `evaluate`, `channels`, `cells`, `data` and `seed` chooses; higher is better. A cell
    that a predictor does not know has none. Raises `GenotypeError` where no cell has any score.
    """
    return score_cells(request, Listener())


def score_cells(request: ScoreRequest, listener: Listener) -> Scores:
    """Score the cells of a request by each of its evaluators."""
    from ftso_cli.search.evaluators.predictor.model import is_predictor, predictor_called

    names = dict.fromkeys(request.evaluate)
    for name in names:
        if name not in EVALUATOR_NAMES and not is_predictor(name):
            raise SettingsError(unknown("score", name, [*EVALUATOR_NAMES, "FILE.json of ftso score --fit"]))
    predictors = {name: predictor_called(name) for name in names if is_predictor(name)}
    genotypes = _complete(request)
    networks, described = _by_networks(request, [name for name in names if name not in predictors], listener)
    with listener.bar("score", "cell") as update:
        found = []
        for at, (name, genotype) in enumerate(genotypes, 1):
            found.append(_scored(name, genotype, list(names), predictors, networks))
            update(at, len(genotypes))
    if all(value is None for cell in found for value in cell.scores.values()):
        raise GenotypeError(found[0].remarks[0])
    return Scores(cells=tuple(found), network=described, predictors=predictors)


def _complete(request: ScoreRequest) -> list[tuple[str, Genotype]]:
    """The genotypes with their names, each with its operators."""
    found = []
    for name, cell in zip(reference_names(request.cell), request.cell, strict=True):
        genotype = read_trained(cell)
        with error_context(name):
            require_complete(genotype, "score")
        found.append((name, genotype))
    return found


def _by_networks(
    request: ScoreRequest, names: Sequence[str], listener: Listener
) -> tuple[Mapping[str, Score], str | None]:
    """The evaluators that look at networks, and what they look at in words; imports torch where there are any."""
    if not names:
        return {}, None
    from ftso_cli.data import open_images
    from ftso_cli.nn.device import choose_device
    from ftso_cli.search.evaluators.evaluator import EvaluationContext
    from ftso_cli.search.evaluators.registry import make_evaluator

    images = open_images(str(request.data), image_size=request.image_size)
    listener.images(str(request.data), images)
    device = choose_device(request.device)
    made = {
        name: make_evaluator(
            EvaluationContext(settings=request.evaluation(name), data=images, seed=request.seed, device=device)
        )
        for name in names
    }
    words = f"networks of {request.cells} cells and {request.channels} channels, images of {images.name}"
    return made, f"{words}, seed {request.seed}"


def _scored(
    name: str,
    genotype: Genotype,
    names: Sequence[str],
    predictors: "Mapping[str, Predictor]",
    networks: Mapping[str, Score],
) -> ScoredCell:
    scores: dict[str, float | None] = {}
    remarks = []
    for each in names:
        if each in networks:
            scores[each] = networks[each](genotype)
            continue
        try:
            predicted = predictors[each].predict(genotype)
        except GenotypeError as error:
            scores[each] = None
            remarks.append(f"{name}: {error}")
            continue
        scores[each] = predicted.accuracy
        if told := _beyond(each, predicted.beyond):
            remarks.append(f"{name}: {told}")
    return ScoredCell(name=name, scores=scores, remarks=tuple(remarks))


def extrapolation(evaluator: str, genotype: Genotype) -> str | None:
    """Return a remark where a predictor judges a cell that is beyond those of its fit; None for other evaluators."""
    from ftso_cli.search.evaluators.predictor.model import is_predictor, predictor_called

    if not is_predictor(evaluator):
        return None
    return _beyond(evaluator, predictor_called(evaluator).predict(genotype).beyond)


def _beyond(evaluator: str, names: Sequence[str]) -> str | None:
    """The remark on features with values that no cell of a fit had."""
    if not names:
        return None
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return f"{evaluator} extrapolates: no cell of its fit has as many, or few, {', '.join(names[:FEW])}{more}"


@verb(FitPredictorRequest)
def fit_predictor(request: FitPredictorRequest) -> "Predictor":
    """Fit a structural predictor to trained cells, cross-validate it, and write it where `output` is given.

    `fit` names CSV tables, run folders of trainings, folders of these, or studies. Raises `TableError` or
    `RunError` for results that can't be read or compared, and `SettingsError` for too few cells.
    """
    from ftso_cli.api.trained_cells import trained_cells
    from ftso_cli.search.evaluators.predictor.fitting import fit_cells
    from ftso_cli.search.evaluators.predictor.model import write_predictor

    output = None if request.output is None else Path(request.output)
    if output is not None:
        check_writable(output)
    sources = [Path(source) for source in request.fit]
    found = fit_cells(trained_cells(sources, request.target), source=", ".join(source.name for source in sources))
    if output is not None:
        write_predictor(found, output)
    return found
