"""How the code is built: imports point down, torch stays where it belongs, only the command line prints."""

import ast
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, modules_imported_by

PACKAGE = ROOT / "ftso_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"cli"}),
    frozenset({"report"}),
    frozenset({"studies"}),
    frozenset({"api"}),
    frozenset({"search", "training", "drawing", "benchmarks"}),
    frozenset({"settings"}),
    frozenset({"nn", "data", "costs"}),
    frozenset({"genotype"}),
    frozenset({"spaces"}),
    frozenset({"caching"}),
    frozenset({"bounds", "files", "interrupt", "processes", "programs", "ranks", "shell", "texts"}),
    frozenset({"locks"}),
    frozenset({"errors"}),
)
"""From the top down; a part may import from its own layer only itself, and from every layer below."""

HEAVY = {"torch", "torchvision", "sklearn"}
WITH_TORCH = {"nn", "search", "training", "data"}


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to: `cli`, `genotype`, `errors`, ..."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import in a tree, with its line; `from a import b` gives `a.b`, for b may be a module."""
    for node in ast.walk(tree):
        yield from _imports_in(node)


def imports_at_module_level(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The imports that run when the module is imported: not those in functions or for the type checker only."""
    for node in ast.iter_child_nodes(tree):
        only_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not only_typing and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports_in(node)
            yield from imports_at_module_level(node)


def _imports_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute here"
        yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_the_layers_name_every_part_of_the_package() -> None:
    parts = {part_of(path) for path in SOURCES} - {"__init__", "__main__"}
    assert parts <= frozenset().union(*LAYERS)


def test_imports_point_down_only() -> None:
    rank = {part: index for index, layer in enumerate(LAYERS) for part in layer}
    upward = []
    for path in SOURCES:
        own = part_of(path)
        for line, name in imports_of(parsed(path)):
            package, _, rest = name.partition(".")
            other = rest.split(".")[0]
            if package != "ftso_cli" or own not in rank or other not in rank or other == own:
                continue
            if rank[other] <= rank[own]:
                upward.append(f"{place(path, line)}: {own} imports {other}")
    assert upward == []


def test_torch_is_imported_at_module_level_only_where_networks_are() -> None:
    found = [
        f"{place(path, line)}: {name}"
        for path in SOURCES
        if part_of(path) not in WITH_TORCH
        for line, name in imports_at_module_level(parsed(path))
        if name.split(".")[0] in HEAVY
    ]
    assert found == []


def test_only_the_command_line_prints() -> None:
    found = []
    for path in SOURCES:
        if part_of(path) == "cli":
            continue
        for node in ast.walk(parsed(path)):
            call = node.func if isinstance(node, ast.Call) else None
            if isinstance(call, ast.Name) and call.id == "print":
                found.append(f"{place(path, call.lineno)}: print")
            if isinstance(call, ast.Attribute) and ast.unparse(call) in {"sys.stdout.write", "sys.stderr.write"}:
                found.append(f"{place(path, call.lineno)}: {ast.unparse(call)}")
        found += [
            f"{place(path, line)}: {name}"
            for line, name in imports_of(parsed(path))
            if name.split(".")[0] in {"rich", "typer"} and part_of(path) != "drawing"
        ]
    assert found == []


def test_everything_public_has_a_docstring() -> None:
    missing = []
    for path in SOURCES:
        tree = parsed(path)
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree):
            missing.append(f"{place(path, 1)}: the module")
        missing += [f"{place(path, node.lineno)}: {node.name}" for node in undocumented(tree)]
    assert missing == []


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Public functions and classes without a docstring, and public methods of public classes."""
    for node in tree.body:
        if not isinstance(node, Definition) or node.name.startswith("_") or _is_overload(node):
            continue
        if not ast.get_docstring(node):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node)


def _is_overload(node: Definition) -> bool:
    return any(ast.unparse(decorator).split(".")[-1] == "overload" for decorator in node.decorator_list)


def test_nothing_in_the_package_reads_the_folder_that_only_tests_may_use() -> None:
    assert [path for path in SOURCES if "../shared" in path.read_text(encoding="utf-8")] == []


# Size and names

LONGEST = 60
"""Lines of a function."""

MOST_PARAMETERS = 10


def definitions(kind: type[ast.FunctionDef] | type[ast.ClassDef]) -> Iterator[tuple[Path, Any]]:
    """Every function, or class, of the package with the file that it is in."""
    for path in SOURCES:
        yield from ((path, node) for node in ast.walk(parsed(path)) if isinstance(node, kind))


def test_no_function_is_longer_than_a_page() -> None:
    found = [
        place(path, node.lineno)
        for path, node in definitions(ast.FunctionDef)
        if node.end_lineno - node.lineno >= LONGEST
    ]
    assert found == []


def test_no_function_has_many_parameters() -> None:
    found = [
        place(path, node.lineno)
        for path, node in definitions(ast.FunctionDef)
        if len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]) > MOST_PARAMETERS
    ]
    assert found == []


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path, node in definitions(ast.ClassDef):
        places.setdefault(node.name, []).append(place(path, node.lineno))
    shared = {name: where for name, where in places.items() if len(where) > 1 and not name.startswith("_")}
    assert shared == {}


# Fresh processes


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["prune", "--help"],
        ["prune", "FILE", "-o", "-"],
        ["assign-ops", "FILE", "-o", "-"],
    ],
    ids=" ".join,
)
def test_small_commands_import_nothing_heavy(args: list[str], searched_file: Path) -> None:
    imported = modules_imported_by([str(searched_file) if arg == "FILE" else arg for arg in args])
    assert not imported & (HEAVY | {"numpy", "PIL", "graphviz", "networkx", "scipy", "matplotlib"})
    assert "ftso_cli.cli.app" in imported


def test_a_command_imports_no_other_command(searched_file: Path) -> None:
    imported = modules_imported_by(["prune", searched_file, "-o", "-"])
    assert "ftso_cli.cli.commands.prune" in imported
    assert "ftso_cli.cli.commands.train" not in imported
    assert "ftso_cli.cli.commands.assign_ops" not in imported


def test_the_list_of_modules_would_show_torch(tmp_path: Path) -> None:
    """The helper must be able to see what it looks for."""
    assert "pydantic" not in modules_imported_by(["--version"])
    assert "rich" in modules_imported_by(["--help"])


@pytest.mark.parametrize("script", [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")], ids=str)
def test_a_script_imports_names_that_there_are(script: Path) -> None:
    for line, name in imports_of(parsed(script)):
        module, _, attribute = name.rpartition(".")
        if module.split(".")[0] == "ftso_cli":
            there = hasattr(import_module(module), attribute) or find_spec(name) is not None
            assert there, f"{place(script, line)}: {name}"
