"""Change the source in small ways, and say which changes no test notices.

    python tests/mutants/run.py                          # 150 mutants of all rooms
    python tests/mutants/run.py --size 200 --only gigpo  # of one room; may be repeated
    python tests/mutants/run.py --list                   # what would be tried

Each mutant is one small change of one module, in a private copy of the tree. The tests that reach
the changed line run on it, up to the first that fails; a run that hangs counts as failed. Results
are kept in `.mutants/results.jsonl`, and a command that is repeated goes on where it was stopped;
so does what the tests reach, which costs a run of all tests of a room. Mutants that change nothing
that a user could notice are listed, with the reason, in `tests/mutants/equivalent.toml`.

The exit code is 0 if at least nine of ten of the others were noticed, 1 if not, 2 if the tests fail
without any change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[0] = str(HERE.parent)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # a fork keeps no threads
    os.environ[variable] = "1"

from mutants.rooms import ROOMS, Room  # noqa: E402
from mutants.sample import Mutant, draw, known_equivalent, seconds_of, tests_of  # noqa: E402
from mutants.tree import changed, private_copy  # noqa: E402
from mutants.trial import PASSED, Reached, preload, reach, run_tests  # noqa: E402

BAR = 0.9
KILLED, SURVIVED, EQUIVALENT = "killed", "survived", "equivalent"
PATIENCE = 8  # times the seconds of the unchanged tests, before a run counts as hung
REACH_LIMIT = 1800.0  # seconds for the tests of one file
LEAST_LIMIT = 15.0  # seconds for the tests of a mutant, however quick they were


class Records:
    """JSON Lines of what was found before, for the same source and the same tests."""

    def __init__(self, file: Path, *, fresh: bool = False) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            file.unlink(missing_ok=True)
        self._file = file
        self._found: dict[str, dict[str, Any]] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:  # a line that was cut when the run was stopped
                    continue
                self._found[record["key"]] = record

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what was recorded last under a key."""
        return self._found.get(key)

    def put(self, key: str, **values: Any) -> dict[str, Any]:
        """Append a record."""
        record = {"key": key, **values}
        self._found[key] = record
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
        return record


def digest(*files: Path) -> str:
    """Return a digest of the contents of files."""
    total = hashlib.sha256()
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


class Trials:
    """Tries mutants on a copy of the tree."""

    def __init__(self, root: Path, tree: Path, kept: Path, *, budget: float, fresh: bool) -> None:
        self._root, self._tree, self._budget = root, tree, budget
        self._log = tree.parent / "tests.log"
        self._results = Records(kept / "results.jsonl", fresh=fresh)
        self._reach = Records(kept / "reached.jsonl")
        self._reached: dict[str, dict[str, Reached]] = {}

    def reached(self, room: Room) -> dict[str, Reached]:
        """Return what each test file of a room reaches; a test that fails ends the command."""
        if room.name not in self._reached:
            found = {}
            for file in room.test_files(self._root):
                name = str(file.relative_to(self._root))
                found[name] = self._of_file(room, name)
                if failed := found[name].failed:
                    print(self._log.read_text(encoding="utf-8", errors="replace")[-4000:])
                    print(f"without any change, {', '.join(failed[:3])} fails")
                    raise SystemExit(2)
            self._reached[room.name] = found
        return self._reached[room.name]

    def _of_file(self, room: Room, name: str) -> Reached:
        key = f"{name} {digest(self._root / name, *room.files(self._root))}"
        record = self._reach.get(key)
        if record is None:
            print(f"  what {name} reaches …", file=sys.stderr, flush=True)
            reached = reach(self._tree, name, self._log, REACH_LIMIT)
            if reached.failed:
                return reached
            record = self._reach.put(key, **reached.to_json())
        return Reached.from_json(record)

    def run(self, mutant: Mutant) -> dict[str, Any]:
        """Try one mutant, or return what was found before."""
        source = self._root / mutant.path
        reached = self.reached(mutant.room)
        tests = tests_of(mutant, reached, self._budget)
        key = f"{mutant.name} {digest(source)}"
        tested = f"{len(tests)} of {digest(*(self._root / name for name in reached))}"
        record = self._results.get(key)
        if record and (record["end"] != PASSED or record["tests"] == tested):
            return record
        limit = LEAST_LIMIT + PATIENCE * seconds_of(tests, reached)
        end, last = PASSED, ""
        if tests:
            text = mutant.mutation.apply(source.read_text(encoding="utf-8"))
            with changed(self._tree / mutant.path, text):
                end, last = run_tests(self._tree, tests, self._log, limit)
        return self._results.put(key, end=end, by=last, tried=len(tests), tests=tested)


