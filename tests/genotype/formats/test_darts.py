"""DARTS text in all its dialects."""

import json
from collections import Counter, namedtuple
from typing import Any

import pytest
from hypothesis import given

from ftso_cli.errors import GenotypeError, SettingsError
from ftso_cli.genotype import About, Genotype, formats, library
from tests.genotype.formats.cells import WIRED, two_inputs, wiring

REDUCE = "reduce=[('max_pool_3x3', 0), ('sep_conv_5x5', 1)], reduce_concat=[2]"
NORMAL = "[('sep_conv_3x3', 1), ('skip_connect', 0), ('max_pool_3x3', 0), ('dil_conv_5x5', 2)]"
TEXT = f"Genotype(normal={NORMAL}, normal_concat=range(2, 4), {REDUCE})"

DIALECTS = {
    "as DARTS prints it": TEXT,
    "with a name": f"FOUND = {TEXT}",
    "with a list of outputs": f"Genotype(normal={NORMAL}, normal_concat=[2, 3], {REDUCE})",
    "with a list made of a range": f"Genotype(normal={NORMAL}, normal_concat=list(range(2, 4)), {REDUCE})",
    "with outputs in another order": f"Genotype(normal={NORMAL}, normal_concat=(3, 2), {REDUCE})",
    "by position": f"Genotype({NORMAL}, range(2, 4), [('max_pool_3x3', 0), ('sep_conv_5x5', 1)], range(2, 3))",
    "in another order": f"Genotype({REDUCE}, normal_concat=range(2, 4), normal={NORMAL})",
    "with lists in place of tuples": TEXT.replace("('", "['")
    .replace("), (", "], [")
    .replace(")]", "]]")
    .replace("), ['", "], ['"),
    "over several lines, with comments": TEXT.replace("), ", "),  # a node, say\n    ").replace(
        "Genotype(", "Genotype(\n"
    ),
    "with commas at the end": TEXT.replace(")]", "),]").replace("[2])", "[2],)"),
    "with other quotes": TEXT.replace("'", '"'),
    "a list for each node": (
        "Genotype(normal=[[('sep_conv_3x3', 1), ('skip_connect', 0)], [('max_pool_3x3', 0), ('dil_conv_5x5', 2)]], "
        "normal_concat=range(2, 4), reduce=[[('max_pool_3x3', 0), ('sep_conv_5x5', 1)]], reduce_concat=[2])"
    ),
    "a tuple for each node": (
        "Genotype(normal=[(('sep_conv_3x3', 1), ('skip_connect', 0)), (('max_pool_3x3', 0), ('dil_conv_5x5', 2))], "
        "normal_concat=[2, 3], reduce=[(('max_pool_3x3', 0), ('sep_conv_5x5', 1))], reduce_concat=[2], )"
    ),
    "a dictionary": (
        f"{{'normal': {NORMAL}, 'normal_concat': range(2, 4), "
        "'reduce': [('max_pool_3x3', 0), ('sep_conv_5x5', 1)], 'reduce_concat': (2,)}"
    ),
    "JSON": json.dumps(
        {
            "normal": [["sep_conv_3x3", 1], ["skip_connect", 0], ["max_pool_3x3", 0], ["dil_conv_5x5", 2]],
            "normal_concat": [2, 3],
            "reduce": [["max_pool_3x3", 0], ["sep_conv_5x5", 1]],
            "reduce_concat": [2],
        }
    ),
    "JSON, a list for each node": json.dumps(
        {
            "normal": [[["sep_conv_3x3", 1], ["skip_connect", 0]], [["max_pool_3x3", 0], ["dil_conv_5x5", 2]]],
            "normal_concat": [2, 3],
            "reduce": [[["max_pool_3x3", 0], ["sep_conv_5x5", 1]]],
            "reduce_concat": [2],
        }
    ),
    "in the log of a search": f"2020-01-01 10:00:00,123 epoch 49 lr 1.0e-3\n2020-01-01 10:00:01 genotype = {TEXT}\nend",
    "in a module": (
        "from collections import namedtuple\n"
        "Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')\n"
        "class Genotype(NamedTuple):\n    normal: list\n"
        f"PRIMITIVES = ['none', 'skip_connect']\n# OLD = {TEXT}\n\nFOUND = {TEXT}\nDARTS = FOUND\n"
    ),
    "with names of TF-slim": TEXT.replace("sep_conv_3x3", "separable_3x3_2").replace("sep_conv_5x5", "separable_5x5_2"),
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS.keys())
def test_a_dialect_is_read(text: str) -> None:
    read = formats.import_genotype_text(text)
    assert (read.format, read.lost) == ("darts", ())
    assert wiring(read.genotype) == WIRED
    assert read.genotype.stage == "complete"


