"""Hostile inputs of whole commands: files of which one field is another, and names of every odd character."""

import copy
import csv
import io
import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftso_cli.nn.checkpoint import Checkpoints, State
from tests.fuzz.damage import TOKENS, VALUES

Words = list[str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command and what was done to its files, in words."""

    args: Sequence[str]
    told: str


CONTROLS = [chr(code) for code in (*range(1, 32), *range(127, 160))]
SIGNS = [
    *"\"'`$\\;&|<>(){}[]*?!#~%=+-@:,^ /",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\udcff",
    "\u2028",
]
COMMANDS = [
    "$(touch PWNED)",
    "`touch PWNED`",
    ";touch PWNED;",
    "|touch PWNED",
    "'\"$(touch PWNED)\"'",
    "\ntouch PWNED\n",
]
MARKS = [
    "=cmd|'/C calc'!A1",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "$\\frac{$",
    "$x_$",
    "%s%n",
    "{0}",
]
MARKS += [
    "[red]x[/red]",
    "[/]",
    "](http://x)",
    "| a | b |",
    "\x1b[2J\x1b]0;x\x07",
    "../../x",
    "-o",
    "--help",
    "CON",
    "é" * 60,
]
NAMES = [f"a{sign}b" for sign in (*CONTROLS, *SIGNS)] + COMMANDS + MARKS + SIGNS
"""Texts for every place that takes one."""

FILES = [
    name for name in NAMES if "/" not in name and "\0" not in name and len(name.encode(errors="surrogateescape")) < 200
]
"""Those that a file can be called."""


# One field of a file


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, the whole first."""
    yield at
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*at, key))


def exchanged(draw: random.Random, value: Any) -> tuple[Any, str]:
    """The value with one place in it exchanged, renamed, left out or repeated; what was done."""
    changed = copy.deepcopy(value)
    spots = list(places(changed))[1:]
    if not spots:
        return changed, "nothing"
    *path, key = draw.choice(spots)
    inside = changed
    for step in path:
        inside = inside[step]
    what = draw.choice(("value", "value", "value", "name", "name", "out", "more"))
    if what == "out":
        del inside[key]
    elif what == "more" and isinstance(inside, list):
        inside += [inside[key]] * draw.choice((1, 40))
    else:
        inside[key] = draw.choice(NAMES if what == "name" else VALUES)
    return changed, f"{what} of {'.'.join(map(str, (*path, key)))}"


def json_file(draw: random.Random, path: Path) -> str:
    """Exchanges something in a JSON file."""
    changed, told = exchanged(draw, json.loads(path.read_bytes()))
    path.write_bytes(json.dumps(changed).encode())
    return f"{path.name}: {told}"


def table(draw: random.Random, path: Path) -> str:
    """Exchanges a cell of a CSV file, or leaves a line out, or repeats it."""
    rows = list(csv.reader(path.read_text().splitlines()))
    row = draw.randrange(len(rows))
    match draw.choice(("cell", "cell", "cell", "out", "more")):
        case "out":
            del rows[row]
        case "more":
            rows += [rows[row]] * draw.choice((1, 3000))
        case _:
            value = draw.choice(
                [*NAMES, *(str(value) for value in VALUES if not isinstance(value, list | dict)), "1e999"]
            )
            rows[row][draw.randrange(len(rows[row]))] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_bytes(text.getvalue().encode(errors="surrogatepass"))
    return f"{path.name}: line {row}"


def toml(draw: random.Random, path: Path) -> str:
    """Exchanges a value or a key of a TOML file."""
    lines = path.read_text().splitlines()
    at = draw.choice([at for at, line in enumerate(lines) if "=" in line])
    key, _, value = lines[at].partition("=")
    other = json.dumps(draw.choice([*NAMES, *(one for one in VALUES if one is not None)])).replace("\\ud", "\\\\ud")
    if draw.randrange(4):
        lines[at] = f"{key}= {other}"
    else:
        lines[at] = f"{json.dumps(draw.choice(FILES)).replace(chr(92) + 'ud', 'ud')} = {value}"
    path.write_text("\n".join(lines), errors="replace")
    return f"{path.name}: {key.strip()}"


