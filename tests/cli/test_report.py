"""`ftso report` as a user runs it."""

import json
from pathlib import Path

from tests.forks import Trial, forks, run_ftso
from tests.processes import modules_imported_by


def test_a_published_cell_gets_a_page_without_torch(tmp_path: Path) -> None:
    imported = modules_imported_by(["report", "pc_darts_cifar", "-o", tmp_path / "page.html"])
    assert not imported & {"torch", "torchvision", "sklearn", "matplotlib"}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_tells_the_file_and_what_is_on_it(searched_file: Path, tmp_path: Path) -> None:
    done = run_ftso("report", searched_file, "-o", tmp_path / "page.html", "--json")
    told = json.loads(done.stdout)
    assert told == {
        "file": str(tmp_path / "page.html"),
        "bytes": (tmp_path / "page.html").stat().st_size,
        "searches": [],
        "trainings": [],
    }


def test_what_is_no_run_is_told_on_one_line(tmp_path: Path) -> None:
    done = run_ftso("report", tmp_path, "-o", tmp_path / "page.html")
    assert done.returncode == 1 and not (tmp_path / "page.html").exists()
    assert done.stderr.decode().count("\n") == 1 and "no run folder" in done.stderr.decode()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    words = ["report", "darts_v2", "-o", "page.html"]
    ended = forks().run(Trial(args=words, folder=str(tmp_path), missing=["vl_convert"]))
    assert ended.status == 1 and "pip install 'ftso[report]'" in ended.err
