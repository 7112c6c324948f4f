"""Language models of published shapes with random weights, and the speed of what is done with them.

Speeds are in CPU time on a CPU, and in time of the clock on a GPU.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

LLAMA, QWEN = "llama", "qwen2"
SHAPES = {
    "tiny": (LLAMA, 512, 128, 256, 2, 2, 1, True),
    "135M": (LLAMA, 49152, 576, 1536, 30, 9, 3, True),
    "0.5B": (QWEN, 151936, 896, 4864, 24, 14, 2, True),
    "1.5B": (QWEN, 151936, 1536, 8960, 28, 12, 2, True),
    "7B": (QWEN, 152064, 3584, 18944, 28, 28, 4, False),
}
"""Family, vocabulary, width, feed-forward width, layers, heads, heads of keys, and whether
embeddings are tied: of SmolLM2-135M and of Qwen2.5, beside one for rehearsals."""


def build(shape: str, device: str = "auto", vocabulary: int | None = None) -> Any:
    """Return a model of a shape: in bfloat16 where the device computes in it, else in float32."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    from anchorgym.agents.engines.placing import has_fast_bfloat16, resolve_device

    place = resolve_device(device)
    family, words, hidden, wide, layers, heads, kv_heads, tied = SHAPES[shape]
    config = CONFIG_MAPPING[family](
        vocab_size=vocabulary or words,
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=8192,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=None,
        attn_implementation="sdpa",
    )
    torch.manual_seed(0)
    dtype = torch.bfloat16 if has_fast_bfloat16(place) else torch.float32
    with place:
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def adapt(model: Any, rank: int) -> None:
    """Give all linear layers of a model an adapter (LoRA) of a rank."""
    from anchorgym.agents.policies.adapters import Adapters, attach, linear_layers

    attach(model, Adapters(rank, 32, linear_layers(model, "all-linear")))


def stopwatch(model: Any) -> Callable[[], float]:
    """Return a clock: CPU time, or on a GPU the time at which all that was asked for is done."""
    if model.device.type != "cuda":
        return time.process_time
    import torch

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def peak_memory(model: Any) -> float:
    """Return the peak memory in GB: that of the GPU, or else that of this process."""
    if model.device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def prompts_of(model: Any, episodes: int, length: int, group: int = 1) -> list[list[int]]:
    """Return prompts of random tokens, the same for each group of episodes."""
    import torch

    generator = torch.Generator().manual_seed(1)
    size = (episodes // group, length)
    distinct = torch.randint(0, model.config.vocab_size, size, generator=generator).tolist()
    return [distinct[i // group] for i in range(episodes)]


def generation(engine: Any, model: Any, prompts: list[list[int]], response: int) -> float:
    """Return the seconds in which an engine reads prompts and writes a response to each."""
    from anchorgym.agents import Sampling
    from anchorgym.agents.engines import new_key

    now = stopwatch(model)
    keys = [new_key("bench") for _ in prompts]
    began = now()
    for i, (key, prompt) in enumerate(zip(keys, prompts, strict=True)):
        engine.submit(key, prompt, Sampling(response, seed=i))
    while engine.waiting:
        engine.poll()
    seconds = now() - began
    for key in keys:
        engine.free(key)
    return seconds


def rows_of(model: Any, n: int, read: int, written: int, *, siblings: bool = False) -> list[Any]:
    """Return training rows of random tokens, some of them 40 or 80 tokens shorter.

    Siblings begin with the same tokens, those that all of them have read.
    """
    import torch

    from anchorgym.training.learning.rows import TokenRow

    generator = torch.Generator().manual_seed(1)
    lengths = [read + written - 40 * (i % 3) for i in range(n)]
    size = model.config.vocab_size
    tokens = [torch.randint(0, size, (of,), generator=generator).tolist() for of in lengths]
    if siblings:
        shared = min(lengths) - written
        tokens = [[*tokens[0][:shared], *of[shared:]] for of in tokens]
    return [
        TokenRow(
            tokens[i],
            [False] * (length - written) + [True] * written,
            [-10.8] * written,
            [1.0 - 2 * (i % 2)] * written,
            [()] * written,
            [0] * written,
        )
        for i, length in enumerate(lengths)
    ]


def training(model: Any, rows: list[Any], **settings: Any) -> float:
    """Return the tokens a second of an update of all rows in one optimizer step."""
    from anchorgym.agents.engines import Capabilities
    from anchorgym.gigpo import make_algorithm
    from anchorgym.training.config.sections import LearnerConfig
    from anchorgym.training.learning.language_learner import LanguageLearner

    engine = SimpleNamespace(version=0, capabilities=Capabilities(exact_logprobs=True))
    policy: Any = SimpleNamespace(model=model, engine=engine)
    config = LearnerConfig(minibatch=len(rows), learning_rate=1e-6, **settings)
    learner = LanguageLearner(policy, make_algorithm("grpo", kl_coef=0.0), config, temperature=1.0)
    learner.update(rows[:2], 0)  # the optimizer makes its state
    now = stopwatch(model)
    began = now()
    learner.update(rows, 0)
    return sum(len(row) for row in rows) / (now() - began)
