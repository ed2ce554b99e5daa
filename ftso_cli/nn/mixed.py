"""The super-net of many candidates, evaluated with less work than operator by operator, and equal to rounding.

`SharedSuperNet` is a `SuperNet` with the same parameters. What its cells do at once:

1. Edges that leave one node share the ReLU in front of their convolutions, both poolings and their batch norms (which
   have no weights), and at stride 2 the pooling of the channels that pass by.
2. Their convolutions of one candidate run side by side as one grouped convolution: a few channels alone leave most of
   a processor's vector empty.
3. `none` adds nothing, so it isn't computed.
4. A node is one weighted sum over all operators of all its edges, softmax(β) · softmax(α), and is shuffled once.

Maps are channels-last. Running statistics of batch norms behind poolings are kept by one of the edges only.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.nn.layers import AveragePool, Zeros, concatenated
from ftso_cli.nn.supernet import Computed, Drop, MixedEdge, MixingWeights, SearchCell, SuperNet, total
from ftso_cli.nn.synchronised import SynchronisedNorm, normalised_over_all


class WeightedSum(torch.autograd.Function):
    """Σ w_i x_i of weights (n) and n maps, in one pass over each map; can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, *maps: Tensor) -> Tensor:
        """The sum."""
        ctx.save_for_backward(weights, *maps)
        values = weights.tolist()
        result: Tensor = maps[0] * values[0]
        for value, x in zip(values[1:], maps[1:], strict=True):
            result.add_(x, alpha=value)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of weights and maps, of those that ask for one."""
        (gradient,) = gradients
        weights, *maps = ctx.saved_tensors
        on_weights = torch.stack([(gradient * x).sum() for x in maps]) if ctx.needs_input_grad[0] else None
        on_maps = [
            gradient * weight if needed else None
            for weight, needed in zip(weights, ctx.needs_input_grad[1:], strict=True)
        ]
        return on_weights, *on_maps


class _Read:
    """The map of one node as its edges read it, each form computed when first asked for."""

    def __init__(
        self, x: Tensor, edges: Sequence[MixedEdge], places: Sequence[Sequence[int]], drop: Drop | None
    ) -> None:
        self.edges, self.places, self.drop = edges, places, drop
        active = x.shape[1] // edges[0].partial
        self.active, self.rest = x[:, :active], x[:, active:]
        self._positive: Tensor | None = None
        self._pooled: dict[type[nn.Module], Tensor] = {}
        self._side_by_side: dict[int, tuple[Tensor, ...]] = {}
        self._passing: Tensor | None = None

    def by(self, edge: int, op: int) -> Tensor | None:
        """Return a candidate's output of the active channels; None for zeros."""
        candidate = self.edges[edge].candidates[op]
        layers = list(candidate) if isinstance(candidate, nn.Sequential) else [candidate]
        first = type(layers[0])
        if first is Zeros:
            return None
        if first is nn.Identity and self.drop is not None:
            return self.drop(self.active)
        if first in (nn.MaxPool2d, AveragePool):
            if first not in self._pooled:
                self._pooled[first] = candidate(self.active)
            return self._pooled[first]
        if first is nn.ReLU and all(isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.ReLU) for layer in layers):
            sharing = [at for at, places in enumerate(self.places) if op in places]
            if op not in self._side_by_side:
                alike = [cast(nn.Sequential, self.edges[at].candidates[op]) for at in sharing]
                self._side_by_side[op] = side_by_side(alike, self.positive)
            return self._side_by_side[op][sharing.index(edge)]
        x = self.active
        if first is nn.ReLU:
            x, layers = self.positive, layers[1:]
        for layer in layers:
            x = layer(x)
        return x

    @property
    def positive(self) -> Tensor:
        """relu of the active channels."""
        if self._positive is None:
            self._positive = self.active.relu()
        return self._positive

    @property
    def passing(self) -> Tensor:
        """The channels that pass by, at the size of the output."""
        if self.edges[0].stride == 1:
            return self.rest
        if self._passing is None:
            self._passing = functional.max_pool2d(self.rest, 2, ceil_mode=True)
        return self._passing


def side_by_side(candidates: Sequence[nn.Sequential], positive: Tensor) -> tuple[Tensor, ...]:
    """Return the outputs (N, C, H, W) of several candidates of one kind on the same map behind its ReLU."""
    x = torch.cat([positive] * len(candidates), 1)
    for layers in list(zip(*candidates, strict=True))[1:]:
        x = _as_one(layers, x)
    return x.chunk(len(candidates), 1)


