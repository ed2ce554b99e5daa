"""The numbers of a search as TensorBoard reads them, and a picture of the cell every epoch, beside its history."""

import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ftso_cli.errors import DrawingError
from ftso_cli.genotype import Cell, Genotype, edit
from ftso_cli.training.curves import curves_writer, writing

if TYPE_CHECKING:
    from ftso_cli.search.recording.history import Record

NAMES = ("weight_loss", "arch_loss", "skips", "eigenvalue", "reward")


class SearchCurves:
    """Curves by iteration in FOLDER/tensorboard; those after iteration `done`, which are searched again, are replaced.

    Raises `SettingsError` where TensorBoard's file format is not installed.
    """

    def __init__(self, folder: Path, done: int, warn: Callable[[str], None]) -> None:
        self._folder, self._warn = folder, warn
        self._writer = curves_writer(folder, done)
        self._epoch: int | None = None
        self._draws = True

    def add(self, record: "Record", genotype: Genotype) -> None:
        """Adds a record and the shares of β and α at it, at once visible; a picture where an epoch has passed."""
        with writing(self._folder):
            self._add(record, genotype)

    def _add(self, record: "Record", genotype: Genotype) -> None:
        for name in NAMES:
            if (value := getattr(record, name)) is not None:
                self._writer.add_scalar(f"search/{name}", value, record.iteration)
        for kind, cell in genotype.cells.items():
            self._add_shares(kind, cell, record.iteration)
        if record.epoch != self._epoch and self._draws:
            self._add_picture(genotype, record.iteration)
        self._epoch = record.epoch
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        with writing(self._folder):
            self._writer.close()

    def _add_shares(self, kind: str, cell: Cell, iteration: int) -> None:
        """Softmax of β over the inputs of each node, and of α over the candidates of each edge."""
        for edge, share in zip(cell.edges, _beta_shares(cell), strict=True):
            name = f"{kind}/{edge.source}-{edge.target}"
            if share is not None:
                self._writer.add_scalar(f"beta/{name}", share, iteration)
            for op, part in candidate_shares(edge.alpha).items() if edge.alpha else ():
                self._writer.add_scalar(f"alpha/{name}/{op}", part, iteration)

    def _add_picture(self, genotype: Genotype, iteration: int) -> None:
        import numpy as np
        from PIL import Image

        from ftso_cli.drawing.diagram import dot
        from ftso_cli.drawing.rendering import render_dot

        try:
            content = render_dot(dot(genotype, title=f"iteration {iteration}"), "png")
        except DrawingError as error:
            self._draws = False
            self._warn(f"no pictures for TensorBoard: {error}")
            return
        pixels = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
        self._writer.add_image("cell", pixels, iteration, dataformats="HWC")


def _beta_shares(cell: Cell) -> tuple[float | None, ...]:
    """Each edge's share of its node's input in the search that runs: of operators where that has a β."""
    if all(edge.beta_ops is None for edge in cell.edges):
        return edit.shares(cell)
    edges = tuple(edge.model_copy(update={"beta": edge.beta_ops}) for edge in cell.edges)
    return edit.shares(cell.model_copy(update={"edges": edges}))


def candidate_shares(alpha: Mapping[str, float]) -> dict[str, float]:
    """Return softmax(α) of every candidate."""
    top = max(alpha.values())
    weights = {op: math.exp(value - top) for op, value in alpha.items()}
    return {op: weight / sum(weights.values()) for op, weight in weights.items()}
