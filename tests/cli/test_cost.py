"""`ftso cost` as a user sees it: tables, JSON, budgets, contradictions, and no torch."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.costs.conventions import CONVENTIONS
from ftso_cli.genotype import Genotype, edit, library, storage
from ftso_cli.genotype.schema import Step, Times
from ftso_cli.settings.costs import Convention


def ftso(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["cost", *map(str, arguments)], input=stdin)


def output(*arguments: str | Path, stdin: str | None = None) -> str:
    result = ftso(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*arguments: str | Path) -> dict[str, Any]:
    result = ftso(*arguments, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def complaint(*arguments: str | Path, status: int = 1) -> str:
    """What goes to stderr, on one line and without the box that usage errors stand in."""
    result = ftso(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    return " ".join(result.stderr.replace("│", " ").split())


def row(text: str, start: str) -> list[str]:
    """The columns of the one line that begins with `start`."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(start))
    return line.strip().removeprefix(start).split()


# The paper's formulas


def test_the_papers_comparison_is_a_table_of_three_searches() -> None:
    text = output("--n", "7", "--p", "8")
    assert row(text, "edges") == ["14", "14", "8"]
    assert row(text, "operators") == ["112", "14", "64"]
    assert row(text, "parameters") == ["734,060,544", "14", "419,463,168"]
    assert row(text, "fewer operators") == ["×8", "×1.75"]
    assert row(text, "fewer parameters") == ["×52,432,896", "×1.75"]
    assert row(text, "fewer FLOPs") == ["×102,408", "×1.75"]
    assert "1.91e-08 of DARTS' parameters and 9.76e-06 of its FLOPs" in text


def test_what_real_super_nets_save_stands_below() -> None:
    text = output("--n", "7")
    assert "DARTS ×13.7 weights, ×12.2 MACs; PC-DARTS ×2.94 weights, ×2.73 MACs" in text
    assert "super-nets of 2 nodes a cell" in output("--n", "5")


def test_formulas_as_json() -> None:
    found = answer("--n", "7", "--p", "8", "--k", "3")
    assert found["k"] == 3
    assert found["operators"] == {"darts": 112, "topology": 14, "operator": 64}
    assert found["ratios"]["flops"] == 1 / (8 * (9 * 512 + 1))
    assert found["supernets"]["DARTS"]["all"]["weights"] == 1_930_618
    assert found["supernets"]["PC-DARTS"]["skip"]["macs"] == 20_728_320


def test_a_change_of_width_is_said_to_be_an_idealisation() -> None:
    assert "can't change the width" in output("--c-in", "64", "--c-out", "128")
    assert "can't change the width" not in output("--c-in", "64", "--c-out", "64")


def test_a_sweep_over_n_shows_the_growth() -> None:
    text = output("--sweep", "n=4..6", "--p", "8")
    assert row(text, "5 ")[:4] == ["5", "40", "32", "5"]
    bars = [line for line in text.splitlines() if "█" in line]
    assert len(bars) == 9
    lengths = [line.count("█") for line in bars if " DARTS " in line]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_a_sweep_as_json_has_a_row_for_each_value() -> None:
    found = answer("--sweep", "p=2..16")
    assert found["sweep"] == "p"
    assert [each["operators"]["darts"] for each in found["rows"]] == [14 * p for p in range(2, 17)]


def test_huge_sizes_stay_readable() -> None:
    text = output("--n", "10000", "--p", "10000", "--c-in", "100000", "--c-out", "100000", "--height", "100000")
    assert row(text, "edges") == ["49,985,000", "49,985,000", "19,994"]
    assert max(map(len, text.splitlines())) < 200


# Networks


