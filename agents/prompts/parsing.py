"""Which action a response means: linear time, and only what the policy itself wrote.

The prompt is never looked at, so nothing that a world puts into an observation counts. Each tag is
found by one search from left to right: no pattern here can backtrack.
"""

from __future__ import annotations

THINK, END_THINK = "<think>", "</think>"
ACTION, END_ACTION = "<action>", "</action>"


def parse_tagged(text: str) -> str:
    """Return the action of `<think>…</think><action>…</action>`, stripped; "" where there is none.

    The first action after the thoughts counts. One that is only thought of does not: thoughts end
    at their first `</think>`, and thoughts that are never ended hold no action. Whatever follows
    the action is ignored. The thoughts may be left out.
    """
    action = text.find(ACTION)
    if action < 0:
        return ""
    opened = text.find(THINK, 0, action)
    ended = text.find(END_THINK, max(opened, 0))
    if opened >= 0 and ended < 0:
        return ""
    # Thoughts without a beginning were opened by the prompt, unless another `<think>` comes first.
    if opened >= 0 or (ended > action and text.find(THINK, action, ended) < 0):
        action = text.find(ACTION, ended)
    if action < 0:
        return ""
    first = action + len(ACTION)
    end = text.find(END_ACTION, first)
    return text[first:end].strip() if end >= 0 else ""
