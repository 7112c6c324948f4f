"""The base class of learners of networks in one process: optimizer steps and saved states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from anchorgym.agents.engines.adapters import PlainWeights, has_adapters
from anchorgym.agents.engines.contract import Engine, WeightSource
from anchorgym.envs.texts import parse_json
from anchorgym.training.learning.contract import DivergedError, LearnerStateError, Statistics
from anchorgym.training.learning.master_weights import MasterWeights
from anchorgym.training.learning.tensors import (
    load_optimizer,
    load_parameters,
    load_tensors,
    optimizer_tensors,
    parameters_of,
    save_tensors,
    unreadable,
)

FORMAT = 1
_STATE = "learner.json"
ModelT = TypeVar("ModelT", bound=nn.Module)


class GradientLearner(Generic[ModelT]):
    """A network with one or more optimizers, each of which trains some of the parameters.

    A subclass makes `optimizers` of the `masters` and computes the loss; see `Learner`. Device and
    data type are those of the network's weights.

    Args:
        model: network to train, in place.
        max_grad_norm: largest norm of the gradient; longer gradients are clipped.
    """

    def __init__(self, model: ModelT, *, max_grad_norm: float) -> None:
        self.model: ModelT = model
        self.masters = MasterWeights(model)
        """The trainable weights in float32."""
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        """Optimizers by the name of their file in a saved state."""
        self.version = 0
        some = next(model.parameters())
        self._device, self._dtype = some.device, some.dtype
        self._max_grad_norm = max_grad_norm

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """The data type of the network's weights; optimizers keep them in float32."""
        return self._dtype

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of further steps."""
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate

    def step(self) -> Statistics:
        """Take a step with the accumulated gradient; return `grad_norm`, before clipping."""
        masters = self.masters.named().values()
        norm = nn.utils.clip_grad_norm_(masters, self._max_grad_norm)
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.masters.put_back()
        self.drop_gradients()
        self.model.eval()
        return {"grad_norm": norm.item()}

    def drop_gradients(self) -> None:
        """Clear the accumulated gradient, also of an update that was interrupted."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()

    def save(self, folder: Path) -> None:
        """Write trained weights, optimizers and version; see `Learner.save`."""
        folder.mkdir(parents=True, exist_ok=True)
        states = {name: optimizer_tensors(of) for name, of in self.optimizers.items()}
        save_tensors(folder, model=self.masters.named(), **states)
        write_version(folder, type(self).__name__, self.version)

    def load(self, folder: Path) -> None:
        """Restore a saved state; see `Learner.load`."""
        self.version = read_version(folder, type(self).__name__)
        load_parameters(self.masters.named(), load_tensors(folder, "model"))
        self.masters.put_back()
        for name, optimizer in self.optimizers.items():
            load_optimizer(optimizer, load_tensors(folder, name))

    def publish(self, engine: Engine) -> None:
        """Load the weights into an engine; one in this process shares them in place.

        Other engines get plain weights, with adapters merged into them, unless they take these
        alone.
        """
        weights: WeightSource = parameters_of(self.model)
        if has_adapters(self.model):
            weights = PlainWeights(self.model)
        engine.load_weights(weights, self.version)

    def _backward(self, loss: Tensor) -> None:
        """Accumulate the gradient of a loss.

        Raises:
            DivergedError: the loss is not finite.
        """
        self._require_finite(loss)
        with self.masters.collecting():
            torch.autograd.backward(loss)

    def _require_finite(self, loss: Tensor) -> None:
        """Check a loss.

        Raises:
            DivergedError: the loss is not finite.
        """
        if not torch.isfinite(loss):
            raise DivergedError(
                "the loss is no longer finite: lower learner.learning_rate, or raise "
                "algorithm.kl_coef"
            )


def write_version(folder: Path, learner: str, version: int) -> None:
    """Write the kind of learner and the number of its updates into a folder."""
    about = {"format": FORMAT, "learner": learner, "version": version}
    (folder / _STATE).write_text(json.dumps(about) + "\n", encoding="utf-8")


def read_version(folder: Path, learner: str) -> int:
    """Return the number of updates of the learner whose state a folder holds.

    Raises:
        LearnerStateError: the folder holds no state, or that of another kind of learner.
    """
    try:
        about = parse_json((folder / _STATE).read_text(encoding="utf-8"))
        kind, version, form = about["learner"], int(about["version"]), about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(folder, error) from error
    if kind != learner or form != FORMAT:
        raise LearnerStateError(
            f"{folder} holds the state of a {kind} (format {form}), not of a {learner} (format "
            f"{FORMAT}): go on with the learner, and the version of anchorgym, that wrote it"
        )
    return version
