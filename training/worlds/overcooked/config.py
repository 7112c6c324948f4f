"""The settings of training cooks, which are validated before anything starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anchorgym.training.config.general import RunConfig
from anchorgym.training.config.section import Section


class PPOConfig(Section):
    """Proximal policy optimization (Schulman et al. 2017) of one network in both seats."""

    iterations: int = Field(120, ge=1)
    """Number of iterations, each of which plays games and then updates the network."""
    games: int = Field(64, ge=1)
    """Number of games that are played at once."""
    ticks: int = Field(100, ge=1)
    """Number of ticks of each game that are played in an iteration."""
    horizon: int = Field(400, ge=1)
    """Number of ticks after which a game ends."""
    epochs: int = Field(4, ge=1)
    """Number of passes over the ticks of an iteration."""
    minibatches: int = Field(4, ge=1)
    """Number of optimizer steps in each pass."""
    learning_rate: float = Field(2e-3, gt=0)
    """Learning rate of Adam at the beginning; it falls to 0."""
    gamma: float = Field(0.99, ge=0, le=1)
    """Discount factor of later rewards."""
    gae_lambda: float = Field(0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation."""
    clip: float = Field(0.2, gt=0)
    """Clipping range of the probability ratio in an update."""
    dual_clip: float = Field(0.0, ge=0)
    """Bound on the probability ratio where the advantage is negative (Ye et al. 2020, arXiv
    1912.09729); 0 sets none."""
    entropy: float = Field(0.02, ge=0)
    """Weight of the entropy bonus at the beginning; it falls to a tenth."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Largest norm of the gradient; longer gradients are scaled down to it."""
    value: float = Field(0.5, ge=0)
    """Weight of the squared error of the value in the loss."""
    scale: float = Field(0.1, gt=0)
    """Factor that rewards are multiplied by."""
    shaping: float = Field(0.7, ge=0, le=1)
    """Share of the iterations after which shaped rewards have faded to 0; 0 gives none."""
    partners: float = Field(0.5, ge=0, le=1)
    """Share of the games in which a partner has one of the seats, if there are partners."""


class CloneConfig(Section):
    """Behaviour cloning of recorded games."""

    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of the AdamW optimizer."""
    decay: float = Field(0.1, ge=0)
    """Weight decay of AdamW in each step."""
    batch: int = Field(256, ge=1)
    """Number of decisions in each optimizer step."""
    passes: int = Field(40, ge=1)
    """Greatest number of passes over the decisions."""
    patience: int = Field(3, ge=1)
    """Number of passes without less loss on the games kept back after which training stops."""


class TrainCookConfig(RunConfig):
    """Training of a cook by self-play."""

    layout: str = "cramped_room"
    """Kitchen to train in, by name, such as `cramped_room` or `counter_circuit`."""
    start: str | None = None
    """Folder of a cook, or of its run, whose network is trained further; by default a new one."""
    partners: tuple[str, ...] = ()
    """Folders of cooks that join some of the games; nothing is learnt from their turns."""
    ppo: PPOConfig = PPOConfig()


class CloneCookConfig(RunConfig):
    """Cloning of a cook from recorded games of people."""

    data: str
    """File of recorded games: JSON Lines, plain or ending in .xz."""
    layout: str = "cramped_room"
    """Kitchen of the games that are learnt from."""
    part: Literal["all", "even", "odd"] = "all"
    """Games to learn from; `even` and `odd` take every second one, so that clones share none."""
    clone: CloneConfig = CloneConfig()
