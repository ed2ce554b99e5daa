"""The measures of a finished trial, read from its folders: accuracy, size, seconds by stage, the cell found."""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ftso_cli.costs.network import network_cost
from ftso_cli.errors import RunError
from ftso_cli.genotype import Genotype, storage
from ftso_cli.studies.plan import Stage
from ftso_cli.studies.running.work import Workspace, product_file
from ftso_cli.training.run import Run


def measure_trial(stages: Sequence[Stage], place: Workspace) -> dict[str, Any]:
    """The record of a trial whose stages are all done: JSON values; accuracy as a share of 1."""
    seconds, more = {}, {}
    folders = {stage.name: place.folder(stage) for stage in stages if place.folder(stage).is_dir()}
    for name, folder in folders.items():
        if name == "train":
            seconds[name] = round(sum(epoch.seconds or 0.0 for epoch in Run(folder / "run").epochs()), 3)
        elif name != "query":
            genotype = storage.read_genotype(product_file(folder, name))
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
    result = run.result()
    if result is None:
        raise RunError(f"{run.result_file}: is missing; take its folder away and run the study again")
    return {"accuracy": result.test_accuracy, "parameters": cost.params, "macs": cost.macs, "cells": _edges(genotype)}


def tested_alike(stages: Iterable[tuple[int, Path]]) -> bool:
    """Return True unless trainings of one fold know that they were tested on different images.

    `stages` has the number of the fold and the folder of each training.
    """
    tests: dict[int, set[str]] = {}
    for fold, folder in stages:
        result = Run(folder / "run").result()
        if result is not None and result.tested_on:
            tests.setdefault(fold, set()).add(result.tested_on)
    return all(len(digests) == 1 for digests in tests.values())


def _of_query(stage: Stage, place: Workspace) -> dict[str, Any]:
    path = product_file(place.folder(stage), "query")
    try:
        answer = json.loads(path.read_bytes())["cells"][0]
        found = answer["data_sets"][stage.options.get("of", "cifar10")]
        return {
            "accuracy": found["accuracy"] / 100,
            "parameters": found["params"],
            "macs": found["flops"],
            "cells": answer["architecture"],
        }
    except (OSError, ValueError, LookupError, TypeError):
        raise RunError(f"{path}: is damaged or missing; take its folder away and run the study again") from None


def _edges(genotype: Genotype) -> str:
    """The kept edges, as in `normal 0-2=sep_conv_3x3 1-2=...`."""
    return "; ".join(
        f"{kind} " + " ".join(f"{edge.source}-{edge.target}={edge.op}" for edge in cell.kept)
        for kind, cell in genotype.cells.items()
    )


def _last_eigenvalue(path: Path) -> float | None:
    """The last finite one that a search has kept, where it kept any."""
    if not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            values = [float(row["eigenvalue"]) for row in csv.DictReader(file) if row.get("eigenvalue")]
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path}: no table of a search ({error})") from None
    return next((value for value in reversed(values) if math.isfinite(value)), None)
