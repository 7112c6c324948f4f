"""The rooms whose tests are tried, each with the tests that mirror it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Room:
    """Modules of one concern, and the tests that should notice a change in them.

    Both are paths below the root: of files, or of folders for all that is in them.
    """

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def files(self, root: Path) -> list[Path]:
        """Return the modules of the room."""
        left_out = {root / path for path in self.without}
        return [file for file in _files(root, self.sources, "*.py") if file not in left_out]

    def test_files(self, root: Path) -> list[Path]:
        """Return the test files of the room."""
        return _files(root, self.tests, "test_*.py")


def _files(root: Path, paths: tuple[str, ...], pattern: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        there = root / path
        found += sorted(there.rglob(pattern)) if there.is_dir() else [there]
    return list(dict.fromkeys(found))


ROOMS = (
    Room("gigpo", ("gigpo",), ("tests/gigpo",)),
    Room(
        "engines",
        ("agents/engines", "agents/policies", "agents/prompts"),
        ("tests/agents/engines", "tests/agents/policies", "tests/agents/prompts"),
    ),
    Room(
        "learning",
        ("training/learning",),
        ("tests/training/learning", "tests/training/selfplay/test_roles.py"),
    ),
    Room("rollout", ("training/rollout",), ("tests/training/rollout",)),
    Room("selfplay", ("training/selfplay",), ("tests/training/selfplay",)),
    Room(
        "league",
        ("training/league",),
        ("tests/training/league", "tests/training/selfplay/test_coevolution.py"),
    ),
    Room("critics", ("training/critics",), ("tests/training/critics",)),
    Room(
        "resume",
        (
            "envs/durable.py",
            "training/config/run_folders.py",
            "training/run/checkpoints.py",
            "training/run/components.py",
            "training/run/iterations.py",
            "training/run/job.py",
            "training/run/metrics.py",
            "training/run/progress.py",
        ),
        ("tests/training/run", "tests/training/commands/test_runs.py"),
    ),
    Room("alfworld", ("envs/alfworld",), ("tests/envs/alfworld",)),
    Room("webshop", ("envs/webshop",), ("tests/envs/webshop",)),
    # Without the drawings, in which a pixel more or less is nobody's mistake.
    Room(
        "overcooked",
        ("envs/overcooked",),
        ("tests/envs/overcooked",),
        ("envs/overcooked/render.py",),
    ),
    Room("roco", ("envs/roco",), ("tests/envs/roco",)),
    Room("redteam", ("envs/redteam",), ("tests/envs/redteam",)),
    Room("textworld", ("envs/textworld",), ("tests/envs/test_textworld.py",)),
    Room("vgc", ("envs/vgc",), ("tests/envs/vgc",)),
)
