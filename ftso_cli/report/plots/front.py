"""The cells that a search has evaluated: reward against cost, and the front of those that no other beats in both."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ftso_cli.report.cell.trace import EvaluationRow, Trace
from ftso_cli.report.plots import charts
from ftso_cli.report.plots.charts import Spec

COSTS = {"milliseconds": "ms an image", "macs": "MACs", "params": "parameters"}
"""The costs of an evaluation, with their titles; a page shows the first two that are known."""

MOST_DOTS = 600
"""Cells of a chart besides those of the front; of more, evenly chosen ones."""

Each = TypeVar("Each")


def front(found: Iterable[Each], cost: Callable[[Each], float], worth: Callable[[Each], float]) -> list[Each]:
    """Return those that no other beats in both cost and worth, the cheapest first."""
    best: list[Each] = []
    for each in sorted(found, key=lambda each: (cost(each), -worth(each))):
        if not best or worth(each) > worth(best[-1]):
            best.append(each)
    return best


def fronts(trace: Trace) -> list[str]:
    """Draw reward against cost; nothing for a search that evaluates no cells, or has kept no costs of them."""
    drawn = (_chart([row for row in trace.evaluated if getattr(row, name) is not None], name) for name in COSTS)
    return [picture for picture in drawn if picture][:2]


def _chart(rows: Sequence[EvaluationRow], name: str) -> str:
    known = [(float(getattr(row, name)), row.reward, row) for row in rows if row.reward is not None]
    if len({(cost, reward) for cost, reward, _ in known}) < 2:
        return ""
    best = front(known, lambda each: each[0], lambda each: each[1])
    others = [each for each in known if each not in best]
    shown = others[:: -(-len(others) // MOST_DOTS) or 1]
    x = charts.quantitative("cost", title=COSTS[name], format="~s" if name != "milliseconds" else "~g")
    y = charts.quantitative("reward", title="reward")
    layers: list[Spec] = [
        {
            "data": {"values": [{"cost": cost, "reward": reward} for cost, reward, _ in best]},
            "mark": {"type": "line", "interpolate": "step-after", "color": "var(--op-dil)", "aria": False},
        },
        {
            "data": {"values": [_dot(*each, name, of_front=each in best) for each in [*shown, *best]]},
            "mark": {"type": "circle", "opacity": 0.85},
            "encoding": {
                "color": charts.painted("colour"),
                "size": {"field": "size", "type": "quantitative", "scale": None},
                "description": {"field": "tip"},
            },
        },
    ]
    encoding = {"x": x, "y": y}
    return charts.chart_svg(
        {
            **charts.PANEL,
            "title": f"Reward against {COSTS[name]} (orange: the front)",
            "encoding": encoding,
            "layer": layers,
        }
    )


def _dot(cost: float, reward: float, row: EvaluationRow, name: str, *, of_front: bool) -> dict[str, object]:
    amount = f"{cost:.3g}" if name == "milliseconds" else f"{cost:,.0f}"
    return {
        "cost": cost,
        "reward": reward,
        "colour": "var(--op-dil)" if of_front else "var(--op-sep)",
        "size": 70 if of_front else 35,
        "tip": f"evaluation {row.evaluation}\nreward {reward:.4g}\n{amount} {COSTS[name]}",
    }
