"""The command line of a stage, by what an earlier attempt has left."""

from pathlib import Path
from threading import Event

import pytest

from ftso_cli.api.search.ensembles import seeds_folder
from ftso_cli.api.search.races import journal_of
from ftso_cli.errors import RunError
from ftso_cli.nn.checkpoint import Checkpoints, State
from ftso_cli.studies.measures import measure_trial
from ftso_cli.studies.plan import Stage
from ftso_cli.studies.work import Workspace, arguments


def resumed(folder: Path, **options: object) -> bool:
    """Whether a topology search with these options goes on with what is in the folder."""
    return "--resume" in arguments(Stage(name="search-topology", options=options, key="0"), "", folder)


@pytest.mark.parametrize("options", [{}, {"rank": "beta"}, {"preset": "paper"}], ids=str)
def test_a_search_goes_on_from_its_last_checkpoint_or_from_the_one_before(
    options: dict[str, str], tmp_path: Path
) -> None:
    assert not resumed(tmp_path, **options)
    (tmp_path / "run").mkdir()
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoint.safetensors")
    for _ in range(2):
        checkpoints.write(State(tensors={}, values={}))
        assert resumed(tmp_path, **options)
    checkpoints.last.unlink()
    assert resumed(tmp_path, **options)
    checkpoints.before.unlink()
    assert not resumed(tmp_path, **options)


def test_a_race_goes_on_with_its_journal(tmp_path: Path) -> None:
    assert not resumed(tmp_path, rank="race")
    journal_of(tmp_path / "cell.json").write_text("{}")
    assert resumed(tmp_path, rank="race")


def test_an_ensemble_goes_on_with_its_seeds(tmp_path: Path) -> None:
    assert not resumed(tmp_path, seeds="0-3")
    seeds_folder(tmp_path / "cell.json").mkdir()
    assert resumed(tmp_path, seeds="0-3")


@pytest.mark.parametrize("content", ["", "{}", '{"cells": []}', '{"cells": [{"data_sets": {"cifar10": 1}}]}'])
def test_a_damaged_answer_is_named(content: str, tmp_path: Path) -> None:
    stage = Stage(name="query", options={}, key="0")
    answer = tmp_path / stage.folder / "answer.json"
    answer.parent.mkdir()
    answer.write_text(content)
    with pytest.raises(RunError, match=r"answer\.json: is damaged"):
        measure_trial([stage], Workspace(root=tmp_path, threads=1, stop=Event()))


@pytest.mark.parametrize("options", [{"seeds": "0-1"}, {"rank": "gradient"}, {"preset": "stable"}], ids=str)
def test_an_ensemble_keeps_no_history_to_go_on_with(options: dict[str, str], tmp_path: Path) -> None:
    assert "--run" not in arguments(Stage(name="search-topology", options=options, key="0"), "", tmp_path)