def content(draw: random.Random, path: Path) -> str:
    """Cuts, turns or repeats bytes of a file, or puts something in."""
    whole = path.read_bytes()
    start = draw.randrange(len(whole) + 1)
    stop = min(len(whole), start + draw.choice((0, 1, 4, 100, len(whole))))
    middle = draw.choice(
        (b"", whole[start:stop] * 2, bytes(byte ^ 255 for byte in whole[start:stop]), draw.choice(TOKENS))
    )
    path.write_bytes(whole[:start] + middle + whole[stop:])
    return f"{path.name}: bytes from {start}"


def tensors(draw: random.Random, path: Path) -> str:
    """Exchanges values or tensors of a checkpoint, whose checksum then fits."""
    import torch

    kept = Checkpoints(path)
    state = kept.read()[0]
    values, told = exchanged(draw, state.values)
    found = dict(state.tensors)
    if draw.randrange(3) == 0:
        name = draw.choice(sorted(found))
        kinds = (torch.zeros(()), torch.zeros(0), torch.full_like(found[name], -1), torch.zeros(3, dtype=torch.bool))
        found[name], values, told = draw.choice(kinds), state.values, f"tensor {name}"
    kept.write(State(tensors=found, values=values))
    kept.before.unlink(missing_ok=True)
    return f"{path.name}: {told}"


def database(draw: random.Random, path: Path) -> str:
    """Exchanges a value in the database of a study."""
    with sqlite3.connect(path) as rows:
        name, column = draw.choice(
            (
                ("trial_user_attributes", "value_json"),
                ("trial_user_attributes", "value_json"),
                ("trial_user_attributes", "key"),
                ("trials", "state"),
                ("trial_values", "value"),
                ("studies", "study_name"),
                ("version_info", "schema_version"),
            )
        )
        number, was = draw.choice(rows.execute(f"SELECT rowid, {column} FROM {name}").fetchall())
        if column == "value_json" and draw.randrange(3):
            changed = json.dumps(exchanged(draw, json.loads(was))[0])
        elif column == "value_json":
            changed = json.dumps(draw.choice([*NAMES, *VALUES]))
        else:
            changed = draw.choice([*NAMES, 0, -1, 2**62, 1e308, None, "COMPLETE", "RUNNING", "FAIL", "PRUNED"])
        text = changed.encode(errors="replace").decode() if isinstance(changed, str) else changed
        try:
            rows.execute(f"UPDATE {name} SET {column} = ? WHERE rowid = ?", (text, number))
        except sqlite3.Error:
            return "nothing"
    rows.close()
    return f"{path.name}: {name}.{column}"


# Cases: what each kind of file is damaged by, and the commands that read it

FORMATS = ("darts", "edges", "nni", "naslib", "node-link", "nats")
CELL: list[str] = [
    *("cost CELL", "cost CELL --json", "draw CELL --terminal", "draw CELL -o p.svg", "draw CELL -o p.png", "draw CELL"),
    *("prune CELL -o o.json", "prune CELL", "stability CELL", "stability CELL darts_v2", "compare CELL darts_v2"),
    *("compare CELL darts_v2 --json", "report CELL -o r.html", "assign-ops CELL --op max_pool_3x3 -o o.json"),
    *("import CELL -o o.json", "draw CELL -o p.dot", "export CELL -o -", "prune CELL -o -"),
    *(f"export CELL -f {name} -o e.txt" for name in FORMATS),
]
RUN: list[str] = [
    *(
        "predict run image.png",
        "predict run image.png --json",
        "evaluate run",
        "report run -o r.html",
        "compare run run",
    ),
    *(
        "export run -f safetensors -o e.safetensors",
        "latency run --runs 1",
        "train --resume run",
        "evaluate run --json",
    ),
    *(
        "train --config run/config.json darts_v2 --epochs 1 -o other",
        "compare run run --json",
        "cost run/genotype.json",
    ),
]
STUDY: list[str] = [
    *("sweep status study", "sweep results study", "sweep results study --json", "report study -o r.html"),
    *("sweep results study --csv t.csv --markdown t.md --figure f.svg", "sweep status study --json"),
]
SEARCH: list[str] = ["report found.json -o r.html", "report found.search-topology -o r.html", "RESUME"]
BRIEF = "--epochs 1 --channels 2 --cells 2 --batch-size 8 --auxiliary 0"
TINY = "--channels 4 --cells 2 --batch-size 8"
RESUME = (
    f"search-topology --data photos --iters 3 --every 1 {TINY} --save-every 0 --op max_pool_3x3 -o found.json --resume"
)
RACE = f"search-topology --data photos --rank race --budget 272 --nodes 2 --workers 1 {TINY} -o raced.json --resume"

