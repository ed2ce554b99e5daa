"""The plan of a merged cell: which edges run together, by their nodes and operators.

Edges that carry one operator and leave one node read the same input: plain convolutions among them are one wider
convolution, poolings and skips are computed once. Nodes whose edges carry the same operators from the same nodes form
a block, which is summed up as one map.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from torch import nn

from ftso_cli.genotype import Edge, graph
from ftso_cli.nn.merged.separable import steps_of


class Kind(Enum):
    """The way in which edges of one operator that leave one node run together."""

    CONVOLUTION = auto()
    """ReLU, a dense convolution, batch norm: one wider convolution."""
    SEPARABLE = auto()
    """A chain of steps that `separable` fuses."""
    SHARED = auto()
    """Operators without weights: computed once."""
    SINGLE = auto()
    """Each edge by itself."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """Edges of one operator from one node, by position: one into each node of a block."""

    source: int
    kind: Kind
    edges: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Nodes with the same sum of terms."""

    nodes: tuple[int, ...]
    terms: tuple[Term, ...]


def merge_kind(operator: nn.Module) -> Kind:
    """The way in which edges with this operator run together."""
    if is_convolution(operator):
        return Kind.CONVOLUTION
    if steps_of(operator):
        return Kind.SEPARABLE
    return Kind.SINGLE if any(True for _ in operator.parameters()) else Kind.SHARED


def is_convolution(layers: nn.Module) -> bool:
    """Return True for ReLU, a dense convolution padded by zeros and without bias, and batch norm, and nothing else."""
    match list(layers) if isinstance(layers, nn.Sequential) else []:
        case [nn.ReLU(), nn.Conv2d(groups=1, bias=None, padding_mode="zeros"), nn.BatchNorm2d()]:
            return True
    return False


def geometry(layers: nn.Module) -> tuple[Hashable, ...]:
    """Kernel, stride, padding and dilation of layers that are `is_convolution`."""
    _, convolution, _ = layers.children()
    assert isinstance(convolution, nn.Conv2d)
    return convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation


def begins_with_relu(layers: nn.Module) -> bool:
    """Return True for layers that read nothing but what is behind a ReLU."""
    return isinstance(layers, nn.Sequential) and isinstance(layers[0], nn.ReLU)


def raw_nodes(blocks: Sequence[Block], operators: Sequence[nn.Module]) -> set[int]:
    """The nodes that an operator of a cell reads before their ReLU."""
    terms = (term for block in blocks for term in block.terms)
    return {term.source for term in terms if not begins_with_relu(operators[term.edges[0]])}


def blocks_of(edges: Sequence[Edge], concat: Sequence[int], operators: Sequence[nn.Module]) -> tuple[Block, ...]:
    """The blocks that the output of a cell depends on, each behind those that it reads.

    `operators` are those of the edges.
    """
    kinds = [merge_kind(operator) for operator in operators]
    into = _edges_into(edges)
    read = graph.read_by([edges[at] for those in into.values() for at in those], concat)
    alike: dict[Hashable, list[tuple[int, list[int]]]] = {}
    for node in sorted(read & into.keys()):
        ordered = sorted(into[node], key=lambda at: (edges[at].source, str(edges[at].op)))
        key: Hashable = tuple((edges[at].source, edges[at].op) for at in ordered)
        if not all(kinds[at] in (Kind.CONVOLUTION, Kind.SHARED) for at in ordered):
            key = node
        alike.setdefault(key, []).append((node, ordered))
    return tuple(_block(members, edges, kinds) for members in alike.values())


def _edges_into(edges: Sequence[Edge]) -> Mapping[int, list[int]]:
    """The edges into each node that add something to it, by position; those that add zeros to a node with no other."""
    into: Mapping[int, list[int]] = defaultdict(list)
    for at, edge in enumerate(edges):
        into[edge.target].append(at)
    return {node: [at for at in those if edges[at].op != "none"] or those for node, those in into.items()}


def _block(members: list[tuple[int, list[int]]], edges: Sequence[Edge], kinds: Sequence[Kind]) -> Block:
    nodes, ordered = zip(*members, strict=True)
    terms = tuple(Term(source=edges[at[0]].source, kind=kinds[at[0]], edges=at) for at in zip(*ordered, strict=True))
    return Block(nodes=nodes, terms=terms)
