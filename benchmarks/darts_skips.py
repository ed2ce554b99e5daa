"""Where do skip connections cost little in a darts cell, and does it train faster with them?

The wide cell with `sep_conv_3x3` on every edge, and skip connections put on the edges from one of its inputs: what that
costs of log synflow, how many multiply-adds the ImageNet network has left, and the loss of short paired trainings. A
table goes to stderr, one JSON line to stdout.

    python benchmarks/darts_skips.py --data cifar10          # some minutes
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ftso_cli.costs.network import network_cost
from ftso_cli.data import open_images
from ftso_cli.genotype import library
from ftso_cli.search.operators.capacity import Capacity, Ops, with_operators
from ftso_cli.settings.capacity import CapacitySettings
from ftso_cli.spaces import DARTS
from ftso_cli.spaces.darts import IMAGENET

SKIPS: Mapping[str, Callable[[str, int], bool]] = {
    "none": lambda kind, source: False,
    "normal, from cell k-2": lambda kind, source: kind == "normal" and source == 0,
    "both, from cell k-2": lambda kind, source: source == 0,
    "normal, from cell k-1": lambda kind, source: kind == "normal" and source == 1,
}
"""For each cell, whether the edge of a kind of cell that leaves this node is a skip connection."""


def measured(data: str, steps: int, inits: int) -> list[dict[str, Any]]:
    """A row for each cell; differences of the loss are to the cell without skip connections."""
    start = library.load_genotype("ftso_wide_sep3")
    settings = CapacitySettings(ops=("skip_connect", "sep_conv_3x3"), cells=8, steps=steps, inits=inits)
    search = Capacity(start, open_images(data), settings, seed=0, device=torch.device("cpu"))
    edges = [(kind, edge.source) for kind in DARTS.kinds for edge in start.cells[kind].kept]
    cells: dict[str, Ops] = {
        name: tuple("skip_connect" if here(*edge) else "sep_conv_3x3" for edge in edges) for name, here in SKIPS.items()
    }
    trials = {name: search.trial(ops, cells["none"]) for name, ops in cells.items()}
    rows = []
    for name, trial in trials.items():
        behind, error = trial.behind(trials["none"])
        cost = network_cost(with_operators(start, trial.ops), IMAGENET, (224, 224))
        rows.append(
            {
                "skips": name,
                "costs": round(trial.costs, 3),
                "imagenet_macs": cost.macs,
                "params": cost.params,
                "loss": round(trial.loss, 4),
                "behind": round(behind, 4),
                "error": None if error is None else round(error, 4),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each cell."""
    lines = [f"{'skip connections':22} {'costs':>7} {'MACs, ImageNet':>15} {'parameters':>11} {'loss':>7}  difference"]
    for row in rows:
        error = "" if row["error"] is None else f" ± {row['error']:.4f}"
        lines.append(
            f"{row['skips']:22} {row['costs']:7.3f} {row['imagenet_macs']:15,} {row['params']:11,} {row['loss']:7.4f}  "
            f"{row['behind']:+.4f}{error}"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAR-10 images")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--inits", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = measured(asked.data, asked.steps, asked.inits)
    print(table(rows), file=sys.stderr)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
