"""The colours that the reward knows: names of shades are reduced to the first of these."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

COLOURS: Final[tuple[str, ...]] = tuple(
    re.findall(
        r"\w+",
        """
        alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze
        brown burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas
        coffee cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso
        fuchsia gold granite grape graphite grass gray green grey heather indigo ivory ivy khaki
        lavender lemon leopard light lilac lime magenta maroon mauve merlot midnight mint mocha
        multicolor mushroom mustard natural navy nude olive orange peach pewter pink plum purple
        rainbow red rose royal rust sand sapphire seashell silver skull slate steel stone
        stonewash sunflower tan taupe teal tiger turquoise violet walnut wheat white wine yellow
        """,
    )
)


@lru_cache(maxsize=65536)
def plain_colour(value: str) -> str:
    """Return the first of the known colours that an option's value holds, or the value itself."""
    return next((colour for colour in COLOURS if colour in value), value)
