"""Policies with low-rank adapters (LoRA): how these are added, and their folders.

The folder of such a policy has peft's format, which peft and vLLM read too: `adapter_config.json`
names the folder of the base model, and `adapter_model.safetensors` holds the adapters alone. From
the configuration only numbers and names of layers are read; what would mean another computation
than that of `anchorgym.agents.engines.adapters` is refused, and nothing is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from anchorgym.agents.engines.adapters import (
    NAME,
    adapted_layers,
    adapter_weights,
    has_adapters,
)
from anchorgym.agents.engines.families import probe
from anchorgym.agents.engines.peft_format import (
    ADAPTER,
    ADAPTER_WEIGHTS,
    peft_config,
    peft_name,
    write_peft,
)
from anchorgym.agents.engines.placing import DtypeName
from anchorgym.agents.policies.folder import (
    PolicyError,
    damaged,
    load_model,
    read_object,
    weight_files,
)
from anchorgym.envs.errors import did_you_mean, requires_extra

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ALL_LINEAR, ATTENTION = "all-linear", "attention"
_READ = ("base_model_name_or_path", "lora_alpha", "peft_type", "r", "target_modules", "use_rslora")
_WITHOUT_EFFECT = (
    *("auto_mapping", "inference_mode", "layers_pattern", "loftq_config", "lora_dropout"),
    *("megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config"),
    "task_type",
)
"""Settings that say how adapters were begun or trained, and that change nothing in a saved one."""


_FEED_FORWARD = ("w1", "w2", "w3", "gate_proj", "up_proj", "down_proj")
"""Names of feed-forward layers, which are those of experts too."""


class BaseModelError(PolicyError):
    """A base model that is not where its adapters say, or whose weights are others."""


@dataclass(frozen=True, slots=True)
class Base:
    """The base model of adapters."""

    folder: Path
    """Folder of the base model in Hugging Face format."""
    sha256: str
    """Digest of its weights; empty if it is not known."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """Size and place of low-rank adapters.

    There is no dropout: a policy is trained on what it has sampled, and would learn from other
    distributions than those that it was sampled from.
    """

    rank: int
    """Number of columns of the matrices that are added, which is the rank of their product."""
    alpha: float
    """The product is scaled by `alpha / rank`."""
    targets: tuple[str, ...]
    """Names of the layers that are adapted, each the last part of a module's name."""
    root_scaled: bool = False
    """Whether the product is scaled by `alpha / sqrt(rank)` instead (rsLoRA)."""


def adapters_of(model: nn.Module) -> Adapters | None:
    """Return the size and place of a model's adapters; None without any."""
    if not has_adapters(model):
        return None
    config: Any = model.peft_config[NAME]  # type: ignore[index]
    targets = tuple(sorted(config.target_modules))
    return Adapters(config.r, config.lora_alpha, targets, config.use_rslora)


def linear_layers(model: PreTrainedModel, targets: str | Sequence[str]) -> tuple[str, ...]:
    """Return the last parts of the names of the layers that `targets` means, sorted.

    In a mixture of experts only attention and what is beside the feed-forward layers is adapted:
    the experts are no linear layers, and peft takes the names of others for theirs.

    Args:
        model: a causal language model; adapters that it has do not matter.
        targets: `all-linear` (all linear layers but the output layer), `attention` (those of
            attention alone), or names.

    Raises:
        PolicyError: the model has no such layers.
    """
    head = model.get_output_embeddings()
    adapted = adapted_layers(model)
    inner = tuple(f"{name}." for name in adapted)
    paths = [
        name.split(".")
        for name, module in model.named_modules()
        if name in adapted
        or (isinstance(module, nn.Linear) and module is not head and not name.startswith(inner))
    ]
    if any(weight.dim() > 2 for weight in model.parameters()):
        paths = [path for path in paths if path[-1] not in _FEED_FORWARD]
    known = sorted({path[-1] for path in paths})
    wanted = (targets,) if isinstance(targets, str) else tuple(targets)
    if targets == ALL_LINEAR:
        wanted = tuple(known)
    elif targets == ATTENTION:
        inside, outside = ({p[-1] for p in paths if _attends(p) is side} for side in (True, False))
        wanted = tuple(inside - outside)
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, [*known, ALL_LINEAR, ATTENTION])
            raise PolicyError(
                f"the model has no linear layers {name!r} to adapt.{hint} It has "
                f"{', '.join(known)}; {ALL_LINEAR!r} and {ATTENTION!r} stand for several"
            )
    if not wanted:
        raise PolicyError(
            f"the model has no linear layers of the kind {targets!r} to adapt: it has "
            f"{', '.join(known) or 'none'}"
        )
    return tuple(sorted(set(wanted)))


