"""`ftso assign-ops`, as a user runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli import __version__
from ftso_cli.cli.app import app
from ftso_cli.genotype import Genotype, edit, library, storage
from ftso_cli.spaces import DARTS, NATS
from tests.conftest import searched_cell
from tests.processes import run_fresh

ASSIGNABLE = [name for name in DARTS.operators if name != "none"]


@pytest.fixture
def pruned_file(searched: Genotype, tmp_path: Path) -> Path:
    """A pruned genotype in a file."""
    path = tmp_path / "pruned.json"
    storage.write_genotype(edit.keep_strongest(searched)[0], path)
    return path


def assign(*args: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["assign-ops", *map(str, args)], input=stdin)


def assigned(*args: object, stdin: bytes | None = None) -> Result:
    """A run that must succeed."""
    result = assign(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result


def refused(*args: object) -> str:
    """What a run that must be refused says on its one line."""
    result = assign(*args)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


def operators(path: Path) -> set[str | None]:
    """The operators on kept edges."""
    return {edge.op for cell in storage.read_genotype(path).cells.values() for edge in cell.kept}


def test_kept_edges_get_the_papers_operator_in_place_and_the_next_command_is_named(pruned_file: Path) -> None:
    result = assigned(pruned_file)
    assert operators(pruned_file) == {"sep_conv_3x3"}
    assert storage.read_genotype(pruned_file).stage == "complete"
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        f"wrote {pruned_file}: sep_conv_3x3 on 16 edges",
        f"next: ftso draw {pruned_file}",
    ]


@pytest.mark.parametrize("op", ASSIGNABLE)
def test_every_operator_but_none_can_be_assigned(op: str, pruned_file: Path) -> None:
    assigned(pruned_file, "--op", op)
    assert operators(pruned_file) == {op}


def test_help_names_every_operator_that_can_be_assigned() -> None:
    # A process of its own: the first help that a process prints fixes the width of all others.
    wide = {"COLUMNS": "500", "TERMINAL_WIDTH": "500"}
    text = run_fresh("assign-ops", "--help", env=wide).stdout.decode()
    assert all(op in text for op in (*ASSIGNABLE, *NATS.operators))
    assert text.count("none") == 1


def test_pruned_edges_stay_with_their_searched_operator_and_beta(pruned_file: Path) -> None:
    before = storage.read_genotype(pruned_file)
    assigned(pruned_file)
    after = storage.read_genotype(pruned_file)
    for kind, cell in before.cells.items():
        out = [edge for edge in after.cells[kind].edges if not edge.kept]
        assert out == [edge for edge in cell.edges if not edge.kept]
        assert [edge.beta for edge in after.cells[kind].edges] == [edge.beta for edge in cell.edges]


def test_operators_can_be_assigned_again(pruned_file: Path) -> None:
    assigned(pruned_file, "--op", "max_pool_3x3")
    assigned(pruned_file, "--op", "sep_conv_5x5")
    assert operators(pruned_file) == {"sep_conv_5x5"}
    assert [step.settings["op"] for step in storage.read_genotype(pruned_file).history] == [
        "max_pool_3x3",
        "sep_conv_5x5",
    ]


def test_a_searched_file_is_pruned_first_which_is_said_and_recorded(searched_file: Path, pruned_file: Path) -> None:
    result = assigned(searched_file)
    assert result.stderr == f"{searched_file} was not pruned: pruned to 2 edges a node first\n"
    found = storage.read_genotype(searched_file)
    assert [(step.command, step.settings) for step in found.history] == [
        ("prune", {"keep": 2}),
        ("assign-ops", {"op": "sep_conv_3x3"}),
    ]
    assert len(found.times) == 2
    assert found.history[0].versions == {"ftso": __version__}
    assigned(pruned_file)
    assert found.cells == storage.read_genotype(pruned_file).cells


def test_ties_of_the_pruning_are_said(searched: Genotype, tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    cells = {**searched.cells, "normal": searched_cell({2: [0.0, 0.0], 3: [0.1, 0.1, 0.1]})}
    storage.write_genotype(searched.replace(cells=cells), path)
    result = assigned(path)
    assert "tie: normal cell, node 3: inputs 0, 1 and 2 tie; the earlier kept" in result.stderr.splitlines()


def test_another_file_leaves_the_first_as_it_was(pruned_file: Path, tmp_path: Path) -> None:
    before = pruned_file.read_bytes()
    assigned(pruned_file, "-o", tmp_path / "other.json")
    assert pruned_file.read_bytes() == before
    assert operators(tmp_path / "other.json") == {"sep_conv_3x3"}


def test_a_searched_genotype_goes_through_a_pipe_to_a_complete_one(searched: Genotype, searched_file: Path) -> None:
    result = assigned("-", stdin=storage.genotype_json(searched).encode())
    assert result.stderr == "- was not pruned: pruned to 2 edges a node first\n"
    found = storage.parse_genotype(result.stdout.encode(), "stdout")
    assigned(searched_file)
    assert found.cells == storage.read_genotype(searched_file).cells


def test_json_prints_one_object(pruned_file: Path) -> None:
    result = assigned(pruned_file, "--json", "--op", "max_pool_3x3")
    assert json.loads(result.stdout) == {"file": str(pruned_file), "op": "max_pool_3x3", "edges": 16}
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize("args", [["-"], ["FILE", "-o", "-"]])
def test_json_and_a_genotype_can_not_share_standard_output(args: list[str], pruned_file: Path) -> None:
    named = [str(pruned_file) if arg == "FILE" else arg for arg in args]
    assert "name a file for the genotype with -o FILE" in refused(*named, "--json")


@pytest.mark.parametrize("op", ["none", "sep_conv_9x9", "SEP_CONV_3X3"])
def test_none_and_unknown_operators_are_refused_with_the_valid_ones(op: str, pruned_file: Path) -> None:
    before = pruned_file.read_bytes()
    said = refused(pruned_file, "--op", op)
    assert said.startswith(f"unknown operator '{op}'")
    assert "Known: max_pool_3x3" in said
    assert pruned_file.read_bytes() == before


def test_an_unknown_operator_leaves_a_searched_file_unpruned_and_does_not_say_otherwise(searched_file: Path) -> None:
    before = searched_file.read_bytes()
    assert refused(searched_file, "--op", "sep_conv_9x9").startswith("unknown operator")
    assert searched_file.read_bytes() == before


def test_two_equal_runs_differ_only_in_times(searched_file: Path, tmp_path: Path) -> None:
    documents = []
    for name in ("one.json", "two.json"):
        assigned(searched_file, "-o", tmp_path / name)
        document = json.loads((tmp_path / name).read_text())
        assert len(document.pop("times")) == 2
        documents.append(json.dumps(document))
    assert documents[0] == documents[1]


def test_a_published_cell_needs_a_file_of_ones_own(tmp_path: Path) -> None:
    if not library.files():
        pytest.skip("no published cells here")
    name, path = next(iter(library.files().items()))
    before = path.read_bytes()
    assert refused(name) == f"{name} is a published cell and stays as it is; name a file of your own with -o FILE"
    assigned(name, "-o", tmp_path / "mine.json", "--op", "max_pool_3x3")
    assert operators(tmp_path / "mine.json") == {"max_pool_3x3"}
    assert path.read_bytes() == before


def test_a_published_wiring_with_other_operators_no_longer_claims_to_be_the_published_cell(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assigned("pc_darts_cifar", "--op", "sep_conv_3x3", "-o", path)
    genotype = storage.read_genotype(path)
    assert genotype.about is None
    assert genotype.history[-1].settings == {"op": "sep_conv_3x3", "wiring": "pc_darts_cifar"}


def test_single_edges_get_another_operator_by_map(pruned_file: Path, tmp_path: Path) -> None:
    genotype = storage.read_genotype(pruned_file)
    edge = genotype.cells["reduce"].kept[0]
    entry = f"reduce:{edge.source}-{edge.target}=skip_connect"
    target = tmp_path / "mapped.json"
    result = assign(pruned_file, "--map", entry, "-o", target)
    assert result.exit_code == 0, result.output
    mapped = storage.read_genotype(target)
    assert [each.op for each in mapped.cells["reduce"].kept].count("skip_connect") == 1
    assert {each.op for each in mapped.cells["normal"].kept} == {"sep_conv_3x3"}
    assert mapped.history[-1].settings["map"] == [entry]


def test_an_edge_with_an_operator_of_its_own_leaves_the_draws_of_the_others(pruned_file: Path, tmp_path: Path) -> None:
    drawn, mapped = tmp_path / "drawn.json", tmp_path / "mapped.json"
    assigned(pruned_file, "--op", "random", "--seed", "3", "-o", drawn)
    assigned(pruned_file, "--op", "random", "--seed", "3", "--map", "normal:0-2=skip_connect", "-o", mapped)
    pairs = zip(
        storage.read_genotype(drawn).cells["normal"].kept,
        storage.read_genotype(mapped).cells["normal"].kept,
        strict=True,
    )
    assert {str(one) for one, other in pairs if one.op != other.op} == {"0→2"}


def test_random_operators_depend_on_the_seed_alone(pruned_file: Path, tmp_path: Path) -> None:
    def drawn(seed: int, name: str) -> list[str | None]:
        assert assign(pruned_file, "--op", "random", "--seed", str(seed), "-o", tmp_path / name).exit_code == 0
        genotype = storage.read_genotype(tmp_path / name)
        assert genotype.history[-1].seed is None and genotype.history[-1].settings["seed"] == seed
        return [edge.op for cell in genotype.cells.values() for edge in cell.kept]

    assert drawn(1, "a.json") == drawn(1, "b.json") != drawn(2, "c.json")
    assert "none" not in drawn(3, "d.json") and len(set(drawn(3, "d.json"))) > 2


@pytest.mark.parametrize(
    ("entry", "says"),
    [("0=skip_connect", "is not written as"), ("0-9=skip_connect", "the edge 0→9"), ("0-2=sep_conv", "did you mean")],
)
def test_a_map_that_fits_no_edge_or_operator_is_refused(entry: str, says: str, searched_file: Path) -> None:
    result = assign(searched_file, "--map", entry)
    assert result.exit_code == 1 and says in result.stderr.replace("\n", " ")
