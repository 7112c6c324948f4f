"""The language planner, which samples answers from a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anchorgym.agents.engines.answering import answer_apart
from anchorgym.agents.engines.contract import Engine, Generation, Sampling
from anchorgym.agents.planning.asking import Query, Request
from anchorgym.agents.planning.prompts import write_prompt
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.prompts.chat import ChatTemplate
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.planning import PlanningEnv


class PlannerError(AnchorgymError, ValueError):
    """A language policy that cannot plan in words."""


class LanguagePlanner:
    """A planner that asks a chat model, with a separate context for every answer.

    A prompt that is too long omits its oldest rounds. If it is too long even without any, the
    answer is an empty text, which no world can read as a plan.

    Args:
        engine: engine that samples the answers.
        template: template of the chat format.
        sampling: sampling settings of the answers.
        max_context: longest context, answer included, in tokens.
    """

    def __init__(
        self,
        engine: Engine,
        template: ChatTemplate,
        sampling: Sampling | None = None,
        *,
        max_context: int = 4096,
    ) -> None:
        self.engine = engine
        self.template = template
        self.sampling = sampling or Sampling(max_tokens=256)
        self.max_context = max_context

    @classmethod
    def of(cls, policy: ModelPolicy, *, temperature: float = 1.0) -> LanguagePlanner:
        """Return a planner that asks a policy's model.

        Raises:
            PlannerError: the policy writes actions, not sentences.
        """
        if not isinstance(policy.template, ChatTemplate):
            raise PlannerError(
                "a planner writes sentences: load a chat model, not a policy of template 'tiny'"
            )
        sampling = Sampling(policy.max_response, temperature)
        return cls(policy.engine, policy.template, sampling, max_context=policy.max_context)

    def answer(self, requests: Sequence[Request]) -> list[list[str]]:
        """Answer all requests, with all their samples, in one batch."""
        prompts = [self._prompt(request.world, request.query) for request in requests]
        asked = [
            (tokens, self.sampling.derived(request.rng.getrandbits(62)))
            for request, tokens in zip(requests, prompts, strict=True)
            if tokens is not None
            for _ in range(request.query.samples)
        ]
        generations = iter(answer_apart(self.engine, asked, "planner"))
        return [
            [
                "" if tokens is None else self._said(next(generations))
                for _ in range(request.query.samples)
            ]
            for request, tokens in zip(requests, prompts, strict=True)
        ]

    def _said(self, generation: Generation) -> str:
        return self.template.said(generation.tokens)

    def _prompt(self, world: PlanningEnv, query: Query) -> list[int] | None:
        """Return a prompt that leaves room for the answer; None if none does."""
        for first in range(len(query.past) + 1):
            shorter = replace(query, past=query.past[first:])
            tokens = self.template.question(write_prompt(world, shorter))
            if len(tokens) + self.sampling.max_tokens <= self.max_context:
                return tokens
        return None
