"""Leagues: populations of players past and present, for everything adversarial.

A league knows no world. Players are names, and a function of the caller's plays them:

    league = League(play, Rules(sides=("attacker", "defender"), zero_sum=False), folder="red")
    league.add("abstain", side="attacker")
    league.add("naive", side="defender")
    expand(league, best_respond, rounds=8, games=64)
    print(payoff_table(league, "attacker"))

Here are payoff tables with intervals that only grow, whom to train against (`Sampling`), whom to
trust (meta-solvers), where to play further games (`League.refine`), growing by best responses
(`expand`: double oracle, fictitious play, self-play) and what a best response gains (`exploit`).
"""

from anchorgym.training.league.equilibria import (
    Solution,
    coarse_correlated,
    nash_conv,
    zero_sum,
)
from anchorgym.training.league.inspecting import describe, payoff_table
from anchorgym.training.league.league import League
from anchorgym.training.league.responding import (
    BestRespond,
    Exploitation,
    average,
    expand,
    exploit,
)
from anchorgym.training.league.rules import LeagueError, Mixture, Play, Rules
from anchorgym.training.league.sampling import (
    FICTITIOUS,
    OPENAI_FIVE,
    Sampling,
    prioritised,
)
from anchorgym.training.league.solvers import META_SOLVERS, MetaSolver, find_meta_solver
from anchorgym.training.league.table import Block, PayoffTable

__all__ = [
    "FICTITIOUS",
    "META_SOLVERS",
    "OPENAI_FIVE",
    "BestRespond",
    "Block",
    "Exploitation",
    "League",
    "LeagueError",
    "MetaSolver",
    "Mixture",
    "PayoffTable",
    "Play",
    "Rules",
    "Sampling",
    "Solution",
    "average",
    "coarse_correlated",
    "describe",
    "expand",
    "exploit",
    "find_meta_solver",
    "nash_conv",
    "payoff_table",
    "prioritised",
    "zero_sum",
]