def test_the_dialects_differ_as_they_say() -> None:
    assert len(set(DIALECTS.values())) == len(DIALECTS)


def test_the_name_before_the_text_is_kept() -> None:
    assert formats.import_genotype_text(f"FOUND = {TEXT}").genotype.about == About(name="FOUND")
    assert formats.import_genotype_text(TEXT).genotype.about is None
    # Every search that logs its genotype calls it so: that is no name.
    assert formats.import_genotype_text(f"genotype = {TEXT}").genotype.about is None


def test_an_operator_that_the_code_of_darts_lacks_is_written_and_named() -> None:
    read = formats.import_genotype_text(TEXT.replace("sep_conv_5x5", "conv_3x3"))
    text, lost = formats.export_genotype_text(read.genotype, "darts")
    assert "('conv_3x3', 1)" in text
    assert lost == ("the layers of conv_3x3 (the code of DARTS has no such operator)",)


def test_weights_of_edges_are_left_out_and_named() -> None:
    text = TEXT.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', 1, 0.1359)").replace(
        "'skip_connect', 0", "'skip_connect', 0, 2.5e-3"
    )
    read = formats.import_genotype_text(text)
    assert wiring(read.genotype) == WIRED
    assert read.lost == ("the weights of edges (third element of an entry)",)


def test_other_fields_of_a_dictionary_are_left_out_and_named() -> None:
    content = {**json.loads(DIALECTS["JSON"]), "accuracy": 97.5}
    assert formats.import_genotype_text(json.dumps(content)).lost == ("'accuracy'",)
    assert formats.import_genotype_text(TEXT.replace("Genotype(", "Genotype(accuracy=97.5, ")).lost == ("'accuracy'",)


GDAS_FIELDS = TEXT.rstrip(")") + ", connectN=None, connects=None)"


@pytest.mark.parametrize(
    "text",
    [
        GDAS_FIELDS,
        json.dumps({**json.loads(DIALECTS["JSON"]), "connectN": None, "connects": None}),
        "Genotype({}, {}, {}, {}, None, None)".format(*json.loads(DIALECTS["JSON"]).values()),
    ],
    ids=["keywords", "dictionary", "positions"],
)
def test_the_fields_of_gdas_are_left_out_with_one_warning_however_they_are_written(text: str) -> None:
    read = formats.import_genotype_text(text)
    assert wiring(read.genotype) == WIRED
    assert read.lost == ("'connectN'", "'connects'")


# FairDARTS

FAIRDARTS_C = """FairDARTS_c = Genotype(
    normal=[('max_pool_3x3', 2, 0), ('sep_conv_5x5', 2, 1), ('dil_conv_3x3', 4, 0), ('dil_conv_5x5', 4, 2),
            ('skip_connect', 5, 3), ('sep_conv_3x3', 5, 0)], normal_concat=range(2, 6),
    reduce=[('dil_conv_3x3', 2, 1), ('dil_conv_5x5', 2, 0), ('dil_conv_3x3', 3, 0), ('sep_conv_3x3', 3, 1),
            ('sep_conv_5x5', 4, 0), ('sep_conv_5x5', 4, 3), ('sep_conv_5x5', 5, 0), ('skip_connect', 5, 1)],
    reduce_concat=range(2, 6))"""


def test_fairdarts_text_gives_the_cell_of_the_library() -> None:
    read = formats.import_genotype_text(FAIRDARTS_C, dialect="fairdarts")
    assert read.genotype.cells == library.load_genotype("fairdarts_c").cells
    assert read.lost == (
        "node 3 of the normal cell's output (nothing feeds it)",
        "edge 3→5 of the normal cell (nothing feeds node 3: kept as pruned)",
    )


