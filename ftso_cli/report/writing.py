"""The verb that makes a page: report."""

from dataclasses import dataclass
from pathlib import Path

from ftso_cli.api.cells import check_writable
from ftso_cli.api.verbs import verb
from ftso_cli.files import write_atomic, write_inside
from ftso_cli.report.collect import Report, collect
from ftso_cli.report.page import page
from ftso_cli.report.plots.charts import check_charts
from ftso_cli.settings.requests.looks import ReportRequest

DEFAULT_PAGE = Path("report.html")
"""The file of the command's page where no other is named."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page as HTML text, and what it is about."""

    html: str
    about: Report


@verb(ReportRequest)
def write_report(request: ReportRequest) -> Page:
    """Make a page about a trained network, about a cell with its searches and trainings, or about a study.

    `sources` are the file of a cell or its published name, run folders of its searches and trainings, or the folder of
    a study. The page is one HTML file that opens without a network; with an `output` it is written there.
    Raises `DrawingError` where the extra `report` is not installed, `RunError` for sources of different cells.
    """
    output = None if request.output is None else Path(request.output)
    if output is not None:
        check_writable(output)
    check_charts()
    found = collect([str(source) for source in request.sources], request.title, request.storage)
    html = page(found)
    if output is not None:
        # Whoever has put a link where the page lies by default wasn't the one who asks for the page.
        (write_inside if output == DEFAULT_PAGE else write_atomic)(output, html.encode())
    return Page(html=html, about=found)


def write_run_page(folder: Path) -> Path:
    """Write the page about a training into its run folder, as report.html, and return its path.

    Raises `DrawingError` where the extra `report` is not installed.
    """
    check_charts()
    path = folder / DEFAULT_PAGE
    write_inside(path, page(collect([str(folder)])).encode())
    return path
