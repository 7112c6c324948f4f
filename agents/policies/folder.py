"""Folders of models: nothing in them is executed, and every damage is named before it harms."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from anchorgym.agents.engines.families import UnsupportedModelError, probe, require_supported
from anchorgym.agents.engines.peft_format import ADAPTER
from anchorgym.agents.engines.placing import (
    SAVED_DTYPE,
    DtypeName,
    resolve_device,
    resolve_dtype,
)
from anchorgym.agents.quiet import no_progress_bars
from anchorgym.envs.errors import AnchorgymError
from anchorgym.envs.texts import parse_json

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

CONFIG, GENERATION, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

_NAMED_CODE = ("auto_map", "_attn_implementation", "attn_implementation", "transformers_weights")
"""Settings that would name code to run or files to read; ours are set by the loader."""
_TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_LARGEST_FILE = 2**28
"""Most bytes of a JSON file: the largest tokenizers have about 40 MB."""
_MOST_LAYERS = 1000
_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16}
"""Data types of weights that are shorter than float32, as safetensors names them."""
_SPARE_BYTES = 2**30
"""Most bytes of a model's tables that are no weights, such as masks of all positions."""


class PolicyError(AnchorgymError, ValueError):
    """A folder or setting from which no policy can be made."""


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        PolicyError: the file cannot be read, or holds anything else.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"more than {_LARGEST_FILE} bytes")
        found = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__}, not an object")
    except (OSError, ValueError) as error:
        damaged(path, error)
    return found


def damaged(path: Path, problem: object) -> NoReturn:
    """Raise the error of a damaged file.

    Raises:
        PolicyError: always.
    """
    cause = problem if isinstance(problem, Exception) else None
    said = " ".join(str(problem).split())[:300]
    raise PolicyError(
        f"{path} is damaged ({said}): save the policy again, or copy its folder anew"
    ) from cause


