"""How long the rungs of a race may be, against sums by hand."""

from ftso_cli.search.race.rungs import LEAST_UNIT, Rung, StepBudget, race_rungs, total_units


def test_the_heats_of_a_race_have_68_units() -> None:
    """16 + 16 runs of one unit, 6 of two and 3 × 4 of two."""
    assert [rung.runs for rung in race_rungs(16)] == [16, 16, 6, 12]
    assert total_units(race_rungs(16)) == 16 + 16 + 2 * 6 + 2 * 12


def test_a_unit_is_what_there_is_time_for_and_workers_wait_for_the_slowest() -> None:
    """Two workers, 0.5 s a step: 8 + 8 + 2 · 3 + 2 · 6 units in a row, 17 s; sixteen: 1 + 1 + 2 + 2, 3 s."""
    for workers, seconds in ((2, 17), (16, 3)):
        budget = StepBudget(1000 + 10 * seconds, workers, lambda: 1000)
        budget.ran(4, 8)
        assert budget.unit(race_rungs(16)) == 10
        assert budget.least_seconds(race_rungs(16)) == LEAST_UNIT * seconds


def test_only_the_last_two_runs_of_each_worker_count() -> None:
    budget = StepBudget(100, 1, lambda: 0)
    for seconds in (50, 1, 3):
        budget.ran(seconds, 1)
    assert budget.least_seconds([Rung(name="draw", runs=1, units=1)]) == LEAST_UNIT * 2


def test_after_the_deadline_there_is_time_for_nothing() -> None:
    budget = StepBudget(0, 2, lambda: 5)
    budget.ran(1, 1)
    assert budget.unit(race_rungs(4)) == 0
