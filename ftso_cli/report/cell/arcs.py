"""A cell as arcs over a row of nodes, laid out for an SVG whose edges can be pointed at and changed.

Arcs from i to j peak halfway and as high as they reach far, so no two peaks meet and each carries its label; a second
edge between two nodes peaks a step higher, where no other does. The output joins its nodes from below.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 880
MARGIN = 34
STEP, FIRST = 25.0, 30.0
"""Pixels from one reach to the next, and of the lowest arc's peak."""

HIGHEST = 400.0
"""Pixels; the arcs of cells of many nodes lie closer."""

NARROWEST = 62.0
"""Pixels between nodes below which labels would touch; they are left out."""


@dataclass(frozen=True, kw_only=True)
class ArcNode:
    """A node of the picture: where its centre is, its width and what it shows; `index` is below a letter."""

    x: float
    width: float
    text: str
    index: str = ""
    end: bool = False


@dataclass(frozen=True, kw_only=True)
class Arc:
    """An edge: the SVG path, its arrow head, and where its label stands."""

    path: str
    head: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class ArcLayout:
    """The picture of a cell; `arcs` come in the order of the edges that were asked for."""

    height: float
    base: float
    nodes: tuple[ArcNode, ...]
    arcs: tuple[Arc, ...]
    labelled: bool
    joins: tuple[str, ...]


def arc_layout(edges: Sequence[tuple[int, int]], concat: Sequence[int], inputs: int) -> ArcLayout:
    """Places the nodes and the edges (source, target) of a cell with `inputs` inputs; parallel edges peak apart."""
    numbers = sorted({*range(inputs), *concat, *(end for ends in edges for end in ends)})
    place = {number: at for at, number in enumerate(numbers)}
    gap = (WIDTH - 2 * MARGIN) / len(numbers)
    width = min(40.0, 0.55 * gap)
    xs = {number: MARGIN + gap * at for number, at in place.items()}
    out = MARGIN + gap * len(numbers)
    reach = [place[target] - place[source] for source, target in edges]
    copies: Counter[tuple[int, int]] = Counter()
    levels = []
    for ends, far in zip(edges, reach, strict=True):
        levels.append(far - 1 + copies[ends])
        copies[ends] += 1
    step = min(STEP, HIGHEST / max(1.0, *levels)) if levels else STEP
    heights = [FIRST + step * level for level in levels]
    base = max(heights, default=0.0) + 34
    ports = _ports(edges, heights, width)
    arcs = tuple(
        _arc(xs[source] + leave, xs[target] + enter, base - 13, height)
        for (source, target), (leave, enter), height in zip(edges, ports, heights, strict=True)
    )
    nodes = [_node(number, xs[number], width, inputs) for number in numbers]
    nodes.append(ArcNode(x=out, width=max(width, 26.0), text="c", index="k", end=True))
    return ArcLayout(
        height=base + 46,
        base=base,
        nodes=tuple(nodes),
        arcs=arcs,
        labelled=gap >= NARROWEST,
        joins=tuple(_join(xs[number], out, base) for number in concat),
    )


def _node(number: int, x: float, width: float, inputs: int) -> ArcNode:
    if number < inputs:
        return ArcNode(x=x, width=width, text="c", index=f"k\u2212{inputs - number}", end=True)
    return ArcNode(x=x, width=min(width, 30.0), text=str(number))


def _ports(edges: Sequence[tuple[int, int]], heights: Sequence[float], width: float) -> list[tuple[float, float]]:
    """Return where each edge leaves its source and enters its target, from the node's centre.

    Edges enter on the left and leave on the right; of those on one side, the higher arc is outside the lower.
    """
    spread = 0.42 * min(width, 30.0)
    leave, enter = (_within(edges, heights, end) for end in (0, 1))
    return [
        (spread * (0.15 + 0.85 * first), -spread * (1 - 0.85 * last)) for first, last in zip(leave, enter, strict=True)
    ]


def _within(edges: Sequence[tuple[int, int]], heights: Sequence[float], end: int) -> list[float]:
    """Return the place of each edge among those with the same node at this end, from 0 to 1."""
    groups: dict[int, list[int]] = {}
    for at, ends in enumerate(edges):
        groups.setdefault(ends[end], []).append(at)
    found = [0.5] * len(edges)
    for mine in groups.values():
        ordered = sorted(mine, key=lambda at: heights[at], reverse=end == 0)
        for place, at in enumerate(ordered):
            found[at] = 0.5 if len(mine) == 1 else place / (len(mine) - 1)
    return found


def _arc(left: float, right: float, y: float, height: float) -> Arc:
    lean, top = 0.12 * (right - left), y - height * 4 / 3
    stop = y - 6
    return Arc(
        path=f"M{left:.1f} {y:.1f}C{left + lean:.1f} {top:.1f} {right - lean:.1f} {top:.1f} {right:.1f} {stop:.1f}",
        head=f"M{right - 3.6:.1f} {y - 7:.1f}h7.2L{right:.1f} {y:.1f}z",
        x=(left + right) / 2,
        y=y - height,
    )


def _join(x: float, out: float, base: float) -> str:
    low = base + 32
    return f"M{x:.1f} {base + 13:.1f}V{low - 8:.1f}q0 8 8 8H{out - 8:.1f}q8 0 8 -8V{base + 13:.1f}"
