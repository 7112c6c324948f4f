"""Seals of files of JSON Lines: a digest in the header covers every other byte that counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any


def seal_of(header: Mapping[str, Any], lines: Iterable[bytes]) -> str:
    """Return the SHA-256 of a header without its key "digest", and of all lines after it.

    Args:
        header: values of the first line.
        lines: the other lines, with their ends.
    """
    body = {key: value for key, value in header.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode())
    for line in lines:
        digest.update(line)
    return digest.hexdigest()
