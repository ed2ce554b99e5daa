"""A space, an operator, an option and a method of one's own, in the lines of docs/extend.md, by the real commands.

The package is copied, with a line more for the option, and two for the name of the method.
"""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images import write_folder
from tests.processes import HANG, ROOT, environment
from tests.test_docs import blocks

PYTHON = [block.text for block in blocks(ROOT / "docs" / "extend.md") if block.language == "python"]
OPERATOR, SPACE = PYTHON[:2]
(METHOD,) = (text for text in PYTHON if "SEARCHERS[" in text)

RUN = """
import contextlib, io, json, sys
from ftso_cli.__main__ import main
told = []
for line in json.loads(sys.argv.pop(1)):
    sys.argv[1:] = line.split()
    with contextlib.redirect_stdout(io.StringIO()) as stdout, contextlib.suppress(SystemExit):
        main()
    told.append(stdout.getvalue())
print(json.dumps(told))
"""

LINES_MORE = (
    ("recipes.py", "    _: KW_ONLY\n", '    toy: Annotated[int, Option(help="A toy.", least=1, most=9)] = 1\n'),
    ("searches.py", "AskTell = Literal[", '\n    "of-five",\n    '),
    (
        "methods.py",
        "METHODS: Mapping[Method, JointSettings | AskTellSettings] = {\n",
        '    "of-five": AskTellSettings(method="of-five"),\n',
    ),
)
"""What is added to the settings, each behind a place: an option of trainings, the name of a method, its settings."""

STUDY = """
data = "images"
seeds = "0"
cell = "ftso_wide_sep3"
train = { epochs = 1, toy = 2 }
[[settings]]
name = "with a toy"
"""

SMALL = "--data images --channels 4 --cells 3 --batch-size 8"

LINES = (
    f"search-topology --space small {SMALL} --iters 1 -o cell.json --json",
    "assign-ops cell.json --json",
    "draw cell.json -o cell.svg --json",
    "cost cell.json darts_v2 --json",
    "cost cell.json --setting imagenet --channels 8 --json",
    f"train cell.json {SMALL} --epochs 1 --auxiliary 0 --toy 3 -o run --json",
    "compare cell.json run --json",
    "report cell.json -o cell.html --json",
    "genotypes show cell.json --json",
    f"search --method random --space small {SMALL} --iters 2 --budget 1 -o other.json --json",
    f"search --method of-five --space small {SMALL} --iters 6 --budget 6 -o found.json --json",
    "prune --help",
    "search-topology --help",
    "train --help",
    "sweep toy.toml --dry-run --json",
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each of the lines prints, in a process that has all four."""
    folder = tmp_path_factory.mktemp("own")
    write_folder(folder / "images")
    (folder / "toy.toml").write_text(STUDY)
    (folder / "genotypes").symlink_to(ROOT / "genotypes")
    shutil.copytree(ROOT / "ftso_cli", folder / "ftso_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name, place, more in LINES_MORE:
        file = folder / "ftso_cli" / "settings" / name
        text = file.read_text(encoding="utf-8")
        assert text.count(place) == 1
        file.write_text(text.replace(place, place + more), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", OPERATOR + SPACE + METHOD + RUN, json.dumps(LINES)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    printed = json.loads(done.stdout)
    assert all(printed), done.stderr
    return {"folder": str(folder)} | dict(zip(LINES, printed, strict=True))


def test_an_operator_is_one_entry_and_a_space_one_line() -> None:
    """Besides imports: the layers of the operator, and the names of the space's operators."""
    assert OPERATOR.count("OPERATORS[") == SPACE.count("SPACES[") == 1
    imports = (ast.Import, ast.ImportFrom)
    for code in (OPERATOR, SPACE):
        assert len([part for part in ast.parse(code).body if not isinstance(part, imports)]) == 2


def test_searches_edits_and_trainings_take_a_space_of_ones_own(told: dict[str, str]) -> None:
    cell = json.loads((Path(told["folder"]) / "cell.json").read_text())
    assert cell["space"] == "small" and len(cell["cells"]["normal"]["concat"]) == 3
    assert {edge["op"] for edge in cell["cells"]["normal"]["edges"] if edge.get("kept", True)} == {"group_conv_3x3"}
    assert json.loads(told[LINES[5]])["test_images"] == 24
    assert json.loads((Path(told["folder"]) / "other.json").read_text())["space"] == "small"


def test_pictures_costs_and_comparisons_take_it_too(told: dict[str, str]) -> None:
    assert "group 3×3" in (Path(told["folder"]) / "cell.svg").read_text(encoding="utf-8")
    costs, compared = json.loads(told[LINES[3]]), json.loads(told[LINES[6]])
    assert costs["networks"][0]["params"] == compared["cells"][0]["params"]
    assert compared["cells"][0]["params"] == compared["cells"][1]["params"] > compared["cells"][1]["run"]["params"]
    assert json.loads(told[LINES[8]])["costs"].keys() == {"cifar", "cifar100", "imagenet"}


def test_help_offers_it(told: dict[str, str]) -> None:
    assert "small" in told["search-topology --help"]
    assert "3 in small" in " ".join(told["search-topology --help"].replace("│", " ").split())


def test_a_field_is_a_flag_with_its_help_an_option_of_studies_and_a_value_of_runs(told: dict[str, str]) -> None:
    assert json.loads((Path(told["folder"]) / "run" / "config.json").read_text())["recipe"]["toy"] == 3
    assert "--toy" in told["train --help"] and "A toy." in told["train --help"]
    assert json.loads(told["sweep toy.toml --dry-run --json"])["trials"] == 1


def test_a_method_is_a_class_an_entry_and_its_name_and_finds_cells_of_the_space(told: dict[str, str]) -> None:
    assert METHOD.count("SEARCHERS[") == 1
    assert len([line for line in METHOD.splitlines() if line.strip() and "import" not in line]) == 9
    found = json.loads((Path(told["folder"]) / "found.json").read_text())
    assert (found["space"], found["stage"]) == ("small", "complete")
    assert found["history"][0]["settings"]["method"] == "of-five"