def load_model(folder: Path, device: str = "cpu", dtype: DtypeName = "float32") -> PreTrainedModel:
    """Load a causal language model, and probe it where it will run; see `probe`.

    Memory holds the weights in their final data type alone, and never in float32 beside it. The
    model gets the attribute `SAVED_DTYPE`, by which `place` chooses its data type.

    Args:
        folder: folder of the model.
        device: name of its device, see `resolve_device`.
        dtype: name of its data type, see `resolve_dtype`.

    Raises:
        DeviceError: this machine has no such device.
        PolicyError: a file is missing or damaged, weights do not fit, or are no finite numbers.
        UnsupportedModelError: engine and learner would not compute the model as it does itself.
    """
    if (folder / ADAPTER).exists():
        raise PolicyError(
            f"{folder / ADAPTER} makes the folder one of adapters, which have no adapters of their "
            "own: write them into a whole model with `anchorgym export`, and use that"
        )
    config = _config(folder)
    if (folder / GENERATION).exists():
        read_object(folder / GENERATION)
    weights, saved = _weights(folder)
    where = resolve_device(device)
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    known: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    kind: type[PreTrainedModel] = known
    attention = "sdpa" if kind._supports_sdpa else "eager"
    _require_size(folder, kind, config, attention, weights)
    try:
        with no_progress_bars():
            loaded: Any = kind.from_pretrained(
                folder,
                config=config,
                dtype=resolve_dtype(dtype, saved, where),
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # the library raises whatever it meets
        damaged(folder / CONFIG, f"{type(error).__name__} on loading {WEIGHTS}: {error}")
    model: PreTrainedModel
    model, about = loaded
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if about[what]:
            first = min(map(str, about[what]))
            found = f"{len(about[what])} {what.replace('_', ' ')}, such as {first}"
            damaged(folder / WEIGHTS, f"it is not that of {CONFIG}: {found}")
    nn.Module.to(model, where)
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            damaged(folder / WEIGHTS, f"{name} has values that are no finite numbers")
    probe(model.eval())
    setattr(model, SAVED_DTYPE, saved)
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer.

    Raises:
        PolicyError: a file is missing or damaged.
    """
    read_object(folder / TOKENIZER)
    for name in _TOKENIZER_FILES:
        if (folder / name).exists():
            read_object(folder / name)
    from transformers import PreTrainedTokenizerFast

    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
            folder, trust_remote_code=False
        )
        if not len(tokenizer):
            raise ValueError("no tokens")
    except Exception as error:  # tokenizers' own errors derive from Exception alone
        damaged(folder / TOKENIZER, f"{type(error).__name__}: {error}")
    return tokenizer


def _config(folder: Path) -> PreTrainedConfig:
    """Return the configuration of a model, without what would name code or other files."""
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    path = folder / CONFIG
    values = read_object(path)
    family = values.get("model_type")
    if not isinstance(family, str) or family not in CONFIG_MAPPING:
        own = " (code that comes with a model is never executed)" if "auto_map" in values else ""
        raise UnsupportedModelError(str(family)[:80], f"{path} names no family that is known{own}")
    if CONFIG_MAPPING[family] not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UnsupportedModelError(family, "it is no causal language model")
    if "quantization_config" in values:
        raise UnsupportedModelError(
            family, f"{path} says that its weights are quantized: save them in float32 or bfloat16"
        )
    for name, size in _sizes(values):
        if not 0 <= size <= _MOST_LAYERS:
            damaged(path, f"{name} is {size}")
    clean = {name: value for name, value in values.items() if name not in _NAMED_CODE}
    try:
        config: PreTrainedConfig = CONFIG_MAPPING[family].from_dict(clean)
    except Exception as error:  # validators raise classes of their own
        damaged(path, f"{type(error).__name__}: {error}")
    return config


def _sizes(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield settings that say how many modules a model is made of."""
    for name, value in values.items():
        if isinstance(value, int) and any(part in name for part in ("layers", "layer", "labels")):
            yield name, value
        elif isinstance(value, dict):
            yield from _sizes(value)


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights, in the order of their names.

    Raises:
        PolicyError: there are none, or the index names one elsewhere.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if not (folder / INDEX).exists():
        raise PolicyError(
            f"{folder} holds no weights ({WEIGHTS} is missing): save the model as safetensors"
        )
    index = read_object(folder / INDEX)
    names = index.get("weight_map")
    if not isinstance(names, dict) or not names:
        damaged(folder / INDEX, "it has no weight_map")
    if not isinstance(index.get("metadata"), dict):  # which the library reads unasked
        damaged(folder / INDEX, "it has no metadata")
    for name in names.values():
        if not isinstance(name, str) or not name or Path(name).name != name:
            damaged(folder / INDEX, f"it names {name!r}, which is no file of this folder")
    return [folder / name for name in sorted(set(names.values()))]


def _weights(folder: Path) -> tuple[int, torch.dtype]:
    """Return the number of weights in a folder, and the data type of most, from its files' headers.

    Raises:
        PolicyError: a file is missing or damaged, or the index names one elsewhere.
    """
    sizes: Counter[str] = Counter()
    for path in weight_files(folder):
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118
                    part = file.get_slice(name)
                    sizes[part.get_dtype()] += math.prod(part.get_shape())
        except (OSError, SafetensorError, ValueError) as error:
            damaged(path, error)
    ((most, _),) = sizes.most_common(1) or [("", 0)]
    return sizes.total(), _DTYPES.get(most, torch.float32)


def _require_size(
    folder: Path,
    kind: type[PreTrainedModel],
    config: PreTrainedConfig,
    attention: str,
    weights: int,
) -> None:
    """Check, before memory is taken, that a model is supported and not larger than its files."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            model = kind._from_config(copy.deepcopy(config), attn_implementation=attention)
        size = sum(parameter.numel() for parameter in model.parameters())
        tables = sum(table.nbytes for table in model.buffers())
    except Exception as error:  # sizes of any kind lead to errors of any kind
        damaged(folder / CONFIG, f"{type(error).__name__}: {error}")
    require_supported(model)
    if size > weights or tables > _SPARE_BYTES + 4 * weights:
        damaged(folder / CONFIG, f"it describes {size} weights, but the files hold {weights}")