def main(
    arguments: list[str] | None = None, root: Path = ROOT, rooms: tuple[Room, ...] = ROOMS
) -> int:
    """Run the command."""
    options = _parser(rooms).parse_args(arguments)
    chosen = [room for room in rooms if not options.only or room.name in options.only]
    sample = draw(root, chosen, options.size, options.seed)
    if options.find:
        sample = [mutant for mutant in sample if options.find in mutant.name]
    if options.list:
        print(
            "\n".join(f"{mutant.path}:{mutant.mutation.line}: {mutant.name}" for mutant in sample)
        )
        return 0
    preload()
    equivalent = known_equivalent(root / options.equivalent)
    ends: dict[str, Counter[str]] = {room.name: Counter() for room in chosen}
    with private_copy(root) as tree:
        trials = Trials(root, tree, root / ".mutants", budget=options.budget, fresh=options.fresh)
        for number, mutant in enumerate(sample, 1):
            if _stopping:
                raise KeyboardInterrupt
            if mutant.name in equivalent:
                end, by = EQUIVALENT, equivalent[mutant.name]
            else:
                record = trials.run(mutant)
                end, by = SURVIVED if record["end"] == PASSED else KILLED, record["by"]
            ends[mutant.room.name][end] += 1
            print(f"[{number}/{len(sample)}] {end:<10} {mutant.path}:{mutant.mutation.line}")
            if end != KILLED or options.verbose:
                print(f"    {mutant.name}\n    {by}".rstrip())
            sys.stdout.flush()
    return _summary(ends)


def _summary(ends: dict[str, Counter[str]]) -> int:
    print(f"\n{'room':<12}{KILLED:>10}{SURVIVED:>10}{EQUIVALENT:>12}")
    for name, count in ends.items():
        print(f"{name:<12}{count[KILLED]:>10}{count[SURVIVED]:>10}{count[EQUIVALENT]:>12}")
    total = sum(ends.values(), Counter[str]())
    tried = total[KILLED] + total[SURVIVED]
    share = total[KILLED] / tried if tried else 1.0
    print(f"\n{total[KILLED]} of {tried} noticed: {share:.1%} (at least {BAR:.0%} should be)")
    return 0 if share >= BAR else 1


def _parser(rooms: tuple[Room, ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make mutants",
        description="Change the source in small ways, and say which changes no test notices.",
    )
    parser.add_argument("--size", type=int, default=150, help="number of mutants drawn")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument(
        "--only",
        action="append",
        choices=[room.name for room in rooms],
        help="draw from this room alone; may be repeated",
    )
    parser.add_argument(
        "--budget", type=float, default=40.0, help="seconds of tests that are tried on a mutant"
    )
    parser.add_argument("--find", default="", help="of the sample, only names that contain this")
    parser.add_argument("--list", action="store_true", help="print the sample and try nothing")
    parser.add_argument("--verbose", action="store_true", help="say which test noticed each mutant")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument(
        "--equivalent",
        type=Path,
        default=Path("tests/mutants/equivalent.toml"),
        help="list of the mutants that no test can notice",
    )
    return parser


_stopping: list[bool] = []


def _stop(*_: object) -> None:
    _stopping.append(True)
    raise KeyboardInterrupt  # which is lost if it comes while an object is deleted


if __name__ == "__main__":
    # In the background of a shell, an interrupt would be ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped: repeat the command to go on")
