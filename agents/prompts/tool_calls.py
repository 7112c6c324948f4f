"""Actions as calls of a tool, for models that were trained to use tools.

A model calls the one tool `act` in the format of its family. Three families of formats are read:
`<tool_call>{"name": …, "arguments": {…}}</tool_call>` (Hermes, Qwen), the bare JSON object of
Llama 3, `{"name": …, "parameters": {…}}`, and `[TOOL_CALLS]` before a list of such objects, or
before the tool's name and its arguments (Mistral).
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

ACT: Final = "act"
"""Name of the tool."""
CALL_ID: Final = "call00001"
"""Id of a call, in the nine letters and digits that Mistral's format asks for."""
TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": ACT,
        "description": "Take one action in the environment.",
        "parameters": {
            "type": "object",
            "properties": {"action": {"type": "string", "description": "The action to take."}},
            "required": ["action"],
        },
    },
}
"""The tool as a JSON schema, as chat formats describe it to the model."""
OPENERS: Final = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>")
"""Markers that open a call."""
MARKERS: Final = (*OPENERS, "</tool_call>", "[ARGS]")
"""All markers of calls."""
_LONGEST = 20_000
"""Most characters of a call."""


class Call(NamedTuple):
    """A call of the tool that was read."""

    action: str
    problem: str = ""
    """Why no action could be read; "" if there is one."""


def parse_call(text: str) -> Call:
    """Return the first call in a response without its thoughts, in any format that is known."""
    text = text.strip()
    if not text.startswith("{"):  # a bare call may hold a marker in its action
        found = [(text.find(opener), opener) for opener in OPENERS if opener in text]
        start, opener = min(found, default=(0, ""))
        text = text[start + len(opener) :].strip()
    if text.startswith(ACT):  # Mistral's newer format names the tool before its arguments
        rest = text[len(ACT) :].strip().removeprefix("[ARGS]").strip()
        if rest.startswith("{"):
            return _action_of(_object(rest))
    if not text.startswith(("{", "[")):
        return Call("", f"no call of the tool {ACT} was written")
    call = _object(text)
    call = call[0] if isinstance(call, list) and call else call
    if not isinstance(call, dict):
        return Call("", f"the call of the tool {ACT} is no JSON object that can be read")
    if call.get("name") != ACT:
        named = str(call.get("name"))[:40]
        return Call("", f"there is no tool {named!r}: call {ACT}")
    return _action_of(call.get("arguments", call.get("parameters")))


def _action_of(arguments: object) -> Call:
    if isinstance(arguments, str):
        arguments = _object(arguments)
    action = arguments.get("action") if isinstance(arguments, dict) else None
    if not isinstance(action, str) or not action.strip():
        return Call("", f"the call of the tool {ACT} has no argument `action` that is a text")
    return Call(action.strip())


def _object(text: str) -> Any:
    """Return the JSON value that a text begins with; None if it cannot be read."""
    try:
        return json.JSONDecoder().raw_decode(text[:_LONGEST].strip())[0]
    except (ValueError, RecursionError):
        return None


def in_json(text: str) -> str:
    """Return text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
