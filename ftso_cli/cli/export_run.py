"""The half of `ftso export` that writes a trained network."""

from pathlib import Path

from ftso_cli.cli import common
from ftso_cli.cli.console import print_json, say

NETWORK_FORMATS = {"onnx": "network.onnx", "torch-export": "network.pt2", "safetensors": "network.safetensors"}
"""The formats of a trained network, and the file in the run folder that each is written to."""


def export_run(run: Path, format: str, output: Path | None, as_json: bool) -> None:
    """Writes the network of a run, into its folder unless `output` says otherwise."""
    target = output or run / NETWORK_FORMATS[format]
    common.check_writable(target)
    from ftso_cli.training.export import export_network
    from ftso_cli.training.run import Run

    export_network(Run(run), format, target)
    if as_json:
        print_json({"file": str(target), "format": format})
        return
    say(f"wrote {target}, {_size(target.stat().st_size)}")
    if format != "safetensors":
        say("its input is images (N, C, H, W), float32 in 0..1; its output logits (N, classes)")


def _size(count: int) -> str:
    """As in `25.5 kB` or `3.2 MB`."""
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
