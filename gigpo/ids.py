"""From ids of any kind to dense integer codes: hashed once, compared as integers ever after."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from anchorgym.gigpo.arrays import IntArray
from anchorgym.gigpo.errors import IdTypeError

# Within one of these types, Python's own equality is what we mean by "the same id".
_PLAIN: frozenset[type] = frozenset({str, bytes, int, bool, type(None)})


def as_list(ids: Iterable[object]) -> list[object]:
    """A column of ids as a list; an n-dimensional array gives its rows, a tensor its numbers."""
    if not isinstance(ids, (list, tuple)) and hasattr(ids, "__array__"):
        array = np.asarray(ids)
        return list(array) if array.ndim > 1 else array.tolist()
    return list(ids)


def factorise(ids: Sequence[object]) -> tuple[IntArray, list[object]]:
    """Number the distinct ids by first appearance.

    Returns the codes `(n,)` and the distinct ids, so that `distinct[codes[i]]` is `ids[i]`.
    Ids are compared with their type, `1`, `True` and `1.0` being three ids; arrays also with
    their dtype and shape; NaN equals itself.

    Raises:
        IdTypeError: an id is neither hashable nor an array.
    """
    plain = set(map(type, ids)) <= _PLAIN and len(set(map(type, ids))) < 2
    keys: Sequence[Hashable] = ids if plain else [typed_key(i) for i in ids]
    distinct = list(dict.fromkeys(keys))
    code = dict(zip(distinct, range(len(distinct)), strict=True))
    codes = np.fromiter(map(code.__getitem__, keys), np.int64, len(ids))
    if plain:
        return codes, list(distinct)
    return codes, [ids[row] for row in first_rows(codes, len(distinct))]


def typed_key(value: object) -> Hashable:
    """A hashable that equals another one only if the values agree in type, shape and content."""
    if isinstance(value, np.generic) and not isinstance(value, np.void):
        value = value.item()
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if isinstance(value, float):
        return (kind, "nan") if math.isnan(value) else (kind, value)
    if isinstance(value, tuple):
        return kind, tuple(map(typed_key, value))
    if isinstance(value, frozenset):
        return kind, frozenset(map(typed_key, value))
    if hasattr(value, "__array__"):
        return _array_key(np.asarray(value))
    try:
        hash(value)
    except TypeError as error:
        raise IdTypeError(
            f"an id of type {kind.__name__!r} cannot be hashed: give a string, bytes, a number, "
            "a tuple, any other hashable, or a numpy array"
        ) from error
    return kind, value


def _array_key(array: npt.NDArray[Any]) -> Hashable:
    if array.dtype.hasobject:
        content: Hashable = tuple(map(typed_key, array.ravel().tolist()))
    elif array.dtype.kind in "fc":
        # Adding zero turns -0.0 into 0.0; where() gives every NaN the same bytes.
        content = np.where(np.isnan(array), array.dtype.type("nan"), array + 0).tobytes()
    else:
        content = array.tobytes()
    return np.ndarray, array.dtype.str, array.shape, content


def first_rows(codes: IntArray, n_codes: int) -> IntArray:
    """`(n_codes,)` the row in which each code occurs first; codes must be dense."""
    rows = np.empty(n_codes, np.int64)
    rows[codes[::-1]] = np.arange(len(codes))[::-1]
    return rows


def pair_codes(outer: IntArray, inner: IntArray) -> tuple[IntArray, IntArray]:
    """Codes `(n,)` of the pairs (outer, inner), dense, and the first row of each `(n_pairs,)`."""
    if not len(outer):
        return outer, outer
    width = int(inner.max()) + 1
    _, rows, codes = np.unique(outer * width + inner, return_index=True, return_inverse=True)
    return codes.astype(np.int64, copy=False), rows.astype(np.int64, copy=False)
