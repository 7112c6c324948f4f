"""WebShop: shopping in text, over the official catalogue or a generated one.

`anchorgym/WebShop-v0` needs `pip install "anchorgym[webshop]"`; its pages for a browser, the extra
`webshop-site`; the nouns of official titles, where no file holds them, the extra `nouns`.
"""

from anchorgym.envs.webshop.env import WebShopEnv
from anchorgym.envs.webshop.goals import Goal
from anchorgym.envs.webshop.products import Product
from anchorgym.envs.webshop.score import score_purchase
from anchorgym.envs.webshop.search import SearchIndex

__all__ = ["Goal", "Product", "SearchIndex", "WebShopEnv", "score_purchase"]
