"""What is read from the folders of a finished trial: accuracy, size, seconds by stage, the cell that was found."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftso_cli.costs.network import network_cost
from ftso_cli.errors import RunError
from ftso_cli.genotype import Genotype, storage
from ftso_cli.studies.plan import Stage
from ftso_cli.studies.work import Place, product
from ftso_cli.training.run import Run


def measured(stages: Sequence[Stage], place: Place) -> dict[str, Any]:
    """The record of a trial whose stages are all done: JSON values; accuracy as a share of 1."""
    seconds, more = {}, {}
    folders = {stage.name: place.folder(stage) for stage in stages if place.folder(stage).is_dir()}
    for name, folder in folders.items():
        if name == "train":
            seconds[name] = _column_sum(folder / "run" / "metrics.csv", "seconds")
        elif name != "query":
            genotype = storage.read(product(folder, name))
            seconds[name] = round(sum(genotype.times[-1].seconds.values()), 3) if genotype.times else 0.0
            if (eigenvalue := _last_eigenvalue(folder / "run" / "metrics.csv")) is not None:
                more["eigenvalue"] = eigenvalue
    last = stages[-1]
    found = _of_query(last, place) if last.name == "query" else _of_run(place.folder(last) / "run")
    return found | {
        "seconds": seconds,
        "measures": more,
        "folders": {name: str(folder.relative_to(place.root)) for name, folder in folders.items()},
    }


def _of_run(folder: Path) -> dict[str, Any]:
    run = Run(folder)
    config, genotype = run.config(), run.genotype()
    cost = network_cost(genotype, config.shape, config.image_size)
    accuracy = _json(run.result_file).get("test_accuracy")
    if not isinstance(accuracy, float):
        raise RunError(f"{run.result_file}: has no test_accuracy")
    return {"accuracy": accuracy, "parameters": cost.params, "macs": cost.macs, "cells": _edges(genotype)}


def _of_query(stage: Stage, place: Place) -> dict[str, Any]:
    answer = _json(product(place.folder(stage), "query"))["cells"][0]
    found = answer["data_sets"][stage.options.get("of", "cifar10")]
    return {
        "accuracy": found["accuracy"] / 100,
        "parameters": found["params"],
        "macs": found["flops"],
        "cells": answer["architecture"],
    }


def _edges(genotype: Genotype) -> str:
    """The kept edges, as in `normal 0-2=sep_conv_3x3 1-2=...`."""
    return "; ".join(
        f"{kind} " + " ".join(f"{edge.source}-{edge.target}={edge.op}" for edge in cell.kept)
        for kind, cell in genotype.cells.items()
    )


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise RunError(f"{path}: is damaged or missing; take its folder away and run the study again") from None
    assert isinstance(found, dict)
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _column_sum(path: Path, name: str) -> float:
    return round(sum(float(row.get(name) or 0) for row in _rows(path)), 3)


def _last_eigenvalue(path: Path) -> float | None:
    values = [row["eigenvalue"] for row in _rows(path) if row.get("eigenvalue")]
    return float(values[-1]) if values and math.isfinite(float(values[-1])) else None
