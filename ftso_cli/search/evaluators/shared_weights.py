"""The weights of a trained super-net as an evaluator: with `--method reinforce`, ENAS (Pham et al., 2018, section 2.2).

A cell is a part of the super-net, evaluated with the weights that it has there. ENAS trains weights and controller in
turn; here the weights are those that another search has left, and stay as they are.
"""

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ftso_cli.data import Batches, on_device
from ftso_cli.data.splits import search_halves
from ftso_cli.errors import FtsoError, RunError, SettingsError
from ftso_cli.genotype import Cell, Genotype
from ftso_cli.nn.checkpoint import Checkpoints, State
from ftso_cli.nn.mixed import SharedSuperNet
from ftso_cli.nn.supernet import MixingWeights, complete_wirings
from ftso_cli.search.engine.bilevel import under
from ftso_cli.search.evaluators.evaluator import EvaluationContext
from ftso_cli.settings.asktell import AskTellSettings
from ftso_cli.spaces import SPACES
from ftso_cli.spaces.darts import NetworkShape

IMAGES = 256
"""Held-out images of a batch."""
BATCHES = 2


class BySharedWeights:
    """The evaluator of a super-net: the accuracy on images that its weights have not learned."""

    def __init__(self, context: EvaluationContext) -> None:
        """Read the checkpoint of a search; raises `RunError` where it has no super-net of these images' size."""
        path = Path(context.settings.evaluate)
        if not path.is_file():
            raise RunError(f"{path}: no such file; ftso search --keep-weights leaves a super-net in its run folder")
        state, _ = Checkpoints(path).look()
        try:
            self._make(state, context)
        except (FtsoError, KeyError, ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise RunError(f"{path}: no super-net for this search ({reason})") from None

    def _make(self, state: State, context: EvaluationContext) -> None:
        asked: dict[str, Any] = state.values["request"]
        weights, data = under("net.", state.tensors), context.data
        if asked["command"] == "search-ops":
            raise SettingsError("search-ops leaves a super-net of one wiring; take that of ftso search")
        space = SPACES[asked["space"]]
        if isinstance(context.settings, AskTellSettings) and context.settings.space != space.name:
            raise SettingsError(f"its cells are of the {space.name} space, not of {context.settings.space}")
        shape = NetworkShape(
            channels=asked["channels"],
            cells=asked["cells"],
            classes=len(data.classes),
            image_channels=data.channels,
            stem=asked["stem"],
        )
        make = partial(SharedSuperNet, weigh_edges=any(name.startswith("beta.") for name in weights))
        self.net = make(
            complete_wirings(space, asked["nodes"]), space, tuple(asked["ops"]), shape, partial=asked["partial"]
        )
        self.net.load_state_dict(weights)
        self.net.to(context.device).train()
        shares = (asked["weight_share"], asked["arch_share"])
        held_out = search_halves(data, asked["seed"], shares)[1]
        source = on_device(data.train, context.device)
        batches = Batches(source, held_out, min(IMAGES, len(held_out)), context.seed, normalise=data.normalise)
        self.batches = list(islice(batches, BATCHES))

    def __call__(self, genotype: Genotype) -> float:
        """Return the share of the held-out images that the cell names right."""
        mixing = self._mixing(genotype)
        right = count = 0
        with torch.no_grad():
            for images, labels in self.batches:
                logits = self.net(images.to(next(self.net.parameters())), mixing)
                right += int((logits.argmax(1).cpu() == labels.cpu()).sum())
                count += len(labels)
        return right / count

    def _mixing(self, genotype: Genotype) -> MixingWeights:
        """The weights that are 1 for the operators of the cell; β is spread over the edges that it has."""
        candidates, edges, computed = {}, {}, {}
        like = next(self.net.parameters())
        for kind, cell in genotype.cells.items():
            places = self._places(kind, cell)
            candidates[kind] = torch.zeros(len(places), len(self.net.ops)).to(like)
            edges[kind] = torch.zeros(len(places)).to(like)
            for at, place in enumerate(places):
                if place is not None:
                    candidates[kind][at, place] = 1
            for _, positions in self.net.wirings[kind].nodes:
                own = [at for at in range(positions.start, positions.stop) if places[at] is not None]
                edges[kind][own] = 1 / max(1, len(own)) if self.net.beta else 1.0
            computed[kind] = [[] if place is None else [place] for place in places]
        return MixingWeights(candidate_weights=candidates, edge_weights=edges, computed=computed)

    def _places(self, kind: str, cell: Cell) -> list[int | None]:
        """The position of the operator on each edge of the super-net, None where the cell lacks the edge."""
        found: dict[tuple[int, int], str | None] = {(edge.source, edge.target): edge.op for edge in cell.kept}
        edges = self.net.wirings[kind].edges
        if missing := [str(op) for op in found.values() if op not in self.net.ops]:
            raise SettingsError(
                f"the super-net has no {missing[0]}; it has {', '.join(self.net.ops)}: search with these"
            )
        if not set(found) <= set(edges) or cell.concat != self.net.wirings[kind].concat:
            raise SettingsError("the super-net has cells of another number of nodes: give its --nodes")
        return [self.net.ops.index(str(found[edge])) if edge in found else None for edge in edges]
