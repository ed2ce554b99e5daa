"""The evaluation network with edges merged, to train on a CPU: the same weights, outputs and gradients in less time.

`Network` goes edge by edge, and is the reference. Here plain convolutions that read one map run as one wider
convolution, each map passes its ReLU once, poolings are computed once, and separable convolutions of large maps go
through `separable`. Nodes that no output depends on are left out: their batch norms keep the statistics that they have.
Parameters have the same names, so checkpoints and weights go either way.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from typing import cast

import torch
from torch import Tensor, nn

from ftso_cli.nn.merged.maps import Map, Node, apply, convolve_together, in_order, joined, parts, repeated
from ftso_cli.nn.merged.plan import Block, Kind, Term, blocks_of, geometry, is_convolution, raw_nodes
from ftso_cli.nn.merged.readers import Reader, Readers, only_active, readers_of
from ftso_cli.nn.merged.separable import Scaled, add_up, convolve_chains
from ftso_cli.nn.network import EvaluationCell, Network

WORTH_FUSING = 16 * 32 * 32
"""Numbers in the map of an image from which on separable convolutions are fused; on smaller ones, starting the
operations takes longer than what fusing saves (docs/performance.md)."""

Value = Tensor | Scaled


class MergedCell(EvaluationCell):
    """A cell whose edges run together by the node that they leave."""

    def merged(self, inputs: Mapping[int, Tensor], masks: Tensor | None, *, active: bool) -> Tensor:
        """The preprocessed inputs that are read to the output of the cell, with `active` behind its ReLU.

        `inputs` may be changed in place where they are no views. `masks` are those of `EvaluationCell`.
        """
        nodes: dict[int, Node] = {}
        values: dict[Term, Value] = {}
        for node, x in inputs.items():
            # PyTorch has no gradient for a change in place of one of several parts.
            self._add(Map(x, keep=x._is_view() or self._reads_raw(node, active)), (node,), nodes, values)
        for block in self._blocks:
            total, is_own = self._sum(block, values, masks)
            keep = not is_own or any(self._reads_raw(node, active) for node in block.nodes)
            self._add(Map(total, len(block.nodes), keep=keep), block.nodes, nodes, values)
        return joined([nodes[node] for node in self.concat], active=active)

    def _add(self, map: Map, of: Sequence[int], nodes: dict[int, Node], values: dict[Term, Value]) -> None:
        """Adds the nodes of a map, and the values of all terms that leave them."""
        for node, part in zip(of, map.nodes, strict=True):
            nodes[node] = part
            for group in self._groups.get(node, ()):
                values |= zip(group, self._leaving(part, group), strict=True)

    def _leaving(self, node: Node, group: Sequence[Term]) -> Iterator[Value]:
        """The values of terms that run together."""
        operators = [self.operators[at] for term in group for at in term.edges]
        kind = group[0].kind
        if kind is Kind.CONVOLUTION:
            together = convolve_together(node.active, operators)
            width = together.shape[1] // len(operators)
            yield from parts(together, [width * len(term.edges) for term in group])
        elif kind is Kind.SHARED:
            yield from [operators[0](node.x)] * len(group)
        # The gradients of fused steps are written for one precision.
        elif kind is Kind.SEPARABLE and node.x[0].numel() >= WORTH_FUSING and not torch.is_autocast_enabled("cpu"):
            yield from convolve_chains(node.x, operators)
        else:
            yield from (in_order(apply(operator, node)) for operator in operators)

    def _sum(self, block: Block, values: dict[Term, Value], masks: Tensor | None) -> tuple[Tensor, bool]:
        """The sum of a block's terms, and whether nobody else reads the tensor."""
        terms = [(values.pop(term) if term.kind is not Kind.SHARED else values[term], term) for term in block.terms]
        dropped = [self._mask(term, masks) for term in block.terms]
        if any(isinstance(value, Scaled) for value, _ in terms):
            scaled = [value if isinstance(value, Scaled) else Scaled(value) for value, _ in terms]
            return add_up(scaled, [mask if mask is None else mask[:, 0] for mask in dropped]), True
        maps = [
            _of_parts(cast(Tensor, value), term, mask, len(block.nodes))
            for (value, term), mask in zip(terms, dropped, strict=True)
        ]
        total = reduce(torch.add, maps)
        if total.dim() == 5:
            total = total.flatten(1, 2)
        return total, not total._is_view() and (len(maps) > 1 or terms[0][1].kind is Kind.CONVOLUTION)

    def _mask(self, term: Term, masks: Tensor | None) -> Tensor | None:
        """The masks of a term's edges, (N, edges, 1, 1, 1); None where nothing is dropped."""
        if masks is None or term.edges[0] not in self.drops:
            return None
        return masks[[self.drops[at] for at in term.edges]].transpose(0, 1)

    def _reads_raw(self, node: int, active: bool) -> bool:
        """Return True where a node is read before its ReLU, by an operator or by the output."""
        return node in self._raw or (node in self.concat and not active)

    @cached_property
    def _raw(self) -> set[int]:
        """The nodes that an operator reads before their ReLU; fused separable convolutions have one of their own."""
        separable = {term for block in self._blocks for term in block.terms if term.kind is Kind.SEPARABLE}
        return raw_nodes(self._blocks, list(self.operators)) | {term.source for term in separable}

    @cached_property
    def _blocks(self) -> tuple[Block, ...]:
        return blocks_of(self.edges, self.concat, list(self.operators))

    @cached_property
    def _groups(self) -> dict[int, list[list[Term]]]:
        """By node, the terms that leave it and run together."""
        groups: dict[Hashable, list[Term]] = {}
        for block in self._blocks:
            for term in block.terms:
                alike: Hashable = term
                if term.kind is Kind.CONVOLUTION:
                    alike = geometry(self.operators[term.edges[0]])
                elif term.kind is not Kind.SINGLE:
                    alike = term.kind if term.kind is Kind.SEPARABLE else self.edges[term.edges[0]].op
                groups.setdefault((term.source, alike), []).append(term)
        leaving: dict[int, list[list[Term]]] = {}
        for group in groups.values():
            leaving.setdefault(group[0].source, []).append(group)
        return leaving


