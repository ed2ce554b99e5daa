"""What a study may not do by itself: read pickles, or run what lies in the current folder."""

import bz2
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ftso_cli.genotype import storage
from ftso_cli.programs import find_program, ftso_command, safe_environment
from ftso_cli.studies.results import read_trials, write_settings
from ftso_cli.studies.study import read_study
from tests.forks import run_ftso
from tests.nats import uniform
from tests.processes import HANG, ROOT, environment
from tests.studies.studies import looked_up, written

RECORDS = 'cell = "nats.json"\nassign-ops.op = "random"\nquery.table = "records"\n'


class Payload:
    """A pickle that makes a folder when it is read."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.made),)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with a cell and with records of the benchmark that make the folder `executed`."""
    (tmp_path / "records").mkdir()
    content = bz2.compress(pickle.dumps(Payload(tmp_path / "executed")))
    (tmp_path / "records" / "meta.pickle.pbz2").write_bytes(content)
    storage.write_genotype(uniform("skip_connect"), tmp_path / "nats.json")
    return tmp_path


@pytest.mark.parametrize(
    "trusting",
    [
        "query.trust-pickle = true\n",
        "query.trust_pickle = true\n",
        "query.trust-pickle = false\n",
        "[grid]\nquery.trust-pickle = [true, false]\n",
        '[[settings]]\nname = "a"\nquery.trust-pickle = true\n',
        "[full]\nquery.trust-pickle = true\n",
    ],
)
def test_a_study_file_cannot_trust_pickles(hostile: Path, trusting: str) -> None:
    study = written(hostile, f"{RECORDS}{trusting}")
    done = run_ftso("sweep", study.name, "-o", "out", "-w", "1", *["--full"] * ("full" in trusting), cwd=hostile)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"trust-pickle is no option of a study file" in done.stderr
    assert b"ftso sweep STUDY --trust-pickle" in done.stderr and done.stderr.count(b"\n") == 1
    assert sorted(path.name for path in hostile.iterdir()) == ["nats.json", "records", "study.toml"]


def test_pickles_of_a_study_are_read_with_the_word_of_the_command_line_alone(hostile: Path) -> None:
    pytest.importorskip("nats_bench", reason="the benchmark's own package reads its records")
    study = written(hostile, RECORDS)
    done = run_ftso("sweep", study.name, "-o", "out", "-w", "1", cwd=hostile)
    assert done.returncode == 1 and b"give --trust-pickle if you trust" in done.stderr
    assert not (hostile / "executed").exists()
    run_ftso("sweep", study.name, "-o", "out", "-w", "1", "--retry-failed", "--trust-pickle", cwd=hostile)
    assert (hostile / "executed").is_dir()


def test_a_study_that_was_kept_with_trust_in_pickles_is_still_read(hostile: Path) -> None:
    study = read_study(written(hostile, RECORDS.replace('"nats.json"', f'"{hostile}/nats.json"')))
    (setting,) = study.settings
    trusting = setting.pipeline | {"query": {**setting.pipeline["query"], "trust_pickle": True}}
    kept = study.model_copy(update={"settings": (setting.model_copy(update={"pipeline": trusting}),)})
    write_settings(kept, hostile / "kept")
    assert [one.state for one in read_trials(hostile / "kept")] == ["waiting"]


@pytest.fixture
def littered(tmp_path: Path) -> Path:
    """A folder of modules, named as those of Python and of others, each of which makes a folder when imported."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("types", "random", "colorsys", "optuna", "ftso_cli"):
        (here / f"{name}.py").write_text(f"import os; os.mkdir({str(tmp_path / f'imported_{name}')!r})")
    return here


def test_files_in_the_current_folder_are_not_imported_by_the_stages_of_a_study(littered: Path, tmp_path: Path) -> None:
    study = looked_up(tmp_path, "0").read_text().replace('["cifar10", "cifar100"]', '["cifar10"]')
    # As the installed program runs: without the current folder on its path.
    command = [sys.executable, "-P", "-m", "ftso_cli", "sweep", written(tmp_path, study), "-o", tmp_path / "out"]
    own = environment({"PYTHONPATH": str(ROOT)})
    done = subprocess.run([*command, "-w", "1"], cwd=littered, env=own, capture_output=True, timeout=HANG)
    assert done.returncode == 0, done.stderr.decode()
    assert not list(tmp_path.glob("imported_*"))


@pytest.mark.parametrize("path", ["", str(ROOT), f"{ROOT}{os.pathsep}", f"{os.pathsep}{ROOT}{os.pathsep}./"])
def test_an_empty_entry_of_pythonpath_does_not_bring_the_current_folder_back(
    littered: Path, tmp_path: Path, path: str
) -> None:
    isolated = safe_environment(environment({"PYTHONPATH": path}))
    done = subprocess.run(ftso_command("--version"), cwd=littered, env=isolated, capture_output=True, check=False)
    assert (done.returncode, done.stdout[:5]) == (0, b"ftso "), done.stderr.decode()
    assert not list(tmp_path.glob("imported_*"))


def test_a_program_in_the_current_folder_draws_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!/bin/sh\nmkdir {tmp_path}/executed\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (".", "", f".{os.pathsep}"):
        assert find_program("dot", path or os.pathsep) is None
    assert find_program("dot", str(tmp_path)) == str(program)
