"""`ftso report`: a page about a cell, its searches and its trainings, or about a study."""

from pathlib import Path
from typing import Annotated

import typer

from ftso_cli.cli import common
from ftso_cli.cli.console import note, print_json, say, warn
from ftso_cli.files import write_atomic, write_inside

DEFAULT_PAGE = Path("report.html")


def report(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Of one cell: its file or published name, run folders of its searches and trainings; or a study.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page.", show_default=True)
    ] = DEFAULT_PAGE,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The page's title.", show_default="the cell's name")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The database of a study.", show_default="SQLite in its folder"),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Make a page about a cell: what was searched, trained and measured of it; or about a study.

    One HTML file that opens without a network, to look at, to send and to print. A genotype file brings the searches
    that lie beside it; add the run folders of its trainings.

    Examples: `ftso report cell.json -o report.html` · `ftso report cell.json runs/cell-digits` ·
    `ftso report cell.search-ops` ·
    `ftso report pc_darts_cifar` · `ftso report runs/table3`
    """
    common.check_writable(output)
    from ftso_cli.report.charts import check_charts
    from ftso_cli.report.collect import collect
    from ftso_cli.report.page import page

    check_charts()
    found = collect(sources, title, storage)
    for folder in found.strangers:
        warn(f"{folder}: is of another search than {found.file}, and was left out")
    content = page(found).encode()
    # Whoever has put a link where the page lies by default wasn't the one who asks for the page.
    (write_inside if output == DEFAULT_PAGE else write_atomic)(output, content)
    if as_json:
        print_json(
            {
                "file": str(output),
                "bytes": len(content),
                "searches": [trace.name for trace in found.traces],
                "trainings": [str(training.folder) for training in found.trainings],
            }
        )
        return
    parts = [f"{len(found.traces)} search{'es' * (len(found.traces) != 1)}"] if found.traces else []
    parts += [f"{len(found.trainings)} training{'s' * (len(found.trainings) != 1)}"] if found.trainings else []
    say(f"wrote {output}, {len(content) / 1000:,.0f} kB: {found.title}" + (f", {' and '.join(parts)}" if parts else ""))
    note("it opens in any browser, without a network")
