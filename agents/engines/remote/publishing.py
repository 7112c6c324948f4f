"""Publication of a model's weights to a backend, and the check that they have arrived."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from anchorgym.agents.engines.contract import (
    EngineError,
    Generation,
    Sampling,
    WeightsError,
)
from anchorgym.agents.engines.forward import hidden_states, token_logits
from anchorgym.agents.engines.remote.contract import (
    Backend,
    Order,
    UnverifiedWeightsError,
)
from anchorgym.agents.engines.remote.forms import Form, WholeForm
from anchorgym.agents.engines.remote.probing import (
    Scores,
    doubt,
    joined,
    probe_texts,
    settled,
)
from anchorgym.agents.engines.remote.reading import read_answer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ROUNDING: Final = {torch.float32: 0.02, torch.float64: 0.02}
"""Largest root mean square of differences between engine and model, in nats, by data type."""
_COARSE: Final = 0.5
"""The same for data types of 16 bits."""
_COLD: Final = 0.5
"""Temperature at which the first tokens are sampled."""
_MOST: Final = 4
"""Most labels that stay published together."""
REMEDY: Final = (
    "Give engine and model one data type. A vLLM server on a CPU keeps the old output head of some "
    "families whose head is the embedding: take the engine vllm or torch there"
)


class Publisher:
    """Sees to it that a backend computes with a model's weights; shared by all that use it.

    Args:
        backend: backend that takes the weights.
        probe: whether log-probabilities of fixed texts are compared after every publication.
        rehearse: whether, before the first publication, weights are published that differ much:
            a part of them that does not arrive is seen at once, as no rounding is that large.
        form: what is published of a model.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        probe: bool = True,
        rehearse: bool = True,
        form: Form | None = None,
    ) -> None:
        self.backend = backend
        self._form = form or WholeForm()
        self._present: list[str] = []
        """Labels of the weights that the backend has, as far as is known."""
        self._name = secrets.token_hex(6)  # among all programs that use the backend
        self._numbers = itertools.count()
        self._probe, self._to_rehearse = probe, probe and rehearse
        self._settled: Scores | None = None

    def ensure(self, model: PreTrainedModel, label: str) -> None:
        """Publish weights unless the backend has them; see `publish`."""
        if label not in self._present:
            self.publish(model, label)

    def publish(self, model: PreTrainedModel, label: str) -> None:
        """Publish the weights of a model, and check that the backend computes with them.

        A backend that takes no weights is only checked.

        Args:
            model: model whose weights are published.
            label: their label, `WRITER-VERSION`, which has never named others. Where several stay
                published together, others of the same writer are dropped.

        Raises:
            AdaptersError: the model has nothing to publish, or the backend does not serve it.
            UnverifiedWeightsError: it does not, also after a second publication.
            EngineError: the backend did not answer, or refused them.
        """
        if not self._form.keeps_others:
            self._present = []
        tensors = self._form.tensors(model)
        if not self.backend.takes_weights:
            if self._probe:
                self._compare(model, tensors, label)
            self._present = [label]
            return
        if self._to_rehearse:
            self._rehearse(model, tensors)
            self._to_rehearse = False
        try:
            self._put(model, tensors, label)
        except UnverifiedWeightsError:  # a server may have been in the middle of something
            self._put(model, tensors, label)
        self._keep(label)

    def require_taking(self) -> None:
        """Check that the backend takes weights.

        Raises:
            WeightsError: it does not.
        """
        if not self.backend.takes_weights:
            raise WeightsError(
                "this engine's weights are fixed (engine.weights is none), so it cannot train: "
                "name a folder that engine and server can both read"
            )

    def lost(self) -> bool:
        """Say whether the backend has lost weights that it had, as after a restart."""
        if not self.backend.takes_weights:
            return False
        there, before = self.backend.weights(), self._present
        self._present = [label for label in before if label in there]
        return len(self._present) < len(before)

    def _keep(self, label: str) -> None:
        """Note that weights are published, and drop those that they take the place of."""
        writer = label.partition("-")[0]
        others = [one for one in self._present if one.partition("-")[0] != writer]
        kept = [*others[-_MOST + 1 :], label]
        if self._form.keeps_others:
            for one in set(self._present) - set(kept):
                self.backend.drop(one)
        self._present = kept

    def _rehearse(self, model: PreTrainedModel, tensors: Mapping[str, Tensor]) -> None:
        labels = [f"{self._name}-{number}" for number in range(2)]
        self._put(model, tensors, labels[0])
        self._put(model, self._form.stretched(model, tensors), labels[1])
        if self._form.keeps_others:
            for label in labels:
                self.backend.drop(label)

    def _put(self, model: PreTrainedModel, tensors: Mapping[str, Tensor], label: str) -> None:
        self._form.hand_over(self.backend, model, tensors, label)
        if self._probe:
            self._compare(model, tensors, label)

    def _compare(self, model: PreTrainedModel, tensors: Mapping[str, Tensor], label: str) -> None:
        texts = probe_texts(model.config.vocab_size, self.backend.limit or 512)
        weights = self._form.parameters(model, tensors)
        now = Scores(joined(score(model, weights, texts)), joined(self.backend.score(texts)))
        most = _ROUNDING.get(model.dtype, _COARSE)
        if reason := doubt(self._settled, now, most):
            raise UnverifiedWeightsError(
                f"the engine does not compute with the model's weights: {reason}. {REMEDY}"
            )
        if self._settled is None:
            self._require_processed(model, weights, texts, label)
        if settled(self._settled, now):
            self._settled = now

    def _require_processed(
        self,
        model: PreTrainedModel,
        weights: Mapping[str, Tensor],
        texts: list[list[int]],
        label: str,
    ) -> None:
        """Check that log-probabilities are those of the distribution that is sampled from.

        Raises:
            UnverifiedWeightsError: they are those of temperature 1.
        """
        sampling = Sampling(1, _COLD)
        names = [f"{self._name}-cold-{next(self._numbers)}" for _ in texts]
        orders = {
            name: Order(name, tuple(text), sampling, (), label)
            for name, text in zip(names, texts, strict=True)
        }
        for order in orders.values():
            self.backend.begin(order)
        answers: dict[str, Generation] = {}
        while len(answers) < len(orders):
            for number, answer in self.backend.collect(None):
                if number not in orders:
                    continue  # of an earlier check that failed
                if isinstance(answer, EngineError):
                    raise answer
                answers[number] = read_answer(answer, orders[number], model.config.vocab_size, 0)
        longer = [[*orders[n].prompt, answers[n].tokens[0]] for n in orders]
        said = [answers[n].logprobs[0] for n in orders]
        cold, warm = (
            sum(abs(row[-1] - own) for row, own in zip(rows, said, strict=True))
            for rows in (score(model, weights, longer, heat) for heat in (_COLD, 1.0))
        )
        if cold > warm:
            raise UnverifiedWeightsError(
                "the server's log-probabilities are those of temperature 1 at any temperature: "
                "start it with --logprobs-mode processed_logprobs"
            )


@torch.no_grad()
def score(
    model: PreTrainedModel,
    weights: Mapping[str, Tensor],
    texts: list[list[int]],
    temperature: float = 1.0,
) -> list[list[float]]:
    """Return the log-probability of each token but the first, by a model with other weights.

    Args:
        model: a causal language model.
        weights: its parameters for this computation, by name; others stay as they are.
        texts: (n, length) tokens.
        temperature: divisor of the logits.
    """
    ids = torch.tensor(texts, device=model.device)
    own = {f"model.{name}": weight for name, weight in weights.items()}
    logprobs: Tensor = torch.func.functional_call(_Scoring(model, temperature), own, (ids,))
    chosen = logprobs.gather(-1, ids[:, 1:, None])[..., 0]
    return [[float(value) for value in row] for row in chosen.cpu()]


class _Scoring(torch.nn.Module):
    """Log-probabilities (batch, length - 1, n_tokens) of what follows each token but the last."""

    def __init__(self, model: PreTrainedModel, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, ids: Tensor) -> Tensor:
        """Compute them for tokens (batch, length)."""
        hidden = hidden_states(self.model, ids, use_cache=False)
        logits = token_logits(self.model, hidden[:, :-1])
        return torch.log_softmax(logits / self.temperature, -1)