Damage = Callable[[random.Random, Path], str]


def copied(place: Path, folder: Path, *names: str) -> None:
    """Copies files and folders of the work place."""
    for name in names:
        (shutil.copytree if (place / name).is_dir() else shutil.copy)(place / name, folder / name)


def of_cell(draw: random.Random, place: Path, folder: Path) -> Case:
    """A genotype file of which a field is another, or whose name is odd."""
    source = draw.choice(("searched.json", "pruned.json", "complete.json", "nats.json", "many.json", "published.json"))
    odd = draw.randrange(4) == 0
    name = draw.choice(FILES) + ".json" if odd else "cell.json"
    target = folder / name
    shutil.copy(place / source, target)
    told = "name" if odd else draw.choice((json_file, json_file, json_file, content))(draw, target)
    words = [name if word == "CELL" else word for word in draw.choice(CELL).split()]
    return Case(args=words, told=f"{source} as {name!r}, {told}")


def of_text(draw: random.Random, place: Path, folder: Path) -> Case:
    """A cell in another tool's format, damaged."""
    name = draw.choice([path.name for path in place.glob("text.*")])
    shutil.copy(place / name, folder / name)
    told = content(draw, folder / name)
    return Case(args=["import", name, "-o", draw.choice(("o.json", "-"))], told=told)


def of_run(draw: random.Random, place: Path, folder: Path) -> Case:
    """A run of which a file is another."""
    file, damage = draw.choice(
        (
            ("config.json", json_file),
            ("config.json", json_file),
            ("config.json", content),
            ("genotype.json", json_file),
            ("metrics.csv", table),
            ("result.json", json_file),
            ("latency.json", json_file),
            ("latency.json", content),
            ("images.json", json_file),
            ("answers.csv", table),
            ("checkpoint.safetensors", tensors),
            ("checkpoint.safetensors", tensors),
            ("weights.safetensors", content),
        )
    )
    words = draw.choice(RUN).split()
    if damage is tensors:
        words = ["train", "--resume", "run"]
    # Its images are those of the work place.
    copied(place, folder, "run", "image.png")
    return Case(args=words, told=damage(draw, folder / "run" / file))


def of_labels(draw: random.Random, place: Path, folder: Path) -> Case:
    """A table of labels of which a cell or a line is another."""
    copied(place, folder, "photos", "labels.csv", "complete.json")
    told = draw.choice((table, table, content))(draw, folder / "labels.csv")
    return Case(args=f"train complete.json --data labels.csv {BRIEF} -o out".split(), told=told)


def of_search(draw: random.Random, place: Path, folder: Path) -> Case:
    """A search of which a file is another, or the checkpoint of a race."""
    copied(place, folder, "photos")
    if draw.randrange(4) == 0:
        copied(place, folder, "raced.race.json")
        return Case(args=RACE.split(), told=json_file(draw, folder / "raced.race.json"))
    copied(place, folder, "found.search-topology")
    history = folder / "found.search-topology"
    if draw.randrange(2):
        told = tensors(draw, history / "checkpoint.safetensors")
        return Case(args=RESUME.split(), told=told)
    copied(place, folder, "found.json")
    told = table(draw, history / draw.choice(("metrics.csv", "betas.csv")))
    return Case(args=draw.choice(SEARCH[:2]).split(), told=told)


