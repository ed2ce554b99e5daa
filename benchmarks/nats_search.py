"""What the searches that ask and are told reach on the table of NATS-Bench, over many seeds.

The reward is the test accuracy on CIFAR-10, and so is what is reported: that of the best cell that was looked up. A
table goes to stderr, one JSON line to stdout.

    python benchmarks/nats_search.py --table nats_bench.csv.gz            # ten minutes on one thread
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import get_args

from ftso_cli.api.query import reached
from ftso_cli.benchmarks.tables import read_table
from ftso_cli.search.blackbox.domain import Candidate, cells_domain
from ftso_cli.search.blackbox.searchers import SEARCHERS
from ftso_cli.settings.requests.tables import ByTable
from ftso_cli.spaces import NATS

QUERIES = (100, 300)


def main() -> None:
    """Runs every method from every seed, with each number of queries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--methods", nargs="+", default=get_args(ByTable))
    asked = parser.parse_args()
    domain, look_up = cells_domain(NATS, NATS.nodes, NATS.candidates), reached(read_table(asked.table))
    known: dict[Candidate, float] = {}
    """Accuracies, partial cells included, as all seeds look up many of the same."""

    def reward(candidate: Candidate) -> float:
        if candidate not in known:
            known[candidate] = look_up(domain.genotype(candidate))
        return known[candidate]

    rows = {}
    for method in asked.methods:
        for queries in QUERIES:
            best = []
            for seed in range(asked.seeds):
                searcher = SEARCHERS[method](domain, seed=seed, evaluations=queries)
                for _ in range(queries):
                    candidate = searcher.ask()
                    searcher.tell(candidate, reward(candidate))
                found = searcher.best()
                assert found is not None
                best.append(reward(found))
            row = {"mean": round(fmean(best), 3), "std": round(stdev(best), 3), "least": round(min(best), 2)}
            rows[f"{method} {queries}"] = row
            print(f"{method:13} {queries}  {row['mean']:.2f} ± {row['std']:.2f}, {row['least']:.2f}", file=sys.stderr)
    print(json.dumps({"seeds": asked.seeds, "accuracy": rows}))


if __name__ == "__main__":
    main()
