"""The settings of learning to battle, validated before anything starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anchorgym.training.config.sections import Section

Method = Literal["self-play", "fictitious-play", "double-oracle", "exploiter"]
SOLVERS: dict[Method, str] = {
    "self-play": "latest",
    "fictitious-play": "uniform",
    "double-oracle": "equilibrium",
}
"""The league's meta-solver by method; an exploiter needs none."""


class BattleConfig(Section):
    """What is played."""

    format: str = "gen9vgc2025regi"
    """A double format of the simulator."""
    teams: int = Field(16, ge=1)
    """Teams of the training set."""
    pastes: str | None = None
    """A folder of team pastes to take the teams from; by default they are generated."""
    open_sheets: bool = True
    """Whether the players see each other's team sheets."""


class NetConfig(Section):
    """The policy's size."""

    width: int = Field(64, ge=8)
    """Of a token."""
    layers: int = Field(2, ge=1)
    """Of the transformer."""
    heads: int = Field(4, ge=1)
    """Of its attention; they divide the width."""
    hidden: int = Field(64, ge=8)
    """Of the layers that score a choice."""


class CloneBattlesConfig(Section):
    """Behaviour cloning: from players that are programs, and from logs of battles."""

    battle: BattleConfig = BattleConfig()
    net: NetConfig = NetConfig()
    teacher: str = "heuristic"
    """Who is imitated: `heuristic`, `search`, `max-power`, or the folder of a policy."""
    battles: int = Field(1000, ge=0)
    """That the teacher plays; half against itself, half against weaker players."""
    logs: str | None = None
    """A folder of battle logs in Showdown's protocol (*.log or *.json replays) to learn from."""
    epochs: int = Field(8, ge=1)
    """Passes over what is learnt from."""
    batch: int = Field(256, ge=1)
    """Decisions an update."""
    learning_rate: float = Field(2e-3, gt=0)
    """Of AdamW, at the start; it falls to nothing by a cosine."""
    weight_decay: float = Field(0.02, ge=0)
    """Of AdamW."""
    value_weight: float = Field(0.25, ge=0)
    """Weight of predicting who wins, beside what is chosen."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """Share of the battles that the accuracy is measured on."""
    seed: int = Field(0, ge=0)
    """Of everything that is drawn."""


class PPOConfig(Section):
    """Proximal policy optimisation (Schulman et al. 2017) with a payoff at the end alone."""

    learning_rate: float = Field(2e-4, gt=0)
    """Of Adam."""
    epochs: int = Field(2, ge=1)
    """Passes over the decisions of an update."""
    minibatch: int = Field(512, ge=1)
    """Decisions a step."""
    clip: float = Field(0.2, gt=0)
    """How far the chance of a choice may move in an update."""
    gae_lambda: float = Field(0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation; nothing is discounted."""
    entropy: float = Field(0.003, ge=0)
    """Weight of the entropy bonus."""
    value_weight: float = Field(0.5, ge=0)
    """Weight of the value's error."""
    max_grad_norm: float = Field(0.5, gt=0)
    """Norm that gradients are cut to."""
    warm_up: int = Field(2, ge=0)
    """Updates of a player's first round in which the value alone learns."""


class PopulationConfig(Section):
    """A population that grows by best responses to itself."""

    battle: BattleConfig = BattleConfig()
    net: NetConfig = NetConfig()
    ppo: PPOConfig = PPOConfig()
    method: Method = "self-play"
    """Whom a new player trains against: what it is itself by now, all before it alike, their
    equilibrium, or (exploiter) one fixed `target` that it starts afresh against."""
    start: str | None = None
    """Folder of the policy to begin with, such as a clone; by default an untrained one."""
    target: str | None = None
    """Whom an exploiter trains against: a folder of a policy, or `heuristic` and the like."""
    rounds: int = Field(4, ge=1)
    """Players that are trained one after the other."""
    updates: int = Field(40, ge=1)
    """Of each."""
    battles: int = Field(96, ge=1)
    """An update."""
    games: int = Field(32, ge=2)
    """Of each pair in the payoff table, at least."""
    seed: int = Field(0, ge=0)
    """Of everything that is drawn."""
