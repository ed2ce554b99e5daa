"""`ftso score` as a user runs it."""

import json
import math
import random
import shutil
from pathlib import Path
from threading import Event

import pytest
from typer.testing import CliRunner, Result

import ftso_cli
from ftso_cli.cli.app import app
from ftso_cli.errors import RunError
from ftso_cli.genotype import storage
from ftso_cli.search.evaluators.scores import SCORES
from ftso_cli.settings.evaluation import EvaluationSettings
from ftso_cli.spaces import NATS
from ftso_cli.studies.plan import Stage
from ftso_cli.studies.running.runner import STAGES
from ftso_cli.studies.running.work import Workspace
from tests.cells import accuracy, planted, table
from tests.nats import genotype, string
from tests.processes import modules_imported_by

SMALL = ("--channels", "2", "--cells", "3")


def ftso(*args: str | Path) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, args)], env={"COLUMNS": "80"})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.csv"
    path.write_text(table(planted(30)))
    return path


@pytest.fixture
def own(results: Path, tmp_path: Path) -> Path:
    path = tmp_path / "own.json"
    assert ftso("--fit", results, "-o", path).exit_code == 0
    return path


def test_cells_are_scored_by_everything_in_one_table() -> None:
    done = ftso("darts_v2", "pc_darts_cifar", "--evaluate", f"predictor,{','.join(SCORES)}", *SMALL)
    assert done.exit_code == 0, done.output
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["cell", "predictor", *SCORES]
    assert [row.split()[0] for row in rows] == ["darts_v2", "pc_darts_cifar"]
    assert "Spearman 0.948" in done.stderr and "NAS-Bench-301" in done.stderr and "need not hold" in done.stderr


def test_json_has_the_same_numbers_as_python() -> None:
    args = ("darts_v2", "ftso_wide_sep3", "--evaluate", "params", "--evaluate", "snip,predictor", *SMALL, "--json")
    told = json.loads(ftso(*args).stdout)
    found = ftso_cli.score(
        ["darts_v2", "ftso_wide_sep3"], evaluate=("params", "snip", "predictor"), channels=2, cells=3
    )
    assert [cell["scores"] for cell in told["cells"]] == [dict(cell.scores) for cell in found.cells]
    assert told["cells"][0]["scores"]["params"] > 100
    assert "extrapolates" in told["cells"][1]["remarks"][0]
    assert told["predictors"]["predictor"]["cells"] == 250


def test_a_predictor_alone_needs_neither_torch_nor_images() -> None:
    imported = modules_imported_by(["score", "darts_v2", "--evaluate", "predictor", "--data", "nowhere"])
    assert not imported & {"torch", "sklearn", "scipy", "numpy"}


def test_a_cell_that_the_predictor_does_not_know_has_no_score_and_alone_is_an_error(tmp_path: Path) -> None:
    both = ftso("darts_v2", "nasnet_a", "--evaluate", "predictor", "--json")
    assert [cell["scores"]["predictor"] is None for cell in json.loads(both.stdout)["cells"]] == [False, True]
    alone = ftso("nasnet_a", "--evaluate", "predictor")
    assert alone.exit_code == 1 and "has sep_conv_7x7" in alone.stderr
    file = tmp_path / "nats.json"
    storage.write_genotype(genotype(string(["nor_conv_3x3"] * 6)), file)
    other = ftso(file, "--evaluate", "predictor")
    assert other.exit_code == 1 and "nats space" in other.stderr and "--fit" in other.stderr
    assert ftso(file, "--evaluate", "naswot", *SMALL).exit_code == 0


# A predictor of one's own


