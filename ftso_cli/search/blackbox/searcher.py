"""The base of all searchers: they propose a candidate, and are told its reward."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from ftso_cli.errors import SettingsError
from ftso_cli.search.blackbox.domain import Candidate, Domain

Evaluated = tuple[Candidate, float]
"""A candidate and its reward."""


class Searcher(ABC):
    """A searcher. All that it draws comes from its seed, so equal rewards lead to equal proposals.

    `evaluations` is how many there may be; None where a time decides.
    """

    name: ClassVar[str]
    """The method, as messages call it."""
    scales: ClassVar[bool] = False
    """True where it evaluates some candidates longer than others."""

    def __init__(self, domain: Domain, *, seed: int, evaluations: int | None) -> None:
        self.domain, self.evaluations = domain, evaluations
        self.random = random.Random(seed)
        self.evaluated: list[Evaluated] = []
        self.efforts: list[int] = []
        """The effort of each evaluation."""

    @abstractmethod
    def ask(self) -> Candidate:
        """Propose the next candidate; to be told its reward before the next is asked for."""

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take note of the reward of what was asked for."""
        self.evaluated.append((candidate, reward))
        self.efforts.append(self.effort)

    @property
    def effort(self) -> int:
        """The length of the next candidate's evaluation, as a multiple of the usual one.

        Rewards of different efforts can't be compared.
        """
        return 1

    def best(self) -> Candidate | None:
        """Return the decided candidate with the highest reward, the first of equals; None before there is one."""
        decided = [told for told in self.evaluated if None not in told[0]]
        return max(decided, key=lambda told: told[1], default=(None, 0.0))[0]

    def planned(self, least: int) -> int:
        """Return how many evaluations there may be; raises `SettingsError` where a time decides, or for too few."""
        if self.evaluations is None:
            raise SettingsError(f"{self.name} plans its evaluations: give their number as --budget, not a time")
        if self.evaluations < least:
            raise SettingsError(f"{self.name} takes {least} evaluations here, not {self.evaluations}: raise --budget")
        return self.evaluations

    def state(self) -> list[Evaluated]:
        """Return all that it was told, from which a searcher of equal seed goes on."""
        return list(self.evaluated)

    def restore(self, state: Sequence[Evaluated]) -> None:
        """Go on from the `state` of an equal search; raises `ValueError` where that was told of other candidates."""
        for candidate, reward in state:
            if self.ask() != candidate:
                raise ValueError("the rewards are those of another search")
            self.tell(candidate, reward)
