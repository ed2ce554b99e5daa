"""Draws inputs for a target and judges each; stops at the first that breaks a rule, made as small as it gets."""

from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.oracle import SECONDS, judged
from tests.fuzz.targets import Target

ROUND = 2000
"""Inputs of one hypothesis test: it remembers all, to draw none twice."""


def attack(target: Target, folder: Path, count: int, start: int = 0, seconds: float = SECONDS) -> Counter[str]:
    """How many of about `count` inputs, drawn from the seed `start`, were refused and how many found valid."""
    inputs, read = target.make(folder)
    found: Counter[str] = Counter()

    def judge(content: bytes) -> None:
        found[judged(lambda: read(content, folder), [folder], seconds)] += 1

    for number, first in enumerate(range(0, count, ROUND)):
        chosen = settings(
            max_examples=min(ROUND, count - first),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        seed(start + number)(chosen(given(inputs)(judge)))()
    return found
