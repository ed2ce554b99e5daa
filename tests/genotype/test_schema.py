"""Every rule of a genotype file: what breaks it is refused on one line that says where and why."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Cell, Edge, Genotype, storage
from tests.strategies import cells, genotypes

Document = dict[str, Any]


@pytest.fixture
def document(searched: Genotype) -> Document:
    """The JSON of a valid file, to break one rule of."""
    loaded: Document = json.loads(storage.genotype_json(searched))
    return loaded


def refusal(document: object) -> str:
    """The message that a file holding `document` is refused with."""
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(GenotypeError) as caught:
        storage.parse_genotype(text.encode(), "cell.json")
    message = str(caught.value)
    assert message.startswith("cell.json: ")
    assert "\n" not in message
    assert len(message) < 600
    return message


def normal(document: Document) -> Document:
    cell: Document = document["cells"]["normal"]
    return cell


def test_an_unbroken_document_is_accepted(document: Document, searched: Genotype) -> None:
    assert storage.parse_genotype(json.dumps(document).encode(), "cell.json") == searched


# The graph


def test_an_edge_that_runs_backwards_is_refused(document: Document) -> None:
    normal(document)["edges"].append({"source": 4, "target": 3, "op": "skip_connect"})
    message = refusal(document)
    assert "cells.normal: edge 4→3: a source must be an earlier node than its target" in message
    assert "cycle" in message


def test_an_edge_from_a_node_to_itself_is_refused(document: Document) -> None:
    normal(document)["edges"].append({"source": 3, "target": 3, "op": "skip_connect"})
    assert "cells.normal: edge 3→3: a source must be an earlier node" in refusal(document)


@pytest.mark.parametrize(("source", "target"), [(0, 1), (1, 0), (0, 0), (3, 1)])
def test_an_edge_into_an_input_of_the_cell_is_refused(document: Document, source: int, target: int) -> None:
    normal(document)["edges"].append({"source": source, "target": target, "op": "skip_connect"})
    assert f"edge {source}→{target}: node {target} is an input of the cell and takes no edge" in refusal(document)


def test_a_node_that_no_input_reaches_is_refused(document: Document) -> None:
    normal(document)["edges"].append({"source": 7, "target": 8, "op": "skip_connect"})
    assert "cells.normal: edge 7→8: node 7 is not reached from an input" in refusal(document)


def test_a_node_that_only_pruned_edges_reach_counts_as_not_reached(document: Document) -> None:
    document["stage"] = "pruned"
    for edge in normal(document)["edges"]:
        edge["kept"] = edge["target"] != 2
    assert "cells.normal: edge 2→3: node 2 is not reached from an input" in refusal(document)


@pytest.mark.parametrize("node", [6, 63])
def test_an_output_node_that_does_not_exist_is_refused(document: Document, node: int) -> None:
    normal(document)["concat"] = [2, 3, 4, node]
    assert f"cells.normal: concat: node {node} doesn't exist or is not reached from an input" in refusal(document)


def test_an_output_node_listed_twice_is_refused(document: Document) -> None:
    normal(document)["concat"] = [2, 3, 3]
    message = refusal(document)
    assert "cells.normal.concat" in message
    assert "lists a node twice: [2, 3, 3]" in message


def test_a_normal_cell_may_pass_an_input_on_and_a_reduction_cell_may_not(document: Document) -> None:
    normal(document)["concat"] = [0, 2, 3]
    storage.parse_genotype(json.dumps(document).encode(), "cell.json")
    document["cells"]["reduce"]["concat"] = [0, 2, 3]
    assert "cells.reduce: concat: input 0 is larger than the output of a reduction cell" in refusal(document)


@pytest.mark.parametrize("field", ["edges", "concat"])
def test_a_cell_without_edges_or_without_output_is_refused(document: Document, field: str) -> None:
    normal(document)[field] = []
    assert f"cells.normal.{field}" in refusal(document)


@pytest.mark.parametrize("field", ["source", "target"])
@pytest.mark.parametrize("number", [-1, 64, 10**30, -(10**30)])
def test_node_numbers_below_0_or_above_63_are_refused(document: Document, field: str, number: int) -> None:
    normal(document)["edges"][3][field] = number
    assert f"cells.normal.edges[3].{field}: Input should be " in refusal(document)


def test_more_than_2048_edges_are_refused(document: Document) -> None:
    normal(document)["edges"] *= 300
    message = refusal(document)
    assert "cells.normal.edges: holds more than the 2048 that are allowed" in message


# Operators


def test_an_unknown_operator_is_refused_with_a_guess_and_the_known_ones(document: Document) -> None:
    normal(document)["edges"][0]["op"] = "sep_conv3x3"
    message = refusal(document)
    assert "cells.normal: edge 0→2: unknown operator 'sep_conv3x3', did you mean sep_conv_3x3?" in message
    assert "Known: none, max_pool_3x3" in message


def test_an_operator_like_no_other_is_refused_without_a_guess(document: Document) -> None:
    normal(document)["edges"][0]["op"] = "¯\\_(ツ)_/¯"
    message = refusal(document)
    assert "unknown operator" in message
    assert "did you mean" not in message


def test_an_unknown_candidate_of_alpha_is_refused(document: Document) -> None:
    normal(document)["edges"][2]["alpha"] = {"skip_connect": 0.1, "conv_9x9": 0.2}
    assert "cells.normal: edge 0→3: unknown operator 'conv_9x9'" in refusal(document)


def test_an_unknown_searched_operator_is_refused(document: Document) -> None:
    document["searched_ops"] = ["skip-connect"]
    assert "searched_ops: unknown operator 'skip-connect', did you mean skip_connect?" in refusal(document)


def test_a_kept_edge_needs_an_operator_or_candidates(document: Document) -> None:
    del normal(document)["edges"][4]["op"]
    assert "cells.normal: edge 2→3: has no operator" in refusal(document)
    normal(document)["edges"][4]["alpha"] = {}
    assert "edge 2→3: has no operator" in refusal(document)
    normal(document)["edges"][4]["alpha"] = {"skip_connect": 0.0}
    storage.parse_genotype(json.dumps(document).encode(), "cell.json")


def test_candidates_are_not_enough_for_a_complete_genotype(document: Document) -> None:
    document["stage"] = "complete"
    del normal(document)["edges"][4]["op"]
    normal(document)["edges"][4]["alpha"] = {"skip_connect": 0.0}
    assert "cells.normal: edge 2→3: has no operator" in refusal(document)


def test_a_pruned_edge_needs_no_operator(document: Document) -> None:
    document["stage"] = "complete"
    del normal(document)["edges"][4]["op"]
    normal(document)["edges"][4]["kept"] = False
    storage.parse_genotype(json.dumps(document).encode(), "cell.json")


# The file as a whole


def test_an_unknown_space_is_refused_with_the_known_ones(document: Document) -> None:
    document["space"] = "nasnet"
    assert "space: 'nasnet' is none of darts" in refusal(document)


@pytest.mark.parametrize(
    "kinds", [["normal"], ["reduce"], ["normal", "reduce", "third"], ["Normal", "reduce"], ["a" * 90] * 1, []]
)
def test_other_kinds_of_cell_than_the_space_has_are_refused(document: Document, kinds: list[str]) -> None:
    document["cells"] = dict.fromkeys(kinds, normal(document))
    message = refusal(document)
    assert "cells: the darts space needs normal and reduce, not " in message
    assert ", ".join(kinds)[:40] in message


def test_an_unknown_stage_is_refused_with_the_known_ones(document: Document) -> None:
    document["stage"] = "finished"
    assert "stage: Input should be 'searched', 'pruned' or 'complete'" in refusal(document)


@pytest.mark.parametrize("tag", ["ftso-genotype/2", "ftso-genotype", "", None, 1])
def test_another_format_tag_is_refused(document: Document, tag: object) -> None:
    document["format"] = tag
    assert "format: Input should be 'ftso-genotype/1'" in refusal(document)


@pytest.mark.parametrize("field", ["format", "space", "stage", "cells"])
def test_a_missing_field_is_named(document: Document, field: str) -> None:
    del document[field]
    assert f"{field}: is missing" in refusal(document)


@pytest.mark.parametrize(
    "path", [(), ("cells", "normal"), ("cells", "normal", "edges", 3), ("history", 0), ("times", 0)]
)
def test_an_unknown_field_is_refused_at_every_level(document: Document, path: tuple[str | int, ...]) -> None:
    document |= {"history": [{"command": "x"}], "times": [{"started": "now"}]}
    place: Any = document
    for part in path:
        place = place[part]
    place["weight"] = 1
    assert "weight: unknown field" in refusal(document)


@pytest.mark.parametrize(("steps", "times"), [(1, 0), (0, 1), (3, 2)])
def test_every_step_of_history_has_its_times(document: Document, steps: int, times: int) -> None:
    document["history"] = [{"command": "prune"}] * steps
    document["times"] = [{"started": "now"}] * times
    assert f"times: {times} entries for {steps} steps of history" in refusal(document)


# Types: nothing is guessed


@pytest.mark.parametrize("value", ["0", 0.5, True, None, [0], {}, "zero"])
def test_a_node_number_is_a_whole_number_and_nothing_else(document: Document, value: object) -> None:
    normal(document)["edges"][0]["source"] = value
    assert "cells.normal.edges[0].source: Input should be a valid integer" in refusal(document)


@pytest.mark.parametrize("value", ["0.5", True, [0.5], {}])
def test_a_beta_is_a_number_and_nothing_else(document: Document, value: object) -> None:
    normal(document)["edges"][0]["beta"] = value
    assert "cells.normal.edges[0].beta: Input should be a valid number" in refusal(document)


@pytest.mark.parametrize("value", ["true", 1, 0, None, "no"])
def test_kept_is_true_or_false_and_nothing_else(document: Document, value: object) -> None:
    normal(document)["edges"][0]["kept"] = value
    assert "cells.normal.edges[0].kept: Input should be a valid boolean" in refusal(document)


@pytest.mark.parametrize("value", [1, True, ["skip_connect"], {}])
def test_an_operator_is_a_text_and_nothing_else(document: Document, value: object) -> None:
    normal(document)["edges"][0]["op"] = value
    assert "cells.normal.edges[0].op: Input should be a valid string" in refusal(document)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("field", ["beta", "beta_ops", "alpha"])
def test_numbers_that_are_not_finite_are_refused(document: Document, field: str, number: str) -> None:
    normal(document)["edges"][0][field] = {"skip_connect": "HERE"} if field == "alpha" else "HERE"
    message = refusal(json.dumps(document).replace('"HERE"', number))
    assert f"cells.normal.edges[0].{field}" in message
    assert "finite" in message


@pytest.mark.parametrize("setting", ["NaN", "[1, Infinity]", '{"a": {"b": [-Infinity]}}', "1e999"])
def test_settings_hold_finite_numbers_too_so_that_every_reader_of_json_can_read_them(
    document: Document, setting: str
) -> None:
    document |= {"history": [{"command": "x", "settings": {"rate": "HERE"}}], "times": [{"started": "now"}]}
    message = refusal(json.dumps(document).replace('"HERE"', setting))
    assert "history[0].settings" in message
    assert "not a finite number" in message


@pytest.mark.parametrize("text", ["[]", '"text"', "3", "null", "true"])
def test_a_file_that_holds_no_object_is_refused(text: str) -> None:
    assert "Input should be an object" in refusal(text)


@pytest.mark.parametrize("change", [lambda cell: cell["edges"], lambda cell: "cell", lambda cell: None])
def test_a_cell_that_is_no_object_is_refused(document: Document, change: Callable[[Document], object]) -> None:
    document["cells"]["normal"] = change(normal(document))
    assert "cells.normal: Input should be an object" in refusal(document)


def test_several_faults_give_the_first_and_their_number(document: Document) -> None:
    for edge in normal(document)["edges"][2:5]:
        edge["source"] = -1
    message = refusal(document)
    assert "cells.normal.edges[2].source" in message
    assert "(and 2 more)" in message


# Names that want to do something to the terminal or to the message


@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b[31m", "a\nerror: b", "x" * 99, "\u202e\u0000"])
def test_hostile_names_are_quoted_and_cut(document: Document, hostile: str) -> None:
    for breaking in (
        {"space": hostile},
        {hostile: 1},
        {"cells": {hostile: normal(document)}},
        {"searched_ops": [hostile]},
    ):
        message = refusal({**document, **breaking})
        assert message.isprintable()
    normal(document)["edges"][0]["alpha"] = {hostile: "x"}
    assert refusal(document).isprintable()


def test_a_key_of_a_megabyte_gives_a_short_message(document: Document) -> None:
    document["k" * 1_000_000] = 1
    assert "unknown field" in refusal(document)


# Valid genotypes, in general


@given(genotypes())
def test_every_drawn_genotype_keeps_its_own_rules(genotype: Genotype) -> None:
    assert genotype.replace() == genotype
    for cell in genotype.cells.values():
        targets = [(edge.target, edge.source) for edge in cell.edges]
        assert targets == sorted(targets)
        assert list(cell.concat) == sorted(set(cell.concat))


@given(st.data())
def test_cells_are_equal_whatever_the_order_of_their_edges_and_outputs(data: st.DataObject) -> None:
    cell = data.draw(cells())
    edges = data.draw(st.permutations(cell.edges))
    concat = data.draw(st.permutations(cell.concat))
    other = Cell(edges=tuple(edges), concat=tuple(concat))
    assert other == cell
    assert other.model_dump_json() == cell.model_dump_json()


def test_edges_that_differ_only_in_how_alpha_is_spelled_have_one_order() -> None:
    def edge(**alpha: float) -> Edge:
        return Edge(source=0, target=2, alpha=alpha)

    one = Cell(edges=(edge(none=1.0, skip_connect=2.0), edge(none=1.0, skip_connect=3.0)), concat=(2,))
    two = Cell(edges=(edge(none=1.0, skip_connect=3.0), edge(skip_connect=2.0, none=1.0)), concat=(2,))
    assert one == two


def test_two_edges_between_the_same_nodes_are_two_edges() -> None:
    twice = Edge(source=0, target=2, op="sep_conv_3x3")
    assert Cell(edges=(twice, twice), concat=(2,)) != Cell(edges=(twice,), concat=(2,))
    assert Cell(edges=(twice, twice), concat=(2,)).inputs_of(2) == (twice, twice)


def test_kept_edges_nodes_and_inputs_leave_pruned_edges_out() -> None:
    edges = (
        Edge(source=0, target=2, op="skip_connect"),
        Edge(source=1, target=2, op="skip_connect", kept=False),
        Edge(source=0, target=3, op="skip_connect", kept=False),
        Edge(source=2, target=5, op="none"),
    )
    cell = Cell(edges=edges, concat=(5,))
    assert cell.kept == (edges[0], edges[3])
    assert cell.nodes == (2, 5)
    assert cell.inputs_of(2) == (edges[0],)
    assert cell.inputs_of(3) == ()


def test_a_genotype_can_not_be_changed_in_place(searched: Genotype) -> None:
    with pytest.raises(ValueError, match="frozen"):
        searched.stage = "pruned"


def test_a_genotype_prints_as_its_wiring(searched: Genotype) -> None:
    several = {kind: cell.model_copy(update={"edges": _without_ops(cell)}) for kind, cell in searched.cells.items()}
    printed = str(searched.model_copy(update={"cells": several})).splitlines()
    assert printed[:3] == ["darts genotype, searched", "normal", "  2 ← 0, 1"]
    assert str(searched).splitlines()[2] == "  2 ← 0 skip_connect, 1 skip_connect"
    assert str(searched).splitlines()[-1] == "  out 2, 3, 4, 5"


def _without_ops(cell: Cell) -> tuple[Edge, ...]:
    return tuple(edge.model_copy(update={"op": None}) for edge in cell.edges)


@pytest.mark.parametrize("field", ["beta", "beta_ops", "z"])
@pytest.mark.parametrize("number", [1.7976931348623157e308, -2e100])
def test_a_measured_number_whose_square_has_no_room_is_refused_with_its_bound(
    document: Document, field: str, number: float
) -> None:
    normal(document)["edges"][0][field] = number
    says = f"cells.normal.edges[0].{field}: {number:g} is not between -1e+100 and 1e+100"
    assert says in refusal(document)


@pytest.mark.parametrize("seed", [-1, 2**63, 10**400])
def test_a_seed_that_no_generator_takes_is_refused(document: Document, seed: int) -> None:
    document["history"] = [{"command": "prune", "seed": seed}]
    document["times"] = [{"started": ""}]
    assert "history[0].seed: " in refusal(document)


def test_a_number_that_can_not_be_printed_is_refused(document: Document) -> None:
    document["history"] = [{"command": "prune", "settings": {"keep": 10**4000}}]
    document["times"] = [{"started": ""}]
    assert "history[0].settings.keep: is a number of more than 300 digits" in refusal(document)
