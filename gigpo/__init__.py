"""Arrays in, advantages and losses out: the batch, anchor grouping, and the algorithms.

    from anchorgym.gigpo import TurnBatch, advantages

    batch = TurnBatch.from_rows(group=g, trajectory=i, anchor=s, reward=r, valid=v)
    a = advantages("gigpo", batch, gamma=0.95, step_weight=1.0, norm="mean_std")  # (n_turns,)

Nothing here knows environments or engines, and only the losses need torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anchorgym.gigpo.algorithm import (
    Algorithm,
    EntropyTemperature,
    Need,
    Promise,
    Sample,
    State,
    TokenView,
    Totals,
)
from anchorgym.gigpo.algorithms import (
    advantages,
    algorithm_names,
    find_algorithm,
    make_algorithm,
)
from anchorgym.gigpo.anchor_statistics import AnchorReport, anchor_report
from anchorgym.gigpo.anchors import step_groups
from anchorgym.gigpo.batch import TurnBatch
from anchorgym.gigpo.checking.check import AlgorithmReport, check_algorithm
from anchorgym.gigpo.columns import TextColumns, TokenColumns
from anchorgym.gigpo.diagnostics import GroupStatistics, group_statistics
from anchorgym.gigpo.novelty import Counts, Novelty, novelty_bonus
from anchorgym.gigpo.returns import returns_to_go

if TYPE_CHECKING:
    from anchorgym.gigpo.losses import LossStatistics, ppo_loss

__all__ = [
    "Algorithm",
    "AlgorithmReport",
    "AnchorReport",
    "Counts",
    "EntropyTemperature",
    "GroupStatistics",
    "LossStatistics",
    "Need",
    "Novelty",
    "Promise",
    "Sample",
    "State",
    "TextColumns",
    "TokenColumns",
    "TokenView",
    "Totals",
    "TurnBatch",
    "advantages",
    "algorithm_names",
    "anchor_report",
    "check_algorithm",
    "find_algorithm",
    "group_statistics",
    "make_algorithm",
    "novelty_bonus",
    "ppo_loss",
    "returns_to_go",
    "step_groups",
]


def __getattr__(name: str) -> Any:
    # Importing the estimators must not cost an import of torch.
    if name in ("LossStatistics", "ppo_loss"):
        from anchorgym.gigpo import losses

        return getattr(losses, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
