"""Small random ALFWorld games, in which every state can be searched."""

from __future__ import annotations

import random

from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.game import APPLIANCES, Fact, Game, Goal, GoalKind

OPENABLE = {"cabinet", "fridge", "microwave"}
FITS = {
    "cabinet": ("mug", "book"),
    "countertop": ("mug", "book", "pan"),
    "shelf": ("book",),
    "stoveburner": ("pan",),
    "fridge": ("mug", "pan"),
    "microwave": ("mug",),
    "sinkbasin": ("mug", "pan"),
}
TARGETS = {"mug": ("cabinet", "countertop"), "pan": ("stoveburner", "countertop")}


def small_game(rng: random.Random, kind: GoalKind) -> Game:
    """Return a game of a kind that has all it needs, in a few shared locations."""
    target = "mug" if kind == "heat" else rng.choice(["mug", "pan"])
    parent = "desklamp" if kind == "look" else rng.choice(TARGETS[target])
    types = rng.choices(list(FITS), k=rng.randint(1, 4))
    types += ["countertop", "cabinet", *([] if kind == "look" else [parent])]
    types += [APPLIANCES[kind]] if kind in APPLIANCES else []
    locations = [f"loc_bar_{n}" for n in range(rng.randint(2, 5))]
    facts: list[Fact] = [("atlocation", "agent1", rng.choice([*locations, "loc_bar_9"]))]
    places = []
    for number, type_ in enumerate(types):
        name, location = f"{type_}_bar_{number}", rng.choice(locations)
        places.append((name, type_, location))
        facts += [("receptacletype", name, f"{type_}type")]
        facts += [("receptacleatlocation", name, location)]
        if type_ in OPENABLE and rng.random() < 0.8:
            facts += [("openable", name)] + [("opened", name)] * (rng.random() < 0.3)
    for type_, fitting in FITS.items():
        facts += [("cancontain", f"{type_}type", f"{thing}type") for thing in fitting]
    things = [target] * rng.randint(1 + (kind == "two"), 3) + rng.choices(["mug", "pan", "book"])
    for number, thing in enumerate(things):
        name = f"{thing}_bar_{number}"
        facts += [("objecttype", name, f"{thing}type"), ("pickupable", name)]
        facts += [(f"{trait}able", name) for trait in ("clean", "heat", "cool")]
        facts += [("isclean", name)] * (rng.random() < 0.2)
        for place, _, location in rng.sample(places, k=1 + (rng.random() < 0.3)):
            facts += [("inreceptacle", name, place), ("objectatlocation", name, location)]
    if kind == "look":
        for number in range(rng.randint(1, 2)):
            name = f"desklamp_bar_{number}"
            facts += [("objecttype", name, "desklamptype"), ("toggleable", name)]
            place, _, location = rng.choice(places)
            facts += [("inreceptacle", name, place), ("objectatlocation", name, location)]
    return Game.from_facts(facts, Goal(kind, target, parent), "do it.", f"small/{kind}")


def wander(world: World, rng: random.Random, steps: int) -> None:
    """Play random commands, mostly ones that change more than where one is."""
    for _ in range(steps):
        commands = [c for c in world.admissible() if not c.startswith(("help", "inv", "look"))]
        doing = [c for c in commands if not c.startswith(("go", "examine"))]
        world.step(rng.choice(doing if doing and rng.random() < 0.6 else commands))
