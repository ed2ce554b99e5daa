"""The table of a data set, which stands at the start of a training."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ftso_cli.cli.console import plain, show, visible, warn
from ftso_cli.cli.output.common import print_images

if TYPE_CHECKING:
    from rich.table import Table

    from ftso_cli.data import ImageData
    from ftso_cli.data.table import PartDuplicates, SetTable

MOST_ROWS = 25
"""Classes that have a row of their own; of more, the first `FIRST_ROWS` have."""

FIRST_ROWS = 20

LONGEST = 40
"""Columns that the name of a class takes; a longer one is cut."""

MANY_ALIKE = 0.02
"""Share of the images of a part that look like a training image, from which a warning says so."""

COLUMN_NAMES = {"train": "training", "val": "validation", "test": "test"}


def print_set(data: "ImageData") -> "SetTable":
    """Tell what a data set holds, and what of it is not used, on stderr; its images should have been read."""
    from ftso_cli.data.table import describe_set

    table = describe_set(data)
    show(_counts(table), on_stderr=True)
    show(_remarks(table), on_stderr=True)
    print_images(data, tested=True)
    for text in _warnings(table):
        warn(text)
    return table


def _counts(table: "SetTable") -> "Table":
    """A row of counts for each class, or for the first of many, and one for all."""
    from rich.table import Table

    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    # On a narrow terminal names are folded, and no count is lost.
    rows.add_column(f"{len(table.classes):,} classes", overflow="fold")
    for part in table.counts:
        rows.add_column(COLUMN_NAMES[part], justify="right", no_wrap=True)
    rows.add_column("all", justify="right", no_wrap=True)
    shown = FIRST_ROWS if len(table.classes) > MOST_ROWS else len(table.classes)
    for label, name in enumerate(table.classes[:shown]):
        _add(rows, name, [counts[label] for counts in table.counts.values()])
    if shown < len(table.classes):
        _add(rows, f"{len(table.classes) - shown:,} more", [sum(counts[shown:]) for counts in table.counts.values()])
    _add(rows, "all", [sum(counts) for counts in table.counts.values()], style="bold")
    return rows


def _add(rows: "Table", name: str, counts: list[int], style: str = "") -> None:
    from rich.text import Text

    text = Text(visible(name))
    text.truncate(LONGEST, overflow="ellipsis")
    rows.add_row(text, *(f"{count:,}" if count else "-" for count in counts), f"{sum(counts):,}", style=style)


def _remarks(table: "SetTable") -> "Table":
    """Sizes and kinds of the files, how often the most frequent class would be right, uneven classes, look-alikes."""
    from rich.table import Table

    rows = Table(box=None, padding=(0, 3, 0, 0), show_header=False)
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("images", plain(", ".join(_images(table))))
    rows.add_row("baseline", f"{plain(table.answer)} as the answer to all test images: {table.baseline:.1%} right")
    if table.trained.uneven:
        rarest = table.classes[table.trained.smallest]
        uneven = f"{table.answer} has {table.trained.ratio:.1f} times as many training images as {rarest}"
        rows.add_row("uneven", plain(uneven))
    # One reason for all parts is told once.
    for text in dict.fromkeys(map(_alike, table.alike)):
        rows.add_row("look-alikes", plain(text))
    return rows


def _images(table: "SetTable") -> Iterator[str]:
    if table.kinds:
        yield ", ".join(f"{count:,} {kind}" for kind, count in sorted(table.kinds.items(), key=lambda item: -item[1]))
    if table.sizes is not None:
        smallest, median, largest = map(_pixels, table.sizes)
        among = f" of {table.measured:,} that were looked at" if table.measured < sum(table.kinds.values()) else ""
        yield smallest if smallest == largest else f"{median} in the median, {smallest} to {largest}{among}"
    width, height = table.image_size
    turned = "" if width == height else f" (width by height; --image-size {height}x{width})"
    yield f"used at {_pixels(table.image_size)}{turned}"


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _alike(alike: "PartDuplicates") -> str:
    """Count and name images of a part that look like training images."""
    found, called = alike.found, COLUMN_NAMES[alike.part]
    if found.why_not:
        return f"not looked for, {found.why_not}"
    count = f"{len(found.pairs):,} of {found.compared:,} {called} images look like a training image"
    if not found.pairs:
        return count
    classes = f", {alike.other_class:,} of them like one of another class" if alike.other_class else ""
    more = "; ..." if len(found.pairs) > len(alike.names) else ""
    return f"{count}{classes}: {'; '.join(f'{one} = {other}' for one, other in alike.names)}{more}"


def _warnings(table: "SetTable") -> Iterator[str]:
    """Name parts whose images are known from training."""
    for alike in table.alike:
        share = len(alike.found.pairs) / max(1, alike.found.compared)
        if share > MANY_ALIKE:
            called = COLUMN_NAMES[alike.part]
            yield f"{share:.0%} of the {called} images look like a training image, so expect less of new images"
