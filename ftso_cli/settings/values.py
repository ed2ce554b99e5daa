"""Texts that options are written in: lists of operators, ranges of seeds, budgets. No torch."""

import re
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, ValidationInfo

from ftso_cli.bounds import LEAST_PIXELS, MOST_PIXELS
from ftso_cli.errors import SettingsError, short, unknown
from ftso_cli.genotype.schema import MOST_SEEDS
from ftso_cli.settings.options import OptionError

SEED_DIGITS = 12
"""More are a slip of the hand. A race has some bits to add, and torch takes no more than 64."""

MOST_SEED = 10**SEED_DIGITS - 1

SEEDS = re.compile(rf"(\d{{1,{SEED_DIGITS}}})(?:-(\d{{1,{SEED_DIGITS}}}))?")

MOST_FOLDS = 100

MOST_SECONDS = 1e9
"""More is a slip of the hand."""

UNITS = {"s": 1, "m": 60, "h": 3600}

OPERATOR_SETS: Mapping[str, tuple[str, ...]] = {
    "3op": ("none", "max_pool_3x3", "skip_connect"),
    "4op": ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3"),
}
"""The sets of operators that the topology was searched with in Table 3, by the names that they have there."""

Value = TypeVar("Value")


def chosen(what: str, name: Any, values: Mapping[str, Value]) -> Value:
    """Return the value called `name`; raises `SettingsError` where there is none."""
    if name not in values:
        raise SettingsError(unknown(what, str(name), values))
    return values[name]


def parse_list(values: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the values of an option that can be given several times, and each time may hold several, as in a,b."""
    several = [values] if isinstance(values, str) else values or ()
    return tuple(part.strip() for value in several for part in value.split(",") if part.strip())


def parse_operators(values: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the operators that are listed; 3op and 4op stand for those of the paper's Table 3."""
    return tuple(op for name in parse_list(values) for op in OPERATOR_SETS.get(name, (name,)))


def seeds_of(seeds: str | int | Iterable[int]) -> tuple[int, ...]:
    """Return the seeds that `0-15`, `3,5,8`, `0-3,9` or integers mean; raises `SettingsError` for anything else."""
    text = seeds if isinstance(seeds, str) else ",".join(map(str, [seeds] if isinstance(seeds, int) else seeds))
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(SEEDS, part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last or last - first >= MOST_SEEDS:
            raise SettingsError(f"seeds are written as 0-15 or 3,5,8, at most {MOST_SEEDS} of them, not {short(text)}")
        found += range(first, last + 1)
    if len(set(found)) < len(found) or len(found) > MOST_SEEDS:
        raise SettingsError(f"seeds {short(text)} have one twice, or are more than {MOST_SEEDS}")
    return tuple(found)


def parse_budget(text: str | int) -> dict[str, Any]:
    """Return `5m`, `90s` or `1h` as the seconds of a search, `2000` as its cells, or training steps of a race.

    Raises `OptionError` for what is no budget, and for none at all.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smh]?)", str(text).strip())
    if match is None or (not match[2] and "." in match[1]):
        why = f"{short(text)} is no budget; give a time as in 5m, 90s, 1h, or a number of cells (in a race: steps)"
        raise OptionError("budget", why)
    if not float(match[1]):
        raise OptionError(
            "budget", f"must be above 0, not {text}: give a time, or a number of cells (in a race: steps)"
        )
    return {"seconds": float(match[1]) * UNITS[match[2]]} if match[2] else {"steps": int(match[1])}


def parse_duration(value: Any) -> Any:
    """Return the seconds that `2ms`, `90s`, `10m`, `1h` or a number of seconds mean, None for None."""
    if value is None:
        return None
    seconds = value
    if not isinstance(value, int | float):
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", str(value).strip())
        if match is None:
            raise SettingsError(f"{short(value)} is no time; give one as in 2ms, 90s, 10m, 1h")
        seconds = float(match[1]) * {"ms": 0.001, **UNITS}[match[2]]
    if not 0 < seconds <= MOST_SECONDS:
        raise SettingsError(f"a time is above 0 and at most {MOST_SECONDS:,.0f} seconds, not {seconds:,.0f}")
    return float(seconds)


def parse_count(value: Any, info: ValidationInfo) -> Any:
    """Return 600M, 0.6G, 600e6 or 600000000 as a number; raises `OptionError` for another text."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([\d_,]{1,20}(?:\.\d{1,20})?(?:[eE]\+?\d\d?)?)([kKmMgGbBtT]?)", value.strip())
    scale = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
    try:
        number = int(Fraction(re.sub("[_,]", "", found[1])) * scale[found[2].lower()]) if found else 0
    except ValueError:
        number = 0
    if not 1 <= number <= 10**15:
        text = f"{value!r} is no number from 1 to 1e15; write it as 600M, 0.6G, 600e6 or 600000000"
        raise OptionError(str(info.field_name), text)
    return number


def parse_size(value: Any, least: int = LEAST_PIXELS, most: int = MOST_PIXELS) -> Any:
    """Return 224 or 160x128 (height x width) as a height and a width; raises `ValueError` for another text."""
    if value is None:
        return None
    pair = isinstance(value, tuple | list) and len(value) == 2
    text = "x".join(map(str, value)) if pair else str(value).strip()
    found = re.fullmatch(r"(\d{1,6})(?:[x×](\d{1,6}))?", text, re.ASCII)
    height, width = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not least <= min(height, width) <= max(height, width) <= most:
        raise ValueError(f"no size in pixels from {least} to {most}; write it as 224 or 160x128")
    return height, width


def parse_fold(value: Any) -> tuple[int, int] | None:
    """Return 2/5, the second of five parts, as its numbers; raises `ValueError` for another text."""
    if value is None:
        return None
    text = "/".join(map(str, value)) if isinstance(value, tuple | list) else str(value).strip()
    found = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text, re.ASCII)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (1 <= number <= count and 2 <= count <= MOST_FOLDS):
        raise ValueError(f"no fold; write 2/5 for the second of five, of {MOST_FOLDS} at most")
    return number, count


Fold = Annotated[tuple[int, int] | None, BeforeValidator(parse_fold)]
"""A part of the training images, by its number and how many there are."""

ImageSize = Annotated[tuple[int, int] | None, BeforeValidator(parse_size)]
"""Height and width of the images that networks are trained on."""


def as_option(read: Callable[[Any], Any]) -> Callable[[Any, ValidationInfo], Any]:
    """Return a reader of a text as one of an option, which raises `OptionError` where that raises another error."""

    def of_option(value: Any, info: ValidationInfo) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise OptionError(str(info.field_name), f"{short(value)} is {error}") from None
        except SettingsError as error:
            raise OptionError(str(info.field_name), str(error)) from None

    return of_option


def check_seed(seed: int | None) -> None:
    """Raise `SettingsError` for a seed that is not one of those that `seeds_of` reads."""
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise SettingsError(f"a seed is a number from 0 up, of at most {SEED_DIGITS} digits, not {short(seed)}")
