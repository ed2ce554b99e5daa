"""The page of a study: one trial that is done, one that fails, one that waits."""

from pathlib import Path

import pytest

from ftso_cli.errors import RunError
from ftso_cli.report.collect import Report, collect
from ftso_cli.report.page import page
from ftso_cli.report.studies.study import StudyFound, study_section
from ftso_cli.report.studies.study_figure import panels
from ftso_cli.studies.analysis.results import summary
from ftso_cli.studies.study import read_study
from tests.forks import run_ftso
from tests.images import write_folder
from tests.report.test_page import Reader
from tests.studies.studies import BUDGETS, LENGTHS, done, written

STUDY = """
title = "Whether <b>rates</b> matter"
data = "{data}"
seeds = "0"
search-topology = {{ channels = 4, cells = 3, iters = 2, batch-size = 8 }}
assign-ops.op = "skip_connect"
train = {{ channels = 4, cells = 3, epochs = 1, batch-size = 8, auxiliary = 0.0 }}

[[settings]]
name = "a low rate"

[[settings]]
name = "one that never ends well"
train.rate = 1e30
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "rates.toml").write_text(STUDY.format(data=write_folder(folder / "photos").as_posix()))
    ended = run_ftso("sweep", folder / "rates.toml", "-o", folder / "rates", "-w", "1")
    assert (folder / "rates" / "study.json").is_file(), ended.stderr.decode()
    return folder / "rates"


@pytest.fixture(scope="module")
def report(study: Path) -> Report:
    return collect([str(study)])


def test_a_study_brings_its_best_trial_with_the_search_of_it(report: Report) -> None:
    assert report.study is not None and report.study.standing == "1 done, 1 failed"
    best = report.study.best
    assert best is not None and best.setting == "a low rate"
    (training,) = report.trainings
    assert training.result is not None and training.result.test_accuracy == best.accuracy
    assert [trace.command for trace in report.traces] == ["search-topology"]
    assert report.network is not None and report.network.params == best.parameters


def test_its_page_tells_settings_trials_and_errors_as_text(report: Report) -> None:
    read = Reader(page(report))
    said = " ".join(read.texts)
    for text in ("The settings", "a low rate", "1 done, 1 failed", "not finite", "Whether <b>rates</b> matter"):
        assert text in said
    assert "b" not in read.tags
    assert any("mean of 1" in value for name, value in read.attributes if name == "aria-label")


def test_a_study_stands_alone(study: Path) -> None:
    with pytest.raises(RunError, match="give it alone"):
        collect([str(study), "darts_v2"])


def test_a_study_of_which_nothing_is_left_but_its_records_has_a_page(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my study"
    folder.mkdir()
    for name in ("study.json", "trials.db"):
        (folder / name).write_bytes((study / name).read_bytes())
    found = collect([str(folder)])
    assert found.genotype is None and "a low rate" in page(found)
    assert found.study is not None and study_section(found.study).command == "ftso sweep results 'my study'"


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (LENGTHS, [["test accuracy", "iters 1, seed 0"], ["dominant eigenvalue", "iters 391, seed 1"]]),
        (BUDGETS, [["accuracy, %: short", "Pearson"], ["accuracy, %: long", "train 2, seed 1"]]),
    ],
    ids=["lines", "scatter"],
)
def test_the_page_has_the_figure_that_the_study_asks_for(tmp_path: Path, content: str, labels: list[list[str]]) -> None:
    study = read_study(written(tmp_path, content), changes={"seeds": "0-2"})
    trials = done(study, [[0.1, 0.2, 0.3], [0.2, 0.3, 0.1], [0.3, 0.4, 0.2]])
    drawn = panels(study, trials)
    for panel, expected in zip(drawn, labels, strict=True):
        assert all(text in panel.picture + panel.caption for text in expected)
    found = Report(
        title="t",
        file="f",
        genotype=None,
        study=StudyFound(folder=tmp_path, study=study, rows=tuple(summary(study, trials)), trials=tuple(trials)),
    )
    assert all(panel.picture in page(found) for panel in drawn)
    assert panels(study, []) == ()
