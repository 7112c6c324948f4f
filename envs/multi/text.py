"""`MultiAgentTextEnv`: several agents who read and write text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from gymnasium.spaces import Dict

from anchorgym.envs.errors import ContractError
from anchorgym.envs.multi.world import MultiAgentEnv
from anchorgym.envs.spaces import Unicode


class MultiAgentTextEnv(MultiAgentEnv[dict[str, str], str]):
    """A `MultiAgentEnv` of text: agents see `{"text": …}` and write strings.

    A world implements `look` in place of `observe`. The observation is a dictionary because
    PettingZoo's tests take no bare strings.

    Args:
        agents: their names; PettingZoo recommends the form `name_0`.
        split, max_turns, render_mode: as for `MultiAgentEnv`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]
    max_action_length: ClassVar[int] = 4096
    max_observation_length: ClassVar[int] = 65536

    def __init__(
        self,
        agents: Sequence[str],
        *,
        split: str = "train",
        max_turns: int = 50,
        render_mode: str | None = None,
    ) -> None:
        texts: dict[str, Any] = {
            agent: Dict({"text": Unicode(self.max_observation_length)}) for agent in agents
        }
        actions = {agent: Unicode(self.max_action_length) for agent in agents}
        super().__init__(texts, actions, split=split, max_turns=max_turns, render_mode=render_mode)

    @abstractmethod
    def look(self, agent: str) -> str:
        """Return what an agent reads now; what is longer than its space is cut."""

    def observe(self, agent: str) -> dict[str, str]:
        """Return the text that an agent reads, cut to the length of its space."""
        text: Any = self.look(agent)
        if not isinstance(text, str):
            raise ContractError(
                f"{type(self).__name__}.look gave {ascii(text)[:60]} ({type(text).__name__}) for "
                f"{agent}, which must be a string"
            )
        return {"text": text[: self.max_observation_length]}

    def render(self) -> str | None:
        """Return what each agent in play reads, in render mode "ansi"."""
        if self.render_mode != "ansi":
            return None
        return "\n\n".join(f"{agent}: {self.look(agent)}" for agent in self.agents)
