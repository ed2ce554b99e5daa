"""`ftso score`: scores of cells without training them, and a predictor fitted to trained cells."""

import math
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from ftso_cli.api.scores import Scores, fit_predictor, score_cells
from ftso_cli.cli.console import aligned, next_step, note, print_json, say, stack, terminal_width
from ftso_cli.cli.derive import as_command
from ftso_cli.cli.output.listening import CommandListener
from ftso_cli.settings.requests.scoring import ScoreCommandRequest

if TYPE_CHECKING:
    from ftso_cli.search.evaluators.predictor.model import Predictor, Validation


@as_command(ScoreCommandRequest)
def score(request: ScoreCommandRequest, as_json: bool) -> None:
    """Score cells without training them, or fit a predictor to trained cells.

    Higher is better; scores are the rewards by which `ftso search --evaluate` chooses. `predictor` is the accuracy,
    in percent, that wiring and operators let expect; the one that comes with ftso is fitted to cells of the darts
    space. It needs no images; zero-cost scores look at untrained networks and a batch of images.

    With --fit: fit a predictor to cells with accuracies, and tell by cross-validation how far it is to be trusted.

    Examples: `ftso score darts_v2 pc_darts_cifar` · `ftso score cell.json --evaluate predictor` ·
    `ftso score genotypes/*.json --evaluate synflow,zico,snip --data cifar10` ·
    `ftso score --fit results.csv -o predictor.json` · `ftso score --fit runs -o predictor.json` ·
    `ftso score cell.json --evaluate predictor.json`
    """
    if request.fit:
        _tell_fit(request, fit_predictor.run(request), as_json)
    else:
        _tell_scores(score_cells(request, CommandListener()), as_json)


def _tell_scores(found: Scores, as_json: bool) -> None:
    if as_json:
        print_json(_json(found))
        return
    _show(found)
    for name, predictor in found.predictors.items():
        note(f"{name}: {predictor.target} in %; on cells left out of its fit: {_quality(predictor.validation)}")
        for what, text in (("fitted to", predictor.source), ("limits", predictor.limits)):
            if text:
                note(f"  {what}: {text}")
    if found.network:
        note(f"other scores: {found.network}" if found.predictors else f"scores: {found.network}")
    for cell in found.cells:
        for remark in cell.remarks:
            note(remark)


def _quality(said: "Validation") -> str:
    rank = "none" if said.spearman is None else f"{said.spearman:.3f}"
    return f"Spearman {rank}, error {said.error:.3g} points"


def _show(found: Scores) -> None:
    """Print a row a cell, a column a score; in a terminal that is too narrow one below the other."""
    headings = ["cell", *found.cells[0].scores]
    rows = [
        [cell.name, *(_written(value, name in found.predictors) for name, value in cell.scores.items())]
        for cell in found.cells
    ]
    lines = aligned([headings, *rows], [True, *[False] * (len(headings) - 1)], "  ")
    if max(map(cell_len, lines)) <= terminal_width():
        say(*lines)
    else:
        stack(headings, rows)


def _written(value: float | None, percent: bool) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    if percent:
        return f"{value:.2f}"
    return f"{value:,.0f}" if value == int(value) else f"{value:.5g}"


def _json(found: Scores) -> dict[str, Any]:
    return {
        "cells": [
            {"cell": cell.name, "scores": dict(cell.scores), "remarks": list(cell.remarks)} for cell in found.cells
        ],
        "network": found.network,
        "predictors": {name: _facts(predictor) for name, predictor in found.predictors.items()},
    }


def _facts(predictor: "Predictor") -> dict[str, Any]:
    return predictor.model_dump(mode="json", exclude={"format", "features", "intercept"})


def _tell_fit(request: ScoreCommandRequest, predictor: "Predictor", as_json: bool) -> None:
    file = None if request.output is None else str(request.output)
    if as_json:
        print_json({"file": file, **_facts(predictor)})
        return
    said = predictor.validation
    say(f"{predictor.cells:,} different cells of the {predictor.space} space, {predictor.target} in %")
    say(
        f"{said.folds} folds, mean of {said.orders} orders: {_quality(said)}, from the features of wiring and operators"
    )
    say(f"the best of them by prediction is {said.behind:.2f} points behind the best there is")
    if file is None:
        note("no file written; -o predictor.json keeps the predictor")
    else:
        say(file)
        next_step("search", method="evolution", evaluate=file)
