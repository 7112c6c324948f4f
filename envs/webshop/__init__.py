"""WebShop: shopping in text, over the official catalogue or a generated one.

Importing this package registers `anchorgym/WebShop-v0`.
"""

from anchorgym.envs.webshop.env import WebShopEnv
from anchorgym.envs.webshop.goals import Goal
from anchorgym.envs.webshop.products import Product
from anchorgym.envs.webshop.score import score_purchase
from anchorgym.envs.webshop.search import SearchIndex

__all__ = ["Goal", "Product", "SearchIndex", "WebShopEnv", "score_purchase"]
