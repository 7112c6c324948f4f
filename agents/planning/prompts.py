"""Prompts of language planners: rules, memory, present state, refusals, and answer format."""

from __future__ import annotations

from collections.abc import Sequence

from anchorgym.agents.planning.asking import Query
from anchorgym.agents.planning.dialogue import Round
from anchorgym.envs.planning import PlanningEnv

_STYLES = {
    "plain": "",
    "read": (
        "Each plan is scored by its advantage: how much more it brings the team than waiting a "
        "round. Plans with a low advantage are refused."
    ),
    "central": "You plan for the whole team, and see what every robot sees.",
    "react": "First write 'Thought:' and reason about what to do next, then give the plan.",
    "reflexion": "Learn from the lessons, then give the plan.",
    "mindagent": (
        "You dispatch the robots. Give each of them something useful to do in parallel, wait only "
        "where an action of another robot comes first, and correct the errors that you are told of."
    ),
    "roco": "",
}


def write_prompt(world: PlanningEnv, query: Query) -> str:
    """Return the prompt of a query.

    Args:
        world: world in the state that the query is about.
        query: query to write down.
    """
    parts = [world.manual(query.agent), _STYLES[query.style]]
    parts += [_demonstration(world)] if query.style == "mindagent" else []
    parts += [_listed("Lessons from earlier mistakes:", query.lessons)]
    parts += [_past(world, query.past), f"Now:\n{world.situation(query.agent)}"]
    parts += [_settled(world, query), _talk(query), _refusals(world, query), _task(world, query)]
    return "\n\n".join(part for part in parts if part)


def _past(world: PlanningEnv, past: Sequence[Round]) -> str:
    if not past:
        return ""
    rounds = []
    for done in past:
        plan = world.write_plan(done.plan) if done.plan else "no plan"
        came = done.reason or f"carried out, reward {done.reward:.2f}"
        rounds.append(f"State:\n{done.situation}\nPlan:\n{plan}\nOutcome: {came}")
    return "\n\n".join(["Earlier rounds, oldest first:", *rounds])


def _settled(world: PlanningEnv, query: Query) -> str:
    if query.kind != "agent" or not query.before:
        return ""
    names = world.possible_agents[: len(query.before)]
    return f"In this round it is settled:\n{world.write_plan(query.before, names)}"


def _talk(query: Query) -> str:
    return _listed("Said in this round:", [f"{name}: {text}" for name, text in query.said])


def _refusals(world: PlanningEnv, query: Query) -> str:
    refusals = []
    for refusal in query.refused:
        names = world.possible_agents[: len(refusal.plan)]
        plan = world.write_plan(refusal.plan, names) if refusal.plan else "An answer"
        refusals.append(f"{plan}\nRefused: {refusal.reason}")
    return _listed("Refused in this round; do not propose these again:", refusals)


def _task(world: PlanningEnv, query: Query) -> str:
    if query.kind == "reflect":
        return "In one sentence: what went wrong, and what will you do differently?"
    whole = f"the plan of this round in exactly this format:\n{_form(world, world.possible_agents)}"
    if query.kind == "joint":
        return f"Answer with {whole}"
    own = f"your action of this round in exactly this format:\n{_form(world, [query.agent])}"
    if query.kind == "agent":
        return f"Answer with {own}"
    last = len(query.said) >= len(world.possible_agents) - 1
    conclude = f"\nIf all agree, conclude with {whole}" if last else ""
    return f"Discuss with the other robots, briefly. End with {own}{conclude}"


def _form(world: PlanningEnv, names: Sequence[str]) -> str:
    return world.write_plan(("<action>",) * len(names), names)


def _demonstration(world: PlanningEnv) -> str:
    """Show the answer format on the plan in which all agents wait."""
    return f"An example of an answer, not a good plan:\n{world.write_plan(world.waiting)}"


def _listed(title: str, items: Sequence[str]) -> str:
    return "\n".join([title, *(f"- {item}" for item in items)]) if items else ""
