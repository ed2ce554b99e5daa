"""Many inputs for every target, a process each: `python -m tests.fuzz.run --inputs 100000`; a JSON line comes last.

A target's share of the inputs is by how many a second can be tried. The first input that breaks a rule ends the run
with its traceback; `--seed` draws others, `--only "run folder"` attacks one target.
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from tests.fuzz.attack import attack
from tests.fuzz.oracle import peak
from tests.fuzz.targets import TEXTS


def one(name: str, count: int, seed: int) -> dict[str, Any]:
    """Attacks one target in this process."""
    from tests.fuzz.trained import TRAINED

    warnings.simplefilter("ignore")
    logging.disable()
    target, before = {**TEXTS, **TRAINED}[name], peak()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FTSO_CACHE"] = str(Path(folder) / "cache")
        started = time.perf_counter()
        found = attack(target, Path(folder), count, seed)
        seconds = time.perf_counter() - started
    megabytes = {"start_MB": round(before / 1e6), "peak_MB": round(peak() / 1e6)}
    return {"target": name, **found, "seconds": round(seconds, 1), **megabytes}


def main() -> int:
    """Attacks all targets, one after the other."""
    from tests.fuzz.trained import TRAINED

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(one(asked.only, asked.inputs, asked.seed)))
        return 0
    targets, results = {**TEXTS, **TRAINED}, []
    shares = sum(target.share for target in targets.values())
    for name, target in targets.items():
        count = round(asked.inputs * target.share / shares)
        own = [f"--only={name}", "--inputs", str(count), "--seed", str(asked.seed)]
        done = subprocess.run([sys.executable, "-m", "tests.fuzz.run", *own], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            return done.returncode
        results.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    tried = sum(result["refused"] + result.get("valid", 0) for result in results)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"inputs": tried, "machine": machine, "seed": asked.seed, "targets": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
