"""Studies that come with ftso as study files: those of the paper, and ours."""

import tomllib
from importlib.resources import files
from pathlib import Path

from ftso_cli.errors import SettingsError, unknown

FOLDER = Path(str(files("ftso_cli.studies") / "presets"))


def names() -> list[str]:
    """The presets, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def is_preset(name: str) -> bool:
    """Return True where a preset has this name."""
    return name in names()


def title(name: str) -> str:
    """Return the title of a preset."""
    return str(tomllib.loads(find_study(name).read_text(encoding="utf-8"))["title"])


def find_study(name: str) -> Path:
    """The file of a preset, or of a study; raises `SettingsError` where there is neither."""
    if is_preset(name):
        return FOLDER / f"{name}.toml"
    if not Path(name).is_file() and Path(name).suffix != ".toml":
        raise SettingsError(f"{unknown('preset', name, names())}; or give a study file, STUDY.toml")
    return Path(name)
