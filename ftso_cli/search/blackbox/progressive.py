"""Progressive search with a surrogate, as PNAS has it (Liu et al., 2018, Algorithm 1): cells grow node by node.

A predictor, learned from all that was evaluated, chooses which of the grown cells are evaluated next. Where PNAS has
an LSTM, this is kernel ridge regression on how many of n decisions two candidates share:
k(x, y) = ((1 + shared) / (1 + n))².
"""

import math
from collections.abc import Sequence
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from ftso_cli.search.blackbox.domain import Candidate, Domain
from ftso_cli.search.blackbox.searcher import Evaluated, Searcher

MOST_GROWN = 20_000
"""Grown candidates that a predictor looks at; of more, some are drawn."""

RIDGE = 0.1
"""On the diagonal of the kernel, for rewards of unit variance."""


class ProgressiveSearch(Searcher):
    """Grows all that was evaluated by the next node, and evaluates those with the highest predictions.

    The evaluations are shared evenly among the stages of growth. The first is drawn at random.
    """

    name = "progressive search"

    def __init__(self, domain: Domain, *, seed: int, evaluations: int | None) -> None:
        super().__init__(domain, seed=seed, evaluations=evaluations)
        self._budget = self.planned(len(domain.stages))
        self._stage = 0
        self._beam: list[Candidate] = [(None,) * len(domain.sizes)]
        """The candidates of the stage before."""
        self._left: list[Candidate] = []
        """The candidates of this stage that are to be proposed."""

    def ask(self) -> Candidate:
        """Propose the next candidate of the stage; behind the last stage, a random one."""
        while not self._left and self._stage < len(self.domain.stages):
            self._grow()
        return self._left[0] if self._left else self.domain.draw(self.random)

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take note of a reward."""
        super().tell(candidate, reward)
        self._left = self._left[1:]

    def _grow(self) -> None:
        share = max(1, (self._budget - len(self.evaluated)) // (len(self.domain.stages) - self._stage))
        grown = self._grown()
        self.random.shuffle(grown)
        if self.evaluated:
            predictions = predicted(self.evaluated, grown)
            grown = [grown[at] for at in sorted(range(len(grown)), key=lambda at: -predictions[at])]
        self._stage += 1
        allowed = (each for each in grown if self.domain.allows(each))
        self._beam = self._left = list(islice(allowed, share)) or [self.domain.draw(self.random)]

    def _grown(self) -> list[Candidate]:
        """The candidates of the beam with every value of the decisions of this stage, or some of them."""
        own = self.domain.stages[self._stage]
        values = [range(self.domain.sizes[at]) for at in own]
        each = MOST_GROWN // len(self._beam) + 1
        grown: dict[Candidate, None] = {}
        for candidate in self._beam:
            every = math.prod(map(len, values)) <= each
            for choice in product(*values) if every else [tuple(map(self.random.choice, values)) for _ in range(each)]:
                decided = dict(zip(own, choice, strict=True))
                grown[tuple(decided.get(at, value) for at, value in enumerate(candidate))] = None
        return list(grown)


def predicted(told: Sequence[Evaluated], candidates: Sequence[Candidate]) -> NDArray[np.float64]:
    """Return predictions (candidates) of rewards, up to their scale; minus infinity counts as the lowest reward."""
    rewards = np.array([reward for _, reward in told])
    finite = rewards[np.isfinite(rewards)]
    rewards = np.maximum(rewards, finite.min() if len(finite) else 0.0)
    known = _numbers([candidate for candidate, _ in told])
    kernel = _kernel(known, known) + RIDGE * np.eye(len(known))
    weights = np.linalg.solve(kernel, (rewards - rewards.mean()) / (rewards.std() or 1.0))
    found: NDArray[np.float64] = _kernel(_numbers(candidates), known) @ weights
    return found


def _numbers(candidates: Sequence[Candidate]) -> NDArray[np.int64]:
    return np.array([[-1 if value is None else value for value in candidate] for candidate in candidates])


def _kernel(some: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    shared = np.zeros((len(some), len(others)))
    for column, other in zip(some.T, others.T, strict=True):
        shared += (column[:, None] == other) & (column[:, None] >= 0)
    found: NDArray[np.float64] = ((1 + shared) / (1 + some.shape[1])) ** 2
    return found
