"""A race on real digits: its rungs, its budget, and the same result after a stop or with other workers."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ftso_cli.data import ImageData, open_images
from ftso_cli.errors import RunError, SettingsError
from ftso_cli.search.race import checkpoint
from ftso_cli.search.race.race import Race, RaceProgress
from ftso_cli.search.race.ranking import RankedCandidate, Result
from ftso_cli.search.race.rungs import StepBudget
from ftso_cli.search.race.topologies import deepest, widest
from ftso_cli.settings.searches import RaceSettings

SMALL = RaceSettings(draws=4, nodes=3, channels=4, cells=2, batch_size=8, steps=160)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return open_images("digits")


def opened(path: Path | None, *, resume: bool = False, settings: RaceSettings = SMALL) -> checkpoint.RaceCheckpoint:
    return checkpoint.open_checkpoint(settings.recorded(), 3, "digits", path, resume=resume)


def raced(
    data: ImageData, kept: checkpoint.RaceCheckpoint, *, stop_after: int | None = None, workers: int = 2
) -> tuple[list[RankedCandidate], list[RaceProgress]]:
    seen: list[RaceProgress] = []

    def on_progress(progress: RaceProgress) -> None:
        seen.append(progress)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    return Race(data, SMALL, kept, seed=3, device=CPU, workers=workers).run(on_progress), seen


def by_run(results: list[Result]) -> list[Result]:
    return sorted(results, key=lambda each: (each.rung, each.init, each.topology.cells))


@pytest.fixture(scope="module")
def whole(digits: ImageData) -> tuple[list[RankedCandidate], list[RaceProgress], list[Result]]:
    """What an undisturbed race by one worker gives, tells and keeps."""
    kept = opened(None)
    return *raced(digits, kept, workers=1), kept.results


def test_heats_get_longer_and_smaller_and_keep_to_the_steps(
    whole: tuple[list[RankedCandidate], list[RaceProgress], list[Result]],
) -> None:
    final, seen, results = whole
    rungs: dict[str, list[Result]] = {}
    for result in results:
        rungs.setdefault(result.rung, []).append(result)
    assert list(rungs) == ["draw", "mutate", "semifinal", "final"]
    assert [len(rungs[rung]) for rung in rungs] == [4, 4, 3, 12]
    assert [rungs[rung][0].steps for rung in rungs] == [4, 4, 8, 8]
    assert {widest(3), deepest(3)} < {result.topology for result in rungs["draw"]}
    assert len({result.topology for rung in ("draw", "mutate") for result in rungs[rung]}) == 8
    steps = sum(result.steps for result in results)
    assert steps == len(seen) == seen[-1].iteration == seen[-1].iterations <= (SMALL.steps or 0)
    assert final[0].behind == 0 and final[0].inits == 4
    assert all(each.behind >= 0 for each in final)


def test_the_result_is_the_same_after_a_stop_and_with_one_worker(
    digits: ImageData, whole: tuple[list[RankedCandidate], list[RaceProgress], list[Result]], tmp_path: Path
) -> None:
    expected, _, results = whole
    path = tmp_path / "race.json"
    with pytest.raises(KeyboardInterrupt):
        raced(digits, opened(path), stop_after=70)
    kept = opened(path, resume=True)
    assert 0 < len(kept.results) < len(results)
    found, seen = raced(digits, kept)
    assert found == expected and by_run(kept.results) == by_run(results)
    assert seen[-1].iteration == seen[-1].iterations
    kept.close()
    assert not path.exists()


def test_a_budget_of_seconds_becomes_steps_that_are_kept(digits: ImageData, tmp_path: Path) -> None:
    settings = RaceSettings(draws=4, nodes=3, channels=4, cells=2, batch_size=32, seconds=100_000)
    kept = opened(tmp_path / "race.json", settings=settings)

    def stop(progress: RaceProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Race(digits, settings, kept, seed=3, device=CPU, workers=2).run(stop)
    assert kept.units["draw"] >= 4
    assert opened(tmp_path / "race.json", settings=settings, resume=True).units == kept.units


def test_a_race_that_runs_out_of_time_gets_shorter(digits: ImageData, tmp_path: Path) -> None:
    settings = replace(SMALL, steps=304)
    kept = opened(tmp_path / "race.json", settings=settings)
    race = Race(digits, settings, kept, seed=3, device=CPU, workers=1)
    seen: list[RaceProgress] = []

    def run_out(progress: RaceProgress) -> None:
        if not seen:
            race.budget = StepBudget(time.monotonic() - 1, 1)
            race.budget.ran(1, 1)
        seen.append(progress)

    final = race.run(run_out)
    steps = {rung: [each.steps for each in kept.results if each.rung == rung] for rung in kept.steps}
    assert steps == {"draw": [8, 4, 4, 4], "mutate": [4] * 4, "semifinal": [8] * 3, "final": [8] * 12}
    assert [seen[0].iterations, seen[-1].iterations] == [304, len(seen)] and seen[-1].iteration == len(seen)
    again = opened(tmp_path / "race.json", settings=settings, resume=True)
    assert Race(digits, settings, again, seed=3, device=CPU, workers=1).run(print) == final


def test_too_small_a_budget_is_refused_with_the_least(digits: ImageData) -> None:
    settings = RaceSettings(draws=4, steps=20)
    with pytest.raises(SettingsError, match="takes 152 at least"):
        Race(digits, settings, opened(None, settings=settings), seed=0, device=CPU).run(lambda progress: None)


def test_a_budget_that_the_measurement_uses_up_is_refused_with_the_least(digits: ImageData) -> None:
    settings = RaceSettings(draws=4, seconds=1)
    race = Race(digits, settings, opened(None, settings=settings), seed=0, device=CPU)
    race.started -= 10
    with pytest.raises(SettingsError, match=r"a race of 1 s tells nothing; it takes \d+ s at least here"):
        race.run(lambda progress: None)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda record: {**record, "seed": 4}, "was raced with seed 4, not 3"),
        (lambda record: {**record, "settings": {**record["settings"], "cells": 9}}, "was raced with cells 9, not 2"),
        (lambda record: {**record, "runs": [{"rung": "draw"}]}, "no checkpoint of a race"),
        (
            lambda record: {
                **record,
                "runs": [{"rung": "draw", "cells": [[[0, 7]], [[0, 1]]], "init": 0, "losses": [1.0]}],
            },
            "no checkpoint of a race",
        ),
    ],
)
def test_a_journal_of_another_race_or_a_damaged_one_is_refused(damage: object, says: str, tmp_path: Path) -> None:
    path = tmp_path / "race.json"
    opened(path).begin("draw", 4)
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))  # type: ignore[operator]
    with pytest.raises(RunError, match=says):
        opened(path, resume=True)


def test_a_stopped_race_is_not_written_over(tmp_path: Path) -> None:
    opened(tmp_path / "race.json").begin("draw", 4)
    with pytest.raises(RunError, match="--resume"):
        opened(tmp_path / "race.json")


def test_settings_that_make_no_race_are_refused() -> None:
    with pytest.raises(SettingsError, match="draws must be at least 4"):
        RaceSettings(draws=2)
