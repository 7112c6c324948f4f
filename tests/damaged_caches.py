"""Damage to the files of a cache, in every way that a test can think of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from anchorgym.envs import cache as cache_module

Damage = Callable[[Path], None]


def damages(path: Path, elsewhere: Path) -> Iterator[tuple[str, Damage]]:
    """Yield ways to damage a file, by their names; those that would not change it are left out."""
    content = path.read_bytes()
    yield "missing", Path.unlink
    yield "a folder in its place", _to_folder
    yield "a link to a copy", lambda file: _to_link(file, elsewhere)
    yield "longer", lambda file: _write(file, content + b"\n")
    if content:
        yield "empty", lambda file: _write(file, b"")
        yield "cut", lambda file: _write(file, content[: len(content) // 2])
        for place in sorted({0, len(content) // 2, len(content) - 1}):
            flipped = bytearray(content)
            flipped[place] ^= 1
            data = bytes(flipped)
            yield f"a bit of byte {place}", lambda file, data=data: _write(file, data)
    digit = re.search(rb"[0-9]", content)
    if digit:
        other = b"%d" % ((int(digit[0]) + 1) % 10)
        data = content[: digit.start()] + other + content[digit.end() :]
        yield "one digit", lambda file: _write(file, data)


def check_every_damage(folder: Path, is_right: Callable[[], bool]) -> None:
    """Damage everything in a cache; each time the result is right, and the cache as before.

    Args:
        folder: holds the cache.
        is_right: whether what a fresh process reads is what a fresh build gives.
    """
    good = contents(folder)
    for name in good:
        for kind, damage in damages(folder / name, folder.parent.parent / "copy"):
            _forget()
            damage(folder / name)
            assert is_right(), f"{name}: {kind}"
            assert contents(folder) == good, f"{name}: {kind}"
    for kind, damage in _damages_of_folder():
        _forget()
        damage(folder)
        assert is_right(), kind
        assert contents(folder) == good, kind
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _forget() -> None:
    """Forget what this process has checked, as a fresh one would not know it."""
    cache_module._intact.clear()


def _damages_of_folder() -> Iterator[tuple[str, Damage]]:
    yield "a file more", lambda folder: _write(folder / "more", b"")
    yield "a folder more", lambda folder: (folder / "more").mkdir()
    yield "an empty folder", lambda folder: [path.unlink() for path in _files(folder)] and None
    yield "no folder", shutil.rmtree
    yield "a file in its place", _to_file


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_link(path: Path, copy: Path) -> None:
    shutil.copy(path, copy)
    path.unlink()
    path.symlink_to(copy)


def _to_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"")
