"""The cells that read each output of stems and cells, as far as the network's output depends on it."""

from typing import cast

from torch import nn

from ftso_cli.genotype import graph
from ftso_cli.nn.merged.plan import begins_with_relu
from ftso_cli.nn.network import EvaluationCell, Network

Reader = tuple[int, int]
"""A cell, and which of its inputs."""

Readers = dict[int, list[tuple[Reader, nn.Sequential]]]


def readers_of(network: Network, *, auxiliary: bool = True) -> Readers:
    """The preprocessings that read the output of a stem or cell, by its place among all outputs.

    Inputs that no output of the network depends on are left out; with `auxiliary`, its head is an output too.
    """
    stems = len(network.stems)
    outputs = {stems + len(network.cells) - 1}
    outputs |= set() if network.auxiliary is None or not auxiliary else {stems + network.auxiliary_after}
    readers: Readers = {}
    for index in reversed(range(len(network.cells))):
        if stems + index in outputs:
            cell = cast(EvaluationCell, network.cells[index])
            last = index + stems - 1
            for place, at in enumerate(cell.stage.read(max(last - 1, 0), last)):
                if place in graph.read_by(cell.edges, cell.concat):
                    readers.setdefault(at, []).append(((index, place), cast(nn.Sequential, cell.preprocess[place])))
                    outputs.add(at)
    return readers


def only_active(readers: Readers) -> set[int]:
    """The outputs that every reader puts behind a ReLU."""
    return {at for at, those in readers.items() if all(begins_with_relu(layers) for _, layers in those)}
