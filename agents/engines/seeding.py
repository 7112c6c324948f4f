"""Sampling noise of engines: a hash of (seed, position), equal on every machine.

No generator is kept between tokens, so the noise of a request depends on its own seed alone, not on
other requests.
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
    """Return a seed below 2**64 that is derived from `parts`.

    Different parts, or another order, give an unrelated seed; 1 and "1" differ.
    """
    text = "\0".join(f"{type(part).__name__[0]}{part}" for part in parts)
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )


def uniform(seed: int, position: int) -> float:
    """Return the noise of one position, a number in [0, 1); see `uniforms`."""
    bits = _scrambled((_scrambled(seed & _MASK) + (position + 1) * _STEP) & _MASK)
    return float((bits >> 11) * 2.0**-53)


def uniforms(seeds: Sequence[int], n: int) -> NDArray[np.float64]:
    """Return the noise at the first n positions of responses, (n_seeds, n), in [0, 1).

    The numbers are outputs of SplitMix64 (Steele, Lea and Flood, 2014), started from the hash of
    each seed.
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
