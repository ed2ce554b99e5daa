"""Everything that ftso raises on purpose.

FtsoError                 the user's data or request is wrong; the message says what, where and what to do
├── FileError             a file can't be read or written
├── BusyError             another process writes there
├── SpaceError            an operator, a space or a network shape that doesn't exist
├── GenotypeError         a genotype that breaks a rule, or is not at the stage that a command needs
├── SettingsError         a setting outside its range, or two that contradict each other
├── DataError             a data set that is missing, empty, damaged or too small
├── TableError            a benchmark table that is damaged, short, or holds a cell twice
├── DrawingError          a picture that can't be made here
├── RunError              a run folder that is missing, damaged or of another network
└── TrainingError         a loss that is not finite, a search that went astray

Messages are one line, without a trailing full stop. The command line prints them behind "error: " and exits
with status 1.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class FtsoError(Exception):
    """The user's data or request is wrong; the message says what, where and what to do."""


class FileError(FtsoError):
    """A file can't be read or written."""


class BusyError(FtsoError):
    """Another process writes there."""


class SpaceError(FtsoError):
    """An operator, a space or a network shape that doesn't exist."""


class GenotypeError(FtsoError):
    """A genotype breaks a rule, or is not at the stage that a command needs."""


class SettingsError(FtsoError):
    """A setting is outside its range, or two settings contradict each other."""


class DataError(FtsoError):
    """A data set is missing, empty, damaged or too small."""


class TableError(FtsoError):
    """A benchmark table is damaged, short, or holds a cell twice."""


class DrawingError(FtsoError):
    """A picture can't be made on this machine."""


class RunError(FtsoError):
    """A run folder is missing, damaged or belongs to another network."""


class TrainingError(FtsoError):
    """A loss is not finite or a search went astray."""


def unknown(what: str, value: str, valid: Iterable[str]) -> str:
    """Says that `value` is no known `what`, with the nearest valid value and all valid ones."""
    names = list(valid)
    near = nearest(value, names)
    guess = f", did you mean {near}?" if near else "."
    return f"unknown {what} {short(value)}{guess} Known: {', '.join(names)}"


def nearest(value: str, names: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The name that `value` was most likely meant to be, whatever its case; None where none is near."""
    spelled = {name.lower(): name for name in names}
    near = get_close_matches(value.lower(), spelled, n=1, cutoff=cutoff)
    return spelled[near[0]] if near else None


def differences(was: Mapping[str, object], now: Mapping[str, object]) -> str:
    """Return the differences between two requests, as `seed 0, not 1`; "" where there are none."""
    # Requests of earlier versions don't name their images.
    unnamed = {"images"} - was.keys()
    changed = sorted(name for name in {*was, *now} - unnamed if was.get(name) != now.get(name))
    parts = ((name, was.get(name), "not", now.get(name)) for name in changed[:20])
    return ", ".join("{} {}, {} {}".format(*(" ".join(str(part).split())[:60] for part in each)) for each in parts)


def short(value: object, width: int = 60) -> str:
    """`value` as quoted text of at most `width` characters, on one line."""
    text = repr(value)
    return text if len(text) <= width else text[: width - 4] + "..." + text[-1]
