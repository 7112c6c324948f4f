"""Critics of plans, which are fitted to returns and give the advantages of plans."""

from anchorgym.training.critics.critic import (
    CriticConfig,
    CriticError,
    CriticScorer,
    PlanCritic,
    fit_critic,
)
from anchorgym.training.critics.encoders import (
    EncoderError,
    HashedNgrams,
    HuggingFaceEncoder,
    TextEncoder,
)
from anchorgym.training.critics.trajectories import (
    CollectConfig,
    PlanTrajectory,
    PlanTurn,
    Row,
    collect,
    rows_of,
)

__all__ = [
    "CollectConfig",
    "CriticConfig",
    "CriticError",
    "CriticScorer",
    "EncoderError",
    "HashedNgrams",
    "HuggingFaceEncoder",
    "PlanCritic",
    "PlanTrajectory",
    "PlanTurn",
    "Row",
    "TextEncoder",
    "collect",
    "fit_critic",
    "rows_of",
]
