"""Print the speed figures, each beside what it is compared with, measured in this run."""

from __future__ import annotations

import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import bench_alfworld
import bench_gigpo
import bench_vector


def main() -> None:
    table = Table("what", "measured", "bar", box=box.SIMPLE_HEAD)
    for bench in (bench_gigpo, bench_vector, bench_alfworld):
        for row in bench.rows():
            table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
