"""The contract of a world of several agents, which trainers rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypedDict, runtime_checkable


class AgentInfo(TypedDict):
    """What an agent is told beside its observation; as `Info`, for one of several.

    Prompt templates see `goal`, `admissible_actions`, `action_valid` and `reason` only. A world
    may add keys of its own, such as `action_mask`.
    """

    task_id: str
    """The id that starts this task again: `reset(options={"task": task_id})`."""
    goal: str
    """What this agent is to do, in words; it need not be what the others are to do."""
    anchor: bytes
    """Key of this agent's information set, see `MultiAgentEnv.information_set`."""
    admissible_actions: tuple[Any, ...]
    """Actions that do something now, elements of the action space; strings may be templates."""
    action_valid: bool
    """False when this agent's last action did nothing but cost a turn."""
    reason: str
    """Why that action was invalid; empty when it was valid."""
    active: bool
    """Whether the action that answers this observation can matter: the mask of the loss.

    What an inactive agent says is not heard, and it may say nothing."""
    won: bool
    """Whether this agent's goal holds now."""
    progress: float
    """How far along this agent is, in [0, 1]; 1 when it has won."""


class AgentOutcome(NamedTuple):
    """What one joint turn did to one agent."""

    reward: float = 0.0
    terminated: bool = False
    reason: str = ""
    """Why the agent's action was invalid; leave empty for a valid one."""


@runtime_checkable
class AnchoredParallelEnv(Protocol):
    """A PettingZoo `ParallelEnv` whose joint states can be named, kept and returned to."""

    possible_agents: list[str]
    agents: list[str]

    def tasks(self, split: str | None = None) -> Sequence[str]:
        """Return the panel of task ids of a split, see `AnchoredEnv.tasks`."""
        ...

    def anchor(self) -> bytes:
        """Return a key of the joint state, without turn counter, randomness and logs.

        Within a task, equal anchors mean the same agents, admissible actions and information
        sets, and, the horizon aside, the same distribution of (rewards, next anchor, who has
        won) for each joint action.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the dynamic state as UTF-8 JSON."""
        ...

    def restore(self, data: bytes, seed: int | None = None) -> tuple[dict[str, Any], Any]:
        """Return to a snapshot: (observations, infos) of the agents in play.

        Without a seed the randomness goes on as it would have; a seed redraws it.

        Raises:
            SnapshotError: the bytes are no snapshot of this environment.
        """
        ...
