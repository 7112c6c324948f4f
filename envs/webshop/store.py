"""Catalogues on disk: what was read or made once is mapped into memory from then on.

A catalogue is kept in the user's cache folder (or `ANCHORGYM_CACHE`) under a hash of the data it
was made from, with checksums of its files. All processes share the pages of its files. What is
damaged is made anew; where nothing can be written, each process makes it and it works as well.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from anchorgym.assets import read_text
from anchorgym.envs.cache import kept
from anchorgym.envs.webshop.generator import VERSION, generated_product
from anchorgym.envs.webshop.products import Product, Review
from anchorgym.envs.webshop.search import FORMAT as INDEX_FORMAT
from anchorgym.envs.webshop.search import SearchIndex

FORMAT: Final = 1
WORTH_KEEPING: Final = 4000
"""Generated catalogues of more products keep their index; that of smaller ones is quickly made."""
_LINES: Final = "{name}.jsonl"
_OFFSETS: Final = "{name}.npy"
_MAKERS: Final = (
    "analysis",
    "draws",
    "generator",
    "official",
    "packages",
    "products",
    "search",
    "store",
)
"""Modules that decide what a catalogue holds."""


class Lines(Sequence[Any]):
    """JSON values by number, each read when it is asked for.

    Args:
        text: a value a line, as UTF-8; bytes, or a file in memory.
        offsets: (n + 1,) where each line begins, int64.
    """

    def __init__(self, text: bytes | mmap.mmap, offsets: NDArray[np.int64]) -> None:
        self._text, self._offsets = text, offsets

    @classmethod
    def of(cls, values: Iterable[Any]) -> Lines:
        """Return lines of these values."""
        lines = [json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values]
        offsets = np.cumsum([0, *map(len, lines)], dtype=np.int64)
        return cls(b"".join(lines), offsets)

    @classmethod
    def load(cls, folder: Path, name: str) -> Lines:
        """Map lines that were saved into memory."""
        offsets = np.asarray(np.load(folder / _OFFSETS.format(name=name), mmap_mode="r"))
        path = folder / _LINES.format(name=name)
        if path.stat().st_size == 0:
            return cls(b"", offsets)
        with path.open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), offsets)

    def save(self, folder: Path, name: str) -> None:
        """Write the lines into an existing folder."""
        (folder / _LINES.format(name=name)).write_bytes(self._text)
        np.save(folder / _OFFSETS.format(name=name), self._offsets)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Any]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        return json.loads(self._text[self._offsets[row] : self._offsets[row + 1]])


class StoredProducts(Sequence[Product]):
    """Products that are kept as lines."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, row: int) -> Product: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Product]: ...
    def __getitem__(self, row: int | slice) -> Product | Sequence[Product]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        return _product(self._lines[row])


def product_line(product: Product) -> dict[str, Any]:
    """Return a product as JSON values."""
    return asdict(product)


def _product(values: dict[str, Any]) -> Product:
    values["options"] = {name: tuple(found) for name, found in values["options"].items()}
    values["reviews"] = tuple(Review(**review) for review in values["reviews"])
    for field in fields(Product):
        if isinstance(values[field.name], list):
            values[field.name] = tuple(values[field.name])
    return Product(**values)


def kept_catalogue(key: str, make: Callable[[], Catalogue]) -> Catalogue:
    """Return the catalogue that is kept under a key, or make and keep it.

    Args:
        key: names the data that it is made from; see `data_key`.
        make: makes it; its errors are passed on.
    """
    return kept(
        f"webshop/{key}",
        f"{key} {_makers()}",
        make=make,
        save=Catalogue.save,
        load=Catalogue.load,
    )


@lru_cache(maxsize=1)
def _makers() -> str:
    """Return a hash of the code, words and stemmer that catalogues are made with."""
    digest = hashlib.blake2b(importlib.metadata.version("snowballstemmer").encode(), digest_size=16)
    for name in _MAKERS:
        digest.update(files("anchorgym.envs.webshop").joinpath(f"{name}.py").read_bytes())
    digest.update(read_text("webshop_lexicon.json").encode())
    return digest.hexdigest()


class Catalogue:
    """Products as lines, their index, and what their goals are made from.

    Args:
        products: as `product_line` writes them.
        goals: values that the shop knows how to read.
        index: of the products' texts.
    """

    def __init__(self, products: Lines, goals: Lines, index: SearchIndex) -> None:
        self.products, self.goals, self.index = products, goals, index

    @classmethod
    def of(cls, products: Sequence[Product], goals: Iterable[Any]) -> Catalogue:
        """Make a catalogue of products."""
        index = SearchIndex.build(product.indexed_text for product in products)
        return cls(Lines.of(map(product_line, products)), Lines.of(goals), index)

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Map a catalogue that was saved into memory."""
        products, goals = Lines.load(folder, "products"), Lines.load(folder, "goals")
        return cls(products, goals, SearchIndex.load(folder))

    def save(self, folder: Path) -> None:
        """Write the catalogue into an existing folder."""
        self.products.save(folder, "products")
        self.goals.save(folder, "goals")
        self.index.save(folder)


def generated_index(size: int, seed: int) -> SearchIndex:
    """Return the search index of a generated catalogue; large ones are kept."""

    def make() -> SearchIndex:
        return SearchIndex.build(_texts(size, seed))

    if size <= WORTH_KEEPING:
        return make()
    key = data_key("generated", VERSION, size, seed)
    return kept_catalogue(key, lambda: Catalogue(Lines.of(()), Lines.of(()), make())).index


def _texts(size: int, seed: int) -> Iterator[str]:
    return (generated_product(seed, row).indexed_text for row in range(size))


def data_key(*parts: object) -> str:
    """Return the name under which what is made from these parts is kept."""
    text = "\0".join(map(str, (FORMAT, INDEX_FORMAT, *parts)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
