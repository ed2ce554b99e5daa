"""What an installation asks for is what the code imports; `make dist` tries the archives themselves."""

import ast
import re
import sys
import tomllib

from tests.processes import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

IMPORTED_AS = {
    "PIL": "pillow",
    "markupsafe": "jinja2",  # comes with it
    "vl_convert": "vl-convert-python",
}
"""Packages that are called otherwise than their modules."""

RUN = ("graphviz-pure", "onnxscript")
"""Packages that are used without being imported."""


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(requirements: list[str]) -> set[str]:
    return {plain(re.split(r"[\[><=;~! ]", one)[0]) for one in requirements}


def imported() -> set[str]:
    """The packages that the code imports, anywhere."""
    found: set[str] = set()
    for path in (ROOT / "ftso_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return {plain(IMPORTED_AS.get(name, name)) for name in found - sys.stdlib_module_names - {"ftso_cli"}}


def test_every_package_that_the_code_imports_is_asked_for_and_no_other() -> None:
    extras = PROJECT["optional-dependencies"]
    used = [
        *PROJECT["dependencies"],
        *(one for name in ("heic", "nats", "onnx", "plots", "report", "sweep", "tflite") for one in extras[name]),
    ]
    assert asked(used) == imported() | set(RUN)


def test_the_python_versions_that_are_named_begin_with_the_one_that_is_required() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in named
