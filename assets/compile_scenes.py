"""Compile `alfworld_scenes.json` from the layouts and constants of the alfworld package.

For maintainers, where alfworld is installed: `python assets/compile_scenes.py`. Nothing imports
this script: playing generated games needs its output only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

Scene = dict[str, Any]
OUTPUT: Final = Path(__file__).with_name("alfworld_scenes.json")
NOTICE: Final = (
    "Derived from the scene layouts and constants of alfworld 0.4.2, Copyright (c) 2020 Mohit"
    " Shridhar and others, MIT License (see README.md beside this file), which describe the scenes"
    " of AI2-THOR as used by ALFRED."
)
ROOMS: Final = {0: "kitchen", 2: "living", 3: "bedroom", 4: "bathroom"}
FIXTURES: Final = {
    "StoveBurner": (4,),
    "Shelf": (1, 2, 3),
    "TowelHolder": (1, 1, 2),
    "HandTowelHolder": (1, 1, 2),
    "CoffeeMachine": (1,),
    "GarbageCan": (1,),
    "LaundryHamper": (1,),
    "Microwave": (1,),
    "Fridge": (1,),
    "Ottoman": (1,),
    "Safe": (1,),
    "Toaster": (1,),
    "Toilet": (1,),
    "ToiletPaperHanger": (1,),
}
"""How many of each a scene gets that lists the type, but whose layout says not where."""
DOORLESS: Final = {
    ("kitchen", "Cabinet"): (0, 0, 0, 1, 2, 3, 4, 5, 6),
    ("kitchen", "Drawer"): (0, 0, 0, 1, 1, 2, 4),
    ("bedroom", "Drawer"): (0, 0, 0, 1, 2, 2, 3),
    ("bathroom", "Drawer"): (0, 0, 0, 0, 1, 2),
}
"""Layouts leave out what no agent can open; games show it as furniture without doors."""


def compile_scenes(layouts: Path, constants: Any) -> dict[str, Any]:
    """Return the asset: what kinds of things there are, and every scene."""
    scenes = {}
    for path in layouts.glob("FloorPlan*-openable.json"):
        number = int(path.name.removeprefix("FloorPlan").removesuffix("-openable.json"))
        objects = json.loads(path.with_name(f"FloorPlan{number}-objects.json").read_text())
        scenes[number] = compile_scene(number, json.loads(path.read_text()), objects, constants)
    return {
        "notice": NOTICE,
        "kinds": compile_kinds(constants),
        "scenes": {str(number): scenes[number] for number in sorted(scenes)},
    }


def compile_kinds(constants: Any) -> dict[str, Any]:
    """Return which object types fit where, and what can be done with them."""
    carriers = set(constants.MOVABLE_RECEPTACLES)
    elsewhere = {*carriers, "TableTop", "PaintingHanger"}
    movable = set(constants.OBJECTS)
    actions = constants.VAL_ACTION_OBJECTS
    kinds: dict[str, Any] = {
        "fits": {
            receptacle: sorted(movable & objects)
            for receptacle, objects in sorted(constants.VAL_RECEPTACLE_OBJECTS.items())
            if receptacle not in elsewhere
        },
        "openable": sorted(constants.OPENABLE_CLASS_SET - carriers),
        "carriers": sorted(carriers),
        "objects": sorted(movable - static_types(constants) - {"TableTop"}),
    }
    for name in ("Cleanable", "Heatable", "Coolable", "Sliceable", "Toggleable"):
        kinds[name.lower()] = sorted(movable & set(actions[name]))
    return kinds


def static_types(constants: Any) -> set[str]:
    """Return the receptacle types that are part of the room, by their names in games."""
    return set(constants.STATIC_RECEPTACLES) - {"Sink", "Bathtub"}


def compile_scene(number: int, layout: Scene, types: list[str], constants: Any) -> Scene:
    """Return a scene: its room, its receptacles with where one stands, its object types."""
    rng = random.Random(number)
    room = ROOMS[number // 100]
    static = static_types(constants)
    receptacles = {game_id(key): standpoint(*point) for key, point in sorted(layout.items())}
    receptacles = {key: point for key, point in receptacles.items() if type_of(key) in static}
    known = {type_of(key) for key in receptacles}
    fixtures: dict[str, str] = {}
    for kind in sorted({*FIXTURES, *(kind for _, kind in DOORLESS)} & set(types)):
        choices = DOORLESS.get((room, kind), (0,)) if kind in known else FIXTURES.get(kind, (0,))
        for key, point in synthesise(rng, kind, rng.choice(choices)):
            fixtures[key] = point
    objects = set(types) & set(constants.OBJECTS) - static
    return {
        "room": room,
        "receptacles": receptacles,
        "fixtures": fixtures,
        "objects": sorted(objects),
    }


def synthesise(rng: random.Random, kind: str, count: int) -> Iterator[tuple[str, str]]:
    """Yield ids and standpoints of fixtures; burners are reached in pairs."""
    point = ""
    for index in range(count):
        x, y, z = rng.uniform(-3, 3), rng.uniform(0, 1.5), rng.uniform(-3, 3)
        if kind != "StoveBurner" or index % 2 == 0:
            point = standpoint(x, z, rng.randrange(4) * 90, 60)
        yield f"{kind}|{x:+06.2f}|{y:+06.2f}|{z:+06.2f}", point


def game_id(key: str) -> str:
    """Return a receptacle's id in games, which know basins, not sinks."""
    kind = key.split("|")[0]
    return f"{key}|{kind}Basin" if kind in ("Sink", "Bathtub") and "Basin" not in key else key


def type_of(key: str) -> str:
    """Return the type of a receptacle from its id."""
    return key.split("|")[-1 if key.endswith("Basin") else 0]


def standpoint(x: float, z: float, rotation: float, horizon: float) -> str:
    """Return the name of a location: quarter metres, quarter turns, degrees."""
    return f"loc|{round(x * 4)}|{round(z * 4)}|{int(rotation) // 90}|{int(horizon)}"


def main() -> None:
    """Write the asset beside this script."""
    import alfworld.gen.constants as constants

    layouts = Path(str(constants.__file__)).with_name("layouts")
    asset = compile_scenes(layouts, constants)
    OUTPUT.write_text(json.dumps(asset, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
