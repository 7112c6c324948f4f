"""Language policies, which combine a prompt template, a memory and an engine."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from anchorgym.agents.engines.contract import (
    Engine,
    Generation,
    SessionKey,
    Stop,
    UnsupportedRequestError,
    new_key,
)
from anchorgym.agents.policies.base import Decision, Prompt, View
from anchorgym.agents.prompts.shown import ShownActions, shown_actions
from anchorgym.agents.prompts.template import PastTurn, Template
from anchorgym.envs import TextEnv

Form = Literal["transcript", "window"]

UNCONSTRAINED: Final = "set policy.constrained to false, or take another engine"
"""Remedy in the error message of an engine without constrained decoding."""


class LanguagePolicy:
    """A policy that writes its actions with a language model.

    Args:
        template: converts turns to tokens and responses to actions.
        engine: samples the responses.
        form: form of the prompts. In a `transcript` each turn appends new tokens, and the engine
            keeps the rest; a `window` is a new prompt each turn, with the last turns.
        history: number of past turns in a window.
        shows_actions: admissible actions that a prompt lists: none, all, or only those that are
            `new` since the first turn of the episode, so that actions which are always admissible
            are not read in every turn.
        constrained: whether responses are confined to the admissible actions (where any are known).
        max_context: longest context, in tokens; an episode that would exceed it is cut.
        max_response: longest response, in tokens.

    Raises:
        UnsupportedRequestError: `constrained` with an engine that lacks `constrained_decoding`.
    """

    def __init__(
        self,
        template: Template,
        engine: Engine,
        *,
        form: Form = "transcript",
        history: int = 2,
        shows_actions: ShownActions = "none",
        constrained: bool = False,
        max_context: int,
        max_response: int,
    ) -> None:
        if constrained and not engine.capabilities.constrained_decoding:
            raise UnsupportedRequestError("constrained_decoding", UNCONSTRAINED)
        self.template = template
        self._engine = engine
        self.form: Form = form
        self.history = history
        self.shows_actions: ShownActions = shows_actions
        self.constrained = constrained
        self.max_context = max_context
        self.max_response = max_response

    @property
    def engine(self) -> Engine:
        """The engine that writes the responses."""
        return self._engine

    def open(self, env: TextEnv, agent: str = "agent") -> LanguageSession:
        """Begin an episode with an empty memory."""
        return LanguageSession(self, new_key("policy"))


class _Memory(NamedTuple):
    """The state of a session between two turns."""

    length: int = 0
    """Length of the context, in tokens."""
    stop: str = ""
    """Reason why the last response ended; "" before the first."""
    past: tuple[PastTurn, ...] = ()
    """The last turns, at most those that a window shows."""
    problem: str = ""
    """Why the last response could not be read; "" if it could."""


class LanguageSession:
    """A language policy's side of one episode: its memory and the length of its context."""

    def __init__(self, policy: LanguagePolicy, key: SessionKey) -> None:
        self.key = key
        self._policy = policy
        self._memories = [_Memory()]  # one after each turn, since a fork may start at any turn
        self._length = 0
        self._observation = ""
        self._first: frozenset[str] | None = None

    def prompt(self, observation: str, view: View) -> Prompt | None:
        """Return the prompt of the next response; None when the context is full."""
        policy, template = self._policy, self._policy.template
        memory = self._memories[-1]
        restart = policy.form == "window" or not memory.stop
        allowed = None
        if policy.constrained and view.admissible_actions:
            allowed = template.choices(view.admissible_actions, policy.max_response)
        view = view._replace(admissible_actions=self._shown(view.admissible_actions))
        if memory.problem:
            view = view._replace(action_valid=False, reason=memory.problem)
        n_past = len(self._memories) - 1
        if policy.form == "window":
            tokens = template.window(observation, view, memory.past, n_past)
        else:
            tokens = template.turn(observation, view, memory.stop, n_past)
        before = 0 if restart else memory.length
        if before + len(tokens) + policy.max_response > policy.max_context:
            return None
        self._length = before + len(tokens)
        self._observation = observation
        return Prompt(tuple(tokens), restart, allowed)

    def decide(self, generation: Generation | None) -> Decision:
        """Remember the response and return the action that it means."""
        if generation is None:
            raise TypeError("a language session decides from what its engine wrote")
        decision = self._policy.template.parse(generation.tokens)
        closed = generation.tokens[-1:] == (self._policy.template.eos_id,)
        # A response that another token has ended is closed in the prompt, like one that was cut.
        stop = generation.stop if closed else Stop.LENGTH
        self._remember(len(generation.tokens), decision.action, stop, decision.problem)
        return decision

    def write(self, action: str) -> list[int]:
        """Remember an action of somebody else as the policy's own; return its tokens.

        The caller has to append the tokens to the engine's session before the next response.
        """
        tokens = self._policy.template.response(action)
        self._remember(len(tokens), action, Stop.EOS)
        return tokens

    def fork(self, env: TextEnv, turns: int | None = None) -> LanguageSession:
        """Return a session with the same memory; see `Session.fork`."""
        turns = len(self._memories) - 1 if turns is None else turns
        twin = self._policy.open(env)
        twin._memories = self._memories[: turns + 1]
        twin._first = self._first if turns else None
        if self._policy.form == "transcript" and turns:
            self._policy.engine.fork(self.key, twin.key, self._memories[turns].length)
        return twin

    def shelve(self) -> None:
        """Shelve the engine's session; see `Session.shelve`."""
        self._policy.engine.shelve(self.key)

    def close(self) -> None:
        """Free the engine's session."""
        self._policy.engine.free(self.key)

    def _shown(self, admissible: tuple[str, ...]) -> tuple[str, ...]:
        """Return the admissible actions that the prompt shows."""
        if self._first is None:
            self._first = frozenset(admissible)
        return shown_actions(self._policy.shows_actions, admissible, self._first)

    def _remember(self, n_tokens: int, action: str, stop: str, problem: str = "") -> None:
        shown = self._policy.history
        past = (*self._memories[-1].past, PastTurn(self._observation, action))
        self._memories.append(
            _Memory(self._length + n_tokens, stop, past[max(0, len(past) - shown) :], problem)
        )
