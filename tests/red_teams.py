"""Ways of playing the red-team world in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anchorgym.envs.redteam import RedTeamEnv

Speak = Callable[[str, int], str]
"""What a defender says: (agent, round)."""


def quiet(agent: str, number: int) -> str:
    """Use a tool, then answer; believe nobody."""
    return "call log: begun" if number == 1 else "answer: 1"


def turns(
    env: RedTeamEnv, task: str, attack: str = "hello", speak: Speak = quiet
) -> Iterator[tuple[int, dict[str, str]]]:
    """Play an episode; yield (round, what each active agent reads) before each turn."""
    observations, infos = env.reset(options={"task": task})
    while env.agents:
        number = env.game.round
        active = [agent for agent in env.agents if infos[agent]["active"]]
        yield number, {agent: observations[agent]["text"] for agent in active}
        actions = {
            agent: attack if agent.startswith("attacker") else speak(agent, number)
            for agent in active
        }
        observations, _, _, _, infos = env.step(actions)


def play(env: RedTeamEnv, task: str, attack: str = "hello", speak: Speak = quiet) -> None:
    """Play an episode to its end."""
    for _ in turns(env, task, attack, speak):
        pass
