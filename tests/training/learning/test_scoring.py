"""Log-probabilities and entropies of many tokens, in parts, against plain autograd."""

from typing import Any

import pytest
import torch
import worlds  # noqa: F401  (registers the test worlds)
from small_policies import small_policy
from torch import Tensor

from anchorgym.training.learning import scoring


def gradients(model: Any, choices: Tensor | None, temperature: Any) -> tuple[Tensor, ...]:
    """Return log-probabilities, entropies, and the gradients of a mix of both."""
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(23, model.config.hidden_size, generator=generator, requires_grad=True)
    tokens = torch.randint(0, model.config.vocab_size, (23,), generator=generator)
    if choices is not None:
        choices[torch.arange(23), tokens] = True
    logprobs, entropies = scoring.scores(model, hidden, tokens, choices, temperature)
    mix = torch.randn(2, 23, generator=generator)
    by_head = model.get_output_embeddings().weight
    slopes = torch.autograd.grad((mix[0] * logprobs + mix[1] * entropies).sum(), (hidden, by_head))
    return logprobs.detach(), entropies.detach(), *slopes


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.7, torch.linspace(0.5, 2.0, 23)[:, None]])
def test_parts_have_the_gradient_of_the_whole(
    limited: bool, temperature: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_policy("test/KeyDoor-v0", tasks=4).model
    size = model.config.vocab_size
    choices = torch.arange(23)[:, None] % 5 == torch.arange(size) % 5 if limited else None
    expected = gradients(model, choices, temperature)
    monkeypatch.setattr(scoring, "MOST_LOGITS", 7 * size)
    for found, whole in zip(gradients(model, choices, temperature), expected, strict=True):
        torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)
