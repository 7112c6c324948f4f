"""What a red-team run has come to: attacks, contagion, utility, and what a fresh attacker finds."""

from anchorgym.training.worlds.redteam.evaluation import (
    TeamFigures,
    evaluate_teams,
    play_panel,
)
from anchorgym.training.worlds.redteam.responding import best_attacker

__all__ = ["TeamFigures", "best_attacker", "evaluate_teams", "play_panel"]
