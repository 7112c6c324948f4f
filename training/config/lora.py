"""The settings of low-rank adapters (LoRA)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field, field_validator

from anchorgym.training.config.limits import MOST_WIDTH
from anchorgym.training.config.section import Section


class LoraConfig(Section):
    """Low-rank adapters (LoRA), which are trained in place of a pretrained model's own weights."""

    rank: int = Field(0, ge=0, le=MOST_WIDTH)
    """Rank of the adapters, such as 32; 0 trains the whole model, or the adapters that a loaded
    policy has. Learning rates are 10 times those of a whole model unless they are set."""
    alpha: float = Field(32, gt=0)
    """Numerator of the scale `alpha / rank` of what the adapters add."""
    targets: Literal["all-linear", "attention"] | tuple[str, ...] = "all-linear"
    """Layers that are adapted: `all-linear` for all linear layers but the output layer, which
    learns as well as the whole model; `attention` for those of attention alone; or a list of names
    such as `["q_proj", "v_proj"]`."""

    @field_validator("targets", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """Take the name of one layer for a list of it."""
        if isinstance(value, str):
            return value if value in ("all-linear", "attention") else (value,)
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("must be all-linear, attention, or a list of names of layers")
        return value

    def require_base(self, policy: str, *, new: Collection[str]) -> None:
        """Check that a policy has weights to adapt.

        Raises:
            ValueError: it is one of those that are built from nothing.
        """
        if self.rank and policy in new:
            raise ValueError(
                f"lora.rank: the policy {policy!r} is built from nothing and has no weights to "
                "keep: name a saved policy or a pretrained model, or leave lora.rank out"
            )
