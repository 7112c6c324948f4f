"""Writing generated games as official game files, which the stock engine loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.game import TASK_TYPES, Game, GoalKind
from anchorgym.envs.alfworld.generator import Household, TaskId, household
from anchorgym.envs.alfworld.scenes import kinds
from anchorgym.envs.alfworld.solver import solve
from anchorgym.envs.errors import MissingExtraError

_PLACED: Final = """\
(exists (?r - receptacle)
    (exists (?o - object)
        (and
            {}
            (inReceptacle ?o ?r)
            (objectType ?o {{target}})
            (receptacleType ?r {{parent}})
        )
    )
)"""
GOALS: Final[dict[GoalKind, str]] = {
    "place": _PLACED.format(""),
    "clean": _PLACED.format("(cleanable ?o) (isClean ?o)"),
    "heat": _PLACED.format("(heatable ?o) (isHot ?o)"),
    "cool": _PLACED.format("(coolable ?o) (isCool ?o)"),
    "two": """\
(exists (?r - receptacle)
    (exists (?o1 - object)
        (and
            (objectType ?o1 {target})
            (receptacleType ?r {parent})
            (inReceptacle ?o1 ?r)
            (exists (?o2 - object)
                (and
                    (not (= ?o1 ?o2))
                    (objectType ?o2 {target})
                    (receptacleType ?r {parent})
                    (inReceptacle ?o2 ?r)
                )
            )
        )
    )
)""",
    "look": """\
(exists (?ot - object ?r - receptacle ?a - agent ?l - location)
    (and
        (objectType ?ot {parent})
        (toggleable ?ot)
        (isToggled ?ot)
        (receptacleAtLocation ?r ?l)
        (atLocation ?a ?l)
        (inReceptacle ?ot ?r)
    )
)
(exists (?o - object ?a - agent)
    (and
        (objectType ?o {target})
        (holds ?a ?o)
    )
)""",
}
"""What wins, in PDDL, with places for the types."""
_GOAL_SLOT: Final = "UNKNOWN GOAL."


def export_game(task_id: str) -> dict[str, Any]:
    """Return a generated game as the content of an official `game.tw-pddl` file.

    Raises:
        UnknownTaskError: the text is no id of a generated game.
        MissingExtraError: the alfworld package is not installed.
    """
    house = household(task_id)
    game = Game.from_facts(house.facts, house.goal, house.task, task_id)
    return {
        "pddl_domain": _stock_text("alfred.pddl"),
        "grammar": _stock_text("alfred.twl2").replace(_GOAL_SLOT, house.task),
        "pddl_problem": problem(house),
        "solvable": True,
        "walkthrough": solve(World(game)),
    }


def write_games(task_ids: Iterable[str], folder: Path) -> list[Path]:
    """Write generated games as a tree of files that the stock loader reads.

    A game goes to `<split>/<task>-<object>-None-<parent>-<scene>/trial_<seed>/`, with the
    `traj_data.json` without which the stock loader passes it over.

    Returns:
        The game files, in the order of the ids.

    Raises:
        UnknownTaskError, MissingExtraError: as for `export_game`.
    """
    paths = []
    for task_id in task_ids:
        house, task = household(task_id), TaskId.parse(task_id)
        spelling = kinds().spelling
        group = "-".join(
            (
                TASK_TYPES[house.kind],
                spelling[house.target],
                "None",
                spelling[house.parent],
                str(house.scene.number),
            )
        )
        suffix = "" if task.placement == "statistics" else f"_{task.placement}"
        trial = folder / task.split / group / f"trial_{task.seed}{suffix}"
        trial.mkdir(parents=True, exist_ok=True)
        path = trial / "game.tw-pddl"
        path.write_text(json.dumps(export_game(task_id)), encoding="utf-8")
        trajectory = json.dumps(_trajectory(house))
        (trial / "traj_data.json").write_text(trajectory, encoding="utf-8")
        paths.append(path)
    return paths


def problem(house: Household) -> str:
    """Return a household as a PDDL problem.

    Types of receptacles are declared as `rtype` even where the room has none of them: the
    domain names some as constants, and the stock engine fails if they are of another type.
    """
    known = kinds()
    receptacle_types = {*known.fits, "paintinghanger"}
    locations = {receptacle.location for receptacle in house.scene.receptacles}
    locations |= {fact[2] for fact in house.facts if fact[0] == "atlocation"}
    declared = {
        "agent": ["agent1"],
        "otype": [f"{kind}type" for kind in sorted(known.objects - receptacle_types)],
        "rtype": [f"{kind}type" for kind in sorted(receptacle_types)],
        "object": sorted(house.objects),
        "receptacle": sorted(receptacle.name for receptacle in house.scene.receptacles),
        "location": sorted(locations),
    }
    objects = "\n".join(f"    {n} - {kind}" for kind, names in declared.items() for n in names)
    facts = "\n".join(f"    ({' '.join(fact)})" for fact in house.facts)
    goal = GOALS[house.kind].format(target=f"{house.target}type", parent=f"{house.parent}type")
    return (
        f"(define (problem generated)\n(:domain alfred)\n(:objects\n{objects}\n)\n"
        f"(:init\n{facts}\n)\n(:goal\n(and\n{goal}\n)\n)\n)\n"
    )


def _trajectory(house: Household) -> dict[str, Any]:
    spelling = kinds().spelling
    parent = spelling[house.parent]
    return {
        "task_type": TASK_TYPES[house.kind],
        "pddl_params": {
            "object_target": spelling[house.target],
            "parent_target": "" if house.kind == "look" else parent,
            "toggle_target": parent if house.kind == "look" else "",
            "mrecep_target": "",
            "object_sliced": False,
        },
        "scene": {
            "floor_plan": f"FloorPlan{house.scene.number}",
            "scene_num": house.scene.number,
        },
        "turk_annotations": {"anns": []},
    }


@cache
def _stock_text(name: str) -> str:
    """Return a file of the alfworld package, found without running any of its code."""
    spec = find_spec("alfworld")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("exporting a game, which contains texts of alfworld,", "textworld")
    return Path(spec.submodule_search_locations[0], "data", name).read_text(encoding="utf-8")
