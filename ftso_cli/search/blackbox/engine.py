"""The engine that runs any searcher with any evaluator: an iteration asks, evaluates and tells."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from ftso_cli.errors import SettingsError
from ftso_cli.genotype import Genotype
from ftso_cli.nn.distributed import ALONE
from ftso_cli.search.blackbox.domain import Candidate
from ftso_cli.search.blackbox.searcher import Searcher
from ftso_cli.search.engine.bilevel import Engine
from ftso_cli.search.evaluators.evaluator import Evaluator, ScalableEvaluator
from ftso_cli.search.recording.history import as_csv

RECORDS = 20
"""Records and checkpoints of a search, at most, unless asked for otherwise."""


COSTS = ("params", "macs", "milliseconds")
"""The columns of evaluations.csv that say what the network of a cell costs, see `CellCost`."""


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    """The state of a search after an evaluation: the reward of the candidate, and the highest so far."""

    iteration: int
    iterations: int
    reward: float
    best: float

    @property
    def figures(self) -> str:
        """The text beside the progress bar."""
        return f"reward {self.reward:.4g}, best {self.best:.4g}"

    @property
    def facts(self) -> dict[str, float]:
        """Facts of the last iteration."""
        return {"best_reward": self.best} if math.isfinite(self.best) else {}

    losses = None


class AskTellEngine(Engine):
    """A search by evaluation, of a number of evaluations or of a number of seconds.

    With `seconds` it ends with the evaluation in which they are over; those of a search that was stopped count on.
    """

    group = ALONE

    def __init__(self, searcher: Searcher, evaluate: Evaluator, *, seconds: float | None = None) -> None:
        """Raises `SettingsError` for a searcher or an evaluator that lacks what the search needs."""
        if searcher.scales and not isinstance(evaluate, ScalableEvaluator):
            raise SettingsError("halving looks longer at some cells than at others, which --evaluate training can")
        self.searcher, self.evaluate, self.seconds = searcher, evaluate, seconds
        self.spent: list[float] = []
        """The seconds of each evaluation."""
        self._rewards: dict[tuple[Candidate, int], float] = {}
        self._advance()

    @property
    def period(self) -> int:
        """Iterations between records and checkpoints."""
        return max(1, self.iterations // RECORDS) if self.seconds is None else 1

    def step(self) -> EvaluationProgress:
        """Ask for a candidate, evaluate it, and tell its reward."""
        began = time.perf_counter()
        candidate = self.searcher.ask()
        reward = self._reward(candidate, self.searcher.effort)
        self.searcher.tell(candidate, reward)
        self.spent.append(time.perf_counter() - began)
        self._advance()
        best = self._bests()[-1]
        return EvaluationProgress(iteration=self.iteration, iterations=self.iterations, reward=reward, best=best)

    @property
    def reward(self) -> float | None:
        """The highest reward so far, of those of the last effort; None before there is one."""
        best = self._bests()[-1] if self.iteration else -math.inf
        return best if math.isfinite(best) else None

    def best(self) -> Genotype:
        """Return the best cell so far; before any is decided, one that a searcher of any kind might begin with."""
        found = self.searcher.best()
        domain = self.searcher.domain
        return domain.genotype(tuple(0 for _ in domain.sizes) if found is None else found)

    def state(self) -> dict[str, Tensor]:
        """Everything that the searcher was told, the seconds of it, and the times by which it kept to a limit."""
        text = json.dumps([self.searcher.state(), self.spent, self.searcher.domain.limit.times()]).encode()
        return {"iteration": torch.tensor(self.iteration), "told": torch.tensor(list(text), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the `state` of an equal search."""
        told, spent, *times = json.loads(bytes(state["told"].tolist()))
        self.searcher.domain.limit.take(*times)
        self.searcher.restore([(tuple(candidate), float(reward)) for candidate, reward in told])
        self.spent = [float(seconds) for seconds in spent]
        if not len(told) == len(self.spent) == int(state["iteration"]):
            raise ValueError(f"{len(told)} rewards of {int(state['iteration'])} evaluations")
        self._advance()

    def tables(self) -> dict[str, bytes]:
        """Return evaluations.csv: a line for each evaluation, with the cell as the numbers of its decisions, and costs.

        Costs are those of the network that a limit is for, empty where they are not known.
        """
        searcher, rows = self.searcher, []
        each = zip(searcher.evaluated, searcher.efforts, self._bests(), accumulate(self.spent), strict=True)
        for at, ((candidate, reward), effort, best, seconds) in enumerate(each, 1):
            cell = " ".join("-" if value is None else str(value) for value in candidate)
            rows.append([at, f"{seconds:.3f}", effort, reward, best, cell, *self._costs(candidate)])
        return {"evaluations.csv": as_csv(["evaluation", "seconds", "effort", "reward", "best", "cell", *COSTS], rows)}

    def _bests(self) -> list[float]:
        """The highest reward after each evaluation, of those of equal effort."""
        highest: dict[int, float] = {}
        found = []
        for (_, reward), effort in zip(self.searcher.evaluated, self.searcher.efforts, strict=True):
            highest[effort] = max(reward, highest.get(effort, -math.inf))
            found.append(highest[effort])
        return found

    def _costs(self, candidate: Candidate) -> list[float | None]:
        """The costs of a candidate, in the order of `COSTS`."""
        try:
            cost = self.searcher.domain.cost(candidate)
        except SettingsError:
            return [None] * len(COSTS)
        return [getattr(cost, name) for name in COSTS]

    def _reward(self, candidate: Candidate, effort: int) -> float:
        """The reward of a candidate, evaluated once."""
        if (candidate, effort) not in self._rewards:
            evaluate = self.evaluate
            if effort > 1:
                assert isinstance(evaluate, ScalableEvaluator)
                evaluate = evaluate.longer(effort)
            reward = float(evaluate(self.searcher.domain.genotype(candidate)))
            self._rewards[candidate, effort] = -math.inf if math.isnan(reward) else reward
        return self._rewards[candidate, effort]

    def _advance(self) -> None:
        planned = self.searcher.evaluations
        self.iteration, self.iterations = len(self.searcher.evaluated), planned or 1
        if self.seconds is not None and self.iteration:
            # How many there will be at this pace; as many as there were once the time is over.
            spent = sum(self.spent)
            left = max(0.0, self.seconds - spent)
            paced = self.iteration + math.ceil(left * self.iteration / spent)
            self.iterations = paced if planned is None else min(paced, planned)
