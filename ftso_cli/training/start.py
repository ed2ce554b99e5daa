"""The weights that a training starts from: those of a network that was trained elsewhere, maybe on other classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ftso_cli.errors import RunError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.checkpoint import check_alike, checksum, read_tensors
from ftso_cli.nn.network import Network
from ftso_cli.settings.config_file import StartRecord
from ftso_cli.training.run import Run
from ftso_cli.training.testing.evaluate import load_trained

HEADS = ("classifier.", "auxiliary.")
"""The prefixes of tensors that depend on the classes; all others are the body of a network."""


@dataclass(frozen=True, kw_only=True)
class StartWeights:
    """Weights to start from by name, what the run folder keeps of them, and remarks on where they come from."""

    record: StartRecord
    tensors: Mapping[str, Tensor]
    remarks: tuple[str, ...] = ()


def start_of(source: Path, record: StartRecord | None, genotype: Genotype, classes: tuple[str, ...]) -> StartWeights:
    """The weights in a run folder, or in the file of a `record`, for a network of a genotype.

    The classifier is among them where the classes are the same. Raises `RunError` where there are no valid ones, or
    the cell is another.
    """
    if record is not None:
        return StartWeights(record=record, tensors=read_start(source, record))
    run = Run(source)
    if _wiring(run.genotype()) != _wiring(genotype):
        raise RunError(f"{source}: the network of another cell, whose weights don't fit; leave the cell out")
    network, unfinished = load_trained(run, torch.device("cpu"))
    same = run.config().classes == classes
    tensors = {name: one for name, one in network.state_dict().items() if same or not name.startswith(HEADS)}
    found = StartRecord(run=source.resolve().name, weights=checksum(tensors))
    return StartWeights(record=found, tensors=tensors, remarks=(f"{source}: {unfinished}",) if unfinished else ())


def read_start(file: Path, record: StartRecord) -> dict[str, Tensor]:
    """The weights in the start.safetensors of a run; raises `RunError` where they are not those of its record."""
    tensors, _ = read_tensors(file)
    if checksum(tensors) != record.weights:
        raise RunError(f"{file}: not the weights of {record.run} that config.json names")
    return tensors


def begin_from(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Give a network weights to start from; the heads that are not among them stay. Raises `RunError` for others."""
    own = network.state_dict()
    needed = {name: one for name, one in own.items() if not name.startswith(HEADS) or name in tensors}
    if unknown := tensors.keys() - own.keys():
        raise RunError(f"the weights to start from have {min(unknown)}, which the network lacks")
    try:
        check_alike(tensors, needed)
    except RunError as error:
        raise RunError(f"the weights to start from don't fit: {error}") from None
    network.load_state_dict(dict(tensors), strict=False)


def _wiring(genotype: Genotype) -> object:
    """All of a genotype that decides a network."""
    cells = {
        kind: ([(edge.source, edge.target, edge.op) for edge in cell.kept], list(cell.concat))
        for kind, cell in genotype.cells.items()
    }
    return genotype.space, cells
