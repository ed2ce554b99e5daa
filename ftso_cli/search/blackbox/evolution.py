"""Regularised evolution, the search of AmoebaNet (Real et al., 2019, Algorithm 1)."""

from ftso_cli.search.blackbox.domain import Candidate
from ftso_cli.search.blackbox.searcher import Searcher

POPULATION = 10
SAMPLE = 3
"""Both as NAS-Bench-201 has them (Dong and Yang, 2020, section 5); AmoebaNet took 100 and 25 of 20,000 trainings."""


class RegularisedEvolution(Searcher):
    """The oldest of a population dies, a mutant of the best of a sample is born: the population is the last told."""

    name = "regularised evolution"

    def ask(self) -> Candidate:
        """Propose a random candidate while the population grows, then a mutant."""
        if len(self.evaluated) < POPULATION:
            return self.domain.draw(self.random)
        # Algorithm 1 draws each of the sample from the whole population, so one may be drawn twice.
        sample = self.random.choices(self.evaluated[-POPULATION:], k=SAMPLE)
        parent, _ = max(sample, key=lambda told: told[1])
        return self.domain.mutant(parent, self.random)
