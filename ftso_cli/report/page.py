"""The page: one HTML file that asks for nothing else, and forbids itself to.

Every text that comes from a file goes through the template's escaping, without control characters and absolute paths,
and the page's policy runs no script but its own, known by its hash, and fetches nothing at all.
"""

import base64
import hashlib
import platform
from dataclasses import replace
from functools import cache
from pathlib import Path

from ftso_cli import __version__
from ftso_cli.report import palette, sections
from ftso_cli.report.cell import over_time
from ftso_cli.report.collect import Report
from ftso_cli.report.plots.charts import check_charts
from ftso_cli.report.run import classifier, recipe_words
from ftso_cli.report.studies import study
from ftso_cli.texts import page_text

TEMPLATES = Path(__file__).parent / "templates"


LIMIT = 2_000_000
"""Bytes that a page may have; where searches make it larger, they are shown at fewer moments."""

FEWEST = 8
"""Moments of a search that are shown in any case."""


def page(report: Report) -> str:
    """The page as HTML text; raises `DrawingError` where the extra `report` is not installed."""
    check_charts()
    text, most = _rendered(report), max((len(trace.records) for trace in report.traces), default=0)
    while (size := len(text.encode())) > LIMIT and most > FEWEST:
        most = max(FEWEST, int(0.95 * most * LIMIT / size))
        report = replace(report, traces=tuple(trace.thinned(most) for trace in report.traces))
        text = _rendered(report)
    return text


def _rendered(report: Report) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: page_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # For what is markup already: charts, whose texts Vega-Lite escapes, and JSON that holds no sign of markup.
    environment.filters["as_is"] = Markup
    script, cells = _text("page.js"), sections.found_cells(report)
    lead = report.lead
    found = None if lead is None else classifier.classifier(lead)
    return environment.get_template("page.html").render(
        title=report.title,
        subtitle=sections.subtitle(report),
        about=None if report.genotype is None else report.genotype.about,
        style=_style(),
        script=script,
        policy=_policy(script),
        made_by=f"ftso {__version__}, Python {platform.python_version()}",
        study=None if report.study is None else study.study_section(report.study),
        facts=sections.headline_facts(report, found),
        cells=cells,
        dashes=sections.dashes(cells),
        searches=[over_time.search_section(trace, report) for trace in report.traces],
        classifier=found,
        uses=recipe_words.uses(lead) if lead is not None else (),
        python_use=recipe_words.python_use(lead) if lead is not None else "",
        trained_on=recipe_words.trained_on(lead, lead.counts) if lead is not None and found is not None else (),
        trained_how=recipe_words.trained_how(lead) if lead is not None else (),
        training=sections.training(report),
        costs=sections.costs(report),
        published=sections.published(report),
        history=sections.history(report),
        environment=sections.environment(report),
    )


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet: light, dark where the reader's system is, and light again on paper."""
    light, dark = palette.variables(dark=False), palette.variables(dark=True)
    return _text("page.css").replace("/* light */", light).replace("/* dark */", dark)


def _policy(script: str) -> str:
    """The policy of the page: no requests, pictures that it holds itself, inline styles, and of scripts this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