def of_study(draw: random.Random, place: Path, folder: Path) -> Case:
    """A study that was run, with its settings or its database changed, or a study file."""
    if draw.randrange(3) == 0:
        shutil.copy(place / "study.toml", folder / "study.toml")
        return Case(args=["sweep", "study.toml", "--dry-run"], told=toml(draw, folder / "study.toml"))
    copied(place, folder, "study")
    file, damage = draw.choice(
        (
            ("study.json", json_file),
            ("study.json", json_file),
            ("study.json", content),
            ("trials.db", database),
            ("trials.db", database),
            ("trials.db", database),
            ("trials.db", content),
        )
    )
    return Case(args=draw.choice(STUDY).split(), told=damage(draw, folder / "study" / file))


def of_names(draw: random.Random, place: Path, folder: Path) -> Case:
    """Odd names of folders, files and texts, through what prints and writes them."""
    name, other = draw.choice(FILES), draw.choice(NAMES)
    match draw.choice(("run", "class", "study", "image", "title", "output", "photos", "argument")):
        case "run":
            words = draw.choice(RUN[:9]).split()
            copied(place, folder, "image.png")
            shutil.copytree(place / "run", folder / name)
            words = [name if word == "run" else word for word in words]
        case "class":
            copied(place, folder, "run", "image.png")
            config = json.loads((folder / "run" / "config.json").read_text())
            config["classes"][0] = other
            (folder / "run" / "config.json").write_text(json.dumps(config))
            words = draw.choice(
                ("predict run image.png", "predict run image.png --json", "export run -f safetensors -o e")
            ).split()
        case "study":
            copied(place, folder, "study")
            settings = json.loads((folder / "study" / "study.json").read_text())
            settings["title"] = other
            settings["settings"][0]["name"] = draw.choice(NAMES)
            (folder / "study" / "study.json").write_text(json.dumps(settings))
            words = draw.choice(STUDY).split()
        case "image":
            copied(place, folder, "run")
            shutil.copy(place / "image.png", folder / f"{name}.png")
            words = ["predict", "run", f"{name}.png", *draw.choice(([], ["--json"]))]
        case "title":
            words = [
                "draw",
                "darts_v2",
                "--title",
                other.replace("\0", ""),
                *draw.choice((["-o", "p.svg"], ["-o", "p.png"], ["--terminal"])),
            ]
        case "output":
            words = draw.choice((["prune", str(place / "searched.json")], ["draw", "darts_v2"], ["report", "darts_v2"]))
            words = [*words, "-o", name + draw.choice((".json", ".svg", ".html", ""))]
        case "photos":
            shutil.copytree(place / "photos", folder / name)
            shutil.move(folder / name / "train" / "red", folder / name / "train" / draw.choice(FILES))
            words = ["train", "darts_v2", "--data", name, *BRIEF.split(), "-o", "out"]
        case _:
            words = [*draw.choice(CELL).replace("CELL", "darts_v2").split()]
            # A path that the user gives may lead anywhere, and be written to.
            words[draw.randrange(1, len(words))] = other.replace("\0", "").replace("../", "")
    return Case(args=words, told=f"name {name!r}, text {other!r}")


KINDS: dict[str, tuple[Callable[[random.Random, Path, Path], Case], float]] = {
    "genotype": (of_cell, 8),
    "text of another tool": (of_text, 2),
    "run": (of_run, 4),
    "labels": (of_labels, 0.5),
    "search": (of_search, 1),
    "study": (of_study, 4),
    "names": (of_names, 5),
}
"""What is attacked, and its share of the commands."""

BARE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What text that reaches a terminal must not hold."""
