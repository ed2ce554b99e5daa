"""Installs built archives, each into a virtual environment of its own, and uses them as a user does.

    python tools/smoke.py dist/*

Commands run in an empty folder, without the checkout. The packages that ftso needs are lent by the interpreter that
runs this, as torch takes gigabytes; `--all` installs them anew, as the archive asks for them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

EXAMPLE = (
    "search-topology --data digits --iters 1 -o cell.json",
    "assign-ops cell.json --op sep_conv_3x3",
    "draw cell.json",
    "draw pc_darts_cifar -o published.png",
    "cost --n 7 --p 8",
    "cost cell.json",
    "report cell.json -o page.html",
    "sweep --presets",
)
"""The example of the README, and every kind of file that comes with the package: cells, templates, studies."""

INSTALLED = """
import importlib.metadata, json, ftso_cli
files = [str(file) for file in importlib.metadata.files("ftso")]
print(json.dumps({"version": ftso_cli.__version__, "module": ftso_cli.__file__, "files": files}))
"""


class Environment:
    """A virtual environment in `folder`, and an empty folder beside it in which its programs run."""

    def __init__(self, folder: Path, *, lent: bool) -> None:
        self.folder = folder / "venv"
        self.empty = folder / "empty"
        self.empty.mkdir()
        venv.create(self.folder, symlinks=True)
        # Only what a user has: no folder to import from, no settings or caches of tests.
        own = ("PYTHON", "FTSO_", "COV_", "COVERAGE_")
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._variables["FTSO_CACHE"] = str(folder / "cache")
        if lent:
            site = Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))
            (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
            # Programs, too: one of them draws.
            self._variables["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

    def run(self, program: str, *args: str) -> str:
        """What a program of the environment prints; it must succeed."""
        command = [str(self.folder / "bin" / program), *args]
        done = subprocess.run(command, cwd=self.empty, env=self._variables, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program} {' '.join(args)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def install(archive: Path, environment: Environment, *, lent: bool) -> None:
    """Installs an archive with pip, with what it needs unless that is lent."""
    # Whatever ftso the lender has, this one is installed over it.
    what = [str(archive), "--force-reinstall", "--no-deps"] if lent else [f"{archive}[report]"]
    pip = [sys.executable, "-m", "pip", "--python", str(environment.folder / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", *what], check=True)


def expected_files() -> set[str]:
    """The files that an installation must have, by what git knows of the checkout."""
    listed = subprocess.check_output(["git", "ls-files", "ftso_cli", "genotypes"], cwd=ROOT, text=True).splitlines()
    return {f"ftso_cli/{name}" if name.startswith("genotypes/") else name for name in listed}


def check_files(archive: Path, environment: Environment) -> None:
    """The package is the one of the environment, of the archive's version, with its files and no others."""
    found = json.loads(environment.run("python", "-c", INSTALLED))
    assert Path(found["module"]).is_relative_to(environment.folder), found["module"]
    assert archive.name.startswith(f"ftso-{found['version']}"), (archive.name, found["version"])
    files = {name for name in found["files"] if "__pycache__" not in name}
    extra = {name for name in files if not name.startswith(("ftso_cli/", f"ftso-{found['version']}.dist-info/"))}
    assert {Path(name).name for name in extra} == {"ftso"}, extra
    package = {name for name in files if name.startswith("ftso_cli/")}
    assert package == expected_files(), package ^ expected_files()
    assert "ftso_cli/py.typed" in package and any(name.endswith("licenses/LICENSE") for name in files)


def check_use(environment: Environment) -> None:
    """The example of the README works, and the published cells are there."""
    for line in EXAMPLE:
        environment.run("ftso", *line.split())
    cells = json.loads(environment.run("ftso", "genotypes", "--json"))
    assert "pc_darts_cifar" in json.dumps(cells)
    assert {path.name for path in environment.empty.iterdir()} == {
        "cell.json",
        "cell.svg",
        "page.html",
        "published.png",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("archives", nargs="+", type=Path, help="wheels and source archives")
    parser.add_argument("--all", action="store_true", help="install what ftso needs anew; torch takes gigabytes")
    asked = parser.parse_args()
    for archive in asked.archives:
        folder = Path(tempfile.mkdtemp(prefix="ftso-smoke-"))
        try:
            environment = Environment(folder, lent=not asked.all)
            install(archive.resolve(), environment, lent=not asked.all)
            check_files(archive, environment)
            check_use(environment)
        finally:
            shutil.rmtree(folder)
        print(f"{archive.name}: installs, has its files, works")


if __name__ == "__main__":
    main()
