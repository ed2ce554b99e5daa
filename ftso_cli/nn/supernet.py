"""The super-net of a search: every edge weighs several operators, every node weighs its edges.

This is PC-DARTS (Xu et al., 2020) for `partial` > 1 and DARTS with edge weights for `partial` = 1. It takes any wiring
and any set of candidates, and is the reference that every faster engine is compared with.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ftso_cli.errors import SettingsError
from ftso_cli.nn.layers import concatenated, sequential
from ftso_cli.spaces import Space, operator
from ftso_cli.spaces.darts import NetworkShape
from ftso_cli.spaces.layers import for_search
from ftso_cli.spaces.skeleton import CellStage

INITIAL_SPREAD = 1e-3
"""Standard deviation of α and β at the start (DARTS and PC-DARTS)."""


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The edges (source, target) of a cell in order of target and source, and the nodes that form its output."""

    edges: tuple[tuple[int, int], ...]
    concat: tuple[int, ...]

    @property
    def nodes(self) -> tuple[tuple[int, slice], ...]:
        """Every node that edges lead into, with the positions of its edges."""
        targets = [target for _, target in self.edges]
        starts = [at for at, target in enumerate(targets) if at == 0 or targets[at - 1] != target]
        return tuple((targets[start], slice(start, end)) for start, end in pairwise([*starts, len(targets)]))

    def shares(self, beta: Tensor) -> Tensor:
        """softmax(β) over the edges into each node, (edges)."""
        return torch.cat([beta[positions].softmax(0) for _, positions in self.nodes])


def complete_wiring(nodes: int, inputs: int = 2) -> Wiring:
    """Every node reads every earlier one: Algorithm 1, line 1."""
    targets = range(inputs, inputs + nodes)
    edges = tuple((source, target) for target in targets for source in range(target))
    return Wiring(edges=edges, concat=tuple(targets))


def complete_wirings(space: Space, nodes: int) -> dict[str, Wiring]:
    """The complete wiring of every kind of cell of a space, with the output that its cells have."""
    wiring = complete_wiring(nodes, space.inputs)
    if not space.joins_nodes:
        wiring = replace(wiring, concat=wiring.concat[-1:])
    return dict.fromkeys(space.kinds, wiring)


Computed = Sequence[Sequence[int]]
"""The positions of the candidates that are computed, of each edge, which may have none."""

Drop = Callable[[Tensor], Tensor]
"""The layer on the output of an identity, (N, C, H, W)."""


@dataclass(frozen=True, kw_only=True)
class MixingWeights:
    """The weights with which a pass through a super-net mixes candidates and edges, by kind of cell.

    `candidate_weights[kind]` has the shape (edges, candidates), `edge_weights[kind]` (edges). Where `computed` names a
    kind, all other candidates are left out: they have the weight 0 and no gradient. `drop` None leaves identities as
    they are.
    """

    candidate_weights: Mapping[str, Tensor]
    edge_weights: Mapping[str, Tensor]
    computed: Mapping[str, Computed] = field(default_factory=dict)
    drop: Drop | None = None


