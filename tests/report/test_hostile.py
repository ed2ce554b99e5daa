"""Pages about files of others: nothing in them ends ftso, runs, or is seen as something else."""

import html
import json
import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, Step, Times, library, storage
from tests.forks import run_ftso
from tests.processes import ROOT
from tests.studies.studies import looked_up, written

EVIL = "\x1b[2J\x00\x9b\u202e\ufffe\nforged line"
NAMES = ("=cmd|' /C calc'!A0", "line one\nline two | $(id) | <b>x", "$\\frac{$", f"@SUM(1) {EVIL}")


def invoke(*args: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(arg) for arg in args], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result


def with_history(step: Step, **seconds: float) -> Genotype:
    cell = library.load_genotype("darts_v2").replace(about=None)
    return cell.with_step(step, Times(started=EVIL, seconds=seconds))


def unseen(text: str) -> set[str]:
    return {sign for sign in text if not sign.isprintable()} - {"\n"}


@pytest.mark.parametrize("command", ["search\x1b-topology", "s\ufffe", "\ud83d\ude00\x00", EVIL])
def test_a_history_with_control_characters_has_a_page(command: str, tmp_path: Path) -> None:
    """In a process of its own: where this fails, the renderer's native code ends it."""
    text = storage.genotype_json(with_history(Step(command="x", notes=("note",)), **{"phase": 1.0}))
    for name in ("x", "note", "phase"):
        text = text.replace(f'"{name}"', json.dumps(command))
    (tmp_path / "cell.json").write_text(text)
    done = run_ftso("report", tmp_path / "cell.json", "-o", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr.decode()
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "\ufffd" in page and unseen(page) == set()


@pytest.mark.parametrize("does", ["os.abort()", "os.kill(os.getpid(), 5)", "os._exit(3)", "raise ValueError('a\\nb')"])
def test_a_renderer_that_fails_is_an_error_of_one_line(does: str, tmp_path: Path) -> None:
    (tmp_path / "vl_convert.py").write_text(f"import os\ndef vegalite_to_svg(*_, **__): {does}")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = run_ftso("report", "darts_v2", "-o", tmp_path / "r.html", env=path)
    assert done.returncode == 1 and not (tmp_path / "r.html").exists()
    assert re.fullmatch(rb"error: (the charts|a chart) can't be drawn: [^\n]+\n", done.stderr), done.stderr


def test_a_page_shows_commands_of_ftso_alone_and_no_absolute_path(tmp_path: Path) -> None:
    history = [
        Step(command="search", data="/home/miller/my photos", settings={"method": "darts-1st; touch X"}, seed=0),
        Step(command="prune; touch X #", settings={"wiring": "-o.bashrc"}),
        Step(command="assign-ops\ntouch X\n", notes=("read from /home/miller/secret/cell.json",)),
        Step(command="prune", settings={"wiring": "-o.bashrc", "keep": "$(id)"}),
    ]
    cell = library.load_genotype("darts_v2").replace(about=None)
    for step in history:
        cell = cell.with_step(step, Times(started="2026-01-01T00:00:00+00:00", seconds={"search": 1.0}))
    storage.write_genotype(cell, tmp_path / "cell.json")
    invoke("report", tmp_path / "cell.json", "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    shown = [html.unescape(re.sub(r"<[^>]+>", "", code)) for code in re.findall(r"<code>(.*?)</code>", page, re.S)]
    assert [shlex.split(command) for command in shown] == [
        shlex.split("ftso search --data 'my photos' --method 'darts-1st; touch X' --seed 0 -o cell-again.json"),
        shlex.split("ftso prune ./-o.bashrc --keep '$(id)' -o cell-again.json"),
    ]
    assert "miller" not in page and str(tmp_path) not in page


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study whose title and settings have such names."""
    folder = tmp_path_factory.mktemp("names")
    text = looked_up(folder, "0").read_text().partition("[grid]")[0]
    settings = (f"[[settings]]\nname = {json.dumps(name)}\nassign-ops.seed = {at}\n" for at, name in enumerate(NAMES))
    title = json.dumps("$\\frac{$ <script>alert(1)</script>")
    run = written(folder, f"title = {title}\n{text}{''.join(settings)}", "named")
    done = run_ftso("sweep", run, "-o", folder / "out", "-w", "1")
    assert done.returncode == 0, done.stderr.decode()
    assert unseen(done.stderr.decode() + done.stdout.decode()) == set()
    assert not any(line.startswith(b"forged") for line in (done.stdout + done.stderr).splitlines())
    return folder / "out"


def test_the_names_of_a_study_are_text_in_its_tables(study: Path, tmp_path: Path) -> None:
    csv, markdown = (study / "trials.csv").read_text(), (study / "results.md").read_text()
    assert unseen(csv + markdown) == set()
    assert len(csv.splitlines()) == len(NAMES) + 1 and len(markdown.splitlines()) == len(NAMES) + 2
    assert csv.splitlines()[1].startswith("'=cmd|' /C calc'!A0,0,done,")
    assert "<b>" not in markdown and r"\$(id)" in markdown and r"\$\\frac{\$" in markdown


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_the_names_of_a_study_are_text_in_its_figure(study: Path, suffix: str, tmp_path: Path) -> None:
    invoke("sweep", "results", study, "--figure", tmp_path / f"figure.{suffix}")
    if suffix == "svg":
        texts = {"".join(each.itertext()).strip() for each in ElementTree.parse(tmp_path / "figure.svg").iter()}
        assert {"$\\frac{$", "=cmd|' /C calc'!A0", "$\\frac{$ <script>alert(1)</script>"} <= texts


def test_the_names_of_a_study_are_text_on_its_page(study: Path, tmp_path: Path) -> None:
    invoke("report", study, "-o", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "<b>x" not in page and unseen(page) == set()
    assert html.escape("$\\frac{$") in page and str(study.parent) not in page