def test_a_predictor_is_fitted_to_a_table_and_used(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    done = ftso("--fit", results, "-o", path)
    assert done.exit_code == 0, done.output
    assert "30 different cells" in done.stdout and "10 folds" in done.stdout and "Spearman" in done.stdout
    assert f"--evaluate {path}" in done.stdout
    facts = json.loads(ftso("--fit", results, "--json").stdout)
    assert facts["validation"]["spearman"] > 0.9 and facts["file"] is None and facts["source"] == "results.csv"
    found = ftso_cli.fit_predictor(results)
    cells = planted(3, seed=9)
    told = [found.predict(cell).accuracy for cell in cells.genotypes]
    assert told == pytest.approx(cells.accuracies, abs=1.5)
    scored = ftso_cli.score(cells.genotypes, evaluate=str(path))
    assert [cell.scores[str(path)] for cell in scored.cells] == pytest.approx(told, abs=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, which nothing changes."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    ftso_cli.train("darts_v2", "digits", epochs=1, channels=2, cells=3, batch_size=512, output=folder)
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """Ten runs of planted cells: the same training, but for the cell and its accuracy."""
    result = json.loads((trained / "result.json").read_text())
    for at, (cell, reached) in enumerate(zip(*_parts(10), strict=True)):
        run = tmp_path / "runs" / f"run-{at}"
        shutil.copytree(trained, run)
        storage.write_genotype(cell, run / "genotype.json")
        (run / "result.json").write_text(json.dumps(result | {"test_accuracy": reached / 100}))
    return tmp_path / "runs"


def test_the_cell_of_a_run_folder_is_scored(trained: Path, runs: Path) -> None:
    done = ftso(trained, trained / "genotype.json", "--evaluate", "predictor,params,snip", *SMALL, "--json")
    assert done.exit_code == 0, done.output
    by_run, by_file = json.loads(done.stdout)["cells"]
    assert by_run["cell"] == str(trained) and by_run["scores"] == by_file["scores"]
    several = ftso(runs, "--evaluate", "params")
    assert several.exit_code == 1 and several.stderr.count("\n") == 1
    assert "no run folder, but it holds some; name one" in several.stderr and str(runs / "run-0") in several.stderr


def test_a_predictor_is_fitted_to_ones_own_runs(runs: Path, tmp_path: Path) -> None:
    found = ftso_cli.fit_predictor(runs, output=tmp_path / "own.json")
    assert (found.cells, found.target) == (10, "test_accuracy")
    one_by_one = ftso_cli.fit_predictor([*sorted(runs.iterdir()), runs, runs / "run-3"])
    assert (one_by_one.features, one_by_one.intercept) == (found.features, found.intercept)
    (runs / "run-0" / "result.json").unlink()
    assert ftso_cli.fit_predictor(runs).cells == 9
    longer = json.loads((runs / "run-3" / "config.json").read_text())
    longer["recipe"]["epochs"] = 2
    (runs / "run-3" / "config.json").write_text(json.dumps(longer))
    other = r"run-3 and .*run-1 were trained with different recipe"
    with pytest.raises(RunError, match=other):
        ftso_cli.fit_predictor(runs)
    with pytest.raises(RunError, match=other):
        ftso_cli.fit_predictor([runs / f"run-{at}" for at in range(1, 10)])


def test_a_predictor_is_fitted_to_the_trainings_of_a_study(runs: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    for at, run in enumerate(sorted(runs.iterdir())):
        stage = Stage(name="train", options={}, key=f"{at:064x}"[::-1])
        shutil.copytree(run, Workspace(root=study / STAGES, threads=1, stop=Event()).folder(stage) / "run")
    assert ftso_cli.fit_predictor(study).features == ftso_cli.fit_predictor(runs).features


def _parts(count: int) -> tuple[list[object], list[float]]:
    cells = planted(count)
    return list(cells.genotypes), list(cells.accuracies)


def test_cells_of_another_space_are_read_as_other_tools_write_them(tmp_path: Path) -> None:
    ops, draws = [op for op in NATS.candidates if op != "none"], random.Random(0)
    lines = [f"{string([draws.choice(ops) for _ in range(6)])},{0.5 + number / 40}" for number in range(12)]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(["genotype,best,accuracy", *(line.replace(",", ",0,") for line in lines)]))
    found = ftso_cli.fit_predictor(path)
    assert found.space == "nats"
    assert found.intercept > 1, "shares are taken as percentages"


def test_a_search_takes_a_predictor_and_keeps_which_one_it_was(own: Path, tmp_path: Path) -> None:
    """The planted rule: separable convolutions everywhere, and a wide normal cell."""
    file = tmp_path / "cell.json"
    args = ["search", "--method", "evolution", "--evaluate", str(own), "--budget", "120", "-o", str(file)]
    ops = "skip_connect,sep_conv_3x3,max_pool_3x3"

    def search(*more: str) -> Result:
        return CliRunner().invoke(app, [*args, *more])

    known = search("--ops", f"{ops},dil_conv_3x3")
    assert known.exit_code == 1 and f"without dil_conv_3x3; search with --ops {ops}" in known.stderr
    done = search("--ops", ops)
    assert done.exit_code == 0, done.output
    assert "extrapolates" in done.stderr
    found = ftso_cli.read(file)
    assert accuracy(found) > max(planted(120).accuracies)
    kept = found.history[-1].settings
    assert kept["evaluate"] == "own.json" and len(str(kept["predictor"])) == 16
    own.write_text(own.read_text().replace('"penalty"', ' "penalty"'))
    assert EvaluationSettings(evaluate=str(own)).judged_by["predictor"] != kept["predictor"]


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("", "", "has no columns with cells"),
        ("normal,reduce", "", "has no columns whose name ends in accuracy"),
        ("normal,reduce,accuracy,test_accuracy", "", "has 2 columns whose name ends in accuracy"),
        ("normal,reduce,accuracy", "NORMAL,REDUCE,=1+1", "'accuracy' is '=1+1'"),
        ("normal,reduce,accuracy", "NORMAL,REDUCE,nan", "'accuracy' is 'nan'"),
        ("normal,reduce,accuracy", "NORMAL,REDUCE,inf", "'accuracy' is 'inf'"),
        ("normal,reduce,accuracy", "NORMAL,REDUCE,1e300", "'accuracy' is '1e300'"),
        ("normal,reduce,accuracy", f"NORMAL,REDUCE,{'9' * 5000}", "'accuracy' is '9"),
        ("normal,reduce,accuracy", "NORMAL,REDUCE", "has 2 fields, and the header 3"),
        ("normal,reduce,accuracy", "=cmd(),REDUCE,90", "an edge is written op~source"),
        ("normal,reduce,accuracy", "=cmd()~0,REDUCE,90", "=cmd"),
        ("normal,reduce,accuracy", "skip_connect~99,REDUCE,90", "less than 64"),
        ("normal,reduce,accuracy", '"x,REDUCE,90', "is no CSV"),
        ("genotype,accuracy", "/etc/passwd,90", "no genotype in it"),
        ("genotype,accuracy", "__import__('os'),90", "no genotype in it"),
    ],
)
def test_a_table_that_says_no_accuracy_or_no_cell_is_refused_by_line(
    header: str, row: str, told: str, tmp_path: Path
) -> None:
    cell = '"' + "|".join(f"skip_connect~{node - 1},skip_connect~{node - 2}" for node in range(2, 6)) + '"'
    path = tmp_path / "results.csv"
    path.write_text(f"{header}\n{row.replace('NORMAL', cell).replace('REDUCE', cell)}\n")
    done = ftso("--fit", path, "-o", tmp_path / "own.json")
    assert done.exit_code == 1 and told in done.stderr
    assert done.stderr.count("\n") == 1 and "line" in done.stderr and len(done.stderr) < 600
    assert not (tmp_path / "own.json").exists()


