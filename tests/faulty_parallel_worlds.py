"""Worlds of several agents with one planted fault each, and the check that has to find it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from parallel_worlds import Array, Cards, Chairs, Haggle, Pennies, StrangersGame

from anchorgym.envs import AgentOutcome

FAULTS: list[tuple[str, Callable[[], Any]]] = []


def fault(check: str) -> Callable[[type[Any]], type[Any]]:
    """Plant the decorated world: exactly the named check has to find it."""

    def plant(world: type[Any]) -> type[Any]:
        FAULTS.append((check, world))
        return world

    return plant


@fault("make")
class CannotBeMade(Pennies):
    def __init__(self) -> None:
        raise RuntimeError("no coins")


@fault("panel")
class OneTaskTwice(Pennies):
    def tasks(self, split: str | None = None) -> Any:
        return ("rounds 2", "rounds 5", "rounds 2")


@fault("before_reset")
class StepsBeforeReset(Pennies):
    def step(self, actions: Any) -> Any:
        return super().step(actions) if self._task else ({}, {}, {}, {}, {})


@fault("plays")
class RaisesOnListedAction(Haggle):
    def act(self, actions: Mapping[str, str]) -> Any:
        if actions.get("seller_0") == "accept":
            raise ZeroDivisionError("no money")
        return super().act(actions)


@fault("agents")
class TheDeadStayInPlay(Chairs):
    def step(self, actions: Any) -> Any:
        played = list(self.agents)
        seen = super().step(actions)
        self.agents = played if self.agents else []
        return seen


@fault("agents")
class ForgetsARewardsAgent(Pennies):
    def step(self, actions: Any) -> Any:
        seen = super().step(actions)
        seen[1].pop("odd_0", None)
        return seen


@fault("info")
class ActiveIsANumber(Haggle):
    def info(self, agent: str, reason: str = "") -> Any:
        info = super().info(agent, reason)
        return {**info, "active": int(info["active"])} if self.turn > 2 else info


@fault("info")
class GoalIsMissing(Pennies):
    def goal(self, agent: str) -> Any:
        return None


@fault("steps")
class RewardIsNaN(Pennies):
    def act(self, actions: Mapping[str, Any]) -> Any:
        return (
            {"even_0": AgentOutcome(float("nan"))}
            | super().act(actions)
            | {"odd_0": AgentOutcome(float("nan"), self.played == self.rounds)}
        )


@fault("success")
class DealsAreWorthNothing(Haggle):
    def act(self, actions: Mapping[str, str]) -> Any:
        found = super().act(actions)
        return {agent: outcome._replace(reward=0.0) for agent, outcome in found.items()}


@fault("spaces")
class ObservesAnotherType(Pennies):
    def observe(self, agent: str) -> Any:
        return super().observe(agent).astype(np.int64)


@fault("spaces")
class ListsWhatIsNotInTheSpace(Pennies):
    def admissible_actions(self, agent: str) -> tuple[Any, ...]:
        return (0, 1, 2) if agent == "odd_0" else (0, 1)


@fault("global_random")
class GlobalRandom(Pennies):
    def act(self, actions: Mapping[str, Any]) -> Any:
        random.random()
        return super().act(actions)


@fault("determinism")
class OwnRandomness(StrangersGame):
    """Strangers' environments are checked for what they promise."""

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(None, options)


@fault("leftovers")
class KeepsTheScore(Pennies):
    def start(self, task: str) -> None:
        score = getattr(self, "score", 0)
        super().start(task)
        self.score = score


@fault("invalid_actions")
class MissesTheMissing(Pennies):
    def act(self, actions: Mapping[str, Any]) -> Any:
        if len(actions) < 2 and self.score == 0:
            _ = actions["even_0"], actions["odd_0"]
        return super().act(actions)


@fault("invalid_actions")
class TakesEverything(Haggle):
    def info(self, agent: str, reason: str = "") -> Any:
        return super().info(agent, "" if reason.startswith("offer") else reason)


