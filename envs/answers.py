"""Plans as answers in text: `EXECUTE`, then `NAME Alice ACTION …` on a line for each agent."""

from __future__ import annotations

from collections.abc import Sequence

from anchorgym.envs.planning import Plan, Reading

_EXECUTE, _NAME, _ACTION = "EXECUTE", "NAME ", " ACTION "


def write_answer(agents: Sequence[str], plan: Plan) -> str:
    """Return a plan of the agents named as an answer."""
    lines = (f"NAME {name} ACTION {act}" for name, act in zip(agents, plan, strict=True))
    return "\n".join([_EXECUTE, *lines])


def read_answer(text: str, agents: Sequence[str]) -> Reading:
    """Return the actions that an answer gives the agents named, in their order.

    What stands before the last `EXECUTE` is talk, and lines after it that begin with anything but
    NAME are passed over. Each agent must be given exactly one action.
    """
    _, found, rest = text.rpartition(_EXECUTE)
    if not found:
        return Reading((), "Parsing failed: the answer must contain 'EXECUTE'")
    actions: dict[str, str] = {}
    for line in map(str.strip, rest.splitlines()):
        if not line.startswith(_NAME):
            continue
        name, acts, action = line.removeprefix(_NAME).partition(_ACTION)
        name = name.strip()
        if not acts or name not in agents:
            wanted = ", ".join(agents)
            return Reading(
                (),
                f"Parsing failed: {line[:80]!r} is not 'NAME <robot> ACTION <action>' of {wanted}",
            )
        if name in actions:
            return Reading((), f"Parsing failed: {name} is given more than one ACTION")
        actions[name] = " ".join(action.split())
    missing = [name for name in agents if name not in actions]
    if missing:
        return Reading((), f"Parsing failed: no ACTION for {', '.join(missing)}")
    return Reading(tuple(actions[name] for name in agents))
