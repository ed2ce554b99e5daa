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
from torch.fx import GraphModule, Tracer
from torch.nn import functional

from ftso_cli.nn.folding import fold_batch_norm
from ftso_cli.nn.layers import FactorizedReduction
from ftso_cli.nn.merged.maps import Map, Node, apply, joined, parts
from ftso_cli.nn.merged.plan import Block, Kind, Term, begins_with_relu, blocks_of, geometry, is_convolution, raw_nodes
from ftso_cli.nn.merged.readers import Reader, readers_of
from ftso_cli.nn.network import EvaluationCell, Network


def deployed(network: Network) -> GraphModule:
    """A network to evaluate, without its auxiliary head: images (N, C, H, W) to logits (N, classes), and None.

    It is one straight line of operations, which change maps in place where nobody reads them afterwards.
    """
    merged = _Network(network).requires_grad_(False).eval().to(memory_format=torch.channels_last)
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
        only_active = {at for at, those in readers.items() if all(begins_with_relu(layers) for _, layers in those)}
        first = len(network.stems)
        self.only_active = only_active
        self.stems = nn.ModuleList(_folded(stem) for stem in network.stems)
        self.inputs = nn.ModuleDict({str(at): _Inputs(those) for at, those in readers.items()})
        self.cells = nn.ModuleList(
            _Cell(cast(EvaluationCell, cell), active=first + index in only_active)
            for index, cell in enumerate(network.cells)
        )
        self.classifier = _folded(network.classifier)

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
                inputs |= self._read(index + len(self.stems), Map(x, keep=True))
        return self.classifier(x), None

    def _read(self, at: int, map: Map) -> Iterator[tuple[Reader, Tensor]]:
        """Yield the preprocessed output for each cell that reads it."""
        if at in self.only_active and at >= len(self.stems):
            map.active = map.x
        return self.inputs[str(at)](map.nodes[0]) if str(at) in self.inputs else iter(())


class _Inputs(nn.Module):
    """The preprocessings that read one output; plain convolutions among them are one."""

    def __init__(self, readers: Sequence[tuple[Reader, nn.Sequential]]) -> None:
        super().__init__()
        alike = [(reader, layers) for reader, layers in readers if is_convolution(layers)]
        self.widths = [cast(nn.BatchNorm2d, layers[-1]).num_features for _, layers in alike]
        self.together = _convolution([[layers] for _, layers in alike]) if alike else None
        others = [(reader, layers) for reader, layers in readers if not is_convolution(layers)]
        self.others = nn.ModuleList(_folded(layers) for _, layers in others)
        self.readers = [reader for reader, _ in [*alike, *others]]

    def forward(self, node: Node) -> Iterator[tuple[Reader, Tensor]]:
        """The output to the inputs of cells, by reader."""
        found = [] if self.together is None else [*parts(self.together(node.active), self.widths)]
        found += [apply(layers, node) for layers in self.others]
        return zip(self.readers, found, strict=True)


class _Cell(nn.Module):
    """A cell, block by block."""

    def __init__(self, cell: EvaluationCell, *, active: bool) -> None:
        super().__init__()
        operators = list(cell.operators)
        blocks = blocks_of(cell.edges, cell.concat, operators)
        self.concat = cell.concat
        self.active = active
        self.nodes = [block.nodes for block in blocks]
        self.keep = raw_nodes(blocks, operators) | (set() if active else set(cell.concat))
        self.keep |= {place for place, layers in enumerate(cell.preprocess) if isinstance(layers, nn.Identity)}
        # An identity alone is the node that it reads.
        self.keep |= {block.nodes[0] for block in blocks if [term.kind for term in block.terms] == [Kind.SHARED]}
        self.blocks = nn.ModuleList(_Block(block, operators) for block in blocks)

    def forward(self, inputs: Mapping[int, Tensor]) -> Tensor:
        """The preprocessed inputs that are read to the output of the cell."""
        nodes = {place: Map(x, keep=place in self.keep).nodes[0] for place, x in inputs.items()}
        for of, block in zip(self.nodes, self.blocks, strict=True):
            keep = any(node in self.keep for node in of)
            nodes |= zip(of, Map(block(nodes), len(of), keep=keep).nodes, strict=True)
        return joined([nodes[node] for node in self.concat], active=self.active)


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
        self.others = nn.ModuleList(_folded(operators[term.edges[0]]) for term in others)

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


class _Halve(nn.Conv2d):
    """A factorized reduce as one convolution. Odd sizes get a row and a column of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', (H + 1) // 2, (W + 1) // 2)."""
        height, width = x.shape[2:]
        return super().forward(functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x)


def _folded(layers: nn.Module) -> nn.Module:
    """Layers to evaluate: batch norms folded, a factorized reduce as one convolution."""
    folded = fold_batch_norm(nn.Sequential(layers))
    for module in list(folded.modules()):
        for name, layer in module.named_children():
            if isinstance(layer, FactorizedReduction):
                weight, bias = layer.joined()
                convolution = _Halve(weight.shape[1], weight.shape[0], 2, 2, bias=bias is not None)
                convolution.weight = nn.Parameter(weight)
                convolution.bias = None if bias is None else nn.Parameter(bias)
                setattr(module, name, convolution)
    return folded.get_submodule("0")
