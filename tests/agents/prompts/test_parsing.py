"""What counts as the action of a response."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.agents import parse_tagged

TAGS = ("<think>", "</think>", "<action>", "</action>")
NOISE = st.lists(st.sampled_from([*TAGS, "<", "</", "action>", "a", " ", "\n", "\u202e"]))


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("<think>The mug is near.</think><action>take mug 1</action>", "take mug 1"),
        ("<think>a</think>\n\n<action>\n look \n</action>", "look"),
        ("<action>look</action>", "look"),
        ("<think>maybe <action>go</action>?</think><action>look</action>", "look"),
        ("<think>maybe <action>go</action>?", ""),
        (
            "thoughts that the prompt opened <action>go</action></think><action>look</action>",
            "look",
        ),
        ("<action>look</action><action>go</action>", "look"),
        ("<action>look</action><think>no</think><action>go</action>", "look"),
        ("<think>a</think>look", ""),
        ("<think>a</think><action>look", ""),
        ("<think>a</think></action><action>look</action>", "look"),
        ("<think>a</think><action></action>", ""),
        ("<ACTION>look</ACTION>", ""),
        ("", ""),
    ],
)
def test_the_first_action_after_the_thoughts_counts(text: str, action: str) -> None:
    assert parse_tagged(text) == action


def test_nothing_is_done_until_thoughts_of_the_prompt_end() -> None:
    said = "I could <action>go</action>"
    assert parse_tagged(said, thinking=True) == ""
    assert parse_tagged(f"{said}</think><action>look</action>", thinking=True) == "look"
    assert parse_tagged(f"a</think><think>{said}</think><action>look</action>") == "look"
    assert parse_tagged(f"a</think><think>{said}") == ""


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="<>")))
def test_an_action_that_was_only_thought_of_never_counts(thought: str, action: str) -> None:
    thought = thought.replace("</think>", "")
    said = f"<think>{thought}</think><action>{action}</action>"
    assert parse_tagged(said) == action.strip()


@given(NOISE.map("".join))
def test_an_action_is_always_a_part_of_what_was_written(text: str) -> None:
    action = parse_tagged(text)
    assert action in text
    assert action == action.strip()
    assert "</action>" not in action


@pytest.mark.parametrize(
    "unit",
    [*TAGS, "<", "<think><action>", "<action>x", "</action><", "a", "<think></think>", " "],
)
def test_a_response_of_a_million_characters_is_read(unit: str) -> None:
    text = (unit * (10**6 // len(unit) + 1))[: 10**6]
    assert parse_tagged(text) == ""
    assert parse_tagged(f"{text}</think><action>look</action>") == "look"
