"""`ftso prune`, as a user runs it."""

import csv
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from typer.testing import CliRunner, Result

from ftso_cli import __version__
from ftso_cli.cli.app import app
from ftso_cli.genotype import Cell, Genotype, edit, library, storage
from ftso_cli.spaces import DARTS
from tests.conftest import searched_cell
from tests.strategies import genotypes


def prune(*args: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["prune", *map(str, args)], input=stdin)


def pruned(*args: object, stdin: bytes | None = None) -> Result:
    """A run that must succeed."""
    result = prune(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def refused(*args: object) -> str:
    """What a run that must be refused says on its one line."""
    result = prune(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


def wiring(path: Path) -> dict[str, dict[int, list[int]]]:
    """For each kind of cell, the sources that each node reads."""
    cells = storage.read_genotype(path).cells
    return {
        kind: {node: [edge.source for edge in cell.inputs_of(node)] for node in cell.nodes}
        for kind, cell in cells.items()
    }


EXPECTED = {
    "normal": {2: [0, 1], 3: [0, 2], 4: [1, 2], 5: [0, 4]},
    "reduce": {2: [0, 1], 3: [1, 2], 4: [0, 2], 5: [3, 4]},
}


def test_the_file_is_pruned_in_place_and_the_next_command_named(searched_file: Path) -> None:
    result = pruned(searched_file)
    assert wiring(searched_file) == EXPECTED
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "normal  2←0,1  3←0,2  4←1,2  5←0,4",
        "reduce  2←0,1  3←1,2  4←0,2  5←3,4",
        f"wrote {searched_file}: at most 2 edges a node",
        f"next: ftso assign-ops {searched_file} --op sep_conv_3x3",
    ]
    assert [path.name for path in searched_file.parent.iterdir()] == ["cell.json"]


def test_another_file_leaves_the_first_as_it_was(searched_file: Path, tmp_path: Path) -> None:
    before = searched_file.read_bytes()
    pruned(searched_file, "-o", tmp_path / "other.json")
    assert searched_file.read_bytes() == before
    assert wiring(tmp_path / "other.json") == EXPECTED


def test_dash_reads_standard_input_and_writes_standard_output(searched: Genotype, searched_file: Path) -> None:
    result = pruned("-", stdin=storage.genotype_json(searched).encode())
    found = storage.parse_genotype(result.stdout.encode(), "stdout")
    pruned(searched_file)
    assert found.cells == storage.read_genotype(searched_file).cells
    assert result.stderr == ""


def test_dash_as_output_writes_only_the_genotype_to_standard_output(searched_file: Path) -> None:
    before = searched_file.read_bytes()
    result = pruned(searched_file, "-o", "-")
    assert storage.parse_genotype(result.stdout.encode(), "stdout").stage == "pruned"
    assert searched_file.read_bytes() == before


def test_json_prints_one_object(searched_file: Path) -> None:
    result = pruned(searched_file, "--json")
    assert json.loads(result.stdout) == {
        "file": str(searched_file),
        "keep": 2,
        "kept": {kind: {str(node): sources for node, sources in cell.items()} for kind, cell in EXPECTED.items()},
        "ties": [],
    }
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize("args", [["-"], ["FILE", "-o", "-"]])
def test_json_and_a_genotype_can_not_share_standard_output(args: list[str], searched_file: Path) -> None:
    named = [str(searched_file) if arg == "FILE" else arg for arg in args]
    assert "name a file for the genotype with -o FILE" in refused(*named, "--json")


def test_keep_says_how_many_edges_a_node_keeps(searched_file: Path) -> None:
    result = pruned(searched_file, "--keep", 3)
    assert wiring(searched_file)["normal"] == {2: [0, 1], 3: [0, 1, 2], 4: [0, 1, 2], 5: [0, 3, 4]}
    assert f"wrote {searched_file}: at most 3 edges a node" in result.stdout
    assert storage.read_genotype(searched_file).history[-1].settings == {"keep": 3}


@pytest.mark.parametrize("keep", ["0", "-1", "2.5", "two", ""])
def test_a_keep_that_is_no_number_from_1_up_is_a_usage_error(keep: str, searched_file: Path) -> None:
    before = searched_file.read_bytes()
    assert prune(searched_file, f"--keep={keep}").exit_code == 2
    assert searched_file.read_bytes() == before


def test_a_pruned_file_can_be_pruned_again_with_another_keep(searched_file: Path, tmp_path: Path) -> None:
    pruned(searched_file, "-o", tmp_path / "three.json", "--keep", 3)
    pruned(searched_file, "--keep", 1)
    assert wiring(searched_file)["normal"] == {2: [1], 3: [0], 4: [2], 5: [0]}
    pruned(searched_file, "--keep", 3)
    assert storage.read_genotype(searched_file).cells == storage.read_genotype(tmp_path / "three.json").cells
    assert [step.settings["keep"] for step in storage.read_genotype(searched_file).history] == [1, 3]


def test_pruned_edges_stay_in_the_file_with_their_beta(searched: Genotype, searched_file: Path) -> None:
    pruned(searched_file)
    for kind, cell in storage.read_genotype(searched_file).cells.items():
        assert [edge.model_copy(update={"kept": True}) for edge in cell.edges] == list(searched.cells[kind].edges)
        assert sum(edge.kept for edge in cell.edges) == 8


def test_ties_are_said_on_stderr_and_in_json(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    cells = {**searched.cells, "normal": searched_cell({2: [0.0, 0.0], 3: [0.5, 0.1, 0.1], 4: [0.0, 0.0, 0.0, 0.0]})}
    storage.write_genotype(searched.replace(cells=cells), path)
    said = [
        "normal cell, node 3: inputs 1 and 2 tie; the earlier kept",
        "normal cell, node 4: inputs 0, 1 and 2, 3 tie; the earlier kept",
    ]
    result = pruned(path, "--json")
    assert json.loads(result.stdout)["ties"] == said
    assert result.stderr.splitlines() == [f"tie: {line}" for line in said]
    assert wiring(path)["normal"] == {2: [0, 1], 3: [0, 1], 4: [0, 1]}


def test_the_step_is_recorded_and_its_times_apart(searched_file: Path) -> None:
    pruned(searched_file)
    document: dict[str, Any] = json.loads(searched_file.read_text())
    assert document["history"] == [{"command": "prune", "settings": {"keep": 2}, "versions": {"ftso": __version__}}]
    (times,) = document["times"]
    assert set(times) == {"started", "seconds"}
    assert all(value >= 0 for value in times["seconds"].values())


def test_two_equal_runs_differ_only_in_times(searched_file: Path, tmp_path: Path) -> None:
    documents = []
    for name in ("one.json", "two.json"):
        pruned(searched_file, "-o", tmp_path / name)
        document = json.loads((tmp_path / name).read_text())
        assert document.pop("times")
        documents.append(json.dumps(document))
    assert documents[0] == documents[1]


def test_a_complete_genotype_is_refused_and_left_alone(searched_file: Path) -> None:
    complete = edit.assign_operator(edit.keep_strongest(storage.read_genotype(searched_file))[0], "sep_conv_3x3")
    storage.write_genotype(complete, searched_file)
    before = searched_file.read_bytes()
    assert refused(searched_file).startswith(f"{searched_file}: has its operators already")
    assert searched_file.read_bytes() == before


def test_edges_without_beta_are_refused_by_name(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    cell = searched.cells["normal"]
    edges = tuple(edge.model_copy(update={"beta": None} if edge.source == 2 else {}) for edge in cell.edges)
    cells = {**searched.cells, "normal": Cell(edges=edges, concat=cell.concat)}
    storage.write_genotype(searched.replace(cells=cells), path)
    said = refused(path)
    assert said == f"{path}: cells.normal: edge 2→3 has no β to rank by; search the topology first"


def test_a_published_cell_is_never_written_over() -> None:
    if not library.files():
        pytest.skip("no published cells here")
    name = next(iter(library.files()))
    before = library.files()[name].read_bytes()
    assert refused(name) == f"{name} is a published cell and stays as it is; name a file of your own with -o FILE"
    assert "has its operators already" in refused(name, "-o", "x.json")
    assert library.files()[name].read_bytes() == before


def test_permissions_and_links_survive_pruning_in_place(searched_file: Path, tmp_path: Path) -> None:
    searched_file.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(searched_file)
    pruned(link)
    assert link.is_symlink()
    assert wiring(searched_file) == EXPECTED
    assert stat.S_IMODE(searched_file.stat().st_mode) == 0o640


def test_a_place_that_can_not_be_written_is_refused_and_the_source_left_alone(
    searched_file: Path, tmp_path: Path
) -> None:
    before = searched_file.read_bytes()
    place = tmp_path / "missing" / "cell.json"
    assert refused(searched_file, "-o", place) == f"{place}: there is no folder {place.parent.name}; make it first"
    assert refused(searched_file, "-o", tmp_path) == f"{tmp_path}: can't be written (Is a directory)"
    assert searched_file.read_bytes() == before
    assert os.listdir(tmp_path) == ["cell.json"]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(genotypes("searched", nodes=(2, 5)))
def test_any_searched_genotype_can_be_pruned_and_keeps_what_was_searched(genotype: Genotype) -> None:
    result = pruned("-", stdin=storage.genotype_json(genotype).encode())
    found = storage.parse_genotype(result.stdout.encode(), "stdout")
    assert found.cells == edit.keep_strongest(genotype)[0].cells
    assert found.history[:-1] == genotype.history
    assert found.times[:-1] == genotype.times
    assert found.about == genotype.about
    assert all(len(cell.inputs_of(node)) <= DARTS.keep for cell in found.cells.values() for node in cell.nodes)


# A cell as its search had it at an earlier record


def search(path: Path, *words: str) -> None:
    """A topology search of three iterations, with a record after each."""
    options = ["--data", "digits", "--iters", "3", "--every", "1", "--channels", "4", "--cells", "3", *words]
    result = CliRunner().invoke(app, ["search-topology", *options, "-o", str(path)])
    assert result.exit_code == 0, result.output


def test_an_earlier_record_gives_the_cell_that_the_search_had_then(tmp_path: Path) -> None:
    cell, early, last = (tmp_path / name for name in ("cell.json", "early.json", "last.json"))
    search(cell)
    told = json.loads(pruned(cell, "--at", 1, "-o", early, "--json").stdout)
    pruned(cell, "--at", 3, "-o", last)
    rows = list(csv.DictReader((tmp_path / "cell.search-topology" / "betas.csv").read_text().splitlines()))
    for path, iteration in ((early, "1"), (last, "3")):
        found = {
            (kind, str(edge.source), str(edge.target)): edge.beta
            for kind, part in storage.read_genotype(path).cells.items()
            for edge in part.edges
        }
        expected = {
            (row["cell"], row["source"], row["target"]): float(row["beta"])
            for row in rows
            if row["iteration"] == iteration
        }
        assert found == expected
    assert storage.read_genotype(early).history[-1].settings == {"keep": 2, "at": 1}
    assert told["kept"] == json.loads(json.dumps({kind: nodes for kind, nodes in wiring(early).items()}))
    pruned(cell)
    assert wiring(cell) == wiring(last)
    moved = tmp_path / "moved.json"
    moved.write_bytes(cell.read_bytes())
    pruned(moved, "--at", 2, "--run", tmp_path / "cell.search-topology", "-o", "-")


def test_several_operators_have_their_alphas_of_that_record(tmp_path: Path) -> None:
    cell, early = tmp_path / "cell.json", tmp_path / "early.json"
    search(cell, "--op", "skip_connect,max_pool_3x3")
    pruned(cell, "--at", 0, "-o", early)
    edge, later = (storage.read_genotype(path).cells["reduce"].edges[0] for path in (early, cell))
    assert edge.alpha is not None and later.alpha is not None
    assert edge.alpha.keys() == later.alpha.keys() and edge.alpha != later.alpha


def test_what_has_no_such_record_is_refused_with_those_there_are(tmp_path: Path) -> None:
    cell, other = tmp_path / "cell.json", tmp_path / "other.json"
    search(cell)
    search(other, "--seed", "1")
    assert refused(cell, "--at", 7, "-o", tmp_path / "x.json").endswith(
        "has no record at iteration 7; it has 0, 1, 2, 3 (--every sets how often)"
    )
    assert "holds the history of another search" in refused(
        cell, "--at", 1, "--run", tmp_path / "other.search-topology", "-o", tmp_path / "x.json"
    )
    assert "no history of a search" in refused(cell, "--at", 1, "--run", tmp_path, "-o", tmp_path / "x.json")
    for words in (["--at", 1], ["--run", tmp_path]):
        assert prune(cell, *words).exit_code == 2
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("table", "old", "new", "reason"),
    [
        ("betas.csv", "\n1,normal,0,2,", "\n1,normal,0,9,", "not every record has the same edges"),
        ("betas.csv", "\n1,normal,0,2,", "\n1,normal,0,2,nan", "no table of a search"),
        ("betas.csv", "iteration,cell", "iteration,cel", "no table of a search"),
        ("alphas.csv", "skip_connect", "skip_conect", "no history of this cell"),
    ],
)
def test_an_edited_history_is_refused_on_one_line(tmp_path: Path, table: str, old: str, new: str, reason: str) -> None:
    cell = tmp_path / "cell.json"
    search(cell, "--op", "skip_connect,max_pool_3x3")
    path = tmp_path / "cell.search-topology" / table
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    assert reason in refused(cell, "--at", 1, "-o", tmp_path / "x.json")
