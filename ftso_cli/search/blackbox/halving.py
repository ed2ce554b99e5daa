"""Successive halving (Jamieson and Talwalkar, 2016): the field gets smaller as each candidate is looked at longer."""

from ftso_cli.search.blackbox.domain import Candidate, Domain
from ftso_cli.search.blackbox.searcher import Evaluated, Searcher

ETA = 3
"""One in so many goes on, to be looked at so many times as long (Li et al., 2018, Hyperband)."""


class SuccessiveHalving(Searcher):
    """Rungs: n random candidates, the best n/3 three times as long, the best n/9 nine times, and so on.

    All rungs cost as much. The budget counts evaluations of the first; there are as many rungs as leave a last one.
    """

    name = "successive halving"

    scales = True

    def __init__(self, domain: Domain, *, seed: int, evaluations: int | None) -> None:
        super().__init__(domain, seed=seed, evaluations=evaluations)
        planned = rungs(self.planned(2 * ETA))
        self._left: list[Candidate] = self._drawn(planned[0])
        self.rungs = tuple(min(count, len(self._left)) for count in planned)
        self._rung = 0
        self.evaluations = sum(self.rungs)

    @property
    def effort(self) -> int:
        """The length of this rung's evaluations, as a multiple of the first rung's."""
        return int(ETA**self._rung)

    def ask(self) -> Candidate:
        """Propose the next candidate of the rung."""
        return self._left[0]

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take note of a reward; the last of a rung decides who goes on."""
        super().tell(candidate, reward)
        self._left = self._left[1:]
        if not self._left and self._rung + 1 < len(self.rungs):
            ranked = sorted(self._last(), key=lambda told: -told[1])
            self._rung += 1
            self._left = [candidate for candidate, _ in ranked[: self.rungs[self._rung]]]

    def best(self) -> Candidate | None:
        """Return the best of the longest look that has begun."""
        return max(self._last(), key=lambda told: told[1], default=(None, 0.0))[0]

    def _last(self) -> list[Evaluated]:
        """The results of this rung, or of the one before where it is about to begin."""
        begins = [sum(self.rungs[:rung]) for rung in range(self._rung + 1)]
        if begins[-1] == len(self.evaluated) and self._rung:
            return self.evaluated[begins[-2] :]
        return self.evaluated[begins[-1] :]

    def _drawn(self, count: int) -> list[Candidate]:
        """Random candidates, distinct as far as there are as many."""
        found: dict[Candidate, None] = {}
        for _ in range(20 * count):
            if len(found) < count:
                found[self.domain.draw(self.random)] = None
        return list(found)


def rungs(evaluations: int) -> tuple[int, ...]:
    """Return the candidates of each rung, in all as costly as so many evaluations of the first."""
    count = 1
    while (count + 1) * ETA**count <= evaluations:
        count += 1
    return tuple(evaluations // count // ETA**rung for rung in range(count))
