"""Learning rate schedules."""

from __future__ import annotations

import math

from anchorgym.training.config.sections import LearnerConfig


def learning_rate(config: LearnerConfig, iteration: int, iterations: int) -> float:
    """Return the learning rate of one of the iterations 1 … `iterations`.

    The rate rises linearly over `warmup` iterations, peaks in the next one, and then falls to the
    share `final` of the peak in the last iteration, linearly or along half a cosine.
    """
    if iteration <= config.warmup:
        return config.learning_rate * iteration / (config.warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    highest = config.warmup + 1
    done = (iteration - highest) / max(1, iterations - highest)
    left = 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * (config.final + (1 - config.final) * left)
