"""Parsing of responses into actions, in linear time.

Only the policy's own response is parsed, so nothing that a world puts into an observation counts.
Each tag takes one search from left to right: no pattern here can backtrack.
"""

from __future__ import annotations

THINK, END_THINK = "<think>", "</think>"
ACTION, END_ACTION = "<action>", "</action>"


def parse_tagged(text: str, *, thinking: bool = False) -> str:
    """Return the action of `<think>…</think><action>…</action>`, stripped; "" if there is none.

    The first action outside of thoughts counts. Thoughts end at their first `</think>`, and what
    follows an unclosed `<think>` is thought. Text after the action is ignored. The thoughts may be
    left out.

    Args:
        text: the response.
        thinking: whether the prompt has opened the thoughts. Without it, a response whose first
            tag of thoughts is `</think>` was opened by its prompt all the same.
    """
    start = 0
    opened, ended = text.find(THINK), text.find(END_THINK)
    if thinking or (ended >= 0 and not 0 <= opened < ended):
        if ended < 0:
            return ""
        start = ended + len(END_THINK)
    action = -1
    while True:
        if action < start:
            action = text.find(ACTION, start)
        if action < 0:
            return ""
        opened = text.find(THINK, start, action)
        if opened < 0:
            break
        ended = text.find(END_THINK, opened)
        if ended < 0:
            return ""
        start = ended + len(END_THINK)
    first = action + len(ACTION)
    end = text.find(END_ACTION, first)
    return text[first:end].strip() if end >= 0 else ""


def without_thoughts(text: str, *, thinking: bool = False) -> str:
    """Return what a response says after its last thoughts; "" if it only thinks.

    Args:
        text: the response.
        thinking: whether the prompt has opened the thoughts.
    """
    if thinking and END_THINK not in text:
        return ""
    return text.rpartition(END_THINK)[2].partition(THINK)[0]
