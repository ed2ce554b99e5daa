"""`ftso genotypes`: the table, one cell, the schema, and the same as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.api.library import COLUMNS, all_rows
from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, library, storage
from tests.processes import modules_imported_by, run_fresh

EXACT = {
    "pc_darts_cifar": (3_634_678, 4_111_104, 556_670_592, 5_270_560, 6_531_336, 571_137_408),
    "fairdarts_c": (2_598_814, 3_075_240, 399_987_936, 3_859_264, 5_120_040, 428_084_928),
    "ftso_wide_sep3": (4_701_718, 5_178_144, 711_665_280, 6_548_320, 7_809_096, 712_012_800),
}
"""Counted on networks that the authors' code builds: parameters, with auxiliary head, MACs; CIFAR-10, then ImageNet."""


def genotypes(*words: str, status: int = 0, columns: int = 80) -> Result:
    result = CliRunner().invoke(app, ["genotypes", *words], env={"COLUMNS": str(columns)})
    assert result.exit_code == status, result.output
    return result


def as_json(*words: str) -> dict[str, Any]:
    """The rows of the table by name, in order."""
    rows = json.loads(genotypes(*words, "--json").stdout)["genotypes"]
    return {row["name"]: row for row in rows}


def table(*words: str, columns: int = 80) -> tuple[str, dict[str, str]]:
    """The heading of the table, and its lines by name, in order."""
    lines = genotypes(*words, columns=columns).stdout.splitlines()
    assert set(lines[2]) == {"─"}
    return "\n".join(lines[:2]), {line.split()[0]: line for line in lines[3:]}


# The table


def test_the_table_has_every_cell_and_every_network_without_one() -> None:
    _, lines = table()
    assert list(lines) == sorted([*library.files(), *(about.name for about in library.without_cell())])


@pytest.mark.parametrize("columns", [80, 90, 100, 120, 150, 250])
def test_the_table_is_no_wider_than_the_terminal(columns: int) -> None:
    lines = genotypes(columns=columns).stdout.splitlines()
    assert max(map(len, lines)) <= columns


def test_a_narrow_terminal_has_costs_errors_and_search_cost() -> None:
    heading, lines = table()
    assert heading.split("\n")[1].split() == ["cell", "params", "MACs", "error", "params", "MACs", "top-1", "days"]
    assert lines["pc_darts_cifar"].split() == ["pc_darts_cifar", "3.63", "557", "2.57", "5.27", "571", "25.10", "0.1"]
    assert lines["ftso_cifar10_1epoch"].split()[1:] == ["-", "-", "2.48", "-", "-", "23.60", "0.0002"]
    assert lines["ftso_wide_sep3"].split()[1:] == ["4.70", "712", "-", "6.55", "712", "-", "-"]


def test_a_wide_terminal_has_the_printed_figures_beside_the_counted_ones() -> None:
    heading, lines = table(columns=120)
    assert heading.split("\n")[1].split() == [
        *("cell", "year", "nodes", "params", "print", "MACs", "print", "error"),
        *("params", "print", "MACs", "print", "top-1", "days"),
    ]
    assert lines["darts_v2"].split() == [
        *("darts_v2", "2019", "4", "3.35", "3.3", "528", "528", "2.76"),
        *("4.72", "4.7", "530", "574", "26.70", "1"),
    ]
    assert "3/4" in lines["fairdarts_a"].split()


def test_a_very_wide_terminal_has_operators_and_titles() -> None:
    heading, lines = table(columns=220)
    assert "operators" in heading and "title" in heading and "epochs" in heading
    assert "avg3 max3" not in lines["pc_darts_cifar"]
    assert "max3 avg3 skip sep3 sep5 dil3" in lines["pc_darts_cifar"]
    assert "PC-DARTS (CIFAR-10)" in lines["pc_darts_cifar"]


def test_what_the_columns_mean_is_told_beside_the_table() -> None:
    assert genotypes("--filter", "sgas").stderr.startswith("4 rows; params and MACs in millions, counted by ftso")


# Sorting and filtering


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [
        ("days", "ftso_cifar10_1iteration", "amoebanet_c"),
        ("error", "proxylessnas_cifar", "pnasnet5"),
        ("error-1200", "ftso_cifar10_1epoch", "ftso_cifar10_1iteration"),
        ("top1", "ftso_imagenet_1epoch", "nasnet_c"),
        ("macs", "ftso_single", "setn"),
        ("year", "enas", "drnas_imagenet"),
        ("name", "amoebanet_a", "snas_moderate"),
        ("title", "amoebanet_a", "ftso_wide_sep3"),
        ("operators", "enas", "gdas_v1_fairdarts_variant"),
    ],
)
def test_rows_are_sorted_by_a_column_and_those_without_a_value_come_last(column: str, first: str, last: str) -> None:
    names = list(table("--sort", column)[1])
    known = [row.about.name for row in all_rows() if COLUMNS[column].value(row) is not None]
    assert names[0] == first
    assert names[len(known) - 1] == last
    assert set(names[: len(known)]) == set(known)
    assert names[len(known) :] == sorted(set(names) - set(known))


def test_the_column_that_is_sorted_by_is_always_shown() -> None:
    assert "operators" in table("--sort", "operators")[0]
    assert "top-5" in table("--sort", "top5")[0]


def test_a_filter_takes_a_part_of_the_name_or_title_however_it_is_spelled() -> None:
    assert list(as_json("--filter", "PC-DARTS")) == ["pc_darts_cifar", "pc_darts_image"]
    assert list(as_json("--filter", "smoothdarts")) == ["sdarts_adv_c10", "sdarts_rs_c10"]