def _attends(path: Sequence[str]) -> bool:
    """Whether a layer is inside of an attention module."""
    return any("attn" in part or "attention" in part for part in path[:-1])


def attach(model: PreTrainedModel, adapters: Adapters, *, seed: int = 0) -> None:
    """Add untrained adapters to a model, which computes as before; its own weights are frozen.

    Equal seeds give equal adapters: A is drawn at random, and B is 0.

    Raises:
        MissingExtraError: peft is not installed.
        PolicyError: a target is no linear layer.
    """
    with requires_extra("lora", "a policy with adapters (LoRA)"):
        from peft import LoraConfig, inject_adapter_in_model
    alpha: Any = adapters.alpha
    config = LoraConfig(
        r=adapters.rank,
        lora_alpha=int(alpha) if alpha == int(alpha) else alpha,
        target_modules=list(adapters.targets),
        use_rslora=adapters.root_scaled,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    dtype, training = model.dtype, model.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, NAME)
    model.train(training)
    model.requires_grad_(False)
    for weight in adapter_weights(model).values():
        weight.data = weight.data.to(dtype)
        weight.requires_grad_(True)


def attach_new(
    model: PreTrainedModel,
    folder: Path | None,
    rank: int,
    alpha: float,
    targets: str | Sequence[str],
    *,
    seed: int = 0,
) -> Base:
    """Add untrained adapters to the model of a folder; see `attach` and `linear_layers`.

    Raises:
        MissingExtraError: peft is not installed.
        PolicyError: the model has adapters already, is in no folder, or has no such layers.
    """
    there = adapters_of(model)
    if there is not None:
        raise PolicyError(
            f"the policy has adapters of rank {there.rank} already: train these, or write them "
            "into a whole model with `anchorgym export` first"
        )
    if folder is None:
        raise PolicyError(
            "adapters need a base model in a folder, which their own folder names: save the "
            "policy, and load it from there"
        )
    adapters = Adapters(rank, alpha, linear_layers(model, targets))
    base = Base(folder.resolve(), weights_digest(folder))
    attach(model, adapters, seed=seed)
    return base


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of the weights in a model's folder.

    Raises:
        PolicyError: the folder holds no weights.
    """
    whole = hashlib.sha256()
    for path in weight_files(folder):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


# Folders --------------------------------------------------------------------------------------


def save_adapters(model: PreTrainedModel, base: Base, folder: Path) -> None:
    """Write the adapters of a model into a folder, in peft's format."""
    config = peft_config(model, str(base.folder))
    write_peft(folder, config, adapter_weights(model))


def base_of(folder: Path) -> Base:
    """Return the base model that the adapters in a folder name.

    A relative path is one from the working directory, as in peft, or else from the folder.

    Raises:
        BaseModelError: there is no such folder.
        PolicyError: the configuration is damaged.
    """
    path = folder / ADAPTER
    name = read_object(path).get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        damaged(path, "base_model_name_or_path is missing")
    for place in (Path(name), folder / name):
        if _is_folder(place):
            return Base(place.resolve(), "")
    raise BaseModelError(
        f"the base model of {folder} is not at {name[:200]!r}, which {ADAPTER} names as "
        "base_model_name_or_path: write there the path of the model's folder on this machine"
    )


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except OSError:  # such as a name that is too long
        return False


