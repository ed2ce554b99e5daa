"""Calibration of a network: accuracy against confidence, and the expected calibration error."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec, Values
from ftso_cli.training.testing.answers import ImageAnswer

BINS = 10
"""Bins of the confidence, of one width."""


@dataclass(frozen=True, kw_only=True)
class ConfidenceBin:
    """The images whose confidence lies between `low` and `high`: how many, their mean confidence and accuracy."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def confidence_bins(answers: Sequence[ImageAnswer]) -> list[ConfidenceBin]:
    """The answers by their confidence; bins without images are left out."""
    parts: list[list[ImageAnswer]] = [[] for _ in range(BINS)]
    for each in answers:
        parts[min(BINS - 1, int(BINS * each.confidence))].append(each)
    return [
        ConfidenceBin(
            low=at / BINS,
            high=(at + 1) / BINS,
            images=len(part),
            confidence=sum(each.confidence for each in part) / len(part),
            accuracy=sum(each.answer == each.truth for each in part) / len(part),
        )
        for at, part in enumerate(parts)
        if part
    ]


def calibration_error(bins: Sequence[ConfidenceBin]) -> float:
    """The expected calibration error (Guo et al., 2017, equation 5): the mean distance of accuracy from confidence."""
    images = sum(each.images for each in bins)
    return sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / images


def reliability(bins: Sequence[ConfidenceBin]) -> str:
    """The reliability diagram as an SVG element: accuracy by confidence, with counts, and the line where they agree."""
    values: Values = [
        {
            "low": 100 * each.low,
            "high": 100 * each.high,
            "middle": 50 * (each.low + each.high),
            "accuracy": round(100 * each.accuracy, 2),
            "images": f"{each.images:,}",
            "tip": f"confidence {each.low:.0%} to {each.high:.0%}: {each.images:,} images\n"
            f"mean confidence {each.confidence:.1%}, accuracy {each.accuracy:.1%}",
        }
        for each in bins
    ]
    scale = {"domain": [0, 100], "nice": False}
    x: Spec = {"field": "low", "type": "quantitative", "scale": scale, "title": "confidence, %"}
    y: Spec = {"field": "accuracy", "type": "quantitative", "scale": scale, "title": "accuracy, %"}
    bars: Spec = {
        "data": {"values": values},
        "mark": {"type": "bar", "color": "var(--op-sep)", "opacity": 0.75, "cornerRadiusEnd": 2},
        "encoding": {"x": x, "x2": {"field": "high"}, "y": y, "y2": {"datum": 0}, "description": {"field": "tip"}},
    }
    counts: Spec = {
        "data": {"values": values},
        "mark": {"type": "text", "dy": -7, "aria": False},
        "encoding": {"x": {**x, "field": "middle"}, "y": y, "text": {"field": "images"}},
    }
    agree: Spec = {
        "data": {"values": [{"low": 0, "accuracy": 0}, {"low": 100, "accuracy": 100}]},
        "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [4, 4], "strokeWidth": 1.2, "aria": False},
        "encoding": {"x": x, "y": y},
    }
    return charts.chart_svg({**charts.PANEL, "layer": [bars, agree, counts]})
