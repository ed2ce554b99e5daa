"""Cells at the bounds of what a file may hold, in every command that reads one: a result, or one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import FORMAT
from ftso_cli.genotype.schema import MOST_EDGES, MOST_SEEDS
from ftso_cli.settings.requests.looks import MOST_WIRINGS

Document = dict[str, Any]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def refused(result: Result) -> str:
    """The one line that a command has ended with."""
    assert result.exit_code == 1, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and "a fault in ftso" not in line
    return line


def edge(source: int, target: int, **fields: object) -> Document:
    return {"source": source, "target": target, "op": "skip_connect", **fields}


def written(folder: Path, normal: Document, reduce: Document | None = None, **fields: object) -> Path:
    """A genotype file with these cells."""
    path = folder / "cell.json"
    cells = {"normal": normal, "reduce": reduce or normal}
    path.write_text(json.dumps({"format": FORMAT, "space": "darts", "stage": "complete", "cells": cells, **fields}))
    return path


COMMANDS = {
    "cost": "cost CELL",
    "draw": "draw CELL --terminal",
    "report": "report CELL -o OUT.html",
    "compare": "compare CELL darts_v2",
    "export": "export CELL --format edges -o OUT.json",
    "assign-ops": "assign-ops CELL --op max_pool_3x3 -o OUT.json",
}


def run(command: str, cell: Path) -> Result:
    """The command with this cell for CELL, and a file beside it for OUT."""
    words = command.replace("CELL", str(cell)).replace("OUT", str(cell.parent / "out")).split()
    return ftso(*words)


@pytest.mark.parametrize("name", COMMANDS)
def test_as_many_edges_as_a_cell_may_have_all_lead_into_one_node(name: str, tmp_path: Path) -> None:
    cell = {"edges": [edge(at % 2, 2, beta=at / 100) for at in range(MOST_EDGES)], "concat": [2]}
    result = run(COMMANDS[name], written(tmp_path, cell))
    assert result.exit_code == 0, result.output


def test_a_picture_of_too_many_lines_is_refused_before_it_is_begun(tmp_path: Path) -> None:
    edges = [edge(source, target) for target in range(2, 30) for source in range(target)]
    path = written(tmp_path, {"edges": edges, "concat": list(range(2, 30))})
    for picture in ("cell.svg", "cell.png"):
        says = refused(ftso("draw", path, "-o", tmp_path / picture))
        assert "lines are too many for a picture, at most 512; try -o FILE.dot or --terminal" in says
    assert ftso("draw", path, "-o", tmp_path / "cell.dot").exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_a_cell_whose_edges_are_all_pruned_hands_on_its_input(name: str, tmp_path: Path) -> None:
    normal = {"edges": [edge(0, 2, kept=False), edge(1, 2, kept=False)], "concat": [1]}
    path = written(tmp_path, normal, {"edges": [edge(0, 2)], "concat": [2]})
    result = run(COMMANDS[name], path)
    assert result.exit_code == 0, result.output


def test_an_operator_search_without_edges_is_refused(tmp_path: Path) -> None:
    normal = {"edges": [edge(0, 2, kept=False)], "concat": [1]}
    path = written(tmp_path, normal, {"edges": [edge(0, 2)], "concat": [2]})
    assert "cells.normal: keeps no edge" in refused(ftso("search-ops", path, "-o", tmp_path / "out.json"))


@pytest.mark.parametrize("command", ["stability CELL", "prune CELL -o OUT.json", "draw CELL --terminal"])
@pytest.mark.parametrize("score", [0, 1e100, -1e100])
def test_scores_of_as_many_seeds_as_there_may_be_are_ranked(command: str, score: float, tmp_path: Path) -> None:
    edges = [edge(source, 2, scores=[score * (-1) ** (source * at) for at in range(MOST_SEEDS)]) for source in (0, 1)]
    ensemble = {"rank": "gradient", "seeds": list(range(MOST_SEEDS))}
    path = written(tmp_path, {"edges": edges, "concat": [2]}, stage="searched", ensemble=ensemble)
    result = run(command, path)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", [*COMMANDS.values(), "stability CELL", "prune CELL -o OUT.json"])
def test_scores_whose_sum_has_no_room_are_refused_in_one_line(command: str, tmp_path: Path) -> None:
    edges = [edge(source, 2, scores=[1.7976931348623157e308] * 2) for source in (0, 1)]
    ensemble = {"rank": "gradient", "seeds": [0, 1]}
    path = written(tmp_path, {"edges": edges, "concat": [2]}, stage="searched", ensemble=ensemble)
    assert "scores[0]: 1.79769e+308 is not between -1e+100 and 1e+100" in refused(run(command, path))


def test_more_cells_than_can_be_compared_each_with_each_are_refused() -> None:
    result = ftso("stability", *["darts_v2"] * (MOST_WIRINGS + 1))
    assert result.exit_code == 2 and f"give at most {MOST_WIRINGS} cells, not {MOST_WIRINGS + 1}" in " ".join(
        result.stderr.split()
    )