def test_one_cell_is_shown_part_by_part() -> None:
    text = output("pc_darts_cifar")
    assert text.startswith("pc_darts_cifar: 36 channels, 20 cells, images 3×32×32, 10 classes")
    assert row(text, "stem") == ["108×32×32", "3,132", "2,985,984"]
    assert row(text, "normal 0–5") == ["36", "144×32×32", "167,616", "166,330,368"]
    assert row(text, "reduce 13")[:2] == ["144", "576×8×8"]
    assert row(text, "network") == ["3,634,678", "556,670,592"]
    assert row(text, "auxiliary head") == ["10×1×1", "476,426", "695,808"]
    assert row(text, "in training") == ["4,111,104", "557,366,400"]
    assert "next: ftso train pc_darts_cifar --data digits" in text


def test_the_network_that_the_next_command_trains_is_named_where_it_is_another(tmp_path: Path) -> None:
    text, run = output("darts_v2"), tmp_path / "run"
    assert "next: ftso train darts_v2 --data digits" in text
    done = CliRunner().invoke(app, ["train", "darts_v2", "--epochs", "1", "--batch-size", "512", "-o", str(run)])
    (trained,) = re.findall(r"([\d,]+) parameters and", done.stderr)
    assert "trains another network: 5 cells of 16 channels, images 1×8×8, 10 classes: " + trained in text
    assert row(output(run), "network")[0] == trained
    assert output(run).startswith(f"{run}: 16 channels, 5 cells, images 1×8×8, 10 classes")
    assert f"next: ftso evaluate {run}" in output(run)
    both = output(run, "darts_v2")
    assert "5 cells, images 1×8×8, 10 classes" in both and "20 cells, images 3×32×32, 10 classes" in both
    assert row(both, "darts_v2")[1] == "3,349,342"
    (counted,) = json.loads(output(run, "--json"))["networks"]
    assert f"{counted['params']:,}" == trained and (counted["image"], counted["channels"]) == ([1, 8, 8], 16)


def test_the_network_of_a_setting_is_what_its_command_trains() -> None:
    for setting, words in (
        ("cifar", "--data cifar10 --recipe cifar"),
        ("cifar100", "--data cifar100 --recipe cifar"),
        ("imagenet", "--data imagenet --recipe imagenet"),
    ):
        text = output("darts_v2", "--setting", setting)
        assert text.splitlines()[-1] == f"next: ftso train darts_v2 {words}"
        assert "another network" not in text
    text = output("darts_v2", "--channels", "16", "--cells", "5", "--image-size", "8", "--image-channels", "1")
    assert "another network" not in text


def test_by_stage_has_a_row_for_every_cell() -> None:
    text = output("pc_darts_cifar", "--by-stage")
    assert [len(row(text, f"normal {index} ")) for index in (0, 5, 7, 19)] == [4] * 4
    assert row(text, "reduce 6")[:2] == ["72", "288×16×16"]


def test_several_cells_are_compared_a_row_each() -> None:
    text = output("pc_darts_cifar", "darts_v2", "--setting", "imagenet")
    assert "14 cells, images 3×224×224, 1000 classes" in text
    assert row(text, "pc_darts_cifar") == ["48", "5,270,560", "6,531,336", "571,137,408"]
    assert row(text, "darts_v2") == ["48", "4,718,752", "5,979,528", "529,911,552"]
    assert "next:" not in text


def test_flags_override_the_setting() -> None:
    options = ("--channels", "16", "--cells", "8", "--classes", "7", "--image-channels", "1", "--image-size", "28x20")
    (network,) = answer("darts_v2", *options)["networks"]
    assert (network["channels"], network["cells"], network["classes"]) == (16, 8, 7)
    assert network["image"] == [1, 28, 20]
    assert network["stages"][0]["output"] == [48, 28, 20]
    assert network["stages"][-1]["output"] == [7, 1, 1]


def test_networks_as_json_hold_every_convention() -> None:
    (network,) = answer("pc_darts_image", "--setting", "imagenet")["networks"]
    assert (network["params"], network["params_with_auxiliary"]) == (5_342_464, 6_603_240)
    assert network["multiply_adds"] == {"conv-linear": 581_627_328, "bn-relu": 597_056_448, "bias": 581_628_328}
    assert sum(stage["multiply_adds"]["bn-relu"] for stage in network["stages"]) == 597_056_448
    assert not network["above_mobile_setting"]


