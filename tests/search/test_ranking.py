"""Who leads a race, against differences worked out by hand."""

from dataclasses import replace

import pytest

from ftso_cli.search.race.ranking import Result, best_of, ranked_candidates, winner
from ftso_cli.search.race.topologies import Topology, deepest, widest

OTHER = Topology((((0, 1), (0, 2), (0, 1), (0, 1)),) * 2)


def final(losses: dict[Topology, list[float]]) -> list[Result]:
    return [
        Result(rung="final", topology=topology, init=init, losses=(loss,))
        for topology, row in losses.items()
        for init, loss in enumerate(row)
    ]


def test_differences_are_those_within_an_initialisation() -> None:
    """Deep is behind by 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / √3; t of 2 degrees of freedom is 4.30."""
    best, last = ranked_candidates(final({deepest(4): [1.1, 2.2, 3.3], widest(4): [1.0, 2.0, 3.0]}), "final")
    assert best.topology == widest(4) and best.behind == 0 and last.inits == 3
    assert last.behind == pytest.approx(0.2) and last.error == pytest.approx(0.1 / 3**0.5)
    assert not last.significantly_behind  # 0.2 < 4.30 · 0.0577
    assert ranked_candidates(final({deepest(4): [1.19, 2.2, 3.21], widest(4): [1, 2, 3]}), "final")[
        1
    ].significantly_behind


def test_where_losses_can_not_be_told_apart_the_shallowest_wins() -> None:
    rows = {deepest(4): [1.0, 2.0, 3.0], OTHER: [1.1, 1.9, 3.2], widest(4): [1.5, 2.5, 3.5]}
    assert winner(ranked_candidates(final(rows), "final")).topology == OTHER


def test_one_initialisation_tells_nothing_apart() -> None:
    (best, last) = ranked_candidates(final({deepest(4): [1.0], widest(4): [9.0]}), "final")
    assert best.topology == deepest(4) and last.error is None and winner([best, last]).topology == widest(4)


def test_only_initialisations_that_all_have_run_count() -> None:
    (best, last) = ranked_candidates(final({deepest(4): [1.0, 0.0], widest(4): [2.0]}), "final")
    assert (best.loss, last.loss) == (1.0, 2.0)


def test_without_an_initialisation_that_all_have_run_there_are_no_standings_yet() -> None:
    (first_of_deep,) = final({deepest(4): [1.0]})
    _, second_of_wide = final({widest(4): [9.0, 2.0]})
    assert ranked_candidates([first_of_deep, second_of_wide], "final") == []
    assert ranked_candidates([], "final") == []


def test_runs_are_compared_over_as_many_steps_as_all_of_them_have() -> None:
    """Over two steps, the second counts: 3 against 2; over all four of the longer run it would be 0.5."""
    longer = Result(rung="draw", topology=deepest(4), init=0, losses=(4.0, 3.0, 1.0, 0.0))
    shorter = Result(rung="mutate", topology=widest(4), init=0, losses=(4.0, 2.0))
    assert longer.loss(2) == 3.0 and longer.loss(4) == 0.5
    assert best_of([longer, shorter], ["draw", "mutate"], 2) == [widest(4), deepest(4)]
    assert best_of([longer, shorter], ["draw"], 2) == [deepest(4)]
    both = [replace(each, rung="final") for each in (longer, shorter)]
    assert [each.loss for each in ranked_candidates(both, "final")] == [2.0, 3.0]


def test_leaders_are_those_of_the_heats_that_count() -> None:
    results = [
        Result(rung="draw", topology=deepest(4), init=0, losses=(2.0,)),
        Result(rung="mutate", topology=widest(4), init=0, losses=(1.0,)),
        Result(rung="semifinal", topology=OTHER, init=1, losses=(0.5,)),
    ]
    assert best_of(results, ["draw", "mutate"], 3) == [widest(4), deepest(4)]
