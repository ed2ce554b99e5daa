"""Inputs that follow the code: `python -m tests.fuzz.guided --seconds 300`, with atheris (pip install 'ftso[fuzz]').

Where `tests.fuzz.run` draws its inputs blindly, libFuzzer keeps each one that reaches a line not reached before, and
goes on from there. The parsers of text are attacked, a process each, by the rules of `tests.fuzz.oracle`. What a run
has learnt stays in `fuzz/` for the next; an input that breaks a rule is left there as `crash-...`, and ends the run.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import atheris
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.oracle import judged

START = 300
"""Inputs to start from."""


def one(name: str, corpus: Path, seconds: int, seed: int) -> None:
    """Attacks one target in this process, which libFuzzer ends."""
    with atheris.instrument_imports(include=["ftso_cli", "tomllib"]):
        from tests.fuzz.targets import TEXTS
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        os.environ["FTSO_CACHE"] = str(folder / "cache")
        inputs, read = TEXTS[name].make(folder)
        chosen = settings(
            max_examples=START,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        chosen(given(inputs)(lambda content: keep(content, corpus)))()
        options = [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-artifact_prefix={corpus.parent}/",
            "-max_len=65536",
        ]
        atheris.Setup(
            [sys.argv[0], str(corpus), *options, "-rss_limit_mb=4096", "-print_final_stats=1"],
            lambda content: ignored(judged(lambda: read(content, folder), [folder])),
        )
        atheris.Fuzz()


def keep(content: bytes, corpus: Path) -> None:
    """Puts an input among those that libFuzzer starts from."""
    (corpus / f"drawn-{sha256(content).hexdigest()[:16]}").write_bytes(content)


def ignored(outcome: object) -> None:
    """libFuzzer wants nothing back."""


def attack(name: str, seconds: int, seed: int) -> dict[str, Any]:
    """Attacks one target in a process of its own; gives how many inputs were tried, and what they reached."""
    own = [
        sys.executable,
        "-m",
        "tests.fuzz.guided",
        f"--inside={name}",
        "--seconds",
        str(seconds),
        "--seed",
        str(seed),
    ]
    started = time.perf_counter()
    done = subprocess.run(own, capture_output=True, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"{name}: broken\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
    tried = re.findall(r"stat::number_of_executed_units: +(\d+)", done.stderr)
    reached = re.findall(r"cov: (\d+)", done.stderr)
    return {
        "target": name,
        "inputs": int(tried[-1]),
        "reached": [int(reached[0]), int(reached[-1])],
        "seconds": round(time.perf_counter() - started),
    }


def main() -> None:
    """Attacks all targets, or one, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300, help="of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="TARGET")
    parser.add_argument("--inside", metavar="TARGET", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        corpus = Path("fuzz") / re.sub(r"\W+", "-", asked.inside)
        corpus.mkdir(parents=True, exist_ok=True)
        one(asked.inside, corpus.resolve(), asked.seconds, asked.seed)
    from tests.fuzz.targets import TEXTS

    for name in [asked.only] if asked.only else TEXTS:
        print(json.dumps(attack(name, asked.seconds, asked.seed)), flush=True)


if __name__ == "__main__":
    main()
