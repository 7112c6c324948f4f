"""ReAd: plans are refused until their advantage, as a critic sees it, is large enough.

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
    """What an advantage must exceed; each refusal in a round lowers it.

    Args:
        start: at the beginning of a round, in units of the scorer.
        slack: how far the first refusal lowers it.
        factor: by which the distance from the start grows with each further one.
    """

    start: float = 0.0
    slack: float = 0.1
    factor: float = 2.0

    def after(self, refusals: int) -> float:
        """Return the threshold after so many refusals."""
        return self.start - (self.slack * self.factor ** (refusals - 1) if refusals else 0.0)


@dataclass(frozen=True)
class ReAdJ:
    """Refinement of the joint plan.

    A plan must be readable and feasible before it is scored. The options after `attempts` are not
    in the paper: they save queries.

    Args:
        scorer: gives the joint advantage.
        threshold: what it must exceed.
        max_refine: after so many refusals in a round one more feasible plan is asked for, and the
            best of all of them is taken, the last among equals.
        attempts: after so many answers without a feasible plan the round is given up.
        samples: so many plans are drawn for each query, and the best of them is judged.
        shares: tell from the start of a round which plans of earlier rounds would be refused
            in it, too.
        recalls: a plan that was written in an earlier round is taken without a query when its
            advantage exceeds this, unless it was carried out in this very state before; None
            never does.
        doubt: a plan is refused only if its advantage plus so many times its spread is too small.
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
        """Ask until a feasible plan is good enough, or the round's refusals are used up."""
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
        """Return the feasible ones among the plans of earlier rounds, scored in this state."""
        if not self.shares and self.recalls is None:
            return {}
        written = {answer.plan: None for past in room.past(None) for answer in past.answers}
        fine = [plan for plan in written if plan and not room.world.problem(plan)]
        room.now.scored += len(fine)
        return dict(zip(fine, self.scorer.joint(room.world, fine), strict=True)) if fine else {}

    def _recalled(self, room: Room, known: dict[Plan, Score]) -> Plan:
        """Return the best known plan if it is good enough, but none twice in one state."""
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
    """Refinement of each agent's action in turn, given those of the agents before it.

    Args:
        scorer: gives the local advantage.
        threshold: what it must exceed; each agent begins at its start.
        max_refine: after so many refusals of an agent in a round the best of its actions is taken.
        attempts: after so many answers of an agent that do not fit, the plan is begun anew.
        restarts: so many plans are begun in a round at most.
    """

    scorer: Scorer
    threshold: Threshold = field(default_factory=Threshold)
    max_refine: int = 3
    attempts: int = 4
    restarts: int = 3

    def plan(self, room: Room) -> Planning:
        """Settle one action after the other."""
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
        """Return the plan with this agent's action; as it was, when none was found."""
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
