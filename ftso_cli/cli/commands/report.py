"""`ftso report`: a page about a trained network, about a cell and its searches, or about a study."""

from typing import Any

from ftso_cli.cli.console import note, print_json, say, warn
from ftso_cli.cli.derive import as_command
from ftso_cli.settings.requests.looks import ReportRequest


def _fill(given: dict[str, Any]) -> None:
    """Fill in the file of the page."""
    given.setdefault("output", "report.html")


@as_command(ReportRequest, fill=_fill)
def report(request: ReportRequest, as_json: bool) -> None:
    """Make a page about a trained network, about a cell with its searches and trainings, or about a study.

    One HTML file that opens without a network, to look at, to send and to print. That of a run tells how well its
    network does, on which classes, and shows test images that it mistakes. A genotype file brings the searches that
    lie beside it; add the run folders of its trainings.

    Examples: `ftso report runs/cell-digits` · `ftso report cell.json runs/cell-digits -o report.html` ·
    `ftso report cell.search-ops` ·
    `ftso report pc_darts_cifar` · `ftso report runs/table3`
    """
    from ftso_cli.report.writing import write_report

    made = write_report.run(request)
    found, size = made.about, len(made.html.encode())
    for folder in found.strangers:
        warn(f"{folder}: is of another search than {found.file}, and was left out")
    if as_json:
        print_json(
            {
                "file": str(request.output),
                "bytes": size,
                "searches": [trace.name for trace in found.traces],
                "trainings": [str(training.folder) for training in found.trainings],
            }
        )
        return
    parts = [f"{len(found.traces)} search{'es' * (len(found.traces) != 1)}"] if found.traces else []
    parts += [f"{len(found.trainings)} training{'s' * (len(found.trainings) != 1)}"] if found.trainings else []
    about = f", {' and '.join(parts)}" if parts else ""
    say(f"wrote {request.output}, {size / 1000:,.0f} kB: {found.title}{about}")
    note("it opens in any browser, without a network")
