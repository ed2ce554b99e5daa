"""tools/release.py in a small repository of its own, whose checks pass or fail as the test wants."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

CHANGES = "# Changelog\n\n## Unreleased\n\n- Something new.\n"


def git(repository: Path, *args: str) -> str:
    person = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    return subprocess.check_output(["git", *person, *args], cwd=repository, text=True).strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clean repository of version 0.1.0 that has one change to release."""
    for folder in ("tools", "ftso_cli", ".ci"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "tools" / "release.py", tmp_path / "tools")
    (tmp_path / "ftso_cli" / "__init__.py").write_text('"""A package."""\n\n__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / ".ci" / "run").write_text("grep -q 'version__ = \"0.2.0\"' ftso_cli/__init__.py\n")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "config", "user.name", "A Tester")
    git(tmp_path, "config", "user.email", "tester@example.org")
    commit(tmp_path)
    return tmp_path


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "A change")


def release(repository: Path, version: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/release.py", version]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


def state(repository: Path) -> tuple[str, ...]:
    return (
        git(repository, "rev-parse", "HEAD"),
        git(repository, "tag"),
        git(repository, "status", "--porcelain"),
        (repository / "CHANGELOG.md").read_text(),
        (repository / "ftso_cli" / "__init__.py").read_text(),
    )


def test_a_release_is_a_commit_and_a_tag_with_its_version_and_its_changes(repository: Path) -> None:
    done = release(repository, "0.2.0")
    assert done.returncode == 0, done.stderr
    assert git(repository, "log", "-1", "--format=%s %D") == "Release 0.2.0 HEAD -> main, tag: v0.2.0"
    assert git(repository, "status", "--porcelain") == ""
    assert '__version__ = "0.2.0"' in (repository / "ftso_cli" / "__init__.py").read_text()
    heading, changes = (repository / "CHANGELOG.md").read_text().split("## 0.2.0 (")
    assert heading == "# Changelog\n\n## Unreleased\n\n" and changes.endswith(")\n\n- Something new.\n")
    assert "nothing under Unreleased" in release(repository, "0.3.0").stderr


def test_the_version_that_the_code_has_may_be_its_first_release(repository: Path) -> None:
    (repository / ".ci" / "run").write_text("true\n")
    commit(repository)
    assert release(repository, "0.1.0").returncode == 0
    assert git(repository, "tag") == "v0.1.0"


def test_a_version_whose_changes_are_written_already_is_tagged_as_it_is(repository: Path) -> None:
    (repository / ".ci" / "run").write_text("true\n")
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0 (2026-11-27)\n\n- Something new.\n")
    commit(repository)
    before = git(repository, "rev-parse", "HEAD")
    done = release(repository, "0.1.0")
    assert done.returncode == 0, done.stderr
    assert (git(repository, "rev-parse", "v0.1.0^{commit}"), git(repository, "rev-parse", "HEAD")) == (before, before)
    assert "nothing under Unreleased" in release(repository, "0.2.0").stderr


@pytest.mark.parametrize(
    ("version", "why"), [("0.0.9", "lower than 0.1.0"), ("0.2", "is no version"), ("v0.2.0", "is no version")]
)
def test_a_version_that_can_not_follow_is_refused(repository: Path, version: str, why: str) -> None:
    before = state(repository)
    assert why in release(repository, version).stderr
    assert state(repository) == before


def test_a_version_is_released_once(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")
    assert "v0.2.0 is tagged already" in release(repository, "0.2.0").stderr


def test_what_is_not_committed_is_not_released(repository: Path) -> None:
    (repository / "new.py").touch()
    done = release(repository, "0.2.0")
    assert done.returncode == 1 and "?? new.py" in done.stderr


def test_a_branch_is_not_released(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "idea")
    assert "'idea'" in release(repository, "0.2.0").stderr


def test_where_a_check_fails_everything_is_as_before(repository: Path) -> None:
    (repository / ".ci" / "run").write_text("exit 3\n")
    commit(repository)
    before = state(repository)
    done = release(repository, "0.2.0")
    assert done.returncode == 1 and "0.2.0 is not released" in done.stderr
    assert state(repository) == before
