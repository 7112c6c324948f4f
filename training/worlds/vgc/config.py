"""The settings of training battle policies, which are validated before anything starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anchorgym.training.config.general import ModelConfig, RunConfig
from anchorgym.training.config.limits import MOST_LAYERS, MOST_WIDTH
from anchorgym.training.config.section import Section

Method = Literal["self-play", "fictitious-play", "double-oracle", "exploiter"]
SOLVERS: dict[Method, str] = {
    "self-play": "latest",
    "fictitious-play": "uniform",
    "double-oracle": "equilibrium",
}
"""Meta-solver of the league by method; an exploiter needs none."""


class BattleConfig(Section):
    """Battles: their format, and the teams that are played with."""

    format: str = "gen9vgc2025regi"
    """Double format of the simulator in which battles are played."""
    teams: int = Field(16, ge=1)
    """Number of teams in the training set."""
    pastes: str | None = None
    """Folder of team pastes to take the teams from; by default teams are generated."""
    open_sheets: bool = True
    """Whether the players see each other's team sheets."""


class NetConfig(Section):
    """Size of the policy's network."""

    width: int = Field(64, ge=8, le=MOST_WIDTH)
    """Width of the embedding of a token."""
    layers: int = Field(2, ge=1, le=MOST_LAYERS)
    """Number of layers of the transformer."""
    heads: int = Field(4, ge=1, le=MOST_WIDTH)
    """Number of attention heads, which must divide the width."""
    hidden: int = Field(64, ge=8, le=MOST_WIDTH)
    """Width of the layers that score a choice."""


class CloneBattlesConfig(RunConfig):
    """Behaviour cloning from players that are programs, and from logs of battles."""

    battle: BattleConfig = BattleConfig()
    net: NetConfig = NetConfig()
    teacher: str = "heuristic"
    """Player to imitate: `heuristic`, `search`, `max-power`, or the folder of a policy."""
    battles: int = Field(1000, ge=0)
    """Number of battles that the teacher plays, half of them against itself and half against weaker
    players."""
    logs: str | None = None
    """Folder of battle logs in Showdown's protocol (*.log, or replays as *.json or *.html) to learn
    from; whole games of the battles' format count."""
    epochs: int = Field(8, ge=1)
    """Number of passes over the decisions that are learnt from."""
    batch: int = Field(256, ge=1)
    """Number of decisions in each optimizer step."""
    learning_rate: float = Field(2e-3, gt=0)
    """Learning rate of AdamW at the start; it falls to 0 by a cosine."""
    weight_decay: float = Field(0.02, ge=0)
    """Weight decay of AdamW in each step."""
    value_weight: float = Field(0.25, ge=0)
    """Weight of the loss on predicting who wins, beside the loss on choices."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of the battles that are set aside to measure the accuracy on."""


class PPOConfig(Section):
    """Proximal policy optimization (Schulman et al. 2017) with a payoff at the end alone."""

    learning_rate: float = Field(2e-4, gt=0)
    """Learning rate of the Adam optimizer."""
    epochs: int = Field(2, ge=1)
    """Number of passes over the decisions of an update."""
    minibatch: int = Field(512, ge=1)
    """Number of decisions in each optimizer step."""
    clip: float = Field(0.2, gt=0)
    """Clipping range of the probability ratio in an update."""
    gae_lambda: float = Field(0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation; rewards are not discounted."""
    entropy: float = Field(0.003, ge=0)
    """Weight of the entropy bonus in the loss."""
    value_weight: float = Field(0.5, ge=0)
    """Weight of the squared error of the value in the loss."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Largest norm of the gradient; longer gradients are scaled down to it."""
    warm_up: int = Field(2, ge=0)
    """Number of first updates of a player in which only the value learns."""


class PopulationConfig(RunConfig):
    """Population that grows by best responses to itself."""

    battle: BattleConfig = BattleConfig()
    net: NetConfig = NetConfig()
    ppo: PPOConfig = PPOConfig()
    method: Method = "self-play"
    """Opponents that a new player trains against: itself (`self-play`), all players before it
    (`fictitious-play`), their equilibrium (`double-oracle`), or one `target` (`exploiter`)."""
    start: str | None = None
    """Folder of the policy to begin with, such as a clone; by default an untrained policy."""
    target: str | None = None
    """Opponent of an exploiter: the folder of a policy, or a program such as `heuristic`."""
    rounds: int = Field(4, ge=1)
    """Number of players that are trained one after the other."""
    updates: int = Field(40, ge=1)
    """Number of updates of each player."""
    battles: int = Field(96, ge=1)
    """Number of battles in each update."""
    games: int | None = Field(None, ge=2)
    """Least number of games of each pair in the payoff table; by default 32, or 128 between
    an exploiter and its target."""


class LeagueBattles(BattleConfig):
    """Battles of the league: their format, and the teams that are played with."""

    teams: int = Field(1, ge=1)
    """Number of teams of training that are played with, and of unseen ones."""


class LeagueSettings(ModelConfig):
    """Settings of a league of battle players, and how the chat models among them run."""

    battle: LeagueBattles = LeagueBattles()
