"""The half of `ftso export` that writes a trained network."""

from pathlib import Path

from ftso_cli.cli import common
from ftso_cli.cli.console import print_json, say, warn

NETWORK_FORMATS = {"onnx": "network.onnx", "torch-export": "network.pt2", "safetensors": "network.safetensors"}
"""The formats of a trained network, and the file in the run folder that each is written to."""

FEW = 10
"""Classes that are named on the terminal."""


def export_run(run: Path, format: str, output: Path | None, as_json: bool) -> None:
    """Writes the network of a run, into its folder unless `output` says otherwise."""
    target = output or run / NETWORK_FORMATS[format]
    common.check_writable(target)
    from ftso_cli.training.export import export_network, input_of
    from ftso_cli.training.run import Run

    trained = Run(run)
    if unfinished := export_network(trained, format, target):
        warn(unfinished)
    config = trained.config()
    if as_json:
        image = [config.image_channels, *config.image_size]
        print_json({"file": str(target), "format": format, "image": image, "classes": config.classes})
        return
    say(f"wrote {target}, {_size(target.stat().st_size)}")
    if format != "safetensors":
        say(f"its input is {input_of(config, format)}; its output logits (N, {len(config.classes)})")
        few = len(config.classes) <= FEW
        say(f"classes in order: {', '.join(config.classes) if few else f'see classes in {trained.config_file}'}")


def _size(count: int) -> str:
    """As in `25.5 kB` or `3.2 MB`."""
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"
