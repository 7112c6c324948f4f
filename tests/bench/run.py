"""Print the speed figures, each beside what it is compared with, measured in this run."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
BENCHES = (
    "bench_gigpo",
    "bench_vector",
    "bench_alfworld",
    "bench_webshop",
    "bench_overcooked",
    "bench_redteam",
    "bench_vgc",
    "bench_policy",
)


def main() -> None:
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    table = Table("what", "measured", "bar", box=box.SIMPLE_HEAD)
    for name in BENCHES:
        for row in importlib.import_module(name).rows():
            table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
