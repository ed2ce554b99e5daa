"""Links in a folder that came from somebody else: what is written there stays there."""

import os
import shutil
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.errors import FileError
from ftso_cli.files import make_inside, write_inside
from tests.forks import run_ftso
from tests.studies.studies import looked_up

OPTIONS = ["--channels", "4", "--cells", "2", "--epochs", "1", "--batch-size", "256", "--tensorboard"]


def ftso(*args: str | Path, status: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links") / "run"
    ftso("train", "ftso_wide_sep3", *OPTIONS, "-o", folder)
    return folder


def lead_out(folder: Path, elsewhere: Path) -> dict[Path, bytes]:
    """Makes every file of a folder a link to what it was, elsewhere; gives what lies there."""
    elsewhere.mkdir()
    for path in [path for path in folder.iterdir() if path.is_file()]:
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    return {path: path.read_bytes() for path in elsewhere.iterdir()}


def test_what_a_resumed_training_writes_replaces_the_links_of_its_run(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = lead_out(run, tmp_path / "elsewhere")
    ftso("train", "--resume", run)
    assert {path: path.read_bytes() for path in before} == before
    written = (
        "metrics.csv",
        "metrics.svg",
        "metrics.png",
        "weights.safetensors",
        "result.json",
        "answers.csv",
        "latency.json",
        "report.html",
    )
    assert not any((run / name).is_symlink() for name in written)
    (run / "network.onnx").symlink_to(tmp_path / "elsewhere" / "new")
    (run / "network.safetensors").symlink_to(tmp_path / "elsewhere" / "new")
    ftso("export", run, "--format", "safetensors")
    assert not (tmp_path / "elsewhere" / "new").exists() and not (run / "network.safetensors").is_symlink()


def test_a_link_where_a_picture_or_a_page_lies_by_default_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("darts_v2.svg", "report.html"):
        Path(name).symlink_to("victim")
    Path("victim").write_text("mine")
    ftso("draw", "darts_v2")
    ftso("report", "darts_v2")
    Path("cell.json").symlink_to("lost")
    assert "cell.json exists" in ftso("search-topology", "--iters", "1", status=1).stderr
    assert Path("victim").read_text() == "mine" and not Path("lost").exists()
    assert not Path("darts_v2.svg").is_symlink() and not Path("report.html").is_symlink()


def test_curves_are_written_into_no_folder_behind_a_link(trained: Path, tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("tensorboard"))
    elsewhere.mkdir()
    (run / "tensorboard").symlink_to(elsewhere)
    told = ftso("train", "--resume", run, "--tensorboard", status=1).stderr
    assert "tensorboard: is a link" in told and list(elsewhere.iterdir()) == []


def test_a_study_writes_nothing_behind_the_links_of_its_folder(tmp_path: Path) -> None:
    study, out, elsewhere = looked_up(tmp_path, "0"), tmp_path / "out", tmp_path / "elsewhere"
    assert run_ftso("sweep", study, "-o", out).returncode == 0
    elsewhere.mkdir()
    stage = next((out / "stages").glob("query-*"))
    (stage / "answer.json").unlink()
    before = {}
    for folder in (out, stage):
        for path in [path for path in folder.iterdir() if path.is_file() and path.name not in ("trials.db", "lock")]:
            target = elsewhere / f"{folder.name}-{path.name}"
            path.rename(target)
            path.symlink_to(target)
            before[target] = target.read_bytes()
    assert len(before) >= 6
    (stage / "answer.json").symlink_to(elsewhere / "answer.json")
    other = looked_up(tmp_path, "0-1")
    assert run_ftso("sweep", other, "-o", out).returncode == 0
    assert {path: path.read_bytes() for path in before} == before
    assert not (out / "trials.csv").is_symlink() and not (elsewhere / "answer.json").exists()


@pytest.mark.parametrize("name", ["trials.db", "trials.db-journal", "stages"])
def test_a_study_whose_database_or_stages_lie_behind_a_link_is_refused(name: str, tmp_path: Path) -> None:
    study, out = looked_up(tmp_path, "0"), tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "elsewhere")
    done = run_ftso("sweep", study, "-o", out)
    assert done.returncode == 1 and f"{name}: is a link".encode() in done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_a_pipe_or_a_device_in_a_folder_that_ftso_fills_becomes_a_file(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "victim").chmod(0o400)
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "lost").symlink_to("nowhere")
    (tmp_path / "null").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "lost", "null", "pipe", "new"):
        write_inside(tmp_path / name, b"content")
        assert stat.S_ISREG((tmp_path / name).lstat().st_mode) and (tmp_path / name).read_bytes() == b"content"
    assert (tmp_path / "victim").read_bytes() == b"mine" and not (tmp_path / "nowhere").exists()
    (tmp_path / "folder").mkdir()
    (tmp_path / "way").symlink_to("folder")
    with pytest.raises(FileError, match="can't be written"):
        write_inside(tmp_path / "folder", b"content")
    with pytest.raises(FileError, match="is a link"):
        make_inside(tmp_path / "way")
