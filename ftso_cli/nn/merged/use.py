"""A trained network in as few operations as give the same outputs to rounding, to use and to export.

Batch norms are part of the convolutions in front of them. What a node sums up is then linear in what lies behind the
ReLUs: plain convolutions of one geometry into the same nodes are one convolution of their inputs side by side.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Tracer
from torch.nn import functional

from ftso_cli.genotype import Edge
from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.merged.maps import Map, Node, apply, joined, parts
from ftso_cli.nn.merged.plan import Block, Kind, Term, blocks_of, geometry, is_convolution, raw_nodes
from ftso_cli.nn.merged.readers import Reader, only_active, readers_of
from ftso_cli.nn.network import EvaluationCell, Network


def deployed(network: Network) -> GraphModule:
    """A network to evaluate, without its auxiliary head: images (N, C, H, W) to logits (N, classes), and None.

    It is one straight line of operations, which change maps in place where nobody reads them afterwards.
    """
    return straight(_Network(network).requires_grad_(False).eval().to(memory_format=torch.channels_last))


def straight(merged: nn.Module) -> GraphModule:
    """The calls of a module's layers and functions as one straight line, without identities."""
    graph, layers = _Tracer().trace(merged), nn.Module()
    for node in graph.nodes:
        if node.op == "call_module":
            layer = merged.get_submodule(node.target)
            if isinstance(layer, nn.Identity):
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
            else:
                # Looking a name up at every level takes as long as a small convolution.
                node.target = node.target.replace(".", "_")
                layers.add_module(node.target, layer)
    return GraphModule(layers, graph).eval()


