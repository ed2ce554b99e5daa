"""REINFORCE (Williams, 1992): the controller of NASNet (Zoph et al., 2018) reduced to one softmax for each decision.

Rate, momentum and initial logits are those of NATS-Bench (Dong et al., 2021; `reinforce.py` in its code).
"""

import math

import numpy as np
from numpy.typing import NDArray

from ftso_cli.search.blackbox.domain import Candidate, Domain
from ftso_cli.search.blackbox.searcher import Searcher

RATE = 0.01
MOMENTUM = 0.9
"""The momentum of the baseline."""
INITIAL = 1e-3
"""Standard deviation of the logits at the beginning."""
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's, as in torch."""

Logits = NDArray[np.float64]


class Reinforce(Searcher):
    """Draws every decision a from π(a) = softmax(θ), and climbs (R - b) · ∇ log π(a) by Adam.

    The baseline b is the moving average of the rewards, this one included, without the bias of its first steps.
    """

    name = "REINFORCE"

    def __init__(self, domain: Domain, *, seed: int, evaluations: int | None) -> None:
        super().__init__(domain, seed=seed, evaluations=evaluations)
        self.logits = [np.array([self.random.gauss(0, INITIAL) for _ in range(size)]) for size in domain.sizes]
        self._means = [np.zeros(size) for size in domain.sizes]
        self._squares = [np.zeros(size) for size in domain.sizes]
        self._average = 0.0
        self._steps = 0

    def ask(self) -> Candidate:
        """Draw a candidate from the policy."""
        drawn = tuple(self.random.choices(range(len(row)), probabilities(row).tolist())[0] for row in self.logits)
        return self.domain.lowered(drawn, self.random)

    def tell(self, candidate: Candidate, reward: float) -> None:
        """Take a step on the logits; a reward of minus infinity counts as the lowest so far."""
        super().tell(candidate, reward)
        lowest = min((value for _, value in self.evaluated if math.isfinite(value)), default=0.0)
        advantage = self._advantage(max(reward, lowest))
        for at, value in enumerate(candidate):
            gradient = advantage * probabilities(self.logits[at])
            gradient[value] -= advantage
            self._descend(at, gradient)

    def _advantage(self, reward: float) -> float:
        self._steps += 1
        self._average = MOMENTUM * self._average + (1 - MOMENTUM) * reward
        return reward - self._average / (1 - MOMENTUM**self._steps)

    def _descend(self, at: int, gradient: Logits) -> None:
        """Take a step of Adam (Kingma and Ba, 2015, Algorithm 1)."""
        first, second = BETAS
        self._means[at] = first * self._means[at] + (1 - first) * gradient
        self._squares[at] = second * self._squares[at] + (1 - second) * gradient**2
        mean = self._means[at] / (1 - first**self._steps)
        size = np.sqrt(self._squares[at] / (1 - second**self._steps)) + EPSILON
        self.logits[at] = self.logits[at] - RATE * mean / size


def probabilities(logits: Logits) -> Logits:
    """Return the probabilities of logits (n,)."""
    powers = np.exp(logits - logits.max())
    shares: Logits = powers / powers.sum()
    return shares
