"""Weights as files that another program can read: versioned, with a checksum, never half-written.

A folder `LABEL/` holds `model.safetensors`, or adapters in the format of peft, and, once all is on
the disk, `STABLE`, a JSON file with the label and a SHA-256 of the other files. A reader takes no
folder without that marker.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from safetensors.torch import save_file
from torch import Tensor

from anchorgym.agents.engines.contract import WeightsError
from anchorgym.agents.engines.peft_format import write_peft
from anchorgym.agents.engines.remote.contract import AdapterFiles
from anchorgym.envs.durable import whole_folder
from anchorgym.envs.errors import reason_of
from anchorgym.envs.texts import parse_json

STABLE: Final = "STABLE"
_FILE: Final = "model.safetensors"
_KEPT: Final = 2
"""Folders that are kept: readers may still be at work on the one before the newest."""


def write_weights(root: Path, tensors: Mapping[str, Tensor], label: str) -> Path:
    """Write weights into a folder of `root`, and remove all but the newest ones of the same writer.

    Args:
        root: folder that the reader can read, too.
        tensors: parameters by name.
        label: name of the folder: `WRITER-VERSION`.

    Returns:
        The folder.

    Raises:
        WeightsError: the folder cannot be written.
    """

    def write(folder: Path) -> None:
        save_file({name: _plain(tensor) for name, tensor in tensors.items()}, folder / _FILE)

    return _write(root, label, write)


def write_adapters(root: Path, adapters: AdapterFiles, label: str) -> Path:
    """Write adapters into a folder of `root`; see `write_weights`."""
    return _write(root, label, lambda to: write_peft(to, adapters.config, adapters.weights))


def _write(root: Path, label: str, write: Callable[[Path], None]) -> Path:
    folder = root / label
    try:
        root.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as fresh:
            write(fresh)
            about = {"label": label, "sha256": _checksum(fresh)}
            (fresh / STABLE).write_text(json.dumps(about) + "\n", encoding="utf-8")
    except OSError as error:
        raise WeightsError(
            f"weights cannot be written to {folder} ({reason_of(error)}): make room there, or name "
            "another folder"
        ) from error
    writer = label.partition("-")[0]
    mine = sorted(root.glob(f"{writer}-*/{STABLE}"), key=lambda path: path.stat().st_mtime_ns)
    for stale in mine[:-_KEPT]:
        shutil.rmtree(stale.parent, ignore_errors=True)
    return folder


def require_stable(folder: Path) -> str:
    """Return the label of a folder's weights, after a check that they are whole.

    Raises:
        WeightsError: the folder has no marker, or other weights than it says.
    """
    try:
        about = parse_json((folder / STABLE).read_text(encoding="utf-8"))
        label, expected = str(about["label"]), str(about["sha256"])
        found = _checksum(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{folder} holds no whole weights ({reason_of(error)}): wait until {STABLE} is there"
        ) from error
    if found != expected:
        raise WeightsError(
            f"the weights in {folder} are not those that were written: their checksum is "
            f"{found[:12]}…, not {expected[:12]}…. Publish them again"
        )
    return label


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().cpu()


def _checksum(folder: Path) -> str:
    """Return the SHA-256 of a folder's files one after the other, by name."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != STABLE:
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: whole)
    return whole.hexdigest()
