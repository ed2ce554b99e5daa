"""Hypothesis strategies for valid cells and genotypes of the darts space, at every stage of their life.

`cells(...)` draws one cell, `genotypes(...)` a whole file. What they draw keeps every rule of the schema; tests of a
rule take a drawn value apart and break one thing.
"""

from collections.abc import Sequence

from hypothesis import strategies as st

from ftso_cli.genotype import FORMAT, About, Cell, Edge, Genotype, Step, Times
from ftso_cli.genotype.schema import LARGEST, Figures, Published, Stage
from ftso_cli.spaces import DARTS

STAGES: tuple[Stage, ...] = ("searched", "pruned", "complete")

FLOATS = st.one_of(st.sampled_from([0.0, -0.0, 0.5, -1.25, 1e-3]), st.floats(-LARGEST, LARGEST))
"""Any number that may be measured, and often one of a few, so that edges tie."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = TEXTS.filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def cells(
    draw: st.DrawFn,
    kind: str = "normal",
    stage: Stage = "complete",
    *,
    nodes: tuple[int, int] = (2, 6),
    inputs: tuple[int, int] = (1, 4),
    operators: Sequence[str] = DARTS.operators,
    isolated: bool = True,
) -> Cell:
    """A valid cell: a multigraph with a random number of intermediate nodes, of edges into each, and any concat.

    `nodes` and `inputs` are the least and most of intermediate nodes and of edges into one. With `isolated`, some
    numbers have no edges at all (FairDARTS). At stage searched every edge is kept and has its β; at the others some
    edges are pruned, and β is on all of them or on none. Without an operator, a kept edge has its α.
    """
    has_beta = stage == "searched" or draw(st.booleans())
    has_op = stage == "complete" or draw(st.booleans())
    reached = list(range(DARTS.inputs))
    edges: list[Edge] = []
    count = draw(st.integers(*nodes))
    for target in range(DARTS.inputs, DARTS.inputs + count):
        last = target == DARTS.inputs + count - 1
        if isolated and not (last and len(reached) == DARTS.inputs) and draw(st.integers(0, 9)) == 0:
            continue
        sources = draw(st.lists(st.sampled_from(reached), min_size=inputs[0], max_size=inputs[1]))
        kept = draw(st.integers(1, len(sources))) if stage != "searched" else len(sources)
        for index, source in enumerate(sources):
            edges.append(draw(_edges(source, target, index < kept, has_beta, has_op, tuple(operators))))
        reached.append(target)
    first = 0 if DARTS.stride(kind, 0) == 1 and draw(st.integers(0, 4)) == 0 else DARTS.inputs
    concat = draw(st.lists(st.sampled_from(reached[first:]), min_size=1, unique=True))
    return Cell(edges=tuple(draw(st.permutations(edges))), concat=tuple(concat))


@st.composite
def _edges(
    draw: st.DrawFn, source: int, target: int, kept: bool, has_beta: bool, has_op: bool, operators: tuple[str, ...]
) -> Edge:
    alphas = st.dictionaries(st.sampled_from(DARTS.candidates), FLOATS, min_size=1, max_size=8)
    return Edge(
        source=source,
        target=target,
        op=draw(st.sampled_from(operators)) if has_op else None,
        kept=kept,
        beta=draw(FLOATS) if has_beta else None,
        alpha=draw(alphas) if not has_op or draw(st.integers(0, 4)) == 0 else None,
        beta_ops=draw(st.none() | FLOATS) if has_op else None,
    )


@st.composite
def genotypes(
    draw: st.DrawFn,
    stage: Stage | None = None,
    *,
    nodes: tuple[int, int] = (2, 6),
    inputs: tuple[int, int] = (1, 4),
    operators: Sequence[str] = DARTS.operators,
    isolated: bool = True,
    history: bool = True,
) -> Genotype:
    """A valid genotype of the darts space at `stage` (default: any), of two `cells` of the given shape.

    With `history`, some have steps and times, and some say which published cell they are.
    """
    shape = {"nodes": nodes, "inputs": inputs, "operators": operators, "isolated": isolated}
    at = draw(st.sampled_from(STAGES)) if stage is None else stage
    steps = draw(st.lists(STEPS, max_size=3)) if history else []
    return Genotype(
        format=FORMAT,
        space="darts",
        stage=at,
        about=draw(st.none() | ABOUTS) if history else None,
        searched_ops=tuple(draw(st.lists(st.sampled_from(DARTS.candidates), unique=True, max_size=3))),
        cells={kind: draw(cells(kind, at, **shape)) for kind in draw(st.permutations(DARTS.kinds))},  # type: ignore[arg-type]
        history=tuple(steps),
        times=tuple(draw(TIMES) for _ in steps),
    )


STEPS = st.builds(
    Step,
    command=NAMES,
    settings=st.dictionaries(NAMES, JSON, max_size=3),
    seed=st.none() | st.integers(0, 2**63 - 1),
    data=st.none() | TEXTS,
    device=st.none() | TEXTS,
    versions=st.dictionaries(NAMES, TEXTS, max_size=2),
    notes=st.lists(TEXTS, max_size=2).map(tuple),
)
TIMES = st.builds(
    Times,
    started=st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
    seconds=st.dictionaries(NAMES, st.floats(0, 1e6), max_size=2),
)
FIGURES = st.builds(
    Figures,
    error=st.none() | st.floats(0, 100),
    top5_error=st.none() | st.floats(0, 100),
    params_M=st.none() | st.floats(0.5, 100),
    madds_M=st.none() | st.floats(1, 1000),
    cutout=st.none() | st.booleans(),
    note=st.none() | TEXTS,
)
PUBLISHED = st.builds(
    Published,
    cifar10=st.none() | FIGURES,
    imagenet=st.none() | FIGURES,
    search_gpu_days=st.none() | st.floats(0, 1e4),
    sources=st.lists(TEXTS, max_size=2).map(tuple),
)
ABOUTS = st.builds(
    About,
    name=NAMES,
    title=st.none() | TEXTS,
    year=st.none() | st.integers(1990, 2100),
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    source=st.none() | TEXTS,
    note=st.none() | TEXTS,
    published=PUBLISHED,
)
