"""Progressive search: as the super-net gets deeper, every edge has fewer candidates (P-DARTS, Chen et al., 2019).

The search is split into stages of equal length. Each begins with a new super-net, whose weights, α and β start anew,
and whose edges have the strongest candidates of the stage before. With u the part of a stage that is done and w the
share in which only weights learn, the numbers behind an identity are dropped with the probability

    p (1 - u) until u = w, then p exp(-5 (u - w))

which is the published schedule of 25 epochs, stretched to the stage.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ftso_cli.data import Batches
from ftso_cli.nn.distributed import ALONE, Group
from ftso_cli.nn.supernet import SuperNet
from ftso_cli.search.engine.bilevel import Bilevel, cosine_rate, prefixed, under
from ftso_cli.search.engine.mixer import Mixer
from ftso_cli.settings.searches import SearchSettings

DECAY = 5.0
"""0.2 an epoch, over 25 epochs (published code)."""


class Progressive(Bilevel):
    """A `Bilevel` search in stages."""

    def __init__(
        self,
        net: SuperNet,
        settings: SearchSettings,
        weight_batches: Batches,
        arch_batches: Batches,
        group: Group = ALONE,
        seed: int = 0,
    ) -> None:
        super().__init__(net, settings, weight_batches, arch_batches, group, seed)
        self.mixer = self._stages_mixer = Mixer(settings, seed, group.share)
        self.stage, self._seed = 0, seed

    @property
    def stages(self) -> int:
        """The number of stages."""
        return len(self.settings.added_cells)

    def start(self, stage: int) -> int:
        """The first iteration of a stage; of the one behind the last, the iterations of the search."""
        return stage * self.iterations // self.stages

    @property
    def _length(self) -> int:
        return self.start(self.stage + 1) - self.start(self.stage)

    @property
    def _done(self) -> float:
        """The part of the stage that is done."""
        return (self.iteration - self.start(self.stage)) / max(1, self._length)

    @property
    def holds(self) -> bool:
        """Return True where the next iteration moves weights alone: in the first share of every stage."""
        return self.iteration - self.start(self.stage) < round(self.settings.warmup * self._length)

    def prepare(self) -> None:
        """Enter the next stage where it begins, and set the dropout of this iteration."""
        while self.stage + 1 < self.stages and self.iteration >= self.start(self.stage + 1):
            self._enter(self.stage + 1, survivors(self.net, self.settings.kept[self.stage + 1]))
        rate, done, held = self.settings.skip_dropout[self.stage], self._done, self.settings.warmup
        self._stages_mixer.dropout = rate * (1 - done if self.holds else math.exp(-DECAY * max(0.0, done - held)))

    def weight_lr(self, epoch: int) -> float:
        """The cosine over the epochs of the stage."""
        steps = self.weight_batches.steps_per_epoch
        done = (self.iteration - self.start(self.stage)) // steps
        return cosine_rate(self.settings, done, math.ceil(max(1, self._length) / steps))

    def state(self) -> dict[str, Tensor]:
        """Return the state of any search, the stage, and the candidates that are left."""
        return super().state() | {"stage": torch.tensor(self.stage)} | prefixed("live.", self.net.live)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the `state` of an equal search."""
        self._enter(int(state["stage"]), under("live.", state))
        super().restore(state)

    def _enter(self, stage: int, live: Mapping[str, Tensor]) -> None:
        self.stage = stage
        net = self.rebuild(self.settings.cells + self.settings.added_cells[stage], self._seed + stage)
        net = net.to(next(self.net.parameters()).dtype)
        net.live = {kind: mask.to(self.device) for kind, mask in live.items()}
        self.take(net)


def survivors(net: SuperNet, share: float) -> dict[str, Tensor]:
    """The candidates (edges, candidates) of each kind that are left: a share of all, rounded up, the strongest."""
    kept = max(2, math.ceil(share * len(net.ops)))
    found = {}
    for kind in net.alpha:
        best = net.candidate_weights(kind).topk(min(kept, len(net.ops)), 1).indices
        found[kind] = torch.zeros_like(net.alpha[kind], dtype=torch.bool).scatter(1, best, True).detach()
    return found