def test_a_filter_takes_an_operator() -> None:
    assert list(as_json("--filter", "op=conv_3x1_1x3")) == ["setn"]
    rows = as_json("--filter", "op=sep_conv_7x7")
    assert set(rows) == {"amoebanet_a", "amoebanet_a_tpu", "nasnet_a", "nasnet_a_tfslim_concat", "pnasnet5"}


def test_filters_add_up() -> None:
    assert list(as_json("--filter", "op=sep_conv_7x7", "--filter", "AmoebaNet-A_t")) == ["amoebanet_a_tpu"]


def test_a_filter_that_nothing_passes_gives_an_empty_table() -> None:
    result = genotypes("--filter", "nothing like it")
    assert len(result.stdout.splitlines()) == 3
    assert result.stderr.startswith("0 rows;")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sort", "erro"], "unknown column 'erro', did you mean error? Known: name, title"),
        (["--filter", "op=sep_conv"], "unknown operator 'sep_conv'"),
        (["--filter", "year=2019"], "--filter takes op=OPERATOR, or a part of a name; year= is neither"),
        (["show", "pdartz"], "'pdartz': no such file and no published cell of that name, did you mean pdarts?"),
    ],
)
def test_what_is_unknown_is_one_line(words: list[str], message: str) -> None:
    result = genotypes(*words, status=1)
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("words", "message"), [(["show"], "show NAME"), (["pdarts"], "show pdarts")])
def test_show_needs_a_name_and_a_name_needs_show(words: list[str], message: str) -> None:
    result = genotypes(*words, status=2)
    assert f"to show a cell, say: ftso genotypes {message}" in " ".join(result.stderr.replace("│", " ").split())


# JSON


def test_json_has_exact_costs() -> None:
    rows = as_json()
    for name, numbers in EXACT.items():
        costs = rows[name]["costs"]
        keys = ("params", "params_with_auxiliary", "macs")
        assert tuple(costs[setting][key] for setting in ("cifar10", "imagenet") for key in keys) == numbers


def test_json_says_what_is_not_known() -> None:
    row = as_json("--filter", "ftso_cifar10_1epoch")["ftso_cifar10_1epoch"]
    assert (row["costs"], row["nodes"], row["operators"], row["year"]) == (None, None, None, None)
    assert row["published"]["cifar10"]["error_1200_epochs"] == 2.23


def test_json_has_what_the_file_says() -> None:
    row = as_json("--filter", "snas_mild")["snas_mild"]
    assert row["nodes"] == {"normal": 4, "reduce": 4}
    assert row["operators"] == ["max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"]
    assert row["published"]["imagenet"]["madds_M"] == 522


# One cell


def test_show_has_costs_beside_the_printed_figures_and_both_cells() -> None:
    text = genotypes("show", "PC-DARTS").stdout
    assert text.startswith("pc_darts_cifar: PC-DARTS (CIFAR-10), 2020\n")
    assert "also       PCDARTS\n" in text
    for number in ("3,634,678", "4,111,104", "556,670,592", "571,137,408", "3.6M", "586M", "2.57 ± 0.07 %", "7.8 %"):
        assert number in text
    assert "1200 epochs: 2.5 %" in text
    assert "pc_darts_cifar = Genotype(\n    normal=[('skip_connect', 0), ('sep_conv_3x3', 1)," in text
    assert text.endswith("next: ftso draw PC-DARTS\n")


def test_show_has_an_edge_list_where_darts_text_cannot_hold_the_cell() -> None:
    text = genotypes("show", "bayesnas_0.01").stdout
    assert '["avg_pool_3x3", 0, 2],' in text
    assert "Genotype(" not in text


def test_show_of_a_network_without_a_cell_says_so() -> None:
    text = genotypes("show", "ftso_cifar10_1epoch").stdout
    assert "2.48 % (1200 epochs: 2.23 %)" in text
    assert "Nobody printed this cell as text" in text
    assert "next:" not in text


def test_show_takes_a_file_too(tmp_path: Path, searched: Genotype) -> None:
    storage.write_genotype(library.load_genotype("pdarts").replace(about=None), tmp_path / "cell.json")
    text = genotypes("show", str(tmp_path / "cell.json")).stdout
    assert "3,433,798" in text
    storage.write_genotype(searched, tmp_path / "cell.json")
    result = genotypes("show", str(tmp_path / "cell.json"), status=1)
    assert "is not pruned, which cost needs; run: ftso prune" in result.stderr


def test_show_as_json_has_the_cells() -> None:
    told = json.loads(genotypes("show", "fairdarts_c", "--json").stdout)
    assert told["costs"]["imagenet"]["macs"] == EXACT["fairdarts_c"][5]
    assert {"source": 3, "target": 5, "op": "skip_connect", "kept": False} in told["cells"]["normal"]["edges"]
    assert json.loads(genotypes("show", "mnasnet_92", "--json").stdout)["cells"] is None


@pytest.mark.parametrize("name", library.files())
def test_every_cell_can_be_shown(name: str) -> None:
    assert genotypes("show", name).stdout.startswith(f"{name}: ")


# The schema and whole processes


def test_the_schema_is_printed() -> None:
    assert json.loads(genotypes("--schema").stdout) == storage.json_schema()


def test_a_fresh_process_prints_the_table() -> None:
    done = run_fresh("genotypes", "--sort", "days")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[3].startswith("ftso_cifar10_1iteration")


def test_nothing_slow_is_imported() -> None:
    assert not modules_imported_by(["genotypes"]) & {"torch", "numpy", "PIL", "networkx", "sklearn"}
