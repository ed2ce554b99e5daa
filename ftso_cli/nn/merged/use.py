"""A trained network in as few operations as give the same outputs to rounding, to use and to export.

Batch norms are part of the convolutions in front of them. What a node sums up is then linear in what lies behind the
ReLUs: plain convolutions of one geometry into the same nodes are one convolution of their inputs side by side.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.merged.maps import Map, Node, apply, parts
from ftso_cli.nn.merged.plan import Block, Kind, Term, blocks_of, geometry, is_convolution
from ftso_cli.nn.merged.readers import Reader, readers_of
from ftso_cli.nn.network import EvaluationCell, Network


class DeployedNetwork(nn.Module):
    """A `Network` to evaluate, without its auxiliary head: images (N, C, H, W) to logits (N, classes), and None."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.stems = nn.ModuleList(fold_batch_norm(stem) for stem in network.stems)
        self.inputs = nn.ModuleDict(
            {str(at): _Inputs(readers) for at, readers in readers_of(network, auxiliary=False).items()}
        )
        self.cells = nn.ModuleList(_Cell(cast(EvaluationCell, cell)) for cell in network.cells)
        self.classifier = fold_batch_norm(network.classifier)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Images (N, C, H, W) to logits (N, classes)."""
        inputs: dict[Reader, Tensor] = {}
        x = images
        for at, stem in enumerate(self.stems):
            x = stem(x)
            inputs |= self._read(at, x)
        for index, cell in enumerate(self.cells):
            own = {place: inputs.pop((index, place)) for place in (0, 1) if (index, place) in inputs}
            if own:
                x = cell(own)
                inputs |= self._read(index + len(self.stems), x)
        return self.classifier(x), None

    def _read(self, at: int, x: Tensor) -> Iterator[tuple[Reader, Tensor]]:
        """What the cells that read an output make of it in their preprocessing."""
        return self.inputs[str(at)](x) if str(at) in self.inputs else iter(())


class _Inputs(nn.Module):
    """The preprocessings that read one output; plain convolutions among them are one."""

    def __init__(self, readers: Sequence[tuple[Reader, nn.Sequential]]) -> None:
        super().__init__()
        alike = [(reader, layers) for reader, layers in readers if is_convolution(layers)]
        self.widths = [cast(nn.BatchNorm2d, layers[-1]).num_features for _, layers in alike]
        self.together = _convolution([[layers] for _, layers in alike]) if alike else None
        others = [(reader, layers) for reader, layers in readers if not is_convolution(layers)]
        self.others = nn.ModuleList(fold_batch_norm(layers) for _, layers in others)
        self.readers = [reader for reader, _ in [*alike, *others]]

    def forward(self, x: Tensor) -> Iterator[tuple[Reader, Tensor]]:
        """(N, C, H, W) to the inputs of cells, by reader."""
        (node,) = Map(x, keep=True).nodes
        found = [] if self.together is None else [*parts(self.together(node.active), self.widths)]
        found += [apply(layers, node) for layers in self.others]
        return zip(self.readers, found, strict=True)


class _Cell(nn.Module):
    """A cell, block by block."""

    def __init__(self, cell: EvaluationCell) -> None:
        super().__init__()
        operators = list(cell.operators)
        blocks = blocks_of(cell.edges, cell.concat, operators)
        self.concat = cell.concat
        self.nodes = [block.nodes for block in blocks]
        self.blocks = nn.ModuleList(_Block(block, operators) for block in blocks)

    def forward(self, inputs: Mapping[int, Tensor]) -> Tensor:
        """The preprocessed inputs that are read to the output of the cell."""
        nodes = {place: Map(x, keep=True).nodes[0] for place, x in inputs.items()}
        for of, block in zip(self.nodes, self.blocks, strict=True):
            nodes |= zip(of, Map(block(nodes), len(of), keep=True).nodes, strict=True)
        whole = nodes[self.concat[0]].map
        if [nodes[node] for node in self.concat] == whole.nodes:
            return whole.x
        return torch.cat([nodes[node].x for node in self.concat], dim=1)


class _Block(nn.Module):
    """The sum of a block's terms: a convolution for each geometry, and whatever else there is."""

    def __init__(self, block: Block, operators: Sequence[nn.Module]) -> None:
        super().__init__()
        groups: dict[Hashable, list[Term]] = {}
        for term in block.terms:
            if term.kind is Kind.CONVOLUTION:
                groups.setdefault(geometry(operators[term.edges[0]]), []).append(term)
        others = [term for term in block.terms if term.kind is not Kind.CONVOLUTION]
        self.count = len(block.nodes)
        self.sources = [[term.source for term in group] for group in groups.values()]
        self.convolutions = nn.ModuleList(_convolution(_rows(group, operators)) for group in groups.values())
        self.other_sources = [term.source for term in others]
        self.others = nn.ModuleList(fold_batch_norm(operators[term.edges[0]]) for term in others)

    def forward(self, nodes: Mapping[int, Node]) -> Tensor:
        """The nodes so far to the nodes of the block side by side, (N, nodes · C, H, W)."""
        maps = []
        for sources, convolution in zip(self.sources, self.convolutions, strict=True):
            active = [nodes[source].active for source in sources]
            maps.append(convolution(torch.cat(active, 1) if active[1:] else active[0]))
        for source, layers in zip(self.other_sources, self.others, strict=True):
            x = apply(layers, nodes[source])
            maps.append(torch.cat([x] * self.count, 1) if self.count > 1 else x)
        total: Tensor = reduce(torch.add, maps)
        return total


def _rows(terms: Sequence[Term], operators: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """The operators into each node of a block, by node."""
    return [[operators[at] for at in edges] for edges in zip(*(term.edges for term in terms), strict=True)]


def _convolution(rows: Sequence[Sequence[nn.Module]]) -> nn.Conv2d:
    """One convolution of inputs side by side. Each row of layers that are `is_convolution` is summed up to outputs."""
    folded = [[cast(nn.Conv2d, fold_batch_norm(layers).get_submodule("1")) for layers in row] for row in rows]
    merged = deepcopy(folded[0][0])
    weight = torch.cat([torch.cat([each.weight for each in row], 1) for row in folded])
    bias = torch.cat([reduce(torch.add, [cast(Tensor, each.bias) for each in row]) for row in folded])
    merged.out_channels, merged.in_channels = weight.shape[:2]
    merged.weight, merged.bias = nn.Parameter(weight), nn.Parameter(bias)
    return merged
