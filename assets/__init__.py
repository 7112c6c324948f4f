"""Data files shipped with anchorgym; README.md names each one's origin and licence."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def read_text(name: str) -> str:
    """Return the text of a data file.

    Raises:
        FileNotFoundError: there is no such file among the assets.
    """
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def read_json(name: str) -> Any:
    """Return the content of a JSON data file; errors as in `read_text`."""
    return json.loads(read_text(name))
