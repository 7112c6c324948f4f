"""The small catalogue as official files, made from the reference data."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Read = Callable[[str], Any]
RAW = (
    "asin",
    "name",
    "full_description",
    "small_description",
    "customization_options",
    "category",
    "product_category",
    "query",
)
"""Keys of the official file that the catalogue is made of; prices are written back below."""


@pytest.fixture(scope="session")
def read(reference: Path) -> Read:
    def read(name: str) -> Any:
        with lzma.open(reference / "data" / "webshop" / f"{name}.json.xz") as file:
            return json.load(file)

    return read


@pytest.fixture(scope="session")
def official(read: Read, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the official files of the small catalogue."""
    folder = tmp_path_factory.mktemp("webshop")
    listed = read("products_1000")
    raw = [
        {**{key: p[key] for key in RAW}, "pricing": "".join(f"${x}" for x in p["pricing"])}
        for p in listed
    ]
    human = {p["asin"]: p["instructions"] for p in listed if "instructions" in p}
    write(folder / "items_shuffle_1000.json", raw)
    write(folder / "items_ins_v2_1000.json", read("attributes_1000"))
    write(folder / "items_human_ins.json", human)
    write(folder / "title_nouns.json", read("title_nouns"))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what tests compile out of the user's cache; all tests share one."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("ANCHORGYM_CACHE", str(folder))
    monkeypatch.delenv("WEBSHOP_DATA", raising=False)


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
