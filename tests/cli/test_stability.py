"""Would other seeds have found the same wiring? By real searches on digits."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ftso_cli.cli.app import app
from ftso_cli.genotype import storage

SMALL = ["--channels", "8", "--cells", "3", "--batch-size", "32", "--iters", "1", "--rank", "gradient"]


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two ensembles of four and three seeds, one of which is in both, and a search from a single seed by β."""
    folder = tmp_path_factory.mktemp("searched")
    many, few, one = (folder / name for name in ("many.json", "few.json", "one.json"))
    for file, options in ((many, ["--seeds", "0-3"]), (few, ["--seeds", "3,5,6"]), (one, ["--seed", "9"])):
        result = ftso("search-topology", *SMALL, *options, "-o", file)
        assert result.exit_code == 0, result.output
    return [many, few, one]


def test_an_ensemble_stores_and_shows_its_agreement_beside_chance(files: list[Path], tmp_path: Path) -> None:
    found = storage.read_genotype(files[0])
    assert found.ensemble is not None and found.ensemble.seeds == (0, 1, 2, 3)
    assert found.history[0].seed is None and found.history[0].settings["rank"] == "gradient"
    shown = ftso("draw", files[0], "--terminal")
    agreement = found.ensemble.agreement["normal"]
    assert f"halves agree {agreement.found:.2f}, chance 0.64" in shown.stdout
    result = ftso("search-topology", *SMALL, "--seeds", "0,1", "--json", "-o", tmp_path / "cell.json")
    facts = json.loads(result.stdout)
    assert facts["edges_chosen"] == 12 and 0 <= facts["edges_found"] <= 12
    assert facts["ensemble"]["agreement"]["reduce"]["chance"] == pytest.approx(0.6417)


def test_edges_drawn_by_lot_are_dashed_in_the_picture(files: list[Path], tmp_path: Path) -> None:
    pruned, picture = tmp_path / "pruned.json", tmp_path / "cell.dot"
    ftso("prune", files[0], "-o", pruned)
    ftso("draw", pruned, "-o", picture)
    lots = sum(
        edge.z is not None and edge.z < 2 for cell in storage.read_genotype(pruned).cells.values() for edge in cell.kept
    )
    assert picture.read_text().count("style=dashed") == lots > 0
    assert "dashed: at chance" in picture.read_text()


def test_the_agreement_of_one_file_is_listed_by_the_size_of_its_parts(files: list[Path]) -> None:
    result = ftso("stability", files[0], "--json")
    cells = json.loads(result.stdout)["cells"]
    assert list(cells["normal"]["agreement"]) == ["1", "2"]
    assert cells["normal"]["agreement"]["2"] == storage.read_genotype(files[0]).ensemble.agreement["normal"].found
    assert "seeds each" in ftso("stability", files[0]).stdout


def test_several_files_are_compared_pair_by_pair_and_common_seeds_are_named(files: list[Path]) -> None:
    result = ftso("stability", *files, "darts_v2", "--json")
    compared = json.loads(result.stdout)
    assert len(compared["cells"]["normal"]["agreement"]) == 6
    assert compared["warnings"] == [f"{files[0]} and {files[1]} have 1 seeds in common, which makes them agree"]
    assert json.loads(ftso("stability", "darts_v2", "darts_v2", "--json").stdout)["cells"]["normal"] == {
        "chance": 0.6417,
        "agreement": {"darts_v2 darts_v2": 1.0},
    }


def test_what_cannot_be_compared_is_refused(files: list[Path]) -> None:
    alone = ftso("stability", files[2])
    assert alone.exit_code == 1 and "search with --seeds 0-15" in alone.stderr
    other = ftso("stability", files[2], "nasnet")
    assert other.exit_code == 1 and "can't be compared" in other.stderr


@pytest.mark.parametrize("seeds", ["3-1", "a", "0-99999", "1,1", " ", "0-3,2"])
def test_seeds_that_mean_nothing_are_refused(seeds: str, tmp_path: Path) -> None:
    result = ftso("search-topology", *SMALL, "--seeds", seeds, "-o", tmp_path / "cell.json")
    assert result.exit_code == 1 and "seed" in result.stderr


def test_names_of_files_are_no_markup(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [Path("[", "red]a.json"), Path("[b]c.json")]
    for name, file in zip(names, files, strict=False):
        name.parent.mkdir(exist_ok=True)
        name.write_bytes(file.read_bytes())
    result = ftso("stability", *names)
    assert result.exit_code == 0 and "[/red]a.json [b]c.json " in result.stdout
