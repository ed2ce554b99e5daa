"""Random search: the baseline that any search has to beat (DARTS, Table 1, has the best of 24 random cells)."""

from ftso_cli.search.blackbox.domain import Candidate
from ftso_cli.search.blackbox.searcher import Searcher


class RandomSearch(Searcher):
    """Every value of a decision is as likely."""

    name = "random search"

    def ask(self) -> Candidate:
        """Draw a candidate."""
        return self.domain.draw(self.random)