class MergedNetwork(Network):
    """`Network` with merged cells, as long as it trains on a CPU."""

    cell = MergedCell

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images (N, C, H, W) to logits (N, classes), and those of the auxiliary head while training, else None."""
        if not self._applies(images):
            return super().forward(images)
        inputs: dict[Reader, Tensor] = {}
        x, auxiliary = images, None
        for at, stem in enumerate(self.stems):
            x = stem(x)
            inputs |= self._read(at, Map(x, keep=at + 1 < len(self.stems)))
        for index, masks in enumerate(self._masks(images)):
            cell, at = self._cell(index), index + len(self.stems)
            own = {
                place: inputs.pop((index, place)) for place in range(len(cell.preprocess)) if (index, place) in inputs
            }
            if not own:
                continue
            active = at in self._only_active
            x = cell.merged(own, masks, active=active)
            map = Map(x, keep=True, active=active)
            if self.auxiliary is not None and index == self.auxiliary_after:
                auxiliary = apply(self.auxiliary, map.nodes[0])
            inputs |= self._read(at, map)
        return self.classifier(in_order(x)), auxiliary

    def _read(self, at: int, map: Map) -> Iterator[tuple[Reader, Tensor]]:
        """Yield the preprocessed output for each cell that reads it; convolutions run together."""
        readers = self._readers.get(at, [])
        alike = [each for each in readers if is_convolution(each[1])]
        if alike:
            widths = [cast(nn.BatchNorm2d, layers[-1]).num_features for _, layers in alike]
            x = convolve_together(map.active, [layers for _, layers in alike])
            yield from zip((reader for reader, _ in alike), parts(x, widths), strict=True)
        yield from (
            (reader, in_order(apply(layers, map.nodes[0]))) for reader, layers in readers if not is_convolution(layers)
        )

    @cached_property
    def _readers(self) -> Readers:
        return readers_of(self)

    @cached_property
    def _only_active(self) -> set[int]:
        return only_active(self._readers)

    def _cell(self, index: int) -> MergedCell:
        return cast(MergedCell, self.cells[index])

    def _applies(self, x: Tensor) -> bool:
        """Return True in training on a CPU, where all batch norms take the batch's statistics."""
        plain = all(type(norm) is nn.BatchNorm2d and norm.training and norm.affine for norm in self._norms)
        return self.training and plain and x.device.type == "cpu"

    @cached_property
    def _norms(self) -> list[nn.Module]:
        return [layer for layer in self.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def network_class(device: torch.device) -> type[Network]:
    """The faster network to train on a device: GPUs have kernels of their own, which Python would only slow down."""
    return MergedNetwork if device.type == "cpu" else Network


def _of_parts(x: Tensor, term: Term, mask: Tensor | None, count: int) -> Tensor:
    """The value of a term as part of the sum of a block: (N, count · C, H, W) or (N, count, C, H, W)."""
    if count == 1:
        return x if mask is None else x * mask[:, 0].to(x.dtype)
    x = repeated(x, count) if term.kind is Kind.SHARED else torch.unflatten(x, 1, (count, -1))
    return x if mask is None else x * mask.to(x.dtype)
