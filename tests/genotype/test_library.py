"""The published cells: what the files say against the reference, and what a name finds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ftso_cli.errors import GenotypeError
from ftso_cli.genotype import Cell, Genotype, library, storage

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"

RENAMED = {
    "robustdarts_s1_c10_dp0.0_wd0.0003_seed1": "robustdarts_s1_c10",
    "syn_all_sep3_wide": "ftso_wide_sep3",
    "syn_all_sep3_deep": "ftso_deep_sep3",
}
"""Cells whose file is not called as the reference calls them, in lower case."""


def reference(name: str) -> Any:
    """The content of a reference file; the test is skipped where it is missing."""
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"no {path.name} in ../shared/reference")
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else text


def file_of(key: str) -> Genotype:
    """The file of a cell that the reference calls `key`."""
    return library.load_genotype(RENAMED.get(key.lower(), key.lower()))


def all_files() -> list[str]:
    return list(library.files())


# The files


def test_every_reference_cell_has_a_file_and_every_file_but_ours_a_reference() -> None:
    keys = reference("genotypes.json")
    published = {RENAMED.get(key.lower(), key.lower()) for key in keys}
    assert published | {"ftso_block", "ftso_residual", "ftso_single"} == set(library.files())
    assert len(keys) == 45


def listed_edges(entry: dict[str, Any], kind: str) -> list[tuple[str, int, int]]:
    """A cell of the reference as (operator, source, target), from either of its two formats."""
    if entry["format"] == "edges":
        return [(op, source, target) for op, source, target in entry[kind]]
    return [(op, source, 2 + at // 2) for at, (op, source) in enumerate(entry[kind])]


def test_every_file_has_the_edges_and_outputs_of_the_reference() -> None:
    for key, entry in reference("genotypes.json").items():
        genotype = file_of(key)
        for kind, cell in genotype.cells.items():
            edges = sorted((str(edge.op), edge.source, edge.target) for edge in cell.edges)
            assert edges == sorted(listed_edges(entry, kind)), key
            assert list(cell.concat) == sorted(entry[f"{kind}_concat"]), key


def test_edges_out_of_a_node_that_nothing_feeds_are_kept_as_pruned_and_the_note_says_so() -> None:
    pruned: dict[str, list[tuple[str, str]]] = {}
    for name in all_files():
        for kind, cell in library.load_genotype(name).cells.items():
            pruned.setdefault(name, []).extend((kind, str(edge)) for edge in cell.edges if not edge.kept)
    assert {name: edges for name, edges in pruned.items() if edges} == {
        "fairdarts_c": [("normal", "3→5")],
        "fairdarts_g": [("normal", "3→4")],
    }
    for name in ("fairdarts_c", "fairdarts_g"):
        about = library.load_genotype(name).about
        assert about and about.note and "kept in the file as pruned" in about.note


FIGURES = {"error": "error", "error_std": "error_std", "params_M": "params_M", "madds_M": "madds_M", "cutout": "cutout"}
IMAGENET_FIGURES = {"error": "top1_error", "top5_error": "top5_error", "params_M": "params_M", "madds_M": "madds_M"}


def test_every_file_has_the_published_figures_of_the_reference() -> None:
    for key, entry in reference("genotypes.json").items():
        about = file_of(key).about
        assert about is not None
        published = about.published
        assert published.search_gpu_days == entry["published"].get("search_gpu_days"), key
        for name, fields in (("cifar10", FIGURES), ("imagenet", IMAGENET_FIGURES)):
            figures, expected = getattr(published, name), entry["published"].get(name, {})
            given = {} if figures is None else figures.model_dump()
            assert {ours: given.get(ours) for ours in fields} == {
                ours: expected.get(theirs) for ours, theirs in fields.items()
            }, key


def test_figures_come_with_their_source() -> None:
    for name in all_files():
        about = library.load_genotype(name).about
        assert about is not None
        published = about.published
        has_figures = bool(published.cifar10 or published.imagenet or published.search_gpu_days)
        assert has_figures == bool(published.sources), name


@pytest.mark.parametrize("name", all_files())
def test_a_file_is_complete_says_what_it_is_and_is_laid_out_as_ftso_writes(name: str) -> None:
    path = library.files()[name]
    genotype = storage.read_genotype(path)
    assert genotype.stage == "complete"
    assert genotype.history == ()
    assert genotype.about is not None
    assert genotype.about.name == name
    assert genotype.about.title and genotype.about.source
    assert re.fullmatch(r"[a-z0-9_.]+", name)
    assert path.read_text() == storage.genotype_json(genotype)


def test_the_two_cells_of_the_default_operator_say_that_nobody_published_them() -> None:
    for name, wiring in (("ftso_wide_sep3", [0, 1] * 4), ("ftso_deep_sep3", [0, 1, 1, 2, 2, 3, 3, 4])):
        genotype = library.load_genotype(name)
        assert genotype.about and genotype.about.note and genotype.about.note.startswith("No published cell")
        for cell in genotype.cells.values():
            assert [edge.source for edge in cell.edges] == wiring
            assert {edge.op for edge in cell.edges} == {"sep_conv_3x3"}


# What is published without a cell


def test_the_papers_own_rows_are_those_of_its_table_1() -> None:
    lines = [line.split("\t") for line in reference("paper.txt").splitlines() if line.startswith("FTSO (")]
    table = {row[0]: row[1:] for row in lines}
    names = {
        "ftso_cifar10_1epoch": "FTSO (CIFAR10 + 1 epoch)",
        "ftso_cifar10_1iteration": "FTSO (CIFAR10 + 1 iteration)",
        "ftso_imagenet_1epoch": "FTSO (Full ImageNet + 1epoch)",
    }
    for name, row in names.items():
        about = library.without_cell_called(name)
        assert about and about.published.cifar10 and about.published.imagenet
        cells = next(cells for title, cells in table.items() if title.startswith(row))
        short, long, top1, top5 = (float(text) for text in cells[:4])
        assert (about.published.cifar10.error, about.published.cifar10.error_1200_epochs) == (short, long)
        assert (about.published.imagenet.error, about.published.imagenet.top5_error) == (top1, top5)


def test_a_network_without_a_cell_has_a_name_that_no_cell_has() -> None:
    rows = [about.name for about in library.without_cell()]
    assert len(rows) == len(set(rows)) == 12
    assert not set(rows) & {*library.files(), *library.aliases()}


def test_asking_for_a_network_without_a_cell_says_that_there_is_none() -> None:
    with pytest.raises(GenotypeError, match="nobody printed the cell"):
        library.load_genotype("FTSO-CIFAR10-1epoch")


# Names


def test_no_two_cells_can_be_meant_by_one_spelling() -> None:
    spellings = [library.simple(name) for name in (*library.files(), *library.aliases())]
    assert len(spellings) == len(set(spellings))


def test_an_alias_belongs_to_one_cell() -> None:
    listed = [
        alias for name in all_files() for alias in (library.load_genotype(name).about or pytest.fail(name)).aliases
    ]
    assert len(listed) == len(set(listed)) == len(library.aliases())


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("pc_darts_cifar", "pc_darts_cifar"),
        ("PC_DARTS_cifar", "pc_darts_cifar"),
        ("PC-DARTS-cifar", "pc_darts_cifar"),
        ("pc darts cifar", "pc_darts_cifar"),
        ("PCDARTS", "pc_darts_cifar"),
        ("PC-DARTS", "pc_darts_cifar"),
        ("DARTS", "darts_v2"),
        ("darts_v1", "darts_v1"),
        ("DARTS-1st", "darts_v1"),
        ("DARTS-", "darts_minus_c10"),
        ("darts-pt", "darts_pt_s5_0"),
        ("pt.darts", "khanrc_pt_darts_c10"),
        ("P-DARTS", "pdarts"),
        ("BayesNAS_0.01", "bayesnas_0.01"),
        ("NASNet", "nasnet_a"),
        ("PNAS", "pnasnet5"),
        ("Cri2_ImageNet_Best", "sgas_cri2_best_in"),
        ("RobustDARTS_S1_c10_dp0.0_wd0.0003_seed1", "robustdarts_s1_c10"),
    ],
)
def test_a_name_is_found_however_it_is_spelled(reference: str, name: str) -> None:
    about = library.load_genotype(reference).about
    assert about is not None
    assert about.name == name
    assert library.is_name(reference)


def test_a_file_name_is_found_without_reading_the_other_files() -> None:
    library.aliases.cache_clear()
    library.load_genotype("PC-DARTS-image")
    assert library.aliases.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("reference", "guess"),
    [("pc_dart_cifar", "pc_darts_cifar"), ("bayesnas0.1", "bayesnas_0.01"), ("sdarts-rc", "SDARTS-RS")],
)
def test_a_near_miss_is_told_the_right_name(reference: str, guess: str) -> None:
    with pytest.raises(GenotypeError, match=f"no published cell of that name, did you mean {re.escape(guess)}\\?"):
        library.load_genotype(reference)
    assert not library.is_name(reference)


@pytest.mark.parametrize(
    ("reference", "names"),
    [("SGAS", "sgas_cri1_1, sgas_cri1_best, sgas_cri2_best_c10, sgas_cri2_best_in"), ("SNAS", "snas_aggressive, ")],
)
def test_a_method_with_several_cells_is_told_their_names(reference: str, names: str) -> None:
    with pytest.raises(GenotypeError, match=f"several published cells: {names}"):
        library.load_genotype(reference)
    assert not library.is_name(reference)


@pytest.mark.parametrize(
    "reference", ["", "nothing_like_it", "a" * 5000, "a\0b", "../genotypes/pdarts", "...", "[b]x[/b]"]
)
def test_a_name_that_nothing_has_is_one_line(reference: str) -> None:
    with pytest.raises(GenotypeError) as caught:
        library.load_genotype(reference)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert not library.is_name(reference)


def test_a_file_comes_before_a_published_cell_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searched: Genotype
) -> None:
    storage.write_genotype(searched, tmp_path / "pdarts")
    monkeypatch.chdir(tmp_path)
    assert library.load_genotype("pdarts") == searched
    assert not library.is_name("pdarts")
    assert library.load_genotype("PDARTS").stage == "complete"


def test_a_folder_called_as_a_cell_is_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pdarts").mkdir()
    (tmp_path / "cells").mkdir()
    monkeypatch.chdir(tmp_path)
    assert library.load_genotype("pdarts").stage == "complete"
    with pytest.raises(GenotypeError, match=r"'cells': is a folder, not a genotype file$"):
        library.load_genotype("cells")
    (tmp_path / "cells" / "genotype.json").touch()
    with pytest.raises(GenotypeError, match=r"its cell is cells/genotype\.json"):
        library.load_genotype("cells")


def test_equal_wirings_are_not_listed_twice() -> None:
    cells: dict[tuple[Cell, ...], str] = {}
    for name in all_files():
        genotype = library.load_genotype(name)
        key = tuple(genotype.cells.values())
        assert key not in cells, f"{name} is {cells.get(key)}"
        cells[key] = name


def test_two_cells_of_a_method_are_a_choice_and_a_slip_of_the_pen_is_a_guess() -> None:
    with pytest.raises(
        GenotypeError, match=r"'darts_v': no such file, and several published cells: darts_v1, darts_v2;"
    ):
        library.load_genotype("darts_v")
    with pytest.raises(GenotypeError, match=r"'pc_darts_cifa': .* did you mean pc_darts_cifar\?"):
        library.load_genotype("pc_darts_cifa")
    with pytest.raises(GenotypeError, match="'zzz': no such file and no published cell of that name; ftso genotypes"):
        library.load_genotype("zzz")


def test_three_letters_are_a_method_and_two_are_not() -> None:
    with pytest.raises(GenotypeError, match="several published cells: sga"):
        library.load_genotype("sga")
    with pytest.raises(GenotypeError, match="no published cell of that name"):
        library.load_genotype("sg")
