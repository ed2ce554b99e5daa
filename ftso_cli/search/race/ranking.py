"""The ranking of a race, and whether the lead is significant. No torch.

All runs of one rung with one initialisation see the same batches and start from the same weights, edge by edge, so
what is compared is differences between runs of the same initialisation, and their error is that of paired differences.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ftso_cli.search.race.topologies import Topology

SURE = 0.975
"""The quantile of Student's t beyond which a difference is significant: 5 % on both sides together."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run: a topology trained from one initialisation, and its losses before each step."""

    rung: str
    topology: Topology
    init: int
    losses: tuple[float, ...]

    @property
    def steps(self) -> int:
        """The number of its steps."""
        return len(self.losses)

    def loss(self, steps: int) -> float:
        """The mean loss over the second half of so many first steps."""
        return fmean(self.losses[steps // 2 : steps])


@dataclass(frozen=True, kw_only=True)
class RankedCandidate:
    """A finalist: its mean loss over the initialisations, and how far it lies behind the best.

    The error is that of the mean of the differences; None with one initialisation.
    """

    topology: Topology
    inits: int
    loss: float
    behind: float
    error: float | None

    @property
    def significantly_behind(self) -> bool:
        """True where the best finalist is significantly better, by Student's t for paired differences."""
        return clearly_above(self.behind, self.error, self.inits)


def best_of(results: Sequence[Result], rungs: Sequence[str], count: int) -> list[Topology]:
    """The `count` wirings with the least loss in these rungs, best first; equals in a fixed order.

    Runs are compared over as many steps as all of them have.
    """
    own = [result for result in results if result.rung in rungs]
    steps = min(result.steps for result in own)
    losses: dict[Topology, float] = {}
    for result in own:
        losses[result.topology] = min(result.loss(steps), losses.get(result.topology, math.inf))
    return sorted(losses, key=lambda topology: (losses[topology], topology.cells))[:count]


def ranked_candidates(results: Sequence[Result], rung: str) -> list[RankedCandidate]:
    """The wirings of a rung that have run, best first, over the initialisations that all of them have; none without."""
    own = [result for result in results if result.rung == rung]
    steps = min((result.steps for result in own), default=0)
    losses: dict[Topology, dict[int, float]] = defaultdict(dict)
    for result in own:
        losses[result.topology][result.init] = result.loss(steps)
    common = sorted(set.intersection(*map(set, losses.values()))) if losses else []
    if not common:
        return []
    rows = {topology: [each[init] for init in common] for topology, each in losses.items()}
    best = min(rows, key=lambda topology: (fmean(rows[topology]), topology.cells))
    return sorted(
        (_standing(each, row, rows[best]) for each, row in rows.items()),
        key=lambda each: (each.behind, each.topology.cells),
    )


def winner(final: Sequence[RankedCandidate]) -> RankedCandidate:
    """The shallowest of those that the best is not clearly better than: it trains faster where losses don't differ."""
    return min(
        (each for each in final if not each.significantly_behind),
        key=lambda each: (each.topology.depth, each.loss, each.topology.cells),
    )


def paired_difference(own: Sequence[float], other: Sequence[float]) -> tuple[float, float | None]:
    """The mean of the differences of pairs, and its error; None for one pair."""
    differences = [one - another for one, another in zip(own, other, strict=True)]
    error = stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else None
    return fmean(differences), error


def clearly_above(difference: float, error: float | None, pairs: int) -> bool:
    """Return True where a mean difference of so many pairs is above 0 by more than chance; never for one pair."""
    from scipy.special import stdtrit

    return error is not None and difference > stdtrit(pairs - 1, SURE) * error


def _standing(topology: Topology, losses: Sequence[float], best: Sequence[float]) -> RankedCandidate:
    behind, error = paired_difference(losses, best)
    return RankedCandidate(topology=topology, inits=len(losses), loss=fmean(losses), behind=behind, error=error)
