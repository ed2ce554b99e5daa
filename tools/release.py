"""Makes a release of what is on main: its version, its archives, a commit and a tag.

    python tools/release.py 0.2.0

Nothing leaves the machine: the last line says what to push and to upload. Where a check fails, all is as it was.
"""

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = ROOT / "ftso_cli" / "__init__.py"
CHANGELOG = ROOT / "CHANGELOG.md"
NUMBER = re.compile(r'^__version__ = "(\d+)\.(\d+)\.(\d+)"$', re.MULTILINE)
UNRELEASED = re.compile(r"^## Unreleased\n+(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def git(*args: str) -> str:
    return subprocess.check_output(["git", *args], cwd=ROOT, text=True).strip()


def check_tree() -> None:
    """A release is made of what is committed on main, and of nothing else."""
    if (branch := git("branch", "--show-current")) != "main":
        sys.exit(f"the branch is {branch!r}; releases are made on main")
    if changed := git("status", "--porcelain"):
        sys.exit(f"not committed:\n{changed}")


def check_version(version: str) -> None:
    """The version is three numbers, not tagged yet, and not lower than the one that the code has."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        sys.exit(f"{version!r} is no version; give three numbers, as 0.2.0")
    if git("tag", "--list", f"v{version}"):
        sys.exit(f"v{version} is tagged already")
    has = NUMBER.search(VERSION.read_text(encoding="utf-8"))
    if has and tuple(map(int, version.split("."))) < tuple(map(int, has.groups())):
        sys.exit(f"{version} is lower than {'.'.join(has.groups())}, which the code has")


def is_written(version: str) -> bool:
    """Return True where the changelog has a section of this version, and nothing that is unreleased."""
    changes = CHANGELOG.read_text(encoding="utf-8")
    unreleased = UNRELEASED.search(changes)
    return f"\n## {version} (" in changes and not (unreleased and unreleased[1].strip())


def write(version: str) -> None:
    """Write the version into the package, its one home, and above what was unreleased in the changelog."""
    text = VERSION.read_text(encoding="utf-8")
    VERSION.write_text(NUMBER.sub(f'__version__ = "{version}"', text), encoding="utf-8")
    changes = CHANGELOG.read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    CHANGELOG.write_text(
        changes.replace("## Unreleased\n", f"## Unreleased\n\n## {version} ({today})\n", 1), encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("version", help="three numbers, as 0.2.0")
    version = parser.parse_args().version
    check_tree()
    check_version(version)
    unreleased = UNRELEASED.search(CHANGELOG.read_text(encoding="utf-8"))
    written = is_written(version)
    if not written and not (unreleased and unreleased[1].strip()):
        sys.exit("CHANGELOG.md has nothing under Unreleased; say what is new")
    before = {path: path.read_bytes() for path in (VERSION, CHANGELOG)}
    try:
        if not written:
            write(version)
        # All that a change must pass; it ends with the archives in dist/, tried as a user would.
        subprocess.run(["bash", ".ci/run"], cwd=ROOT, check=True)
    except (subprocess.CalledProcessError, KeyboardInterrupt):
        for path, content in before.items():
            path.write_bytes(content)
        sys.exit(f"{version} is not released; the tree is as it was")
    if not written:
        git("commit", "--quiet", "--message", f"Release {version}", "--", *map(str, before))
    git("tag", "--annotate", f"v{version}", "--message", f"ftso {version}")
    print(f"ftso {version} is tagged. Next: git push origin main v{version}; twine upload dist/*")


if __name__ == "__main__":
    main()
