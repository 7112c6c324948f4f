"""Planning loops without a critic: the baselines that ReAd is compared with.

Each loop is named after the method whose flow of information it follows. A simulated planner
ignores the prompt, so with it two loops differ only in when they ask and which refusals they
report.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from anchorgym.agents.planning.asking import Query, Refusal, Scorer, Style
from anchorgym.agents.planning.dialogue import Answer
from anchorgym.agents.planning.room import Planning, Proposal, Room, accepted, telling
from anchorgym.envs.planning import Plan


@dataclass(frozen=True)
class NoFeedback:
    """A loop that asks for one plan a round and takes it without feedback."""

    def plan(self, room: Room) -> Planning:
        """Ask for one plan."""
        return (yield from _one(room, room.query("joint", "plain")))


@dataclass(frozen=True)
class ReAct:
    """ReAct: one thought and one plan a round; a failed plan costs the round and is remembered.

    Source: Yao et al. (2022), arXiv 2210.03629. The planner sees the whole episode.
    """

    def plan(self, room: Room) -> Planning:
        """Ask for one plan, listing the plans that failed in the present state."""
        query = room.query("joint", "react", memory=None)
        return (yield from _one(room, telling(query, room.refused)))


@dataclass(frozen=True)
class Verified:
    """Physical verification: an infeasible plan is sent back with the reason.

    Args:
        attempts: most plans that a round asks for.
        style: style of the prompt.
        memory: number of past rounds in the prompt (None: all).
        reflects: whether the planner reflects on each infeasible plan, at the cost of a query; all
            later prompts show the reflections.
    """

    attempts: int = 10
    style: Style = "plain"
    memory: int | None = 1
    reflects: bool = False

    def plan(self, room: Room) -> Planning:
        """Ask until a plan is feasible."""
        refused = list(room.refused)
        for _ in range(self.attempts):
            query = telling(room.query("joint", self.style, memory=self.memory), refused)
            fine, problems = room.proposals((yield from room.ask(query)))
            if fine:
                return accepted(fine[0])
            refused += problems
            if self.reflects:
                query = telling(room.query("reflect", self.style, memory=self.memory), problems)
                room.lessons += [answer.text for answer in (yield from room.ask(query))]
        return room.fallback(refused)


def central_plan(attempts: int = 10) -> Verified:
    """Return the loop of a central planner, which sees the whole episode."""
    return Verified(attempts, "central", memory=None)


def reflexion(attempts: int = 10) -> Verified:
    """Return the loop of Shinn et al. (2023), arXiv 2303.11366, within one episode."""
    return Verified(attempts, "reflexion", memory=None, reflects=True)


def mind_agent(attempts: int = 10) -> Verified:
    """Return a loop after Gong et al. (2023), arXiv 2309.09971: rules, demonstration, feedback."""
    return Verified(attempts, "mindagent", memory=None)


@dataclass(frozen=True)
class RoCoDialogue:
    """RoCo's dialogue: the robots speak in turn until, after all have spoken, one states a plan.

    Source: Mandi et al. (2023), arXiv 2307.04738. An infeasible plan is discussed again.

    Args:
        attempts: most discussions in a round.
        turns: most times that each robot speaks in a discussion.
    """

    attempts: int = 10
    turns: int = 2

    def plan(self, room: Room) -> Planning:
        """Hold discussions until a plan is feasible."""
        refused = list(room.refused)
        for _ in range(self.attempts):
            said: tuple[tuple[str, str], ...] = ()
            offers: Plan = ()
            for turn in range(self.turns * len(room.agents)):
                agent = room.agents[turn % len(room.agents)]
                query = replace(
                    telling(room.query("talk", "roco"), refused),
                    agent=agent,
                    before=offers[: turn % len(room.agents)],
                    said=said,
                )
                answers = yield from room.ask(query)
                said = (*said, (agent, answers[0].text))
                whole = room.world.read_plan(answers[0].text, room.agents)
                if turn >= len(room.agents) - 1 and not whole.problem:
                    break
                own = room.world.read_plan(answers[0].text, (agent,))
                if len(offers) == turn and not own.problem:
                    offers = (*offers, *own.plan)
            fine, problems = room.proposals(answers)
            if fine:
                return accepted(fine[0])
            refused += problems
        return room.fallback(refused)


@dataclass(frozen=True)
class BestOfK:
    """Best of k plans: a control with the queries of a feedback loop, but without refusals.

    Args:
        queries: mean number of queries a round; a fraction is rounded up or down at random.
        scorer: scorer that picks the plan; without one, the most frequent plan is picked.
        attempts: most queries in a round while no plan is feasible.
    """

    queries: float
    scorer: Scorer | None = None
    attempts: int = 10

    def plan(self, room: Room) -> Planning:
        """Ask for plans, then pick one of the feasible plans."""
        wanted = int(self.queries) + (room.rng.random() < self.queries % 1)
        answers: list[Answer] = []
        fine: list[Proposal] = []
        refused: list[Refusal] = []
        while len(answers) < wanted or not (fine or len(answers) >= self.attempts):
            answers += yield from room.ask(room.query("joint", "plain"))
            fine, refused = room.proposals(answers)
        if not fine:
            return room.fallback(refused)
        if self.scorer is not None:
            return accepted(room.best(fine, self.scorer)[0])
        votes = Counter(answer.plan for answer in answers)
        return accepted(max(fine, key=lambda proposal: votes[proposal.plan]))


def _one(room: Room, query: Query) -> Planning:
    """Take the answer to one query, whether it is feasible or not."""
    fine, refused = room.proposals((yield from room.ask(query)))
    return accepted(fine[0]) if fine else room.fallback(refused)
