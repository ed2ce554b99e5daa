"""`ftso doctor`: what it finds here, and where something is missing or broken."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ftso_cli.cli.app import app
from tests.processes import ROOT, run_fresh


def findings(*args: str, env: dict[str, str] | None = None, status: int = 0) -> dict[str, dict[str, Any]]:
    """The findings of `ftso doctor --json` by name."""
    done = CliRunner().invoke(app, ["doctor", *args, "--json"], env=env)
    assert done.exit_code == status, done.output
    return by_name(done.stdout, status)


def by_name(printed: str | bytes, status: int) -> dict[str, dict[str, Any]]:
    report = json.loads(printed)
    assert report["broken"] == (status == 1)
    return {finding["name"]: finding for finding in report["findings"]}


def test_a_search_and_a_training_on_digits_are_well_here() -> None:
    found = findings()
    smoke = found["search and train"]
    assert smoke["state"] == "ok" and smoke["facts"]["accuracy"] > 0.5
    assert found["packages"]["facts"]["torch"] and found["device"]["facts"]["threads"] >= 1
    assert found["library"]["facts"]["cells"] > 40
    assert "svg" in found["pictures"]["facts"]["formats"]
    assert {"onnx", "onnxscript"} <= set(found["extra onnx"]["facts"]) and "extra test" not in found


def test_a_bug_report_names_no_file_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "miller"
    cache = home / "secret"
    images = cache / "images"
    images.mkdir(parents=True)
    (images / f"{'0' * 32}.safetensors").write_bytes(bytes(8) + b'{"__metadata__":{"ftso":""}}')
    monkeypatch.chdir(home)
    found = findings("--quick", env={"HOME": str(home), "FTSO_CACHE": str(cache)})
    assert not re.search("miller|secret", json.dumps(found))
    assert found["cache"]["facts"] == {"cache": "FTSO_CACHE", "bytes": 36, "files": 1}


def test_a_folder_of_other_things_is_no_cache_and_what_it_holds_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "thesis.tar").write_bytes(bytes(1000))
    found = findings("--quick", env={"FTSO_CACHE": str(tmp_path)}, status=1)["cache"]
    assert (found["state"], found["facts"]["bytes"], found["facts"]["files"]) == ("broken", 0, 0)
    assert "thesis" not in json.dumps(found)


def test_what_is_missing_is_named_with_what_mends_it() -> None:
    found = findings("--quick", env={"FTSO_CACHE": "", "PATH": "/nowhere"})
    assert (found["cache"]["state"], found["cache"]["remedy"]) == ("missing", "unset FTSO_CACHE")
    assert found["pictures"]["state"] == "missing" and "Graphviz" in found["pictures"]["text"]
    assert "search and train" not in found


def test_a_broken_package_gives_status_1_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libnothing.so: cannot open shared object file')")
    done = run_fresh("doctor", "--quick", env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "COLUMNS": "100"})
    output = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert "libnothing.so" in output and "Traceback" not in output


def test_a_broken_torch_is_told_among_what_is_well(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libnothing.so: cannot open shared object file')")
    done = run_fresh("doctor", "--quick", "--json", env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    found = by_name(done.stdout, status=done.returncode)
    assert done.returncode == 1
    assert found["packages"]["state"] == "broken" and found["packages"]["remedy"].startswith("pip install")
    assert found["library"]["state"] == "ok"


def test_it_is_legible_on_a_narrow_terminal() -> None:
    done = CliRunner().invoke(app, ["doctor", "--quick"], env={"COLUMNS": "40"})
    lines = done.stdout.splitlines()
    assert all(len(line) <= 40 for line in lines) and lines[-1] == "all that ftso needs is here"
    assert "…" not in done.stdout
