"""TextWorld: any game file that the stock engine plays, behind the environment contract.

Importing this package registers `anchorgym/TextWorld-v0`; the stock engine is imported when an
environment is made, and comes with `pip install "anchorgym[textworld]"`.
"""

from anchorgym.envs.textworld.env import TextWorldEnv

__all__ = ["TextWorldEnv"]