def test_fairdarts_text_is_not_guessed() -> None:
    with pytest.raises(
        GenotypeError, match=r"\['max_pool_3x3', 2, 0\]: if this is \(op, to, from\), say so with --dialect"
    ):
        formats.import_genotype_text(FAIRDARTS_C)


def test_the_other_cells_of_a_fairdarts_file_are_read_all_the_same() -> None:
    assert wiring(formats.import_genotype_text(TEXT, dialect="fairdarts").genotype) == WIRED


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"unknown dialect 'fairdart', did you mean fairdarts\?"):
        formats.import_genotype_text(TEXT, dialect="fairdart")


def test_a_fairdarts_list_in_json_is_no_edge_list_where_the_dialect_is_said() -> None:
    content = {
        "normal": [["none", 2, 0], ["max_pool_3x3", 3, 2]],
        "normal_concat": [2, 3],
        "reduce": [["none", 2, 1]],
        "reduce_concat": [2],
    }
    cell = formats.import_genotype_text(json.dumps(content), dialect="fairdarts").genotype.cells["normal"]
    assert [str(edge) for edge in cell.kept] == ["0→2", "2→3"]
    with pytest.raises(SettingsError, match="a dialect is one of DARTS text, and the format is edges"):
        formats.import_genotype_text(json.dumps(content), "edges", dialect="fairdarts")


# Several in one file

SEVERAL = f"A = {TEXT}\nB = Genotype({REDUCE}, normal=[('none', 0), ('none', 1)], normal_concat=[2])\nA = {TEXT}"


@pytest.mark.parametrize(("pick", "nodes"), [("B", 1), ("2", 1), ("-2", 1), ("1", 2), ("-1", 2), ("3", 2)])
def test_one_of_several_is_picked_by_name_or_number(pick: str, nodes: int) -> None:
    assert len(formats.import_genotype_text(SEVERAL, pick=pick).genotype.cells["normal"].nodes) == nodes


