"""A person as a policy, who is shown each turn and asked for each action.

The rollout plays a person like any other policy. Lines that begin with a colon are commands; they
cost no turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from anchorgym.agents.policies.base import View
from anchorgym.agents.policies.scripted import ScriptedPolicy
from anchorgym.envs import ExpertKind, TextEnv
from anchorgym.envs.errors import NoExpertError, did_you_mean

_SLOT = re.compile(r"<[^<>]*>")
_KINDS: tuple[ExpertKind, ...] = ("honest", "full")

Seen = tuple[str, View]
"""An observation with the view of the environment's info."""


class Desk(Protocol):
    """The interface to a person, which shows turns and reads typed lines."""

    def show(self, env: TextEnv, observation: str, view: View) -> None:
        """Show the present turn."""
        ...

    def say(self, text: str) -> None:
        """Print a remark."""
        ...

    def ask(self, prompt: str, choices: tuple[str, ...] = ()) -> str:
        """Return a typed line; `choices` may help to complete it.

        Raises:
            EOFError: the input has ended.
        """
        ...


Command = Callable[[TextEnv, str], Seen | None]
"""Handler of the line `:name argument`; it returns a new turn to show, or None for no change."""


class PlainDesk:
    """A desk of `print` and `input`."""

    def show(self, env: TextEnv, observation: str, view: View) -> None:
        """Print goal, observation and numbered actions."""
        print(f"\n[turn {env.turn + 1} of {env.max_turns}] {view.goal}\n{observation}")
        for n, action in enumerate(view.admissible_actions, 1):
            print(f"{n:>4}  {action}")

    def say(self, text: str) -> None:
        """Print a remark."""
        print(text)

    def ask(self, prompt: str, choices: tuple[str, ...] = ()) -> str:
        """Ask by `input`."""
        return input(prompt)


class HumanPolicy(ScriptedPolicy):
    """Asks a person for every action, by its number or in words.

    Args:
        desk: interface to the person; by default standard input and output.
        commands: `:name` commands by name, beside `:help`, `:actions`, `:hint` and `:quit`. `:help`
            shows the first line of a command's docstring.
    """

    def __init__(
        self, desk: Desk | None = None, commands: Mapping[str, Command] | None = None
    ) -> None:
        self.desk: Desk = PlainDesk() if desk is None else desk
        ours: dict[str, Command] = {
            "help": self._help,
            "actions": self._actions,
            "hint": self._hint,
        }
        self._commands: dict[str, Command] = {**ours, **(commands or {}), "quit": self._quit}

    def choose(self, env: TextEnv, observation: str, view: View) -> str:
        """Show the turn and ask until there is an action.

        Raises:
            EOFError: the person leaves.
        """
        self.desk.show(env, observation, view)
        while True:
            actions = view.admissible_actions
            words = (*actions, *(f":{name}" for name in self._commands))
            line = self.desk.ask(f"turn {env.turn + 1}/{env.max_turns} > ", words).strip()
            if line.startswith(":"):
                moved = self.obey(env, line)
                if moved is not None:
                    observation, view = moved
                    self.desk.show(env, observation, view)
            elif line:
                action = self._pick(line, actions)
                if action:
                    return action

    def obey(self, env: TextEnv, line: str) -> Seen | None:
        """Carry out a line that begins with a colon; an unknown command costs no turn."""
        name, _, argument = line[1:].strip().partition(" ")
        if name not in self._commands:
            near = [known for known in self._commands if name and known.startswith(name)]
            if len(near) != 1:
                hint = did_you_mean(name, self._commands) or " :help lists the commands."
                self.desk.say(f"There is no command :{name}.{hint}")
                return None
            name = near[0]
        return self._commands[name](env, argument.strip())

    def _pick(self, line: str, actions: tuple[str, ...]) -> str:
        """Return the action that a line means, or "" to ask again."""
        if line in actions or not line.isdecimal():
            return self._fill(line) if line in actions else line
        if 1 <= int(line) <= len(actions):
            return self._fill(actions[int(line) - 1])
        if actions and not any(map(_SLOT.search, actions)):
            self.desk.say(f"The actions are numbered 1 to {len(actions)}.")
            return ""
        return line

    def _fill(self, action: str) -> str:
        """Ask for the text of a template's slots; an empty line drops the action."""
        filled, end = "", 0
        for slot in _SLOT.finditer(action):
            words = self.desk.ask(f"{slot[0][1:-1] or 'text'}: ").strip()
            if not words:
                return ""
            filled, end = filled + action[end : slot.start()] + words, slot.end()
        return filled + action[end:]

    def _help(self, env: TextEnv, argument: str) -> None:
        """List the commands."""
        self.desk.say("Type an action or its number. Commands cost no turn:")
        for name, command in self._commands.items():
            about = (command.__doc__ or "").partition("\n")[0]
            self.desk.say(f"  :{name:<9} {about}")

    def _actions(self, env: TextEnv, argument: str) -> None:
        """List all actions that are possible now."""
        actions = env.admissible_actions()
        for n, action in enumerate(actions, 1):
            self.desk.say(f"{n:>4}  {action}")
        if not actions:
            self.desk.say("This world lists no actions: write what you like.")

    def _hint(self, env: TextEnv, argument: str) -> None:
        """Ask the environment's expert what it would do."""
        kind = expert_kind(env)
        if kind is None:
            self.desk.say("No expert knows a way from here.")
        else:
            source = "knows what you have seen" if kind == "honest" else "knows everything"
            self.desk.say(f"The expert ({source}): {env.expert_action(kind)}")

    def _quit(self, env: TextEnv, argument: str) -> None:
        """Leave."""
        raise EOFError


def experts(env: TextEnv) -> Iterator[ExpertKind]:
    """Yield the kinds of expert that have an answer in the present state, the honest one first."""
    for kind in _KINDS:
        try:
            env.expert_action(kind)
        except NoExpertError:
            continue
        yield kind


def expert_kind(env: TextEnv) -> ExpertKind | None:
    """Return the kind of expert to ask in the present state, the honest one if it can answer."""
    return next(experts(env), None)