def test_conventions_are_named_columns() -> None:
    assert row(output("pdarts", "--setting", "imagenet"), "network") == ["4,944,352", "542,819,328"]
    text = output("pdarts", "--setting", "imagenet", "--convention", "bn-relu")
    assert row(text, "network") == ["4,944,352", "542,819,328", "557,119,488"]
    text = output("pdarts", "--setting", "imagenet", "--convention", "all")
    assert row(text, "network") == ["4,944,352", "542,819,328", "557,119,488", "542,820,328"]


def test_an_all_separable_network_is_said_to_be_above_the_mobile_setting() -> None:
    result = ftso("ftso_wide_sep3", "--setting", "imagenet")
    assert "712M MACs, above the 600M of the mobile setting" in result.stderr
    assert "--fit-macs 600M" in result.stderr
    assert "mobile" not in ftso("pc_darts_cifar", "--setting", "imagenet").output
    assert "mobile" not in ftso("ftso_wide_sep3").output


@pytest.mark.parametrize("budget", ["600M", "0.6G", "600e6", "600_000_000", "600,000,000", "600000k"])
def test_a_budget_of_macs_is_understood_in_every_spelling(budget: str) -> None:
    (network,) = answer("ftso_wide_sep3", "--setting", "imagenet", "--fit-macs", budget)["networks"]
    assert network["channels"] == 42
    # 44 channels would take 602,176,256.
    assert network["macs"] == 550_701_312


def test_a_budget_is_kept_for_each_cell_and_named_in_the_next_step() -> None:
    text = output("pc_darts_cifar", "darts_v2", "--fit-params", "2M")
    for name in ("pc_darts_cifar", "darts_v2"):
        channels, params = row(text, name)[:2]
        assert int(params.replace(",", "")) <= 2_000_000
        assert f"next: ftso train {name} --data digits --channels {channels}" in output(name, "--fit-params", "2M")


def test_the_next_step_trains_that_network_on_the_images_of_the_search(tmp_path: Path) -> None:
    photos, path = tmp_path / "my photos", tmp_path / "cell.json"
    photos.mkdir()
    searched = Step(command="search-topology", data=str(photos), settings={"image_size": [16, 16]})
    done = {"history": (searched,), "times": (Times(started="2026-11-24T06:04:51+00:00"),)}
    storage.write_genotype(library.load_genotype("darts_v1").model_copy(update=done), path)
    shown = output(path, "--channels", "8", "--cells", "3").splitlines()[-1]
    assert shown == f"next: ftso train {path} --data '{photos}' --image-size 16 --channels 8 --cells 3"
    assert "the next command trains another network: 5 cells of 16 channels: " in output(path)
    assert "MACs for images 3×16×16, 10 classes" in output(path)
    photos.rmdir()
    assert output(path).splitlines()[-1] == f"next: ftso train {path} --data '{photos}'"


def test_a_cell_in_a_file_and_on_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "my [bold] cell.json"
    storage.write_genotype(library.load_genotype("darts_v1"), path)
    text = output(path)
    assert text.startswith(f"{path}: 36 channels")
    assert "next: ftso train '" in text
    assert row(output("-", stdin=path.read_text()), "network") == ["3,169,414", "500,987,520"]
    assert "[bold]" in output(path, "darts_v2")


def test_numbers_are_not_cut_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = output("pc_darts_cifar", "--convention", "all")
    assert row(text, "network")[:2] == ["3,634,678", "556,670,592"]
    assert "…" not in text


# What is refused


def test_a_searched_topology_names_the_command_to_run(searched_file: Path) -> None:
    message = complaint(searched_file)
    assert message == f"error: {searched_file}: is not pruned, which cost needs; run: ftso prune {searched_file}"


