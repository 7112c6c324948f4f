"""The critic of ReAd: values of plans and of their prefixes, fitted to returns, and advantages.

Source: Zhang et al. (2024), arXiv 2405.14314, section 4. With w the plan in which all wait, the
joint advantage is Q(s, a) - Q(s, w) / gamma, because waiting only passes time; the local one of an
agent is Q(s, a^{1:i}) - Q(s, a^{1:i-1}).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorgym.agents.planning import Score
from anchorgym.envs import Plan, PlanningEnv
from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import AnchorgymError, reason_of
from anchorgym.envs.planning import FloatArray
from anchorgym.envs.texts import parse_json
from anchorgym.training.critics.encoders import HashedNgrams, TextEncoder, encoder_from_json
from anchorgym.training.critics.trajectories import Aim, PlanTrajectory, Row, rows_of
from anchorgym.training.learning.policy_gradient import descend

_WEIGHTS, _SETTINGS = "critic.safetensors", "critic.json"


class CriticError(AnchorgymError, ValueError):
    """A critic that cannot be fitted or loaded, or that does not fit the world."""


@dataclass(frozen=True, slots=True)
class CriticConfig:
    """The settings of a critic's fit.

    Args:
        gamma: discount.
        scale: factor of rewards, and so of all advantages. With the default a lost round costs 1
            near success, and less far from it.
        wait_keeps_state: whether the state stays the same when all wait, see `rows_of`.
        aim: quantity that values predict: the discounted "reward", or "success", which is 1 at the
            end. Values of success depend only on the number of rounds to go, while a sum of
            progress is also larger if the progress comes early.
        targets: targets of plans: "returns", or "bootstrapped", the reward plus the value of the
            next state, which removes the variance of later rounds.
        reads: input for each agent: its action, or its observation and its action.
        hidden: width of the hidden layers.
        layers: number of hidden layers.
        learning_rate: learning rate of Adam.
        batch: number of rows in an update.
        updates: most updates.
        every: number of updates between two evaluations on the held-out trajectories.
        patience: number of evaluations without improvement after which the fit stops; the best
            weights are kept.
        held_out: share of the trajectories that is held out.
    """

    gamma: float = 0.95
    scale: float = 20.0
    wait_keeps_state: bool = True
    aim: Aim = "success"
    targets: Literal["returns", "bootstrapped"] = "bootstrapped"
    reads: Literal["action", "sight and action"] = "action"
    hidden: int = 256
    layers: int = 1
    learning_rate: float = 1e-3
    batch: int = 256
    updates: int = 3000
    every: int = 100
    patience: int = 5
    held_out: float = 0.15


class PlanCritic:
    """Values of plans and of their prefixes, in the units of the scaled reward.

    Each agent has a slot of inputs, with a flag for its presence; slots of absent agents are zero.
    A further input is the similarity of the actions of each pair of agents, the product of their
    codes: whether two agents act alike is hard to learn from the codes alone.

    Args:
        features: length of the world's state vector.
        agents: number of agents.
        waiting: plan in which all agents wait.
        config: settings of the fit.
        encoder: encoder of the texts.
    """

    def __init__(
        self,
        features: int,
        agents: int,
        waiting: Plan,
        config: CriticConfig | None = None,
        encoder: TextEncoder | None = None,
    ) -> None:
        self.config = config or CriticConfig()
        self.encoder = encoder or HashedNgrams()
        self.features, self.agents, self.waiting = features, agents, waiting
        width = features + agents * (self.encoder.width + 1) + agents * (agents - 1) // 2
        layers: list[nn.Module] = []
        for _ in range(self.config.layers):
            layers += [nn.Linear(width, self.config.hidden), nn.ReLU()]
            width = self.config.hidden
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def values(self, state: FloatArray, sights: Sequence[str], plans: Sequence[Plan]) -> FloatArray:
        """Return Q of plans or of their prefixes, (n_plans,); the empty plan has V.

        Raises:
            CriticError: the state is of another world than the critic's.
        """
        rows = [Row(state, tuple(sights), plan, 0.0) for plan in plans]
        with torch.no_grad():
            found = self.net(self.inputs(rows))[:, 0].numpy()
        return cast(FloatArray, found)

    def adv_joint(
        self, state: FloatArray, sights: Sequence[str], plans: Sequence[Plan]
    ) -> FloatArray:
        """Return Q(s, a) - Q(s, w) / gamma of joint plans, (n_plans,)."""
        found = self.values(state, sights, [*plans, self.waiting])
        return cast(FloatArray, found[:-1] - found[-1] / self.config.gamma)

    def adv_local(
        self, state: FloatArray, sights: Sequence[str], before: Plan, actions: Sequence[str]
    ) -> FloatArray:
        """Return Q(s, before + action) - Q(s, before) of the next agent's actions, (n_actions,)."""
        longer = [(*before, action) for action in actions]
        found = self.values(state, sights, [*longer, before])
        return cast(FloatArray, found[:-1] - found[-1])

    def inputs(self, rows: Sequence[Row]) -> Tensor:
        """Return the network's inputs for rows, (n_rows, n_inputs)."""
        width = self.encoder.width
        slots = np.zeros((len(rows), self.agents, width + 1), dtype=np.float32)
        places = [(n, i) for n, row in enumerate(rows) for i in range(len(row.plan))]
        if places:
            texts = [self._text(rows[n], i) for n, i in places]
            where = np.array(places)
            slots[where[:, 0], where[:, 1], :width] = self.encoder.encode(texts)
            slots[where[:, 0], where[:, 1], width] = 1.0
        states = np.stack([row.state for row in rows])
        if states.shape[1] != self.features:
            raise CriticError(
                f"the state has {states.shape[1]} features, the critic knows {self.features}: "
                "use the critic of this task"
            )
        pairs = itertools.combinations(range(self.agents), 2)
        products = [(slots[:, i, :width] * slots[:, j, :width]).sum(1) for i, j in pairs]
        alike = np.array(products, np.float32).reshape(-1, len(rows)).T
        return torch.from_numpy(np.concatenate([states, slots.reshape(len(rows), -1), alike], 1))

    def save(self, folder: str | Path) -> None:
        """Write weights as safetensors and everything else as JSON, atomically."""
        with whole_folder(Path(folder)) as fresh:
            save_file(self.net.state_dict(), fresh / _WEIGHTS)
            settings = {
                "features": self.features,
                "agents": self.agents,
                "waiting": self.waiting,
                "config": asdict(self.config),
                "encoder": self.encoder.to_json(),
            }
            (fresh / _SETTINGS).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> PlanCritic:
        """Load a critic that `save` has written.

        Raises:
            CriticError: the folder holds no critic, or a damaged one.
        """
        try:
            settings: dict[str, Any] = parse_json(Path(folder, _SETTINGS).read_text("utf-8"))
            critic = cls(
                settings["features"],
                settings["agents"],
                tuple(settings["waiting"]),
                CriticConfig(**settings["config"]),
                encoder_from_json(settings["encoder"]),
            )
            critic.net.load_state_dict(load_file(Path(folder, _WEIGHTS)))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise CriticError(
                f"{folder} holds no critic ({reason_of(error)}): fit and save one"
            ) from error
        return critic

    def _text(self, row: Row, agent: int) -> str:
        action = row.plan[agent]
        return action if self.config.reads == "action" else f"{row.sights[agent]}\n{action}"


