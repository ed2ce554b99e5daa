"""Local search: hill climbing with restarts (White et al., 2021, Algorithm 1)."""

from ftso_cli.search.blackbox.domain import Candidate, Domain
from ftso_cli.search.blackbox.searcher import Searcher


class LocalSearch(Searcher):
    """Looks at all neighbours of a candidate and moves to the best, until none is better; then starts anew.

    What it has been told is not asked again.
    """

    name = "local search"

    def __init__(self, domain: Domain, *, seed: int, evaluations: int | None) -> None:
        super().__init__(domain, seed=seed, evaluations=evaluations)
        self._known: dict[Candidate, float] = {}
        self._centre: Candidate | None = None
        """The candidate whose neighbours are looked at; None before a start is told."""
        self._left: list[Candidate] = []
        """Its neighbours that are to be asked for."""

    def ask(self) -> Candidate:
        """Propose the next neighbour, or a new start."""
        while self._centre is not None and not self._left:
            best = max(self.domain.neighbours(self._centre), key=self._known.__getitem__, default=self._centre)
            self._move(best if self._known[best] > self._known[self._centre] else None)
        return self.domain.draw(self.random) if self._centre is None else self._left[-1]

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take note of a reward; a start becomes the centre."""
        super().tell(candidate, reward)
        self._known[candidate] = reward
        if self._centre is None:
            self._move(candidate)
        else:
            self._left.remove(candidate)

    def _move(self, centre: Candidate | None) -> None:
        self._centre = centre
        if centre is not None:
            self._left = [other for other in self.domain.neighbours(centre) if other not in self._known]
            self.random.shuffle(self._left)
