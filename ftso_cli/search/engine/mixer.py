"""The weights with which a search that draws mixes the candidates and edges of its super-net."""

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from ftso_cli.nn.supernet import Computed, Drop, MixingWeights, SuperNet
from ftso_cli.search.relaxations import RELAXATIONS, Relaxation, Weights, keep_other_paths, softmax
from ftso_cli.settings.searches import SearchSettings

MOST_SEEDS = 2**62


class Mixer:
    """Mixes candidates and edges by the relaxation of a search.

    Every step, on the architecture or on the weights, has draws of its own, which all passes of the step share.
    Candidates of the net that are not live weigh nothing and are not computed; `dropout` is the share of the numbers
    behind an identity that a pass drops.
    """

    def __init__(self, settings: SearchSettings, seed: int, share: tuple[int, int] = (0, 1)) -> None:
        self.relax = RELAXATIONS[settings.relaxation](settings.temperature)
        self.keeps_other_paths = settings.relaxation == "gates"
        self.dropout = 0.0
        self._share = share
        self._draws = Generator().manual_seed(seed)
        self.next_step()

    def next_step(self) -> None:
        """Draw anew from now on."""
        self._seed = int(torch.randint(MOST_SEEDS, (), generator=self._draws))

    def __call__(self, net: SuperNet, progress: float) -> MixingWeights:
        """Return the weights of a pass."""
        return self._mixing(net, self.relax, progress, self._drop(next(net.parameters()).device))

    def mean(self, net: SuperNet) -> MixingWeights:
        """Return the weights that a cell is read off, softmax(α) and softmax(β), with nothing drawn."""
        return self._mixing(net, softmax, 1.0, None)

    def settle(self, before: Sequence[Tensor], net: SuperNet) -> None:
        """Finish a step on α and β, which were `before` it, as the relaxation demands."""
        if not self.keeps_other_paths:
            return
        then = dict(zip(map(id, net.architecture()), before, strict=True))
        for alpha in net.alpha.values():
            keep_other_paths(then[id(alpha)], alpha.data)
        for kind, beta in net.beta.items():
            for _, into in net.wirings[kind].nodes:
                keep_other_paths(then[id(beta)][None, into], beta.data[None, into])

    def state(self) -> dict[str, Tensor]:
        """Return everything that the next draws depend on, by name."""
        return {"draws": self._draws.get_state()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        self._draws.set_state(state["draws"].cpu())

    def _mixing(self, net: SuperNet, relax: Relaxation, progress: float, drop: Drop | None) -> MixingWeights:
        generator = Generator().manual_seed(self._seed)
        of_candidates, of_edges, computed = {}, {}, {}
        for kind in net.wirings:
            candidates = _candidates(net, kind, relax, progress, generator)
            edges = _edges(net, kind, relax, progress, generator)
            of_candidates[kind], of_edges[kind] = candidates.values, edges.values
            if candidates.computed is not None or edges.computed is not None:
                computed[kind] = _places(candidates, edges)
        return MixingWeights(candidate_weights=of_candidates, edge_weights=of_edges, computed=computed, drop=drop)

    def _drop(self, device: torch.device) -> Drop | None:
        if not self.dropout:
            return None
        draws, (first, every) = Generator(device).manual_seed(self._seed), self._share

        def drop(x: Tensor) -> Tensor:
            """Drop numbers of (N, C, H, W) and scale up the others; drawn for the batch of all processes."""
            count, *rest = x.shape
            kept = torch.rand((count * every, *rest), generator=draws, device=device)[first::every] >= self.dropout
            return x * kept / (1 - self.dropout)

        return drop


def _candidates(net: SuperNet, kind: str, relax: Relaxation, progress: float, generator: Generator) -> Weights:
    """The weights of the candidates (edges, candidates), which compete for their edge."""
    if kind not in net.alpha:
        return Weights(net.candidate_weights(kind))
    found = relax(net.live_alpha(kind), progress, generator)
    live = net.live.get(kind)
    if live is None:
        return found
    return Weights(found.values, live if found.computed is None else live & found.computed)


def _edges(net: SuperNet, kind: str, relax: Relaxation, progress: float, generator: Generator) -> Weights:
    """The weights of the edges (edges), which compete for their node."""
    if kind not in net.beta:
        return Weights(net.edge_weights(kind))
    found = [relax(net.beta[kind][None, into], progress, generator) for _, into in net.wirings[kind].nodes]
    values = torch.cat([part.values[0] for part in found])
    masks = [part.computed[0] for part in found if part.computed is not None]
    return Weights(values, torch.cat(masks) if masks else None)


def _places(candidates: Weights, edges: Weights) -> Computed:
    """The positions of the candidates that are computed, of each edge."""
    used = torch.ones_like(candidates.values, dtype=torch.bool)
    for mask in (candidates.computed, None if edges.computed is None else edges.computed[:, None]):
        used = used if mask is None else used & mask
    return [[at for at, on in enumerate(row) if on] for row in used.tolist()]
