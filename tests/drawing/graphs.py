"""A picture's DOT read back by Graphviz itself, so that tests see what Graphviz understood."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Picture:
    """The nodes by name, and the edges with the names of their ends in `tail` and `head`."""

    attributes: dict[str, Any]
    nodes: dict[str, dict[str, Any]]
    edges: list[dict[str, Any]]

    def between(self, tail: str, head: str) -> list[dict[str, Any]]:
        """The edges drawn from `tail` to `head`."""
        return [edge for edge in self.edges if (edge["tail"], edge["head"]) == (tail, head)]

    def through(self, kind: str) -> list[tuple[str, str, str]]:
        """Source, label and target of every operator that stands on a line, in order."""
        found = []
        for name, node in self.nodes.items():
            if name.startswith(f"{kind}_op"):
                (source,) = [edge["tail"] for edge in self.edges if edge["head"] == name]
                (target,) = [edge["head"] for edge in self.edges if edge["tail"] == name]
                found.append((source.removeprefix(f"{kind}_"), node["label"], target.removeprefix(f"{kind}_")))
        return sorted(found)


def run(source: str, format: str) -> str:
    """What Graphviz prints of a DOT text."""
    program = shutil.which("graphviz-pure", path=str(Path(sys.executable).parent)) or "graphviz-pure"
    done = subprocess.run([program, f"-T{format}"], input=source.encode(), capture_output=True, check=True)
    return done.stdout.decode()


def read(source: str) -> Picture:
    """The picture that Graphviz sees in a DOT text."""
    parsed = json.loads(run(source, "dot_json"))
    names = {item["_gvid"]: item["name"] for item in parsed["objects"] if "nodes" not in item}
    nodes = {item["name"]: item for item in parsed["objects"] if item["_gvid"] in names}
    edges = [{**edge, "tail": names[edge["tail"]], "head": names[edge["head"]]} for edge in parsed["edges"]]
    return Picture({name: value for name, value in parsed.items() if isinstance(value, str)}, nodes, edges)


def size(source: str) -> tuple[float, float]:
    """Width and height of the picture, in inches."""
    words = run(source, "plain").split(maxsplit=4)
    return float(words[2]), float(words[3])


def positions(source: str) -> dict[str, tuple[float, float]]:
    """The place of every node, in inches from the lower left."""
    lines = [line.split() for line in run(source, "plain").splitlines()]
    return {line[1]: (float(line[2]), float(line[3])) for line in lines if line[0] == "node"}