class MixedEdge(nn.Module):
    """The weighted sum of the candidates on the first C / `partial` channels; the other channels pass by.

    PC-DARTS, equation 1 and its channel shuffle. At stride 2, the channels that pass by are max-pooled.
    """

    def __init__(self, ops: tuple[str, ...], channels: int, stride: int, partial: int) -> None:
        super().__init__()
        self.partial = partial
        self.stride = stride
        self.candidates = nn.ModuleList(
            sequential(for_search(operator(op).layers(channels // partial, stride))) for op in ops
        )

    def forward(
        self, x: Tensor, weights: Tensor, computed: Sequence[int] | None = None, drop: Drop | None = None
    ) -> Tensor:
        """(N, C, H, W) and the candidates' weights to (N, C, H / stride, W / stride)."""
        active = x.shape[1] // self.partial
        places = range(len(self.candidates)) if computed is None else computed
        terms = [weights[at] * self._candidate(at, x[:, :active], drop) for at in places]
        mixed = total(terms)
        if self.partial == 1:
            return mixed
        passing = x[:, active:]
        if self.stride == 2:
            passing = functional.max_pool2d(passing, 2, ceil_mode=True)
        return shuffle(torch.cat([mixed, passing], dim=1), self.partial)

    def _candidate(self, at: int, x: Tensor, drop: Drop | None) -> Tensor:
        op = self.candidates[at]
        y: Tensor = op(x)
        return drop(y) if drop is not None and isinstance(op, nn.Identity) else y


def total(terms: list[Tensor]) -> Tensor:
    """The sum of at least one tensor."""
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleaves the channels of `groups` groups, so that the next edge's active channels come from all of them."""
    count, channels, height, width = x.shape
    return x.view(count, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


class SearchCell(nn.Module):
    """A cell of the super-net: node j = Σ over its edges of softmax(β) · the mixed edge (PC-DARTS, equation 2).

    Algorithm 1, line 4, of the FTSO paper writes β without the softmax; its text inherits PC-DARTS, which has it.
    """

    def __init__(self, wiring: Wiring, stage: CellStage, space: Space, ops: tuple[str, ...], partial: int) -> None:
        super().__init__()
        self.wiring = wiring
        self.stage = stage
        self.preprocess = nn.ModuleList(sequential(layers) for layers in stage.preprocess)
        self.edges = nn.ModuleList(
            MixedEdge(ops, stage.channels, space.stride(stage.kind, source), partial) for source, _ in wiring.edges
        )

    def forward(
        self,
        before_last: Tensor,
        last: Tensor,
        candidate_weights: Tensor,
        edge_weights: Tensor,
        computed: Computed | None = None,
        drop: Drop | None = None,
    ) -> Tensor:
        """Outputs of cells k-2 and k-1, weights of candidates (edges, ops) and edges (edges) to this cell's output."""
        inputs = self.stage.read(before_last, last)
        states = [layers(x) for layers, x in zip(self.preprocess, inputs, strict=True)]
        return self.mixed(states, candidate_weights, edge_weights, computed, drop)

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
        for node, positions in self.wiring.nodes:
            terms = [
                edge_weights[at]
                * self.edges[at](states[self.wiring.edges[at][0]], candidate_weights[at], places[at], drop)
                for at in range(positions.start, positions.stop)
                if places[at]
            ]
            states[node] = total(terms)
        return concatenated([states[node] for node in self.wiring.concat])


class SuperNet(nn.Module):
    """Stem, search cells and classifier, with the architecture parameters α and β that all cells of a kind share.

    `alpha[kind]` has the shape (edges, candidates), `beta[kind]` (edges). With one candidate there is no α, and without
    `weigh_edges` no β: a node then adds up its edges as they are (DARTS). `live` are masks (edges, candidates) of those
    that are left on each edge, where a search drops some.
    Both are parameters of the module, so that every checkpoint holds them.
    """

    cell: type[SearchCell] = SearchCell
    """The class of its cells."""

    def __init__(
        self,
        wirings: Mapping[str, Wiring],
        space: Space,
        ops: tuple[str, ...],
        shape: NetworkShape,
        *,
        partial: int = 4,
        weigh_edges: bool = True,
    ) -> None:
        super().__init__()
        if shape.channels % partial:
            raise SettingsError(
                f"--channels {shape.channels} can't be split into {partial} parts: give a multiple, or --partial 1"
            )
        concat = {kind: len(wiring.concat) for kind, wiring in wirings.items()}
        skeleton = space.skeleton(shape, concat, search=True)
        self.wirings = dict(wirings)
        self.ops = ops
        self.live: Mapping[str, Tensor] = {}
        self.kinds = tuple(stage.kind for stage in skeleton.cells)
        self.stems = nn.ModuleList(sequential(stem) for stem in skeleton.stems)
        self.cells = nn.ModuleList(
            self.cell(wirings[stage.kind], stage, space, ops, partial) for stage in skeleton.cells
        )
        self.classifier = sequential(skeleton.classifier)
        self.beta = nn.ParameterDict(
            {kind: _start(len(wiring.edges)) for kind, wiring in wirings.items()} if weigh_edges else {}
        )
        self.alpha = nn.ParameterDict(
            {kind: _start(len(wiring.edges), len(ops)) for kind, wiring in wirings.items()} if len(ops) > 1 else {}
        )

    def forward(self, images: Tensor, mixing: MixingWeights | None = None) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes); the weights are those of `softmax` unless given."""
        mix = self.softmax() if mixing is None else mixing
        before_last = last = self.stems[0](images)
        for stem in self.stems[1:]:
            before_last, last = last, stem(last)
        for kind, cell in zip(self.kinds, self.cells, strict=True):
            weights = mix.candidate_weights[kind], mix.edge_weights[kind]
            before_last, last = last, cell(before_last, last, *weights, mix.computed.get(kind), mix.drop)
        logits: Tensor = self.classifier(last)
        return logits

    def softmax(self) -> MixingWeights:
        """The weights of DARTS: softmax(α), and softmax(β) over the edges into each node."""
        return MixingWeights(
            candidate_weights={kind: self.candidate_weights(kind) for kind in self.wirings},
            edge_weights={kind: self.edge_weights(kind) for kind in self.wirings},
        )

    def edge_weights(self, kind: str) -> Tensor:
        """softmax(β) over the edges into each node, (edges); ones where there is no β."""
        if kind in self.beta:
            return self.wirings[kind].shares(self.beta[kind])
        return self._ones(len(self.wirings[kind].edges))

    def candidate_weights(self, kind: str) -> Tensor:
        """softmax(α) over the candidates of each edge, (edges, candidates)."""
        if kind in self.alpha:
            return self.live_alpha(kind).softmax(1)
        return self._ones(len(self.wirings[kind].edges), 1)

    def live_alpha(self, kind: str) -> Tensor:
        """α (edges, candidates), -inf where a candidate is not live."""
        alpha: Tensor = self.alpha[kind]
        return alpha.masked_fill(~self.live[kind], -math.inf) if kind in self.live else alpha

    def _ones(self, *size: int) -> Tensor:
        like = next(self.parameters())
        return torch.ones(size, device=like.device, dtype=like.dtype)

    def architecture(self) -> list[nn.Parameter]:
        """α and β: what is learned on the validation half."""
        return [*self.alpha.values(), *self.beta.values()]

    def weights(self) -> list[nn.Parameter]:
        """Everything else: what is learned on the training half."""
        chosen = {id(parameter) for parameter in self.architecture()}
        return [parameter for parameter in self.parameters() if id(parameter) not in chosen]

    @contextmanager
    def moving(self, parameters: list[nn.Parameter]) -> Iterator[None]:
        """Inside, only these parameters require gradients, so that no engine computes those of the others."""
        moving = {id(parameter) for parameter in parameters}
        before = [(parameter, parameter.requires_grad) for parameter in self.parameters()]
        try:
            for parameter, _ in before:
                parameter.requires_grad_(id(parameter) in moving)
            yield
        finally:
            for parameter, required in before:
                parameter.requires_grad_(required)


def _start(*size: int) -> nn.Parameter:
    return nn.Parameter(INITIAL_SPREAD * torch.randn(size))
