"""Chat models of a folder as functions from a prompt to an answer, for players of words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anchorgym.envs.errors import DataError


def chat_model(folder: Path, *, longest: int = 256) -> Callable[[str], str]:
    """Return a function that has a causal language model answer a message, greedily.

    Args:
        folder: of a model and its tokenizer in Hugging Face format; nothing is downloaded.
        longest: tokens of an answer.

    Raises:
        DataError: the folder holds no such model, or its tokenizer knows no chat format.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise DataError(f"{str(folder)!r} holds no language model in Hugging Face format")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    if not tokenizer.chat_template:
        raise DataError(f"the tokenizer in {str(folder)!r} has no chat template")

    @torch.no_grad()
    def ask(prompt: str) -> str:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
        )
        read = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        written = model.generate(
            read,
            attention_mask=torch.ones_like(read),
            max_new_tokens=longest,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )
        return str(tokenizer.decode(written[0, read.shape[1] :], skip_special_tokens=True))

    return ask
