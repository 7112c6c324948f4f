"""A key-value cache whose rows are sessions of different lengths."""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

_GROWTH = 256


class SlotCache(Cache):
    """Keys and values of many sessions in one preallocated buffer, one row a session.

    Rows stay packed at the front: a freed row is filled by the last one. When the sessions of a
    batch are exactly the live rows, attention reads a view of the buffer; otherwise the rows
    are gathered. Positions beyond a row's length hold leftovers that the mask hides. Sessions that
    only serve as sources of forks are kept on a shelf beside the buffer.

    Args:
        model: model whose device and precision the cache uses.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(layers=[])
        self._device, self._dtype = model.device, model.dtype
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._slots: dict[Hashable, int] = {}
        self._owners: list[Hashable] = []
        self._shelf: dict[Hashable, list[Tensor]] = {}
        self._lengths = self._counts(0)
        self._known: list[int] | None = []
        self._rows = self._counts(0)
        self._span: tuple[int, Tensor, int] | None = None
        self._whole = self._fresh = True
        self._room = 0

    def row(self, session: Hashable) -> int:
        """Return a session's row; a new session gets an empty row.

        A batch whose sessions are in the order of their rows needs no gathering.
        """
        if session not in self._slots:
            self._slots[session] = len(self._owners)
            self._owners.append(session)
            self._lengths = torch.cat([self._lengths, self._counts(1)])
            self._changed()
        return self._slots[session]

    def length(self, session: Hashable) -> int:
        """Return the number of a session's cached tokens."""
        return self._on_host()[self.row(session)]

    def select(self, sessions: Sequence[Hashable], room: int) -> None:
        """Set the sessions of the next batch, in the order of its rows.

        Args:
            sessions: (batch,) keys.
            room: most tokens that are appended to each session before the next call.
        """
        rows = [self.row(session) for session in sessions]
        self._rows = torch.tensor(rows, dtype=torch.long, device=self._device)
        self._whole = rows == list(range(len(rows)))
        self._room, self._span = room, None
        longest = max(self._on_host()[row] for row in rows)
        self._fresh = not longest
        self._fit(len(self._owners), longest + room)

    def positions(self, n_new: int) -> Tensor:
        """Return the positions (batch, n_new) of the new tokens."""
        return self._spanned(n_new)[0]

    def advance(self, counts: Tensor) -> None:
        """Keep the first `counts` (batch,) of the last appended tokens."""
        self._lengths[self._rows] += counts
        self._changed()
        self._fresh = False

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write new keys and values; return the batch's, up to its longest row."""
        if layer_idx >= len(self._keys):
            self._allocate(key_states, value_states)
        n_new = key_states.shape[2]
        positions, total = self._spanned(n_new)
        where = (self._rows[:, None], slice(None), positions)
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[where] = key_states.transpose(1, 2).to(self._dtype)
        values[where] = value_states.transpose(1, 2).to(self._dtype)
        if self._fresh:
            return key_states, value_states
        if self._whole:
            n = len(self._rows)
            return keys[:n, :, :total], values[:n, :, :total]
        return keys[self._rows, :, :total], values[self._rows, :, :total]

    @torch.inference_mode()
    def bring_forward(self, sessions: Sequence[Hashable]) -> None:
        """Move sessions to the first rows, in any order, so that they need no gathering."""
        rows, n = {self.row(session) for session in sessions}, len(sessions)
        away = [row for row in range(n) if row not in rows]
        near = sorted(row for row in rows if row >= n)
        if not near:
            return
        self._fit(len(self._owners), 0)
        lengths = self._on_host()
        longest = max(lengths[row] for row in (*away, *near))
        for buffer in self._buffers:
            moved = buffer[away, :, :longest]
            buffer[away, :, :longest] = buffer[near, :, :longest]
            buffer[near, :, :longest] = moved
        self._lengths[away + near] = self._lengths[near + away]
        for one, other in zip(away, near, strict=True):
            self._owners[one], self._owners[other] = self._owners[other], self._owners[one]
        self._slots.update((self._owners[row], row) for row in (*away, *near))
        self._changed()

    @torch.inference_mode()
    def free(self, session: Hashable) -> None:
        """Forget a session; the last row moves into its place."""
        self._shelf.pop(session, None)
        slot = self._slots.pop(session, None)
        if slot is None:
            return
        last = len(self._owners) - 1
        if slot != last:
            length = self._on_host()[last]
            for buffer in self._buffers:
                buffer[slot, :, :length] = buffer[last, :, :length]
            self._lengths[slot] = length
            self._owners[slot] = self._owners[last]
            self._slots[self._owners[slot]] = slot
        self._owners.pop()
        self._lengths = self._lengths[:last].clone()
        self._changed()

    @torch.inference_mode()
    def fork(self, session: Hashable, twin: Hashable, length: int) -> None:
        """Copy the cached part of a session's first `length` tokens to `twin`."""
        kept = self._kept(session)
        if not kept:
            return
        length = min(length, kept[0].shape[1])
        target = self.row(twin)
        self._fit(len(self._owners), length)
        for buffer, states in zip(self._buffers, kept, strict=True):
            buffer[target, :, :length] = states[:, :length]
        self._lengths[target] = length
        self._changed()

    @torch.inference_mode()
    def shelve(self, session: Hashable) -> None:
        """Move a session's keys and values out of the buffer, so that its row is reused."""
        kept = [states.clone() for states in self._kept(session)]
        self.free(session)
        if kept:
            self._shelf[session] = kept

    def fits(self, model: PreTrainedModel) -> bool:
        """Whether the model is still on the cache's device and in its precision."""
        return (self._device, self._dtype) == (model.device, model.dtype)

    @torch.inference_mode()
    def shorten(self, session: Hashable, length: int) -> None:
        """Keep at most the first `length` tokens of a session."""
        row = self.row(session)
        self._lengths[row] = min(length, self._on_host()[row])
        self._changed()

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """Return the longest row of the batch with its new tokens, and the first position: 0."""
        return self._spanned(query_length)[1], 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """Return 0: each row has positions of its own, see `cached_mask`."""
        return 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the longest row of the batch."""
        return int(self._lengths[self._rows].max()) if len(self._rows) else 0

    def _changed(self) -> None:
        """Forget what was known of lengths that have changed."""
        self._known = self._span = None

    def _on_host(self) -> list[int]:
        """Return the lengths of all rows; a GPU is waited for once after each change."""
        if self._known is None:
            self._known = self._lengths.tolist()
        return self._known

    def _spanned(self, n_new: int) -> tuple[Tensor, int]:
        """Return the positions (batch, n_new) of new tokens, and the longest row with them.

        All layers of a forward pass ask for both, and a GPU is waited for once.
        """
        if self._span is None or self._span[0] != n_new:
            new = torch.arange(n_new, device=self._device)
            positions = self._lengths[self._rows][:, None] + new
            self._span = n_new, positions, int(positions[:, -1].max()) + 1
        return self._span[1:]

    @property
    def _buffers(self) -> list[Tensor]:
        return [*self._keys, *self._values]

    def _kept(self, session: Hashable) -> list[Tensor]:
        """Return a session's keys and values of each layer, (heads, length, width) each."""
        if session in self._shelf:
            return self._shelf[session]
        if session not in self._slots:
            return []
        row, length = self._slots[session], self.length(session)
        return [buffer[row, :, :length] for buffer in self._buffers]

    def _counts(self, n: int) -> Tensor:
        return torch.zeros(n, dtype=torch.long, device=self._device)

    def _allocate(self, keys: Tensor, values: Tensor) -> None:
        """Add the buffers of a layer, whose values may be of another width than its keys."""
        longest = max(self._on_host()) + self._room
        capacity = -(-longest // _GROWTH) * _GROWTH
        for buffers, states in ((self._keys, keys), (self._values, values)):
            _, heads, _, width = states.shape
            shape = len(self._owners), heads, capacity, width
            buffers.append(_zeros(shape, self._dtype, self._device))

    def _fit(self, rows: int, length: int) -> None:
        """Grow the buffers to hold `rows` sessions of `length` tokens."""
        if not self._keys:
            return
        have_rows, _, have_length, _ = self._keys[0].shape
        if rows <= have_rows and length <= have_length:
            return
        if length > have_length:
            length = -(-length // _GROWTH) * _GROWTH
        rows, length = max(rows, have_rows), max(length, have_length)
        for buffers in (self._keys, self._values):
            for i, old in enumerate(buffers):
                shape = rows, old.shape[1], length, old.shape[3]
                new = _zeros(shape, self._dtype, self._device)
                new[:have_rows, :, :have_length] = old
                buffers[i] = new


def _zeros(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a tensor of zeros that takes memory of its own.

    On a CPU, memory is taken where something is written alone, and given back at once when the
    tensor is dropped: as blocks of the C library's heap, which lie between others, buffers that
    have grown would leave as much memory behind as they take.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or not n_bytes:
        return torch.zeros(tuple(shape), dtype=dtype, device=device)
    own = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    return torch.frombuffer(mmap.mmap(-1, n_bytes, **own), dtype=dtype).view(tuple(shape))
