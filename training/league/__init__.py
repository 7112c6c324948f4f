"""Leagues: populations of past and present players, and the games between them.

A league depends on no world: players are names, and the caller's function plays games of them:

    league = League(play, Rules(sides=("attacker", "defender"), zero_sum=False), folder="red")
    league.add("abstain", side="attacker")
    league.add("naive", side="defender")
    expand(league, best_respond, rounds=8, games=64)
    print(payoff_table(league, "attacker"))

A league keeps a payoff table with intervals, to which games are only added. It draws opponents for
training (`Sampling`), computes meta-strategies (meta-solvers), allots further games
(`League.refine`), grows by best responses (`expand`: double oracle, fictitious play, self-play) and
measures the gain of a best response (`exploit`).
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