@pytest.mark.parametrize(
    ("pick", "message"),
    [
        (None, "holds 3 genotypes: 1 A, 2 B, 3 A; say which with --pick, -1 is the last"),
        ("A", "--pick A: 2 of them, say which by number"),
        ("C", r"--pick C: unknown name 'C'\. Known: A, B"),
        ("0", "holds 3 genotypes, so --pick takes 1 to 3, not 0"),
        ("4", "--pick takes 1 to 3, not 4"),
        ("-4", "--pick takes 1 to 3, not -4"),
    ],
)
def test_what_is_not_there_or_not_clear_is_refused(pick: str | None, message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        formats.import_genotype_text(SEVERAL, pick=pick)


ALIASED = f"{SEVERAL}\nC = B  # the best\nD = C\nE = E\nF = G\nG = F\n# H = B\n"


@pytest.mark.parametrize("pick", ["C", "D"])
def test_an_alias_picks_the_cell_that_it_names(pick: str) -> None:
    genotype = formats.import_genotype_text(ALIASED, pick=pick).genotype
    assert (genotype.about, len(genotype.cells["normal"].nodes)) == (About(name="B"), 1)


@pytest.mark.parametrize("pick", ["E", "F", "G", "H"])
def test_an_alias_of_nothing_in_the_text_is_unknown(pick: str) -> None:
    with pytest.raises(GenotypeError, match=rf"--pick {pick}: unknown name '{pick}'.* Known: A, B, C$"):
        formats.import_genotype_text(ALIASED, pick=pick)


def test_nothing_is_picked_from_a_text_of_one_value() -> None:
    for text in (DIALECTS["JSON"], DIALECTS["a dictionary"]):
        with pytest.raises(GenotypeError, match="nothing for --pick to choose from"):
            formats.import_genotype_text(text, pick="1")


def test_a_long_log_is_not_listed_in_full() -> None:
    with pytest.raises(GenotypeError, match=r"holds 500 genotypes: 1, 2, .*, 20, \.\.\.; say which") as caught:
        formats.import_genotype_text(f"{TEXT}\n" * 500)
    assert len(str(caught.value)) < 200


# What is wrong with a text

WRONG = {
    "an odd number of entries": (
        TEXT.replace("('skip_connect', 0), ", ""),
        "normal has 3 entries, and every node takes two",
    ),
    "no reduction cell": (f"Genotype(normal={NORMAL}, normal_concat=[2, 3])", "a genotype lacks reduce, reduce_concat"),
    "a fixed reduction cell": (TEXT.replace(REDUCE, "reduce=None, reduce_concat=None"), "reduce is None: a fixed cell"),
    "too many fields": (
        "Genotype([], [], [], [], [], [], [])",
        "Genotype takes normal, normal_concat, reduce, reduce_concat",
    ),
    "no edges": ("Genotype([], [], [], [])", "cells.normal.edges: has too few entries"),
    "a field given twice": (TEXT.replace("Genotype(", "Genotype([], "), "once each, not 'normal'"),
    "an unknown operator": (
        TEXT.replace("skip_connect", "skip_conect"),
        r"cells.normal: edge 0→2: unknown operator 'skip_conect', did you mean skip_connect\?",
    ),
    "another tool's operator": (TEXT.replace("skip_connect", "nor_conv_3x3"), "unknown operator 'nor_conv_3x3'"),
    "an operator of two layers": (
        TEXT.replace("dil_conv_5x5", "dil_sep_conv_3x3"),
        "unknown operator 'dil_sep_conv_3x3'",
    ),
    "a node that comes later": (
        TEXT.replace("'dil_conv_5x5', 2", "'dil_conv_5x5', 3"),
        "edge 3→3: a source must be an earlier",
    ),
    "a negative node": (TEXT.replace("'skip_connect', 0", "'skip_connect', -1"), "greater than or equal to 0"),
    "a node beyond all bounds": (TEXT.replace("'skip_connect', 0", "'skip_connect', " + "9" * 29), "less than 64"),
    "a node that is true": (TEXT.replace("'skip_connect', 0", "'skip_connect', True"), "valid integer"),
    "an output that is not there": (TEXT.replace("range(2, 4)", "range(2, 5)"), "concat: node 4 doesn't exist"),
    "an output that is no number": (TEXT.replace("range(2, 4)", "['a']"), "normal_concat lists nodes by number, not"),
    "outputs that are no list": (TEXT.replace("range(2, 4)", "4"), "normal_concat is a list, not 4"),
    "an entry that is no pair": (
        TEXT.replace("('skip_connect', 0)", "'skip_connect'"),
        r"an entry is \(operator, node\)",
    ),
    "an empty cell": (TEXT.replace(NORMAL, "[]"), "cells.normal.edges"),
    "no genotype at all": ("hello", "no genotype in it; the formats are darts, nats, edges, nni, naslib, node-link"),
    "nothing": ("", "no genotype in it"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_text_that_is_wrong_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(GenotypeError, match=message) as caught:
        formats.import_genotype_text(text)
    assert "\n" not in str(caught.value)


# Writing


def run(text: str) -> Any:
    """What Python itself makes of a text: the namedtuple of DARTS' genotypes.py."""
    names: dict[str, Any] = {"Genotype": namedtuple("Genotype", "normal normal_concat reduce reduce_concat")}
    exec(text if "= Genotype" in text else f"made = {text}", names)
    return next(value for name, value in names.items() if name not in ("Genotype", "__builtins__"))


@given(two_inputs())
def test_what_is_written_is_the_same_genotype_to_python_itself(genotype: Genotype) -> None:
    made = run(formats.export_genotype_text(genotype, "darts")[0])
    for kind, cell in genotype.cells.items():
        entries = getattr(made, kind)
        assert (
            Counter((op, source, 2 + at // 2) for at, (op, source) in enumerate(entries)) == wiring(genotype)[kind][0]
        )
        assert tuple(getattr(made, f"{kind}_concat")) == cell.concat


@given(two_inputs())
def test_what_is_written_is_read_as_it_was(genotype: Genotype) -> None:
    text, _ = formats.export_genotype_text(genotype, "darts")
    read = formats.import_genotype_text(text)
    assert read.format == "darts"
    assert wiring(read.genotype) == wiring(genotype)
    assert formats.export_genotype_text(read.genotype, "darts")[0] == text


@pytest.mark.parametrize("name", library.files())
def test_every_library_cell_goes_through_darts_text_or_says_why_not(name: str) -> None:
    genotype = library.load_genotype(name)
    if genotype.space == "nats":
        with pytest.raises(GenotypeError, match="is of the nats space, which DARTS text can't hold"):
            formats.export_genotype_text(genotype, "darts")
        return
    inputs = {len(cell.inputs_of(node)) for cell in genotype.cells.values() for node in range(2, max(cell.nodes) + 1)}
    if inputs != {2}:
        with pytest.raises(
            GenotypeError, match=r"node \d of the (normal|reduce) cell has (no|1|3|4|5|6) inputs?, and DARTS"
        ):
            formats.export_genotype_text(genotype, "darts")
        return
    text, lost = formats.export_genotype_text(genotype, "darts")
    read = formats.import_genotype_text(text).genotype
    assert read.cells == genotype.cells
    assert read.about == About(name=name)
    assert lost == ("the notes on where it is from",)


def test_the_library_cells_that_darts_text_cannot_hold_are_those_of_two_methods_and_the_residual_ones() -> None:
    refused = []
    for name in library.files():
        try:
            formats.export_genotype_text(library.load_genotype(name), "darts")
        except GenotypeError:
            refused.append(name)
    fairdarts = [f"fairdarts_{letter}" for letter in "abcefg"]
    ours = ["ftso_block", "ftso_residual", "ftso_single"]
    assert refused == ["bayesnas_0.005", "bayesnas_0.007", "bayesnas_0.01", *fairdarts, *ours]


@pytest.mark.parametrize("name", ["lambda", "0day", "a b", "größe", "x; import os", ""])
def test_a_name_that_python_does_not_take_is_not_written_before_the_text(name: str) -> None:
    genotype = formats.import_genotype_text(TEXT).genotype
    if name:
        genotype = genotype.replace(about=About(name=name))
    assert formats.export_genotype_text(genotype, "darts")[0].startswith("Genotype(\n")


def test_what_darts_text_cannot_hold_is_named(searched: Genotype) -> None:
    edges = {
        kind: [edge.model_copy(update={"kept": edge.source < 2}) for edge in cell.edges]
        for kind, cell in searched.cells.items()
    }
    cells = {kind: searched.cells[kind].model_copy(update={"edges": tuple(edges[kind])}) for kind in edges}
    genotype = searched.replace(stage="complete", cells=cells)
    assert formats.export_genotype_text(genotype, "darts")[1] == (
        "searched strengths",
        "pruned edges",
        "the list of searched operators",
    )


def test_a_genotype_without_operators_says_what_to_run_first(searched: Genotype) -> None:
    with pytest.raises(GenotypeError, match="is not pruned, which DARTS text needs; run: ftso prune"):
        formats.export_genotype_text(searched, "darts")


@pytest.mark.parametrize(
    ("normal", "concat", "kept"),
    [
        # In the order in which nodes feed each other, whatever the order of the text and the names of operators.
        ("[('sep_conv_3x3', 3, 2), ('skip_connect', 2, 0)]", "[2, 3]", [2, 3]),
        ("[('max_pool_3x3', 3, 2), ('skip_connect', 2, 0)]", "[2, 3]", [2, 3]),
        # Node 4 is fed by node 3 alone, which nothing feeds.
        ("[('skip_connect', 2, 0), ('max_pool_3x3', 4, 3)]", "[2, 4]", [2]),
    ],
)
def test_fairdarts_leaves_nodes_out_of_the_output_that_no_input_reaches(
    normal: str, concat: str, kept: list[int]
) -> None:
    reduce = "reduce=[('skip_connect', 2, 0)], reduce_concat=[2]"
    text = f"Genotype(normal={normal}, normal_concat={concat}, {reduce})"
    assert (
        list(formats.import_genotype_text(text, "darts", dialect="fairdarts").genotype.cells["normal"].concat) == kept
    )
