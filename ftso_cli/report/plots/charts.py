"""Charts as SVG text, drawn by Vega-Lite while the page is made: it needs no library and no network to show them.

Colours are CSS variables of the page, so that the same picture is right in the light, in the dark and in print. What
a mark shows is its `aria-label`, which screen readers read and the page shows when the mark is pointed at.
"""

import re
from importlib.util import find_spec
from typing import Any

from ftso_cli.errors import DrawingError
from ftso_cli.report.plots import renderer
from ftso_cli.texts import page_text

Spec = dict[str, Any]
Values = list[dict[str, Any]]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

PANEL = {"width": 350, "height": 240}
"""The size of a chart of which two stand side by side."""

THEME: Spec = {
    "background": None,
    # A reader's letters may be wider than those that the place of labels was worked out with.
    "padding": {"left": 16, "right": 8, "top": 5, "bottom": 5},
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--grid)",
        "domainColor": "var(--rule)",
        "tickColor": "var(--rule)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
    "title": {"color": "var(--soft)", "fontSize": 12, "fontWeight": 600, "anchor": "start", "offset": 8},
    "text": {"color": "var(--soft)", "fontSize": 11},
    "line": {"color": "var(--op-sep)"},
    "legend": {"labelColor": "var(--soft)", "labelFontSize": 11, "titleColor": "var(--soft)"},
}


def check_charts() -> None:
    """Raises `DrawingError` where what draws a page is not installed."""
    missing = [name for name in ("jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise DrawingError(f"a report needs {' and '.join(missing)}; install with: pip install 'ftso[report]'")


def chart_svg(spec: Spec) -> str:
    """The chart as an SVG element; raises `DrawingError` where the renderer fails."""
    return _short(renderer.render_chart({"$schema": SCHEMA, "config": THEME, **_cleaned(spec)}))


def _cleaned(value: Any) -> Any:
    """The specification with every text in it fit for a page."""
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return page_text(value) if isinstance(value, str) else value


def _short(text: str) -> str:
    """The picture in half as many letters: a page has many, of thousands of marks.

    Namespaces are known inside HTML, and so a page that names no address is seen to need none; a hundredth of a pixel
    is too small to see; what kind of mark a value is drawn as helps nobody who hears its label.
    """
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r' (d|transform)="[^"]*"', lambda found: re.sub(r"(\d\.\d\d)\d+", r"\1", found[0]), text)
    return re.sub(r' role="graphics-symbol" aria-roledescription="[^"]*"', ' role="img"', text)


def line(
    values: Values, x: str, name: str, *, title: str = "", size: tuple[int, int] = (360, 170), **more: Any
) -> Spec:
    """Lines of the field `name` over `x`, each value with its description `tip`; `more` are further encodings."""
    encoding = {"x": quantitative(x, nice=False), "y": quantitative(name), **more}
    points: Spec = {"type": "circle", "size": 90, "opacity": 0}
    return {
        "width": size[0],
        "height": size[1],
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.8, "aria": False}},
            {"mark": points, "encoding": {"description": {"field": "tip"}}},
        ],
        **({"title": title} if title else {}),
    }


def cloud(dots: Values, x: Spec, y: Spec) -> str:
    """Dots at the encodings `x` and `y`, each in its `colour` and with its description `tip`, as an SVG element."""
    return chart_svg(
        {
            **PANEL,
            "data": {"values": dots},
            "mark": {"type": "circle", "size": 60, "opacity": 0.85},
            "encoding": {"x": x, "y": y, "color": painted("colour"), "description": {"field": "tip"}},
        }
    )


def quantitative(field: str, *, nice: bool = True, zero: bool = False, title: str | None = None, **axis: Any) -> Spec:
    """An encoding by a number."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"nice": nice, "zero": zero},
        "axis": {"tickCount": 5, **axis},
        "title": field.replace("_", " ") if title is None else title,
    }


def nominal(field: str, title: str | None = "", **more: Any) -> Spec:
    """An encoding by a name, in the order of the values."""
    return {"field": field, "type": "nominal", "sort": None, "title": title, **more}


def painted(field: str) -> Spec:
    """A colour that the values hold themselves."""
    return {"field": field, "type": "nominal", "scale": None, "legend": None}
