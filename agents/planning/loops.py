"""Loops without a critic: the baselines that ReAd is compared with.

Each is named after the method whose flow of information it follows. A simulated planner cannot
tell prompts apart, so under it two loops differ only if they ask at other times or tell of other
refusals.
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
    """One plan a round, taken as it comes."""

    def plan(self, room: Room) -> Planning:
        """Ask once."""
        return (yield from _one(room, room.query("joint", "plain")))


@dataclass(frozen=True)
class ReAct:
    """One thought and one plan a round; a plan that fails costs the round and is remembered.

    Source: Yao et al. (2022), arXiv 2210.03629. The planner sees the whole episode.
    """

    def plan(self, room: Room) -> Planning:
        """Ask once, naming what failed in this very state."""
        query = room.query("joint", "react", memory=None)
        return (yield from _one(room, telling(query, room.refused)))


@dataclass(frozen=True)
class Verified:
    """Physical verification: a plan that cannot be carried out is sent back with the reason.

    Args:
        attempts: so many plans are asked for in a round at most.
        style: of the prompt.
        memory: so many past rounds are shown (None: all).
        reflects: have the planner draw a lesson from each plan that was sent back, and show it
            the lessons ever after. It costs a query.
    """

    attempts: int = 10
    style: Style = "plain"
    memory: int | None = 1
    reflects: bool = False

    def plan(self, room: Room) -> Planning:
        """Ask until a plan can be carried out."""
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
    """Return the loop of one planner that sees everything, the whole episode included."""
    return Verified(attempts, "central", memory=None)


def reflexion(attempts: int = 10) -> Verified:
    """Return the loop of Shinn et al. (2023), arXiv 2303.11366, within one episode."""
    return Verified(attempts, "reflexion", memory=None, reflects=True)


def mind_agent(attempts: int = 10) -> Verified:
    """Return a loop after Gong et al. (2023), arXiv 2309.09971: rules, demonstration, feedback."""
    return Verified(attempts, "mindagent", memory=None)


@dataclass(frozen=True)
class RoCoDialogue:
    """The robots talk in turn until one of them, after all have spoken, states a whole plan.

    Source: Mandi et al. (2023), arXiv 2307.04738. A plan that cannot be carried out is talked
    over again.

    Args:
        attempts: so many talks are held in a round at most.
        turns: each robot speaks so many times in a talk at most.
    """

    attempts: int = 10
    turns: int = 2

    def plan(self, room: Room) -> Planning:
        """Hold talks until a plan can be carried out."""
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
    """The control for the cost of a feedback loop: as many queries, without any refusals.

    Args:
        queries: asked in a round on average; a broken number is rounded up or down by chance.
        scorer: picks the plan. Without one, the plan that was proposed most often is picked.
        attempts: where no plan can be carried out, more are asked for, up to so many.
    """

    queries: float
    scorer: Scorer | None = None
    attempts: int = 10

    def plan(self, room: Room) -> Planning:
        """Ask, then pick among the plans that can be carried out."""
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
    """Take the answer to one query, feasible or not."""
    fine, refused = room.proposals((yield from room.ask(query)))
    return accepted(fine[0]) if fine else room.fallback(refused)
