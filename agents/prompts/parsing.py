"""Parsing of responses into actions, in linear time.

Only the policy's own response is parsed, so nothing that a world puts into an observation counts.
Each tag takes one search from left to right: no pattern here can backtrack.
"""

from __future__ import annotations

THINK, END_THINK = "<think>", "</think>"
ACTION, END_ACTION = "<action>", "</action>"


def parse_tagged(text: str) -> str:
    """Return the action of `<think>…</think><action>…</action>`, stripped; "" if there is none.

    The first action after the thoughts counts; an action inside the thoughts does not. Thoughts end
    at their first `</think>`, and a response with unclosed thoughts has no action. Text after the
    action is ignored. The thoughts may be left out.
    """
    action = text.find(ACTION)
    if action < 0:
        return ""
    opened = text.find(THINK, 0, action)
    ended = text.find(END_THINK, max(opened, 0))
    if opened >= 0 and ended < 0:
        return ""
    # Thoughts without a `<think>` were opened by the prompt, unless another one comes first.
    if opened >= 0 or (ended > action and text.find(THINK, action, ended) < 0):
        action = text.find(ACTION, ended)
    if action < 0:
        return ""
    first = action + len(ACTION)
    end = text.find(END_ACTION, first)
    return text[first:end].strip() if end >= 0 else ""