@fault("truncation")
class NeverTruncates(Chairs):
    def step(self, actions: Any) -> Any:
        limit, self.max_turns = self.max_turns, 10**6
        try:
            return super().step(actions)
        finally:
            self.max_turns = limit


@fault("snapshot")
class SnapshotIsNoJSON(Pennies):
    def snapshot(self) -> bytes:
        return b"\xff" + super().snapshot()

    def restore(self, data: bytes, seed: int | None = None) -> Any:
        return super().restore(data[1:] if isinstance(data, bytes) else data, seed)


@fault("queries")
class LookingDrawsACard(Cards):
    def look(self, agent: str) -> str:
        self.np_random.random()
        return super().look(agent)


@fault("expert")
class ExpertIsWrong(Haggle):
    def expert_action(self, agent: str, kind: Any = "honest") -> str:
        return "steal"


@fault("reset")
class IgnoresTask(Pennies):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        known = (options or {}).get("task") in (None, *self.tasks())
        return super().reset(seed, {"task": "rounds 2"} if known and options else options)


@fault("reset_options")
class TakesAnyTask(Pennies):
    def start(self, task: str) -> None:
        super().start(task if task in self.tasks() else "rounds 2")


@fault("anchor_scope")
class AnchorHoldsTheGenerator(Chairs):
    def anchor(self) -> bytes:
        return super().anchor() + repr(self.np_random.bit_generator.state).encode()


@fault("task_start")
class DealsAtTheStart(Cards):
    def start(self, task: str) -> None:
        super().start(task)
        dealt = self.np_random.permutation(3)[:2].tolist()
        self.cards = dict(zip(self.agents, dealt, strict=True))


@fault("restore")
class ForgetsTheScore(Pennies):
    def save(self) -> Any:
        return [self.coins, 0, self.played]


@fault("restore")
class ForgetsItsRandomness(Chairs):
    stochastic = False


@fault("reseed")
class IgnoresTheNewSeed(Chairs):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        return super().restore(data)


@fault("active")
class HearsTheInactive(Haggle):
    def step(self, actions: Any) -> Any:
        speaking = getattr(self, "turn_of", "")
        seen = super().step(actions)
        if set(actions) - {speaking}:
            self.offer = 9
            seen[4]["buyer_0"]["anchor"] = b"9"
        return seen


@fault("admissible_actions")
class ListsTheImpossible(Haggle):
    def act(self, actions: Mapping[str, str]) -> Any:
        out = dict(super().act(actions))
        if "offer 7" in actions.values():
            out = {agent: AgentOutcome(reason="seven is unlucky") for agent in actions}
        return out


@fault("information_sets")
class KnowsTheOtherCard(Cards):
    def information_set(self, agent: str) -> bytes:
        return super().information_set(agent) + repr(sorted(self.cards.items())).encode()


@fault("information_sets")
class KnowsTooLittle(Haggle):
    def information_set(self, agent: str) -> bytes:
        return agent.encode()


@fault("anchors")
class AnchorWithoutTheRound(Pennies):
    def anchor(self) -> bytes:
        return repr([self.agents, self.coins, self.score]).encode()


@fault("anchors")
class AnchorWithoutTheCards(Cards):
    def anchor(self) -> bytes:
        return repr([self.agents, bool(self.cards)]).encode()


@fault("foreign_snapshots")
class TakesForeignSnapshots(Pennies):
    def restore(self, data: bytes, seed: int | None = None) -> Any:
        try:
            return super().restore(data, seed)
        except ValueError:
            return self._seen({})


@fault("pettingzoo")
class TakesNoOptions(StrangersGame):
    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if options:
            raise ValueError("no options")
        return super().reset(seed)


@fault("spaces")
class MakesItsSpacesAnew(StrangersGame):
    def action_space(self, agent: str) -> Any:
        return Discrete(3)


class SeesArrays(Pennies):
    """Nothing is wrong with it: the mask is of the world's own."""

    def extra_info(self, agent: str) -> dict[str, Array]:
        return {"action_mask": np.ones(2, np.int8)}
