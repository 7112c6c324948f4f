"""ReAd: feedback loops that refuse plans until a critic's advantage for them is large enough.

Source: Zhang et al. (2024), arXiv 2405.14314. ReAd-J judges the joint plan, ReAd-S each agent's
action in turn. The filter 1[A > threshold] is the limit of the policy proportional to
planner * exp(A / beta) as beta goes to 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from anchorgym.agents.planning.asking import Refusal, Score, Scorer
from anchorgym.agents.planning.room import (
    Planning,
    Proposal,
    Room,
    accepted,
    scored_too_low,
    telling,
    vetoed,
)
from anchorgym.envs.planning import Plan


@dataclass(frozen=True)
class Threshold:
    """The threshold that an advantage must exceed; each refusal in a round lowers it.

    Args:
        start: threshold at the beginning of a round, in units of the scorer.
        slack: decrease at the first refusal.
        factor: factor by which each further refusal multiplies the distance from the start.
    """

    start: float = 0.0
    slack: float = 0.1
    factor: float = 2.0

    def after(self, refusals: int) -> float:
        """Return the threshold after a number of refusals."""
        return self.start - (self.slack * self.factor ** (refusals - 1) if refusals else 0.0)


@dataclass(frozen=True)
class ReAdJ:
    """ReAd-J: refinement of the joint plan.

    A plan must be readable and feasible before it is scored. The options after `attempts` are not
    in the paper: they save queries.

    Args:
        scorer: scorer of the joint advantage.
        threshold: threshold that the advantage must exceed.
        max_refine: most refusals in a round; after them, one more feasible plan is asked for and
            the best of all plans is taken, the last among equals.
        attempts: most queries in a round without a feasible plan; then the round is given up.
        samples: number of plans to sample for each query, of which the best is judged.
        shares: whether queries list, from the start of a round, the plans of earlier rounds that
            would be refused in the present state.
        recalls: advantage above which a plan of an earlier round is taken without a query, unless
            it was carried out in the present state before; None never recalls plans.
        doubt: multiple of a score's spread that is added to the advantage of a proposed plan, and
            subtracted from that of a recalled one, before the comparison with the threshold.
    """

    scorer: Scorer
    threshold: Threshold = field(default_factory=Threshold)
    max_refine: int = 3
    attempts: int = 10
    samples: int = 1
    shares: bool = False
    recalls: float | None = None
    doubt: float = 0.0

    def plan(self, room: Room) -> Planning:
        """Ask until a feasible plan passes, or the round's refusals are used up."""
        known = self._known(room)
        recalled = self._recalled(room, known)
        if recalled:
            return recalled
        refused = [*room.refused, *(self._shared(known) if self.shares else [])]
        judged: list[tuple[Proposal, Score]] = []
        vetoes = failures = 0
        while failures < self.attempts:
            query = replace(room.query("joint", "read"), samples=self.samples)
            fine, problems = room.proposals((yield from room.ask(telling(query, refused))))
            refused += problems
            if not fine:
                failures += 1
                continue
            threshold = self.threshold.after(vetoes)
            judged.append(room.best(fine, self.scorer))
            best, score = judged[-1]
            if self._passes(score, threshold):
                return accepted(best)
            if vetoes == self.max_refine:
                return accepted(max(judged[::-1], key=lambda pair: pair[1].advantage)[0])
            vetoes += 1
            refused += [vetoed(proposal, self.threshold.after(vetoes)) for proposal in fine]
        return room.fallback(refused)

    def _passes(self, score: Score, threshold: float) -> bool:
        return score.advantage + self.doubt * score.spread > threshold

    def _known(self, room: Room) -> dict[Plan, Score]:
        """Return the feasible plans of earlier rounds with their scores in the present state."""
        if not self.shares and self.recalls is None:
            return {}
        written = {answer.plan: None for past in room.past(None) for answer in past.answers}
        fine = [plan for plan in written if plan and not room.world.problem(plan)]
        room.now.scored += len(fine)
        return dict(zip(fine, self.scorer.joint(room.world, fine), strict=True)) if fine else {}

    def _recalled(self, room: Room, known: dict[Plan, Score]) -> Plan:
        """Return the best known plan if it is good enough and was not tried in this state."""
        fresh = {plan: score for plan, score in known.items() if plan not in room.tried()}
        if self.recalls is None or not fresh:
            return ()
        plan, score = max(fresh.items(), key=lambda item: item[1].advantage)
        return plan if score.advantage - self.doubt * score.spread > self.recalls else ()

    def _shared(self, known: dict[Plan, Score]) -> list[Refusal]:
        start = self.threshold.start
        return [
            Refusal(plan, scored_too_low(score.advantage, start))
            for plan, score in known.items()
            if not self._passes(score, start)
        ]


@dataclass(frozen=True)
class ReAdS:
    """ReAd-S: refinement of each agent's action in turn, given the actions of earlier agents.

    Args:
        scorer: scorer of the local advantage.
        threshold: threshold that the advantage must exceed; it starts anew for each agent.
        max_refine: most refusals of an agent in a round; then its best action is taken.
        attempts: most infeasible answers of an agent; then the plan is started anew.
        restarts: most plans that are started in a round.
    """

    scorer: Scorer
    threshold: Threshold = field(default_factory=Threshold)
    max_refine: int = 3
    attempts: int = 4
    restarts: int = 3

    def plan(self, room: Room) -> Planning:
        """Choose the actions of the agents one after the other."""
        refused = list(room.refused)
        vetoes = dict.fromkeys(room.agents, 0)
        for _ in range(self.restarts):
            plan: Plan = ()
            for agent in room.agents:
                longer = yield from self._settle(room, agent, plan, refused, vetoes)
                if len(longer) == len(plan):
                    refused.append(Refusal(plan, f"{agent} finds no action that fits to it"))
                    break
                plan = longer
            if len(plan) == len(room.agents):
                return plan
        return room.fallback(refused)

    def _settle(
        self,
        room: Room,
        agent: str,
        before: Plan,
        refused: list[Refusal],
        vetoes: dict[str, int],
    ) -> Planning:
        """Return the plan extended by this agent's action; unchanged if no action was accepted."""
        failures = 0
        judged: list[tuple[float, Proposal]] = []
        while failures < self.attempts:
            query = replace(room.query("agent", "read"), agent=agent, before=before)
            answers = yield from room.ask(telling(query, refused))
            fine, problems = room.proposals(answers, before)
            refused += problems
            if not fine:
                failures += 1
                continue
            (proposal,) = fine
            (score,) = self.scorer.local(room.world, before, [proposal.plan[-1]])
            proposal.answer.advantage = score.advantage
            room.now.scored += 1
            judged.append((score.advantage, proposal))
            if score.advantage > self.threshold.after(vetoes[agent]):
                return accepted(proposal)
            if vetoes[agent] == self.max_refine:
                return accepted(max(judged[::-1], key=lambda pair: pair[0])[1])
            vetoes[agent] += 1
            refused.append(vetoed(proposal, self.threshold.after(vetoes[agent])))
        return before