def test_results_that_are_no_table_are_refused(tmp_path: Path) -> None:
    for name, content in {"a.csv": b"", "b.csv": b"\xff\xfe\x00", "c.csv": b"normal,reduce,accuracy\n"}.items():
        (tmp_path / name).write_bytes(content)
        done = ftso("--fit", tmp_path / name)
        assert done.exit_code == 1 and done.stderr.count("\n") == 1, done.output
    assert "holds no finished training" in ftso("--fit", tmp_path).stderr
    assert "no such file" in ftso("--fit", tmp_path / "d.csv").stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "nothing to score"),
        (("darts_v2", "--evaluate", "synflop"), "did you mean synflow"),
        (("darts_v2", "--evaluate", ","), "give a score"),
        (("darts_v2", "--fit", "results.csv"), "leave out --fit or CELL"),
        (("darts_v2", "-o", "own.json"), "give trained cells"),
        (("--fit", "results.csv", "--seed", "1"), "--seed"),
        (("--fit", "results.csv", "-o", "own.csv"), "NAME.json"),
        (("darts_v2", "--evaluate", "missing.json"), "no such file"),
    ],
)
def test_what_can_not_be_asked_is_one_line(args: tuple[str, ...], told: str) -> None:
    done = ftso(*args)
    assert done.exit_code in (1, 2) and told in " ".join(done.stderr.split())


def test_a_damaged_predictor_is_one_line(own: Path) -> None:
    own.write_text(own.read_text().replace('"weight"', '"wait"', 1))
    done = ftso("darts_v2", "--evaluate", own)
    assert done.exit_code == 1 and "is no predictor: features" in done.stderr and done.stderr.count("\n") == 1


def test_a_score_that_there_is_none_of_is_a_dash_and_null(tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    storage.write_genotype(genotype(string(["none"] * 6)), file)
    done = ftso(file, "--evaluate", "naswot,params", *SMALL)
    assert done.exit_code == 0 and done.stdout.splitlines()[1].split()[1] == "-"
    told = json.loads(ftso(file, "--evaluate", "naswot,params", *SMALL, "--json").stdout)
    assert told["cells"][0]["scores"]["naswot"] is None
    assert math.isfinite(told["cells"][0]["scores"]["params"])
