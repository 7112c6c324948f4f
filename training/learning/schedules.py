"""Learning rates over the course of a run."""

from __future__ import annotations

import math

from anchorgym.training.config.sections import LearnerConfig


def learning_rate(config: LearnerConfig, iteration: int, iterations: int) -> float:
    """Return the rate of one of the iterations 1 … `iterations`.

    It rises in equal steps over `warmup` iterations, is highest in the one after them, and falls
    from there to the share `final` in the last, along a line or half a cosine.
    """
    if iteration <= config.warmup:
        return config.learning_rate * iteration / (config.warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    highest = config.warmup + 1
    done = (iteration - highest) / max(1, iterations - highest)
    left = 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * (config.final + (1 - config.final) * left)
