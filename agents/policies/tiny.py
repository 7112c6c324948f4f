"""The embedded default: a causal language model of about a million parameters.

It is a Llama in Hugging Face format with a word-level tokenizer, small enough to learn a text
world from nothing on two CPU cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from anchorgym.agents.engines.factories import EngineFactory
from anchorgym.agents.policies.model import ModelPolicy
from anchorgym.agents.policies.prompt_settings import PromptSettings
from anchorgym.agents.prompts.tokenizer import factors

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

_EMBEDDING_STD = 0.03


def build_tiny(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 128,
    layers: int = 3,
    heads: int = 4,
    kv_heads: int | None = None,
    feed_forward: int = 384,
    max_context: int = 1536,
    prompt: PromptSettings | None = None,
    env_id: str = "",
    engine: EngineFactory | None = None,
    seed: int = 0,
) -> ModelPolicy:
    """Make an untrained policy; equal seeds give equal weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        max_position_embeddings=max_context,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM._from_config(config, attn_implementation="sdpa")
        _initialise(model, layers)
        _share(model, tokenizer)
    return ModelPolicy(model, tokenizer, prompt, env_id=env_id, engine=engine)


def _initialise(model: LlamaForCausalLM, layers: int) -> None:
    """Scale each matrix by its fan-in, and those that write to the residual stream by depth."""
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            continue
        std = _EMBEDDING_STD if "embed" in name else parameter.shape[1] ** -0.5
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            std /= (2 * layers) ** 0.5
        nn.init.normal_(parameter, std=std)


@torch.no_grad()
def _share(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Initialize tokens of the same kind or number with similar embeddings."""
    table = cast(Tensor, model.get_input_embeddings().weight)
    for part in factors(tokenizer):
        table += torch.randn(max(part) + 1, table.shape[1])[part] * _EMBEDDING_STD


class FactoredEmbedding(nn.Module):
    """Adds to each token's embedding one shared by its kind and one shared by its number.

    Learning about `" mug 2"` then also changes `" mug"` and `" cup 2"`, so that small models copy
    names they have rarely met. The shared parts start at zero, so that further training starts from
    the same policy.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, width: int) -> None:
        super().__init__()
        kind, number = factors(tokenizer)
        self.kind = nn.Parameter(torch.zeros(max(kind) + 1, width))
        self.number = nn.Parameter(torch.zeros(max(number) + 1, width))
        self.kind_of: Tensor
        self.number_of: Tensor
        self.register_buffer("kind_of", torch.tensor(kind), persistent=False)
        self.register_buffer("number_of", torch.tensor(number), persistent=False)

    def forward(self, own: Tensor) -> Tensor:
        """Return the whole embedding table (n_tokens, width) from the tokens' own part."""
        return own + self.kind[self.kind_of] + self.number[self.number_of]


def factor_embedding(policy: ModelPolicy) -> None:
    """Train the embedding as a sum of shared parts until `fold_embedding` is called."""
    embedding = policy.model.get_input_embeddings()
    table = cast(Tensor, embedding.weight)
    parts = FactoredEmbedding(policy.tokenizer, table.shape[1]).to(table.device, table.dtype)
    head = policy.model.get_output_embeddings()
    for layer in (embedding, head):  # tied weights: the sum has to reach both
        parametrize.register_parametrization(layer, "weight", parts)
    shared = cast(Any, embedding).parametrizations.weight.original
    cast(Any, head).parametrizations.weight.original = shared


def fold_embedding(policy: ModelPolicy) -> None:
    """Turn the sum back into one plain table, which the output layer shares again."""
    embedding, head = policy.model.get_input_embeddings(), policy.model.get_output_embeddings()
    if parametrize.is_parametrized(embedding, "weight"):
        # Both layers share the table: folding each of them would add the parts twice.
        parametrize.remove_parametrizations(head, "weight", leave_parametrized=False)
        parametrize.remove_parametrizations(embedding, "weight", leave_parametrized=True)
    policy.model.tie_weights()
