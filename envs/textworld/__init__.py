"""TextWorld: any game file that the stock engine plays, behind the environment contract.

The stock engine is imported when an environment is made; `pip install "anchorgym[textworld]"`
installs it.
"""

from anchorgym.envs.textworld.env import TextWorldEnv

__all__ = ["TextWorldEnv"]
