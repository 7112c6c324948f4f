"""Worked examples: in front of every conversation, in the form of the policy's own prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_models import CHAT, chat_model, chat_tokenizer
from small_policies import small_policy

from anchorgym.agents import PolicyError, View, load_policy
from anchorgym.agents.prompts.examples import MOST, Example
from anchorgym.training.config.sections import MOST_EXAMPLES

VIEW = View("open the door", ("go west", "take key"), True, "")
EXAMPLES = (
    Example(
        goal="find a mug",
        observation="A hall.",
        admissible_actions=("go east", "wait"),
        action="go east",
        turn=0,
    ),
    Example(
        goal="find a mug",
        observation="A shelf.",
        admissible_actions=("take mug", "wait"),
        action="take mug",
        turn=1,
    ),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("chat") / "model")


@pytest.mark.parametrize("form", ["window", "transcript"])
def test_a_conversation_with_examples_is_one_of_the_chat_format(model: Path, form: str) -> None:
    plain = load_policy(model).with_prompt(form=form, system="Be brave.")
    policy = plain.with_prompt(examples=EXAMPLES)
    template = policy.template
    prompts = {
        "window": lambda t: t.window("A key.", VIEW, (), 0),
        "transcript": lambda t: t.turn("A key.", VIEW, ""),
    }
    text = str(policy.tokenizer.decode(prompts[form](template)))
    messages = [part.partition("\n") for part in text.split("<|im_start|>")[1:-1]]
    assert [role for role, _, _ in messages] == ["system", *["user", "assistant"] * 2, "user"]
    rendered = policy.tokenizer.apply_chat_template(
        [{"role": r, "content": said.removesuffix("<|im_end|>\n")} for r, _, said in messages],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert rendered == text
    assert "<think></think><action>take mug</action><|im_end|>" in text
    last = str(plain.tokenizer.decode(prompts[form](plain.template)))
    assert text.endswith(last.partition("<|im_end|>\n")[2])  # the episode's own prompt is the same
    second = messages[3][2]
    if form == "window":
        assert "[Turn 1] You did: go east" in second
    else:
        assert "Your task" not in second
        later = str(policy.tokenizer.decode(template.turn("A shed.", VIEW, "eos", 1)))
        assert "mug" not in later


def test_examples_list_the_actions_that_prompts_list(model: Path) -> None:
    policy = load_policy(model).with_prompt(examples=EXAMPLES, shows_actions="new")
    text = str(policy.tokenizer.decode(policy.template.window("A key.", VIEW, (), 0)))
    assert "You can do: 'take mug'\n" in text
    assert "wait" not in text


def test_all_episodes_share_them_and_a_plain_question_does_not_have_them(model: Path) -> None:
    template = load_policy(model).with_prompt(examples=EXAMPLES).template
    prompts = [template.window(seen, VIEW, (), 0) for seen in ("A key.", "A door.")]
    shared = getattr(template, "n_shared")  # noqa: B009
    assert prompts[0][:shared] == prompts[1][:shared]
    assert "take mug" in str(template.tokenizer.decode(prompts[0][:shared]))
    assert "mug" not in template.tokenizer.decode(template.question("Where are you?"))


def test_they_are_saved_as_text(model: Path, tmp_path: Path) -> None:
    policy = load_policy(model).with_prompt(examples=EXAMPLES)
    policy.save(tmp_path / "saved")
    loaded = load_policy(tmp_path / "saved")
    assert loaded.prompt_settings == policy.prompt_settings
    saved = (tmp_path / "saved/anchorgym_policy.json").read_text()
    assert "take mug" in saved
    assert "anchor" not in saved
    none = loaded.with_prompt(examples=())
    assert none.template.window("A", VIEW, (), 0) == load_policy(model).template.window(
        "A", VIEW, (), 0
    )


def test_examples_that_leave_no_room_are_refused(model: Path) -> None:
    with pytest.raises(PolicyError, match=r"worked examples take \d+ of the 400 tokens"):
        load_policy(model).with_prompt(examples=EXAMPLES, max_context=400)
    with pytest.raises(PolicyError, match="examples"):
        load_policy(model).with_prompt(examples=EXAMPLES[:1] * (MOST + 1))
    with pytest.raises(PolicyError, match="for chat models"):
        small_policy("test/Rooms-v0").with_prompt(examples=EXAMPLES)
    assert MOST_EXAMPLES == MOST


FORGETFUL = CHAT.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}"
    "{% else %}{{ m.content }}{% endif %}",
)
"""A chat format of the kind of Qwen3, which leaves out the thoughts of earlier replies."""


def test_what_was_thought_stays_in_a_transcript_whatever_the_chat_format_does() -> None:
    from anchorgym.agents import ChatTemplate

    forgetful, keeping = ChatTemplate(chat_tokenizer(FORGETFUL)), ChatTemplate(chat_tokenizer())
    assert forgetful.drops_thoughts
    assert not keeping.drops_thoughts
    reply = forgetful.tokenizer.encode("<think>hm</think><action>go</action><|im_end|>")
    written = [forgetful.turn("A hall.", VIEW, ""), reply, forgetful.turn("A key.", VIEW, "eos")]
    text = str(forgetful.tokenizer.decode([token for part in written for token in part]))
    assert "<think>hm</think><action>go</action>" in text  # a row of training is what was sampled
    same = [keeping.turn("A hall.", VIEW, ""), reply, keeping.turn("A key.", VIEW, "eos")]
    assert written == same
