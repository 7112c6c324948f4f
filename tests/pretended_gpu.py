"""A GPU that is pretended: tensors of the CPU that say they are on `cuda:0`.

What an operation of torch would refuse on a GPU is refused here too: tensors of two devices in one
operation, and arrays of NumPy that share the memory of a GPU. Values are those of a CPU, so a test
that passes here says that code keeps devices apart, and nothing of the kernels of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils import checkpoint
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from anchorgym.agents.engines import attention, line_kernel, placing

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")
_aten = torch.ops.aten
_ACROSS = {_aten.copy_.default, _aten.index.Tensor, _aten.index_put_.default}
"""Operations that take tensors of the CPU beside those of a GPU."""


class MixedDevicesError(RuntimeError):
    """An operation with tensors of two devices."""


class _Memory:
    """Storages that count as those of the GPU.

    A weak reference keeps the address of a storage from being used again.
    """

    def __init__(self) -> None:
        self._kept: dict[int, StorageWeakRef] = {}

    def holds(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._kept

    def take(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._kept[storage._cdata] = StorageWeakRef(storage)
        return tensor

    def drop(self, tensor: Tensor) -> Tensor:
        self._kept.pop(tensor.untyped_storage()._cdata, None)
        return tensor


class _Operations(TorchDispatchMode):
    """Refuses operations over two devices, and puts results where the arguments are."""

    def __init__(self, memory: _Memory) -> None:
        super().__init__()
        self._memory = memory

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        tensors = list(_tensors((*args, *(kwargs or {}).values())))
        there = [self._memory.holds(tensor) for tensor in tensors]
        if any(there) and func not in _ACROSS:
            for tensor, held in zip(tensors, there, strict=True):
                if not held and tensor.dim():
                    raise MixedDevicesError(f"{func} has tensors of cpu and of {GPU}")
        found = func(*args, **(kwargs or {}))
        takes = there and (there[0] if func in _ACROSS else any(there))
        if takes:
            for tensor in _tensors((found,)):
                self._memory.take(tensor)
        return found


class _Functions(TorchFunctionMode):
    """Answers questions for devices, and makes and moves tensors."""

    def __init__(self, memory: _Memory) -> None:
        super().__init__()
        self._memory = memory

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], Tensor) else None
        held = first is not None and self._memory.holds(first)
        if name == "__get__" and first is not None:
            return self._answer(func, args, kwargs, held)
        if name == "numpy" and held:
            raise TypeError(f"a tensor of {GPU} has no array: copy it to the CPU first")
        if name in ("cpu", "cuda"):
            return self._moved(func, args[:1], {}, torch.device(name))
        target = self._target(name, args, kwargs)
        if target is None:
            return func(*args, **kwargs)
        args, kwargs = (tree_map(_on_cpu, part) for part in (args, kwargs))
        if name == "to":
            return self._moved(func, args, kwargs, target)
        found = func(*args, **kwargs)
        return self._memory.take(found) if target.type == "cuda" else self._memory.drop(found)

    def _answer(self, func: Any, args: Any, kwargs: Any, held: bool) -> Any:
        if held and func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return GPU
        if held and func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return True
        return func(*args, **kwargs)

    def _target(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        named = kwargs.get("device")
        if named is None and name == "to":
            named = next((x for x in args[1:] if isinstance(x, str | torch.device)), None)
            if named is None and isinstance(args[1] if len(args) > 1 else None, Tensor):
                return GPU if self._memory.holds(args[1]) else CPU
        return None if named is None else torch.device(named)

    def _moved(self, func: Any, args: Any, kwargs: Any, target: torch.device) -> Tensor:
        held = self._memory.holds(args[0])
        found: Tensor = args[0] if func.__name__ in ("cpu", "cuda") else func(*args, **kwargs)
        if held == (target.type == "cuda"):
            return found
        found = found.clone()
        return self._memory.drop(found) if held else self._memory.take(found)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("cuda"):
        return "cpu"
    return CPU if isinstance(value, torch.device) and value.type == "cuda" else value


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    **options: Any,
) -> Tensor:
    """Do what `varlen_attn` does: (n_tokens, heads, width), causal within each row."""
    ends = cu_seq_q.tolist()
    assert ends == cu_seq_k.tolist()
    assert options["window_size"] == (-1, 0)
    assert max_q == max_k == max(b - a for a, b in pairwise(ends))
    assert ends[-1] == len(query) == len(key) == len(value)
    assert cu_seq_q.dtype == torch.int32
    rows = []
    for start, end in pairwise(ends):
        parts = (of[start:end].transpose(0, 1)[None] for of in (query, key, value))
        mixed = functional.scaled_dot_product_attention(
            *parts, is_causal=True, scale=options["scale"], enable_gqa=options["enable_gqa"]
        )
        rows.append(mixed[0].transpose(0, 1))
    return torch.cat(rows)


@contextmanager
def pretended_gpu(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this machine a device `cuda:0` inside the block.

    Args:
        patch: what is patched stays so until its test ends.
    """
    varlen: Any = pytest.importorskip("torch.nn.attention.varlen")
    takes = signature(varlen.varlen_attn)

    def checked(*args: Any, **kwargs: Any) -> Tensor:
        given = takes.bind(*args, **kwargs)  # as the kernel itself would take it
        return _varlen(*given.args, **given.kwargs)

    checked.__signature__ = takes  # type: ignore[attr-defined]
    patch.setattr(placing, "available_devices", lambda: ("cpu", "cuda:0"))
    patch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    properties: Callable[..., Any] = lambda _: SimpleNamespace(total_memory=2**34)  # noqa: E731
    patch.setattr(torch.cuda, "get_device_properties", properties)
    patch.setattr(torch.cuda, "get_device_capability", lambda _=None: (9, 0))
    patch.setattr(varlen, "varlen_attn", checked)
    # Saved tensors are seen where no answer of ours reaches, so their devices are not compared.
    comparing = checkpoint._allowed_determinism_checks_to_fns
    patch.setitem(comparing, "default", lambda tensor: (tensor.shape, tensor.dtype))
    memory = _Memory()
    going_back = torch.autograd._engine_run_backward

    def with_functions(*args: Any, **kwargs: Any) -> Any:
        with _Functions(memory):  # torch takes a mode away from what it hands to it
            return going_back(*args, **kwargs)

    patch.setattr(torch.autograd, "_engine_run_backward", with_functions)
    cached = (attention._future, line_kernel._is_there)
    for function in cached:
        function.cache_clear()
    try:
        with _Operations(memory), _Functions(memory):
            yield
    finally:
        for function in cached:  # a real GPU has the same name
            function.cache_clear()
