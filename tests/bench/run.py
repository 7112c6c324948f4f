"""Print the speed figures, each beside what it is compared with, measured in this run.

    python tests/bench/run.py                      # all of them, half an hour
    python tests/bench/run.py bench_vgc bench_gigpo

Each bench has a process of its own, so that none slows or breaks the next.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHES = (
    "bench_reading",
    "bench_gigpo",
    "bench_vector",
    "bench_alfworld",
    "bench_webshop",
    "bench_overcooked",
    "bench_redteam",
    "bench_vgc",
    "bench_policy",
    "bench_language_model",
)


def main(names: list[str]) -> int:
    """Print the rows of one bench, or of several from a process each; return how many failed."""
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    if len(names) == 1:
        for what, measured, bar in importlib.import_module(names[0]).rows():
            print(f"{what:<64} {measured:<26} {bar}", flush=True)
        return 0
    print(f"{'what':<64} {'measured':<26} bar", flush=True)
    runs = [subprocess.run([sys.executable, __file__, name]) for name in names or BENCHES]
    return sum(run.returncode != 0 for run in runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