def test_a_pruned_topology_names_the_command_to_run(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "pruned.json"
    storage.write_genotype(edit.keep_strongest(searched)[0], path)
    assert complaint(path).endswith(f"run: ftso assign-ops {path} --op sep_conv_3x3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to count: give a CELL"),
        (("darts_v2", "--n", "7"), "leave out --n or darts_v2"),
        (("darts_v2", "--c-out", "7"), "leave out --c-out or darts_v2"),
        (("darts_v2", "--sweep", "n=4..5"), "leave out --sweep or darts_v2"),
        (("--channels", "16"), "--channels: is for a network: name its CELL"),
        (("--n", "7", "--by-stage"), "--by-stage: is for a network: name its CELL"),
        (("--n", "7", "--fit-macs", "1M"), "--fit-macs: is for a network: name its CELL"),
        (("--n", "7", "--sweep", "n=4..5"), "--sweep n runs over the values of --n"),
        (("darts_v2", "--channels", "16", "--fit-params", "1M"), "--fit-params chooses the channels"),
        (("--sweep", "q=1..2"), "'q=1..2' is no sweep; write it as n=4..12"),
        (("--sweep", "n=3..5"), "n runs upwards from 4"),
        (("--sweep", "p=5..4"), "p runs upwards from 1"),
        (("--sweep", "p=1..65"), "over at most 64 values"),
        (("darts_v2", "--fit-macs", "many"), "'many' is no number from 1 to 1e15"),
        (("darts_v2", "--fit-macs", "_"), "'_' is no number from 1 to 1e15"),
        (("darts_v2", "--fit-macs", "0"), "'0' is no number from 1 to 1e15"),
        (("darts_v2", "--fit-macs", "1e99"), "'1e99' is no number from 1 to 1e15"),
        (("darts_v2", "--fit-macs", "1e999999999"), "is no number from 1 to 1e15"),
        (("darts_v2", "--image-size", "0"), "'0' is no size in pixels from 1 to 100000"),
        (("darts_v2", "--image-size", "32x"), "'32x' is no size in pixels"),
        (("darts_v2", "--channels", "1000000000"), "Invalid value for '--channels'"),
        (("darts_v2", "--cells", "1000000000"), "Invalid value for '--cells'"),
        (("--n", "3"), "Invalid value for '--n'"),
    ],
)
def test_contradictions_and_senseless_values_are_usage_errors(arguments: tuple[str, ...], message: str) -> None:
    assert message in complaint(*arguments, status=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("darts_v2", "--fit-macs", "1k"), "error: darts_v2: nothing fits: even with 1 channel it has"),
        (("darts_v2", "--setting", "imagenet", "--channels", "47"), "needs an even number of channels, not 47"),
        (("no_such_cell",), "no such file and no published cell"),
    ],
)
def test_what_cannot_be_counted_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    assert message in complaint(*arguments)


def test_the_largest_network_that_is_taken_is_counted_at_once() -> None:
    most = ("--channels", "100000", "--cells", "1000", "--image-size", "100000", "--classes", "100000")
    (network,) = answer("darts_v2", *most)["networks"]
    assert network["macs"] > 10**24


@pytest.mark.parametrize("arguments", [["--n", "7", "--p", "8"], ["pc_darts_cifar", "--fit-macs", "600M"], ["--help"]])
def test_cost_imports_neither_torch_nor_numpy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from ftso_cli.cli.app import app\n"
        "app(['cost', *sys.argv[1:]], standalone_mode=False)\n"
        "print('loaded:', sorted({'torch', 'numpy', 'PIL', 'sklearn'} & set(sys.modules)))\n"
    )
    process = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert process.stdout.endswith("loaded: []\n")


def test_the_option_offers_the_conventions_that_the_calculator_has() -> None:
    assert list(get_args(Convention)) == [*CONVENTIONS, "all"]