def _as_one(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Layers of one kind, each on its part of the channels."""
    first = layers[0]
    if isinstance(first, nn.Conv2d):
        kernels = torch.cat([cast(nn.Conv2d, layer).weight for layer in layers])
        groups = first.groups * len(layers)
        return functional.conv2d(x, kernels, None, first.stride, cast(Any, first.padding), first.dilation, groups)
    return _normalised(cast(Sequence[nn.BatchNorm2d], layers), x) if isinstance(first, nn.BatchNorm2d) else x.relu()


def _normalised(norms: Sequence[nn.BatchNorm2d], x: Tensor) -> Tensor:
    """Batch norms without weights, whose running statistics move as usual."""
    if norms[0].training and isinstance(norms[0], SynchronisedNorm):
        return normalised_over_all(x, norms)
    kept = [(cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)) for norm in norms]
    mean, variance = (torch.cat(parts) for parts in zip(*kept, strict=True))
    training = norms[0].training
    y = functional.batch_norm(x, mean, variance, None, None, training, norms[0].momentum or 0.0, norms[0].eps)
    if training:
        widths = [norm.num_features for norm in norms]
        for norm, (its_mean, its_variance), new_mean, new_variance in zip(
            norms, kept, torch.split(mean, widths), torch.split(variance, widths), strict=True
        ):
            its_mean.copy_(new_mean)
            its_variance.copy_(new_variance)
            cast(Tensor, norm.num_batches_tracked).add_(1)
    return y


class SharedCell(SearchCell):
    """A `SearchCell` whose edges share what they can."""

    def mixed(
        self,
        inputs: Sequence[Tensor],
        candidate_weights: Tensor,
        edge_weights: Tensor,
        computed: Computed | None = None,
        drop: Drop | None = None,
    ) -> Tensor:
        """The output of the cell for inputs that are preprocessed, (N, C, H, W) each."""
        states = dict(enumerate(inputs))
        places = [range(candidate_weights.shape[1])] * len(self.edges) if computed is None else computed
        leaving: dict[int, list[int]] = {}
        for at, (source, _) in enumerate(self.wiring.edges):
            if places[at]:
                leaving.setdefault(source, []).append(at)
        reads: dict[int, _Read] = {}
        for node, positions in self.wiring.nodes:
            into = []
            for at in range(positions.start, positions.stop):
                source = self.wiring.edges[at][0]
                if not places[at]:
                    continue
                if source not in reads:
                    its = leaving[source]
                    edges = [self._edge(each) for each in its]
                    reads[source] = _Read(states[source], edges, [places[each] for each in its], drop)
                into.append((at, reads[source], leaving[source].index(at)))
            states[node] = self._node(into, candidate_weights, edge_weights)
        return concatenated([states[node] for node in self.wiring.concat])

    def _node(self, into: Sequence[tuple[int, _Read, int]], candidate_weights: Tensor, edge_weights: Tensor) -> Tensor:
        """A node, for its edges, what each reads, and which of the edges that leave there it is."""
        weights, terms = [], []
        for edge, read, place in into:
            for op in read.places[place]:
                term = read.by(place, op)
                if term is not None:
                    weights.append(edge_weights[edge] * candidate_weights[edge, op])
                    terms.append(term)
        at, read, place = into[0]
        first = self._edge(at)
        mixed = weighted(torch.stack(weights), terms) if terms else first.candidates[read.places[place][0]](read.active)
        if first.partial == 1:
            return mixed
        # All edges into a node are neighbours; a list of their positions would have to be copied to a GPU.
        own = edge_weights[at : into[-1][0] + 1]
        if len(own) > len(into):
            own = torch.stack([edge_weights[edge] for edge, _, _ in into])
        passing = weighted(own, [read.passing for _, read, _ in into])
        return _shuffled(torch.cat([mixed, passing], dim=1), first.partial)

    def _edge(self, at: int) -> MixedEdge:
        return cast(MixedEdge, self.edges[at])


def _shuffled(x: Tensor, groups: int) -> Tensor:
    """`shuffle`, and channels stay last."""
    last = x.permute(0, 2, 3, 1)
    grouped = last.reshape(*last.shape[:3], groups, -1)
    return grouped.transpose(3, 4).flatten(3).permute(0, 3, 1, 2)


def weighted(weights: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Σ w_i x_i."""
    if weights.device.type != "cpu":  # Reading the weights would wait for the device.
        return total([weight * x for weight, x in zip(weights, maps, strict=True)])
    result: Tensor = WeightedSum.apply(weights, *maps)
    return result


class SharedSuperNet(SuperNet):
    """A `SuperNet` of shared cells: the same parameters, and the same result to rounding."""

    cell = SharedCell

    def forward(self, images: Tensor, mixing: MixingWeights | None = None) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        return super().forward(images.contiguous(memory_format=torch.channels_last), mixing)
