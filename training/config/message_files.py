"""Files with the template of a chat model's user messages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from anchorgym.training.config.section import ConfigError

_MOST_BYTES: Final = 2**20
"""Most bytes that are read; the text itself may be no longer than the policy allows."""


def read_message(file: str) -> str:
    """Return the text of a template; "" if no file is named.

    Raises:
        ConfigError: the file cannot be read, is empty, or is no text.
    """
    if not file:
        return ""
    path = Path(file)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"policy.template_file: {file} has more than {_MOST_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"policy.template_file: {file} is no UTF-8 text: save it so") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigError(f"policy.template_file: cannot read {file}: {said}") from error
    if not text.strip():
        raise ConfigError(
            f"policy.template_file: {file} is empty: write {{{{ observation }}}} in it"
        )
    return text
