"""Tiny random models of many families, made from their configuration classes."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel

VOCABULARY, POSITIONS = 60, 96

_SIZE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_OLD = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_LOCAL = ["sliding_attention", "full_attention", "sliding_attention"]
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}

SUPPORTED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "qwen2": ("qwen2", {}),
    "qwen2-window": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {}),
    "glm4": ("glm4", {"partial_rotary_factor": 0.5}),
    "olmo2": ("olmo2", {}),
    "olmo3": ("olmo3", {"sliding_window": 7, "layer_types": _LOCAL}),
    "granite": (
        "granite",
        {
            "logits_scaling": 8.0,
            "embedding_multiplier": 12.0,
            "residual_multiplier": 0.22,
            "attention_multiplier": 0.05,
        },
    ),
    "cohere": ("cohere", {"logit_scale": 0.0625}),
    "cohere2": ("cohere2", {"logit_scale": 0.25, "sliding_window": 7, "layer_types": _LOCAL}),
    "gemma": ("gemma", {}),
    "gemma2": (
        "gemma2",
        {
            "sliding_window": 7,
            "layer_types": _LOCAL,
            "query_pre_attn_scalar": 3,
            "attn_logit_softcapping": 0.5,
            "final_logit_softcapping": 0.3,
        },
    ),
    "gemma3": (
        "gemma3_text",
        {"sliding_window": 7, "layer_types": _LOCAL, "query_pre_attn_scalar": 3},
    ),
    "phi3": ("phi3", {"sliding_window": 7}),
    "mistral": ("mistral", {"sliding_window": 7}),
    "mixtral": ("mixtral", {**_EXPERTS, "sliding_window": 7}),
    "qwen2-moe": (
        "qwen2_moe",
        {
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "qwen3-moe": (
        "qwen3_moe",
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    ),
    "gpt-oss": ("gpt_oss", {**_EXPERTS, "sliding_window": 7, "layer_types": _LOCAL}),
    "deepseek-v3": (
        "deepseek_v3",
        {
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 16,
            "q_lora_rank": 16,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 8,
            "v_head_dim": 6,
            "head_dim": 4,
        },
    ),
    "gpt2": ("gpt2", {**_OLD, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}),
    "gpt-neox": ("gpt_neox", {"head_dim": None}),
    "opt": ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
}

UNSUPPORTED: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("bloom", {**_OLD, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "mpt": ("mpt", {**_OLD, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": POSITIONS}),
    "falcon-alibi": (
        "falcon",
        {**_OLD, "hidden_size": 32, "num_attention_heads": 4, "alibi": True},
    ),
    "mamba": ("mamba", {"state_size": 4}),
    "qwen3-next": (
        "qwen3_next",
        {
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        },
    ),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention", "conv"]}),
}


def family_model(name: str) -> PreTrainedModel:
    """Return a random model of a family, in float32."""
    kind, changes = {**SUPPORTED, **UNSUPPORTED}[name]
    settings = changes if "bos_token_id" in changes else {**_SIZE, **changes}
    config = CONFIG_MAPPING[kind](**{k: v for k, v in settings.items() if v is not None})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():  # so that scores, sinks and biases matter
                if parameter.dim() >= 2:
                    parameter.normal_(std=0.2)
                else:
                    parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()