def fit_critic(
    trajectories: Sequence[PlanTrajectory],
    waiting: Plan,
    config: CriticConfig | None = None,
    encoder: TextEncoder | None = None,
    *,
    seed: int = 0,
) -> tuple[PlanCritic, list[float]]:
    """Fit a critic by least squares; return (critic, held-out mean squared errors).

    Whole trajectories are held out, and the weights with the least error on them are kept, because
    a critic overfits to the episodes in a long fit.

    Raises:
        CriticError: there are fewer than two trajectories.
    """
    config = config or CriticConfig()
    if len(trajectories) < 2:
        raise CriticError("a critic needs at least two trajectories: one is held out")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(trajectories), generator=generator).tolist()
    kept = max(1, round(config.held_out * len(trajectories)))
    parts = [[trajectories[i] for i in part] for part in (order[:kept], order[kept:])]

    def fresh() -> PlanCritic:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            features = len(trajectories[0].turns[0].state)
            return PlanCritic(features, len(waiting), waiting, config, encoder)

    critic = fresh()
    if config.targets == "returns":
        held, seen = (_tensors(critic, part) for part in parts)
    else:
        of_states = fresh()
        held, seen = (_tensors(of_states, part, only_states=True) for part in parts)
        _descend(of_states, seen, held, generator)
        held, seen = (_tensors(critic, part, of_states) for part in parts)
    return critic, _descend(critic, seen, held, generator)


