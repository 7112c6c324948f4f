"""The plan of the rooms: who may import whom, how long things are, and where their tests are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "assets": {"assets"},
    "gigpo": {"gigpo"},
    "envs": {"envs", "assets"},
    "agents": {"agents", "envs", "assets"},
    "training": {"training", "agents", "gigpo", "envs", "assets"},
}
HEAVY = {"envs": {"torch", "transformers"}, "assets": {"torch", "transformers", "numpy"}}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
WORLDS = {path.parent.name for path in ROOT.glob("envs/*/env.py")}


@lru_cache
def modules() -> dict[str, Path]:
    """Return the file of each module, by its dotted name below `anchorgym`."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for top in MAY_IMPORT
        for path in sorted((ROOT / top).rglob("*.py"))
    }


@lru_cache
def imports(name: str) -> frozenset[str]:
    """Return the modules of anchorgym, and the top names of others, that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {path if own(path) in modules() else node.module for path in inner}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(own(path) or path.partition(".")[0] for path in found)


def own(path: str) -> str:
    """Return the name below `anchorgym`; empty for modules of others."""
    return path.removeprefix("anchorgym.") if path.startswith("anchorgym.") else ""


def ours(name: str) -> Iterator[str]:
    return (path for path in sorted(imports(name)) if path.partition(".")[0] in MAY_IMPORT)


def world_of(name: str) -> str:
    """Return the world whose inside a module is; empty for what is general."""
    parts = name.split(".")
    inside = parts[1:2] if parts[0] == "envs" else parts[2:3] * (parts[1:2] == ["worlds"])
    return next((part for part in inside if part in WORLDS), "")


def test_arrows_run_one_way() -> None:
    wrong = [
        f"{name} imports {path}"
        for name in modules()
        for path in ours(name)
        if path.partition(".")[0] not in MAY_IMPORT[name.partition(".")[0]]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("top", HEAVY)
def test_worlds_and_data_know_no_learning(top: str) -> None:
    lazily = {"envs.vgc.players.language"}  # a chat model as a player
    wrong = [
        f"{name} imports {', '.join(sorted(imports(name) & HEAVY[top]))}"
        for name in modules()
        if name.partition(".")[0] == top and imports(name) & HEAVY[top] and name not in lazily
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_general_knows_a_world() -> None:
    """Only a world's own modules name them; `envs` exports their classes."""
    wrong = [
        f"{name} imports {path}"
        for name in modules()
        for path in ours(name)
        if world_of(path) and world_of(path) != world_of(name) and name != "envs"
    ]
    assert not wrong, "\n".join(wrong)


def test_no_two_modules_import_each_other() -> None:
    circles = [
        f"{one} and {other}"
        for one in modules()
        for other in ours(one)
        if one < other and other in modules() and one in imports(other)
    ]
    assert not circles, "\n".join(circles)


def test_files_are_of_readable_length() -> None:
    files = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    lengths = {name: len(text.splitlines()) for name, text in files.items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_functions_are_of_readable_length() -> None:
    long = {}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long[f"{name}.{node.name}"] = length
    assert not long


def test_every_folder_is_a_package_that_says_what_it_is() -> None:
    folders = {path.parent for path in modules().values()}
    for folder in folders:
        init = folder / "__init__.py"
        assert init.is_file(), f"{folder.relative_to(ROOT)} has no __init__.py"
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init


def test_the_tests_mirror_the_rooms() -> None:
    """Each folder of tests is that of a room, and each room has tests."""
    tops = set(MAY_IMPORT) - {"assets"}
    rooms = {path.parent.relative_to(ROOT) for path in modules().values()}
    tested = {
        path.parent.relative_to(ROOT / "tests")
        for top in tops
        for path in (ROOT / "tests" / top).rglob("test_*.py")
    }
    assert not tested - rooms
    nested = {room for room in rooms if len(room.parts) == 2 and room.parts[0] in tops}
    untested = {
        str(room)
        for room in nested
        if not any(room in (folder, *folder.parents) for folder in tested)
        and not list((ROOT / "tests" / room.parent).glob(f"test_{room.name}*.py"))
    }
    assert not untested - {"training/commands"}  # tests/training/test_cli.py
