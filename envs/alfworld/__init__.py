"""ALFWorld: household tasks in text, played by a native engine."""

from anchorgym.envs.alfworld.engine import World
from anchorgym.envs.alfworld.env import ALFWorldEnv
from anchorgym.envs.alfworld.game import TASK_TYPES, Game, Goal

__all__ = ["TASK_TYPES", "ALFWorldEnv", "Game", "Goal", "World"]