class _Tracer(Tracer):
    """Writes down the calls of all modules that have none inside."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not any(True for _ in m.children())


class _Network(nn.Module):
    """Stems, cells and the classifier, as `deployed` writes them down."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        readers = readers_of(network, auxiliary=False)
        self.only_active = only_active(readers)
        self.stems = nn.ModuleList(folded(stem) for stem in network.stems)
        self.inputs = nn.ModuleDict({str(at): _Inputs(those) for at, those in readers.items()})
        self.cells = nn.ModuleList(
            _cell(cast(EvaluationCell, cell), active=at in self.only_active)
            for at, cell in enumerate(network.cells, len(network.stems))
        )
        self.classifier = folded(network.classifier)

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Images (N, C, H, W) to logits (N, classes)."""
        inputs: dict[Reader, Tensor] = {}
        x = images
        for at, stem in enumerate(self.stems):
            x = stem(x)
            inputs |= self._read(at, Map(x, keep=at not in self.only_active or at + 1 < len(self.stems)))
        for index, cell in enumerate(self.cells):
            own = {place: inputs.pop((index, place)) for place in (0, 1) if (index, place) in inputs}
            if own:
                x = cell(own)
                at = index + len(self.stems)
                inputs |= self._read(at, Map(x, keep=True, active=at in self.only_active))
        return self.classifier(x), None

    def _read(self, at: int, map: Map) -> Iterator[tuple[Reader, Tensor]]:
        """Yield the preprocessed output for each cell that reads it."""
        return self.inputs[str(at)](map.nodes[0]) if str(at) in self.inputs else iter(())


class _Inputs(nn.Module):
    """The preprocessings that read one output; plain convolutions among them are one."""

    def __init__(self, readers: Sequence[tuple[Reader, nn.Sequential]]) -> None:
        super().__init__()
        alike = [(reader, layers) for reader, layers in readers if is_convolution(layers)]
        self.widths = [cast(nn.BatchNorm2d, layers[-1]).num_features for _, layers in alike]
        self.together = joined_convolution([[layers] for _, layers in alike]) if alike else None
        others = [(reader, layers) for reader, layers in readers if not is_convolution(layers)]
        self.others = nn.ModuleList(folded(layers) for _, layers in others)
        self.readers = [reader for reader, _ in [*alike, *others]]

    def forward(self, node: Node) -> Iterator[tuple[Reader, Tensor]]:
        """The output to the inputs of cells, by reader."""
        found = [] if self.together is None else [*parts(self.together(node.active), self.widths)]
        found += [apply(layers, node) for layers in self.others]
        return zip(self.readers, found, strict=True)


class UsedBlock(nn.Module):
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
        self.convolutions = nn.ModuleList(self.convolution(_rows(group, operators)) for group in groups.values())
        self.other_sources = [term.source for term in others]
        self.others = nn.ModuleList(self.folded(operators[term.edges[0]]) for term in others)

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

    def convolution(self, rows: Sequence[Sequence[nn.Module]]) -> nn.Module:
        """Return what runs plain convolutions of inputs side by side."""
        return joined_convolution(rows)

    def folded(self, layers: nn.Module) -> nn.Module:
        """Return what runs another operator."""
        return folded(layers)


class UsedCell(nn.Module):
    """A cell, block by block.

    `operators` are those of the edges; the inputs in `raw` are outputs of other cells as they are, and the output is
    behind its ReLU where it is `active`.
    """

    block: type[UsedBlock] = UsedBlock
    """The class of its blocks."""

    def __init__(
        self,
        edges: Sequence[Edge],
        concat: Sequence[int],
        operators: Sequence[nn.Module],
        *,
        raw: Iterable[int],
        active: bool,
    ) -> None:
        super().__init__()
        blocks = blocks_of(edges, concat, operators)
        self.concat = concat
        self.active = active
        self.nodes = [block.nodes for block in blocks]
        self.keep = raw_nodes(blocks, operators) | (set() if active else set(concat)) | set(raw)
        # An identity alone is the node that it reads.
        self.keep |= {block.nodes[0] for block in blocks if [term.kind for term in block.terms] == [Kind.SHARED]}
        self.blocks = nn.ModuleList(self.block(block, operators) for block in blocks)

    def forward(self, inputs: Mapping[int, Tensor]) -> Tensor:
        """The preprocessed inputs that are read to the output of the cell."""
        nodes = {place: Map(x, keep=place in self.keep).nodes[0] for place, x in inputs.items()}
        for of, block in zip(self.nodes, self.blocks, strict=True):
            keep = any(node in self.keep for node in of)
            nodes |= zip(of, Map(block(nodes), len(of), keep=keep).nodes, strict=True)
        return joined([nodes[node] for node in self.concat], active=self.active)


def _cell(cell: EvaluationCell, *, active: bool) -> UsedCell:
    raw = [place for place, layers in enumerate(cell.preprocess) if isinstance(layers, nn.Identity)]
    return UsedCell(cell.edges, cell.concat, list(cell.operators), raw=raw, active=active)


def _rows(terms: Sequence[Term], operators: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """The operators into each node of a block, by node."""
    return [[operators[at] for at in edges] for edges in zip(*(term.edges for term in terms), strict=True)]


def joined_convolution(rows: Sequence[Sequence[nn.Module]]) -> nn.Conv2d:
    """One convolution of inputs side by side. Each row of layers that are `is_convolution` is summed up to outputs."""
    own = [[cast(nn.Conv2d, fold_batch_norm(layers).get_submodule("1")) for layers in row] for row in rows]
    merged = deepcopy(own[0][0])
    weight = torch.cat([torch.cat([each.weight for each in row], 1) for row in own])
    bias = torch.cat([reduce(torch.add, [cast(Tensor, each.bias) for each in row]) for row in own])
    merged.out_channels, merged.in_channels = weight.shape[:2]
    merged.weight, merged.bias = nn.Parameter(weight), nn.Parameter(bias)
    return merged


class _Halve(nn.Conv2d):
    """A factorized reduce as one convolution. Odd sizes get a row and a column of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', (H + 1) // 2, (W + 1) // 2)."""
        height, width = x.shape[2:]
        return super().forward(functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x)


def folded(layers: nn.Module) -> nn.Module:
    """Layers to evaluate: batch norms folded, a factorized reduce as one convolution."""
    found = fold_batch_norm(nn.Sequential(layers))
    for module in list(found.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, FactorizedReduction):
                weight, bias = layer.joined()
                convolution = _Halve(weight.shape[1], weight.shape[0], 2, 2, bias=bias is not None)
                convolution.weight = nn.Parameter(weight)
                convolution.bias = None if bias is None else nn.Parameter(bias)
                setattr(module, name, convolution)
    return found.get_submodule("0")
