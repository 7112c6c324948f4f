"""The order in which an engine reads prompts: common beginnings once, and few tokens at a time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_KEY: Final = 32
"""Number of first tokens by which prompts with a common beginning are found."""
_WORTH: Final = 10**9
"""Multiplications by weights that reading a beginning again has to cost for it to be shared: for
small models, copying keys and values is not cheaper."""
_BYTES: Final = 2**27
"""Memory that the activations of one layer may take on a CPU."""
_GPU_BYTES: Final = 2**31
"""The same on a GPU, which is busy only with many tokens at once."""


def shared_beginnings(
    prompts: Mapping[Hashable, Sequence[int]], n_parameters: int
) -> dict[Hashable, tuple[Hashable, int]]:
    """Return which prompts begin as an earlier one does, such as those of a group of episodes.

    Args:
        prompts: tokens of sessions that have none cached.
        n_parameters: number of weights of the model.

    Returns:
        For each such session, the earlier one and the number of common tokens, which leaves at
        least one token to read.
    """
    least = max(_KEY, _WORTH // max(1, n_parameters))
    leaders: dict[tuple[int, ...], Hashable] = {}
    found: dict[Hashable, tuple[Hashable, int]] = {}
    for session, tokens in prompts.items():
        if len(tokens) <= least:
            continue
        leader = leaders.setdefault(tuple(tokens[:_KEY]), session)
        if leader == session:
            continue
        n = min(_common(prompts[leader], tokens), len(tokens) - 1)
        if n >= least:
            found[session] = leader, n
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the number of first tokens that two sequences have in common."""
    differing = (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def blocks(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Split rows into blocks of at most `most` tokens, padding included.

    Rows that fit together stay in order; otherwise the longest come first, and rows of about equal
    length share a block. A row that is longer gets a block of its own.
    """
    order = list(range(len(lengths)))
    if not order or max(lengths) * len(lengths) <= most:
        return [order] if order else []
    found: list[list[int]] = []
    for i in sorted(order, key=lambda i: -lengths[i]):
        if not found or lengths[found[-1][0]] * (len(found[-1]) + 1) > most:
            found.append([])
        found[-1].append(i)
    return found


def most_tokens(model: PreTrainedModel) -> int:
    """Return the number of tokens that one forward pass reads at most, padding included."""
    config: Any = model.config
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    each = (8 * config.hidden_size + 3 * wide) * model.dtype.itemsize
    memory = _GPU_BYTES if model.device.type == "cuda" else _BYTES
    return int(max(1024, memory // each))