def load_adapted(
    folder: Path, base: Base, device: str = "cpu", dtype: DtypeName = "float32"
) -> PreTrainedModel:
    """Load a model with adapters, and probe it; see `load_model`.

    Args:
        folder: folder of the adapters.
        base: the base model; its weights are compared with the digest, if there is one.
        device: name of the model's device.
        dtype: name of its data type.

    Raises:
        BaseModelError: the base model's weights are others.
        MissingExtraError: peft is not installed.
        PolicyError: a file is missing or damaged, or says what is not computed.
        UnsupportedModelError: engine and learner would not compute the model as it does itself.
    """
    adapters = _read_config(folder / ADAPTER)
    shapes = _shapes(folder / ADAPTER_WEIGHTS)
    ranks = {shape[0] for name, shape in shapes.items() if name.endswith("lora_A.weight")}
    if ranks != {adapters.rank}:
        damaged(folder / ADAPTER, f"r is {adapters.rank}, but {ADAPTER_WEIGHTS} has {ranks}")
    model = load_model(base.folder, device, dtype)
    if base.sha256 and weights_digest(base.folder) != base.sha256:
        raise BaseModelError(
            f"{base.folder} holds other weights than those that the adapters in {folder} were "
            f"trained on: put these back, or write their path into {ADAPTER} as "
            "base_model_name_or_path"
        )
    known = linear_layers(model, ALL_LINEAR)
    if unknown := sorted(set(adapters.targets) - set(known)):
        damaged(folder / ADAPTER, f"the base model has no linear layers {unknown[0]!r}")
    attach(model, adapters)
    own = {peft_name(name): weight for name, weight in adapter_weights(model).items()}
    if {name: tuple(weight.shape) for name, weight in own.items()} != shapes:
        damaged(folder / ADAPTER_WEIGHTS, f"it does not fit {ADAPTER} and the base model")
    for name, tensor in _tensors(folder / ADAPTER_WEIGHTS):
        own[name].data.copy_(tensor)
    probe(model)
    return model


def _read_config(path: Path) -> Adapters:
    """Return what a configuration of peft says.

    Raises:
        PolicyError: it is damaged, or says what is not computed.
    """
    values = read_object(path)
    rank, alpha, names = (values.get(key) for key in ("r", "lora_alpha", "target_modules"))
    rooted = values.get("use_rslora") or False
    if values.get("peft_type") != "LORA":
        raise PolicyError(
            f"{path} has adapters of the kind {str(values.get('peft_type'))[:40]!r}: only LORA is "
            "computed; merge others into their model with peft, and save that"
        )
    usual = {"init_lora_weights": (True, "gaussian")}  # others change the base model's weights
    for key, value in values.items():
        plain = (None, False, "none", [], {}, *usual.get(key, ()))
        if key not in (*_READ, *_WITHOUT_EFFECT) and value not in plain:
            raise PolicyError(
                f"{path} sets {key[:80]!r}, which is not computed: merge these adapters into their "
                "model with peft, and save that"
            )
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        damaged(path, f"r is {str(rank)[:40]}")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha < 1e9:
        damaged(path, f"lora_alpha is {str(alpha)[:40]}")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        damaged(path, "target_modules is no list of names")
    if not isinstance(rooted, bool):
        damaged(path, f"use_rslora is {str(rooted)[:40]}")
    targets = tuple(sorted({name.rpartition(".")[2] for name in names}))
    return Adapters(rank, alpha, targets, rooted)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in a file, from its header."""
    try:
        with safe_open(path, "pt") as file:
            return {
                name: tuple(file.get_slice(name).get_shape())
                for name in file.keys()  # noqa: SIM118
            }
    except (OSError, SafetensorError, ValueError) as error:
        damaged(path, error)


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a file.

    Raises:
        PolicyError: the file is damaged, or holds values that are no finite numbers.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        damaged(path, error)
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            damaged(path, f"{name} has values that are no finite numbers")
        yield name, tensor
