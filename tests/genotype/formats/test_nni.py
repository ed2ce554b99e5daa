"""NNI's dictionary, against the one that NNI's own model-space hub has for DARTS."""

import json
from typing import Any

import pytest
from hypothesis import given

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Genotype, formats, library
from tests.genotype.formats.cells import all_output, two_inputs, wiring

HUB = {
    "normal": "sep_conv_3x3 0 sep_conv_3x3 1 sep_conv_3x3 0 sep_conv_3x3 1 sep_conv_3x3 1 skip_connect 0 "
    "skip_connect 0 dil_conv_3x3 2",
    "reduce": "max_pool_3x3 0 max_pool_3x3 1 skip_connect 2 max_pool_3x3 1 max_pool_3x3 0 skip_connect 2 "
    "skip_connect 2 max_pool_3x3 1",
}
"""The model darts-v2 of NNI's hub: operator and source, two for each of nodes 2 to 5."""


def dictionary(*, listed: bool = True) -> dict[str, Any]:
    """The hub's darts-v2 in NNI's format, whose sources are in lists; ftso once wrote them without."""
    content: dict[str, Any] = {}
    for kind, text in HUB.items():
        words = text.split()
        for at in range(8):
            node, index = divmod(at, 2)
            content[f"{kind}/op_{node + 2}_{index}"] = words[2 * at]
            content[f"{kind}/input_{node + 2}_{index}"] = [int(words[2 * at + 1])] if listed else int(words[2 * at + 1])
    return content


@pytest.mark.parametrize("listed", [False, True])
def test_the_hubs_darts_is_the_librarys(listed: bool) -> None:
    read = formats.import_genotype_text(json.dumps(dictionary(listed=listed)))
    assert (read.format, read.lost) == ("nni", ())
    assert read.genotype.cells == library.load_genotype("darts_v2").cells


def test_a_dictionary_as_python_prints_it_is_read() -> None:
    assert formats.import_genotype_text(str(dictionary())).genotype.cells == library.load_genotype("darts_v2").cells


def test_the_librarys_darts_is_the_hubs() -> None:
    written = json.loads(formats.export_genotype_text(library.load_genotype("darts_v2"), "nni")[0])
    expected = dictionary()
    assert written.keys() == expected.keys()
    for kind in HUB:
        for node in range(2, 6):
            pairs = [
                sorted((content[f"{kind}/input_{node}_{k}"], content[f"{kind}/op_{node}_{k}"]) for k in (0, 1))
                for content in (written, expected)
            ]
            assert pairs[0] == pairs[1]


def test_width_and_depth_of_the_network_are_left_out_and_named() -> None:
    assert formats.import_genotype_text(json.dumps({"width": 36, "depth": 20, **dictionary()})).lost == (
        "'width'",
        "'depth'",
    )


def test_with_another_number_of_nodes_the_output_is_a_guess_and_named() -> None:
    text, _ = formats.export_genotype_text(library.load_genotype("pnasnet5"), "nni")
    read = formats.import_genotype_text(text)
    assert read.genotype.cells == library.load_genotype("pnasnet5").cells
    assert len(read.lost) == 2
    assert "took all nodes, as NNI's DARTS and PNAS do" in read.lost[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normal/input_2_0": None}, "normal/op_2_0 and input_2_0 are an operator and a node"),
        ({"normal/input_2_0": [0, 1]}, r"not \['sep_conv_3x3', \[0, 1\]\]"),
        ({"normal/op_2_0": 3}, "are an operator and a node"),
        ({"normal/op_6_0": "none"}, "normal/input_6_0 is missing"),
        ({"reduce/input_6_0": 1}, "reduce/op_6_0 is missing"),
        ({"normal/op_x": "none", "normal/input_x": 1}, "normal/op_x and input_x"),
        ({"normal/op_99_0": "none", "normal/input_99_0": 1}, "less than 64"),
        ({"normal/input_2_0": 2}, "edge 2→2: a source must be an earlier node"),
    ],
)
def test_a_dictionary_that_is_wrong_is_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        formats.import_genotype_text(json.dumps({**dictionary(), **change}))


def test_a_dictionary_without_a_reduction_cell_is_refused() -> None:
    content = {name: value for name, value in dictionary().items() if name.startswith("normal")}
    with pytest.raises(GenotypeError, match=r"has reduce/op_2_0, reduce/input_2_0 and so on; this one has 'normal/op"):
        formats.import_genotype_text(json.dumps(content))


@pytest.mark.parametrize("text", ['{"normal_n2_p0": "sepconv3x3"}', '{"reduce_n5_switch": ["reduce_n5_p0"]}'])
@pytest.mark.parametrize("name", [None, "nni"])
def test_the_keys_of_an_older_nni_are_told_with_those_that_are_read(text: str, name: str | None) -> None:
    with pytest.raises(GenotypeError, match=r"normal/op_2_0.* this one has '\w+_n\d_\w+', the keys of an older NNI"):
        formats.import_genotype_text(text, name)


def test_an_empty_dictionary_is_told_what_is_read() -> None:
    with pytest.raises(GenotypeError, match=r"an NNI dictionary has normal/op_2_0, .* this one has nothing"):
        formats.import_genotype_text("{}", "nni")


def test_an_operator_that_nnis_darts_space_lacks_is_named() -> None:
    assert formats.export_genotype_text(library.load_genotype("darts_v2"), "nni")[1] == (
        "the notes on where it is from",
    )
    for name, what in (("setn", "conv_3x1_1x3 of the normal cell"), ("snas_aggressive", "none of the reduce cell")):
        lost = formats.export_genotype_text(library.load_genotype(name), "nni")[1]
        assert f"{what} (NNI's DARTS space has no such candidate)" in lost


@given(two_inputs().map(all_output))
def test_any_wiring_that_it_can_hold_comes_back(genotype: Genotype) -> None:
    read = formats.import_genotype_text(formats.export_genotype_text(genotype, "nni")[0])
    assert read.format == "nni"
    assert wiring(read.genotype) == wiring(genotype)


@given(two_inputs())
def test_an_output_of_some_nodes_is_refused(genotype: Genotype) -> None:
    if all(cell.concat == cell.nodes for cell in genotype.cells.values()):
        formats.export_genotype_text(genotype, "nni")
    else:
        with pytest.raises(GenotypeError, match=r"NNI's DARTS space takes all nodes, .* use --format edges"):
            formats.export_genotype_text(genotype, "nni")


def test_a_cell_of_other_numbers_of_inputs_is_refused() -> None:
    with pytest.raises(GenotypeError, match=r"node 2 of the normal cell has 5 inputs, and NNI text has two"):
        formats.export_genotype_text(library.load_genotype("bayesnas_0.01"), "nni")


def test_what_is_no_dictionary_is_refused() -> None:
    with pytest.raises(GenotypeError, match=r"NNI's format is a dictionary, not \[1\]"):
        formats.import_genotype_text("[1]", "nni")
