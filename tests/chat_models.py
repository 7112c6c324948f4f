"""A chat model for tests: random weights, a byte-level tokenizer made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat_tokenizer(
    template: str = CHAT, *, eos: str = "<|im_end|>", added: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Return a tokenizer that can write any text, with a chat template.

    Args:
        template: chat template.
        eos: the tokenizer's own end token.
        added: further tokens, which are added without being special.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["you see a key. take key from table, go west"] * 9, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=eos,
        pad_token="<|endoftext|>",
        additional_special_tokens=special[1:],
        clean_up_tokenization_spaces=False,
    )
    fast.add_tokens([AddedToken(token, special=False, normalized=False) for token in added])
    fast.chat_template = template
    return fast


def chat_model(
    folder: Path, *, positions: int = 4096, tokenizer: PreTrainedTokenizerFast | None = None
) -> Path:
    """Save a model in Hugging Face format, as it would come from elsewhere."""
    tokenizer = tokenizer or chat_tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=positions,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
