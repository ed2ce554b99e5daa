"""The cells that a search by evaluation has evaluated, on its page."""

from html import unescape
from pathlib import Path

import pytest

from ftso_cli.errors import RunError
from ftso_cli.report.cell.over_time import moment
from ftso_cli.report.cell.trace import Trace, read_trace
from ftso_cli.report.plots.front import MOST_DOTS, front, fronts

METRICS = "iteration,epoch,weight_loss,arch_loss,skips,edges,eigenvalue,reward\n"
FORMER = "evaluation,seconds,reward,best,cell\n"
LOOKS = [(1, 1), (1, 2), (1, 3), (1, 4), (3, 4), (3, 2)]
"""Effort and cell of every evaluation."""
TODAY = FORMER.strip() + ",params,macs,milliseconds\n"


def search(folder: Path, evaluations: str) -> Trace:
    (folder / "metrics.csv").write_text(METRICS + "0,0,,,,,,\n9,9,,,,,,0.5\n")
    (folder / "evaluations.csv").write_text(evaluations)
    return read_trace(folder)


def test_each_whole_cell_counts_once_as_it_was_looked_at_last(tmp_path: Path) -> None:
    lines = ("1,0.1,0.5,0.5,0 - -,10,100,\n", "2,0.2,0.4,0.5,0 1 2,20,200,3.5\n", "3,0.3,0.6,0.6,0 1 2,20,200,3.5\n")
    trace = search(tmp_path, TODAY + "".join(lines))
    assert [(row.evaluation, row.reward, row.milliseconds) for row in trace.evaluated] == [(3, 0.6, 3.5)]
    assert [moment(trace, at) for at in (0, 1)] == ["evaluation 0", "evaluation 9 · highest reward 0.5"]


def test_cells_that_were_looked_at_longest_are_compared_alone(tmp_path: Path) -> None:
    header = "evaluation,seconds,effort,reward,best,cell,params,macs,milliseconds\n"
    lines = [f"{at},{at},{effort},-2.0,-2.0,{cell},{cell},9,\n" for at, (effort, cell) in enumerate(LOOKS, 1)]
    assert [row.cell for row in search(tmp_path, header + "".join(lines)).evaluated] == ["2", "4"]


def test_the_front_holds_what_no_other_beats_in_both() -> None:
    found = [(2.0, 0.5), (1.0, 0.1), (3.0, 0.4), (2.0, 0.2), (4.0, 0.9), (5.0, 0.9)]
    assert front(found, lambda each: each[0], lambda each: each[1]) == [(1.0, 0.1), (2.0, 0.5), (4.0, 0.9)]


def test_reward_is_drawn_against_the_costs_that_are_known(tmp_path: Path) -> None:
    of_old = FORMER + "1,0.1,0.5,0.5,0 1\n2,0.2,-inf,0.5,1 1\n"
    assert fronts(search(tmp_path, of_old)) == []
    lines = [f"{at + 1},{at},{at % 97 / 97},1,{at},{at + 50},{at * 1000 + 5},\n" for at in range(2000)]
    macs, params = fronts(search(tmp_path, TODAY + "".join(lines)))
    assert "Reward against MACs" in macs and "Reward against parameters" in params
    assert macs.count("evaluation ") <= MOST_DOTS + 97
    # A higher reward than before at every evaluation up to the 97th.
    assert "evaluation 97\nreward 0.9897\n96,005 MACs" in unescape(macs)
    timed, _ = fronts(search(tmp_path, TODAY + "1,1,0.1,0.1,0,5,6,1.5\n2,2,0.2,0.2,1,7,8,2.5\n"))
    assert "evaluation 2\nreward 0.2\n2.5 ms an image" in unescape(timed)


@pytest.mark.parametrize("line", ["1,0.1,high,0.5,0 1\n", "-1,0.1,0.5,0.5,0 1\n", "1,0.1\n"])
def test_a_damaged_table_of_evaluations_is_an_error_that_names_it(line: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"evaluations\.csv: no table of a search"):
        search(tmp_path, FORMER + line)
