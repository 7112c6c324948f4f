"""A private copy of the working tree, in which modules are changed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private_copy(root: Path) -> Iterator[Path]:
    """Copy what git knows or does not ignore to a new folder; remove it at the end.

    The copy is called `anchorgym`, so that its parent on the path gives the namespace.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    with tempfile.TemporaryDirectory(prefix="anchorgym-mutants-") as folder:
        tree = Path(folder) / "anchorgym"
        for name in listed.stdout.decode().split("\0"):
            if name and (root / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, tree / name)
        yield tree


@contextmanager
def changed(file: Path, source: str) -> Iterator[None]:
    """Give a module of the copy another source for a while."""
    before = file.read_bytes()
    # Bytecode is judged by size and second: that of another source can pass for this one's.
    bytecode = Path(importlib.util.cache_from_source(str(file)))
    try:
        bytecode.unlink(missing_ok=True)
        file.write_text(source, encoding="utf-8")
        yield
    finally:
        file.write_bytes(before)
        bytecode.unlink(missing_ok=True)
