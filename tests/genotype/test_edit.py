"""Pruning and assigning operators, on the genotype itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.errors import GenotypeError, SettingsError, SpaceError
from ftso_cli.genotype import FORMAT, Cell, Edge, Genotype, edit
from ftso_cli.spaces import DARTS
from tests.conftest import searched_cell
from tests.strategies import genotypes


def genotype_of(betas: dict[int, list[float]]) -> Genotype:
    """A searched genotype whose two cells have these β."""
    cells = {kind: searched_cell(betas) for kind in DARTS.kinds}
    return Genotype(format=FORMAT, space="darts", stage="searched", cells=cells)


def wiring(genotype: Genotype, kind: str = "normal") -> dict[int, list[int]]:
    """The sources that each node of a cell reads."""
    cell = genotype.cells[kind]
    return {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}


# Pruning


def test_the_two_strongest_edges_of_each_node_are_kept(searched: Genotype) -> None:
    pruned, ties = edit.keep_strongest(searched)
    assert wiring(pruned, "normal") == {2: [0, 1], 3: [0, 2], 4: [1, 2], 5: [0, 4]}
    assert wiring(pruned, "reduce") == {2: [0, 1], 3: [1, 2], 4: [0, 2], 5: [3, 4]}
    assert pruned.stage == "pruned"
    assert ties == []


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (1, {2: [1], 3: [0], 4: [2], 5: [0]}),
        (3, {2: [0, 1], 3: [0, 1, 2], 4: [0, 1, 2], 5: [0, 3, 4]}),
        (100, {2: [0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3], 5: [0, 1, 2, 3, 4]}),
    ],
)
def test_keep_says_how_many(searched: Genotype, keep: int, expected: dict[int, list[int]]) -> None:
    assert wiring(edit.keep_strongest(searched, keep)[0]) == expected


def test_pruned_edges_stay_with_what_was_measured(searched: Genotype) -> None:
    pruned, _ = edit.keep_strongest(searched)
    for kind, cell in searched.cells.items():
        found = {(edge.source, edge.target): edge for edge in pruned.cells[kind].edges}
        assert len(found) == len(cell.edges) == 14
        for edge in cell.edges:
            after = found[edge.source, edge.target]
            assert after == edge.model_copy(update={"kept": after.kept})
        assert sum(not edge.kept for edge in found.values()) == 6


@given(genotypes("searched", nodes=(2, 5)), st.integers(1, 7))
def test_what_is_kept_is_never_weaker_than_what_is_pruned(genotype: Genotype, keep: int) -> None:
    pruned, _ = edit.keep_strongest(genotype, keep)
    for kind, cell in pruned.cells.items():
        assert len(cell.edges) == len(genotype.cells[kind].edges)
        for node in cell.nodes:
            out = [edge for edge in cell.edges if edge.target == node and not edge.kept]
            kept = cell.inputs_of(node)
            assert len(kept) == min(keep, len(kept) + len(out))
            for edge in out:
                assert edge.beta is not None
                assert all(edge.beta <= (other.beta or 0.0) for other in kept)


@given(genotypes("searched", nodes=(2, 5)), st.integers(1, 7))
def test_pruning_again_with_another_keep_is_pruning_the_searched_genotype(genotype: Genotype, keep: int) -> None:
    first, _ = edit.keep_strongest(genotype, 1)
    assert edit.keep_strongest(first, keep) == edit.keep_strongest(genotype, keep)


def test_equally_strong_edges_go_to_the_earlier_node_and_are_reported() -> None:
    pruned, ties = edit.keep_strongest(genotype_of({2: [0.0, 0.0], 3: [0.5, 0.1, 0.1], 4: [0.2, 0.2, 0.2, 0.2]}))
    assert wiring(pruned) == {2: [0, 1], 3: [0, 1], 4: [0, 1]}
    normal = [tie for tie in ties if tie.kind == "normal"]
    assert normal == [
        edit.Tie(kind="normal", node=3, kept=(1,), pruned=(2,)),
        edit.Tie(kind="normal", node=4, kept=(0, 1), pruned=(2, 3)),
    ]
    assert str(normal[0]) == "normal cell, node 3: inputs 1 and 2 tie; the earlier kept"
    assert str(normal[1]) == "normal cell, node 4: inputs 0, 1 and 2, 3 tie; the earlier kept"
    assert len(ties) == 4


def test_ties_that_do_not_touch_the_line_are_no_news() -> None:
    # The two strongest tie with each other, and the two weakest.
    _, ties = edit.keep_strongest(genotype_of({2: [0.0, 0.0], 3: [0.0, 0.0, -1.0], 4: [0.5, 0.4, 0.1, 0.1]}))
    assert ties == []


def test_signs_count_when_edges_are_ranked() -> None:
    pruned, _ = edit.keep_strongest(genotype_of({2: [0.0, 0.0], 3: [-5.0, -0.1, -0.2]}))
    assert wiring(pruned)[3] == [1, 2]


def test_two_edges_from_one_node_are_ranked_each_for_itself() -> None:
    edges = tuple(Edge(source=source, target=2, op=op, beta=beta) for source, op, beta in TWINS)
    cells = {kind: Cell(edges=edges, concat=(2,)) for kind in DARTS.kinds}
    pruned, _ = edit.keep_strongest(Genotype(format=FORMAT, space="darts", stage="searched", cells=cells))
    assert [(edge.source, edge.op) for edge in pruned.cells["normal"].kept] == [
        (0, "max_pool_3x3"),
        (0, "skip_connect"),
    ]


TWINS = ((0, "max_pool_3x3", 0.5), (0, "skip_connect", 0.4), (1, "skip_connect", 0.3))


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_less_than_one_edge_is_refused(searched: Genotype, keep: int) -> None:
    with pytest.raises(SettingsError, match=f"^keep must be at least 1, not {keep}$"):
        edit.keep_strongest(searched, keep)


@given(genotypes("complete", nodes=(2, 3), history=False))
def test_a_complete_genotype_is_not_pruned(genotype: Genotype) -> None:
    with pytest.raises(GenotypeError, match=r"^has its operators already"):
        edit.keep_strongest(genotype)


def test_an_edge_without_beta_is_named(searched: Genotype) -> None:
    cell = searched.cells["reduce"]
    edges = tuple(edge.model_copy(update={"beta": None} if edge.target == 4 else {}) for edge in cell.edges)
    cells = {**searched.cells, "reduce": Cell(edges=edges, concat=cell.concat)}
    with pytest.raises(GenotypeError, match=r"^cells\.reduce: edge 0→4 has no β to rank by; search the topology"):
        edit.keep_strongest(searched.replace(cells=cells))


def test_a_strong_edge_from_a_node_without_inputs_is_named() -> None:
    """Pruned edges may leave any node; pruning again must not let one of these into the cell."""
    edges = (
        Edge(source=0, target=4, op="skip_connect", beta=0.1),
        Edge(source=3, target=4, op="skip_connect", beta=0.9, kept=False),
    )
    cells = {kind: Cell(edges=edges, concat=(4,)) for kind in DARTS.kinds}
    genotype = Genotype(format=FORMAT, space="darts", stage="pruned", cells=cells)
    with pytest.raises(GenotypeError, match=r"^cells\.normal: edge 3→4: node 3 is not reached from an input$"):
        edit.keep_strongest(genotype)


# Shares


def test_shares_are_the_softmax_over_a_nodes_edges() -> None:
    cell = searched_cell({2: [0.0, math.log(3.0)], 3: [1000.0, 1000.0, -1000.0]})
    assert edit.shares(cell) == pytest.approx((0.25, 0.75, 0.5, 0.5, 0.0))


@given(genotypes("searched", nodes=(2, 5), history=False))
def test_shares_of_every_node_add_up_to_1_and_do_not_change_by_pruning(genotype: Genotype) -> None:
    for kind, cell in genotype.cells.items():
        shares = edit.shares(cell)
        for node in cell.nodes:
            own = [share for edge, share in zip(cell.edges, shares, strict=True) if edge.target == node]
            assert sum(share or 0.0 for share in own) == pytest.approx(1.0)
        pruned = edit.keep_strongest(genotype)[0].cells[kind]
        assert sorted(share or 0.0 for share in edit.shares(pruned)) == sorted(share or 0.0 for share in shares)


def test_an_edge_without_beta_has_no_share() -> None:
    edges = (Edge(source=0, target=2, op="none", beta=5.0), Edge(source=1, target=2, op="none"))
    assert edit.shares(Cell(edges=edges, concat=(2,))) == (1.0, None)


# Assigning operators


@pytest.mark.parametrize("op", [name for name in DARTS.operators if name != "none"])
def test_every_kept_edge_gets_the_operator_and_pruned_edges_stay_as_they_are(searched: Genotype, op: str) -> None:
    pruned, _ = edit.keep_strongest(searched)
    complete = edit.assign_operator(pruned, op)
    assert complete.stage == "complete"
    for kind, cell in complete.cells.items():
        assert {edge.op for edge in cell.kept} == {op}
        assert {edge.op for edge in cell.edges if not edge.kept} == {"skip_connect"}
        assert [edge.beta for edge in cell.edges] == [edge.beta for edge in pruned.cells[kind].edges]
        assert cell.concat == pruned.cells[kind].concat


def test_operators_can_be_assigned_again(searched: Genotype) -> None:
    pruned, _ = edit.keep_strongest(searched)
    first = edit.assign_operator(pruned, "max_pool_3x3")
    assert edit.assign_operator(first, "sep_conv_5x5") == edit.assign_operator(pruned, "sep_conv_5x5")


@given(genotypes("pruned", nodes=(2, 5)))
def test_assigning_keeps_edges_history_and_what_was_measured(genotype: Genotype) -> None:
    complete = edit.assign_operator(genotype, "sep_conv_3x3")
    assert (complete.history, complete.times, complete.about) == (genotype.history, genotype.times, None)
    for kind, cell in genotype.cells.items():
        before = sorted(edge.model_copy(update={"op": None}).model_dump_json() for edge in cell.edges)
        after = sorted(edge.model_copy(update={"op": None}).model_dump_json() for edge in complete.cells[kind].edges)
        assert before == after


@pytest.mark.parametrize(("op", "guess"), [("none", ""), ("sep_conv", "did you mean sep_conv_"), ("", "Known: ")])
def test_none_and_unknown_operators_are_refused(searched: Genotype, op: str, guess: str) -> None:
    pruned, _ = edit.keep_strongest(searched)
    with pytest.raises(SpaceError, match=f"^unknown operator '{op}'.*{guess}") as caught:
        edit.assign_operator(pruned, op)
    assert "Known: max_pool_3x3" in str(caught.value)


def test_operators_need_a_pruned_genotype(searched: Genotype) -> None:
    with pytest.raises(GenotypeError, match=r"^is not pruned, which assign-ops needs; run: ftso prune FILE$"):
        edit.assign_operator(searched, "sep_conv_3x3")


def test_stages_are_asked_for_with_the_command_that_leads_there(searched: Genotype) -> None:
    pruned, _ = edit.keep_strongest(searched)
    complete = edit.assign_operator(pruned, "sep_conv_3x3")
    with pytest.raises(GenotypeError, match="run: ftso prune FILE"):
        edit.require_complete(searched, "train")
    with pytest.raises(GenotypeError, match="run: ftso assign-ops FILE"):
        edit.require_complete(pruned, "train")
    edit.require_pruned(pruned, "search-ops")
    edit.require_complete(complete, "train")


def test_the_operator_of_an_edge_is_chosen_by_its_cell_and_its_nodes(searched: Genotype) -> None:
    pruned, _ = edit.keep_strongest(searched)
    ops = DARTS.candidates[1:]

    def choose(kind: str, edge: Edge) -> str:
        return ops[(3 * edge.source + edge.target + (kind == "reduce")) % len(ops)]

    done = edit.assign_chosen(pruned, choose)
    chosen = {(kind, edge.source, edge.target): edge.op for kind, cell in done.cells.items() for edge in cell.kept}
    assert len(chosen) == 16 and len(set(chosen.values())) == len(ops)
    assert chosen == {
        (kind, edge.source, edge.target): choose(kind, edge)
        for kind, cell in pruned.cells.items()
        for edge in cell.kept
    }