def _tensors(
    critic: PlanCritic,
    trajectories: Sequence[PlanTrajectory],
    of_states: PlanCritic | None = None,
    *,
    only_states: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return (inputs, values) of all rows.

    Args:
        critic: critic whose inputs are computed.
        trajectories: trajectories of the rows.
        of_states: critic of the states, for bootstrapped targets; by default targets are returns.
        only_states: whether to leave out the rows of plans.
    """
    config = critic.config
    waiting = critic.waiting if config.wait_keeps_state else None
    rows: list[Row] = []
    for path in trajectories:
        values = None if of_states is None else _values_along(of_states, path)
        found = rows_of(path, config.gamma, waiting, config.scale, aim=config.aim, values=values)
        rows += (row for row in found if not (only_states and row.plan))
    return critic.inputs(rows), torch.tensor([row.value for row in rows])


@torch.no_grad()
def _values_along(critic: PlanCritic, trajectory: PlanTrajectory) -> list[float]:
    rows = [Row(turn.state, turn.sights, (), 0.0) for turn in trajectory.turns]
    values: list[float] = critic.net(critic.inputs(rows))[:, 0].tolist()
    return values


def _descend(
    critic: PlanCritic,
    seen: tuple[Tensor, Tensor],
    held: tuple[Tensor, Tensor],
    generator: torch.Generator,
) -> list[float]:
    """Fit until the held-out error no longer falls, and load the best weights."""
    config, net = critic.config, critic.net
    optimizer = torch.optim.Adam(net.parameters(), config.learning_rate)
    errors: list[float] = []
    best = {name: weight.clone() for name, weight in net.state_dict().items()}
    for update in range(1, config.updates + 1):
        rows = torch.randint(len(seen[1]), (config.batch,), generator=generator)
        loss = nn.functional.mse_loss(net(seen[0][rows])[:, 0], seen[1][rows])
        descend(loss, optimizer)
        if update % config.every and update < config.updates:
            continue
        with torch.no_grad():
            error = float(nn.functional.mse_loss(net(held[0])[:, 0], held[1]))
        if error < min(errors, default=float("inf")):
            best = {name: weight.clone() for name, weight in net.state_dict().items()}
        errors.append(error)
        if len(errors) - 1 - errors.index(min(errors)) >= config.patience:
            break
    net.load_state_dict(best)
    return errors


class CriticScorer:
    """A scorer for feedback loops, which averages the advantages of one or more critics.

    Args:
        critics: independently fitted critics, whose standard deviation is the spread.
    """

    def __init__(self, *critics: PlanCritic) -> None:
        if not critics:
            raise CriticError("a scorer needs at least one critic")
        self.critics = critics

    def joint(self, world: PlanningEnv, plans: Sequence[Plan]) -> list[Score]:
        """Return the joint advantages in the world's present state."""
        state, sights = _seen(world)
        return _scores([c.adv_joint(state, sights, plans) for c in self.critics])

    def local(self, world: PlanningEnv, before: Plan, actions: Sequence[str]) -> list[Score]:
        """Return the local advantages in the world's present state."""
        state, sights = _seen(world)
        return _scores([c.adv_local(state, sights, before, actions) for c in self.critics])


def _seen(world: PlanningEnv) -> tuple[FloatArray, list[str]]:
    return world.state_vector(), [world.situation(name) for name in world.possible_agents]


def _scores(found: Sequence[FloatArray]) -> list[Score]:
    values = np.stack(found)
    return [
        Score(float(mean), float(spread))
        for mean, spread in zip(values.mean(0), values.std(0), strict=True)
    ]
