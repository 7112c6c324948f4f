"""Noise of sampling: a hash of (seed, position), the same on every machine.

No generator is kept between tokens. So what a request draws depends on its own seed alone, not on
what else is sampled before it or beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MASK: Final = 2**64 - 1
_STEP: Final = 0x9E3779B97F4A7C15
_FACTORS: Final = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS: Final = (30, 27, 31)


def mix_seed(*parts: int | str) -> int:
    """Return a seed that follows from some parts, below 2**64.

    Other parts, or the same in another order, give an unrelated seed; 1 and "1" are other parts.
    """
    text = "\0".join(f"{type(part).__name__[0]}{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def uniform(seed: int, position: int) -> float:
    """Return a number in [0, 1) that depends on nothing else; see `uniforms`."""
    bits = _scrambled((_scrambled(seed & _MASK) + (position + 1) * _STEP) & _MASK)
    return float((bits >> 11) * 2.0**-53)


def uniforms(seeds: Sequence[int], n: int) -> NDArray[np.float64]:
    """Return what is drawn at the first n positions of a response, (n_seeds, n), in [0, 1).

    They are the outputs of SplitMix64 (Steele, Lea and Flood, 2014), which starts from the hash of
    the seed.
    """
    starts = [_scrambled(seed & _MASK) for seed in seeds]
    steps = [(position + 1) * _STEP & _MASK for position in range(n)]
    bits = np.array(starts, np.uint64)[:, None] + np.array(steps, np.uint64)
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    bits ^= bits >> np.uint64(_SHIFTS[-1])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _scrambled(bits: int) -> int:
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        bits = (bits ^ (bits >> shift)) * factor & _MASK
    return bits ^ (bits >> _SHIFTS[-1])
