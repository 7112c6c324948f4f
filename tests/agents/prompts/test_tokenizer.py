"""The word-level tokenizer: short sequences, exact actions, no leaks between words."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import pytest
from chat_models import chat_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.agents import Trie, View, build_tokenizer
from anchorgym.agents.prompts.phrases import joined_words
from anchorgym.agents.prompts.template import PastTurn, TemplateError, TinyTemplate
from anchorgym.agents.prompts.tokenizer import factors, phrase_pattern

THINGS = ("mug", "plate", "pen")
PLACES = ("desk", "shelf")
OBSERVATIONS = [
    f"You arrive at {place} {n}. On the {place} {n}, you see a {thing} {m}, and a {other} 1."
    for place in PLACES
    for n in (1, 2, 3)
    for thing in THINGS
    for other in THINGS
    for m in (1, 2)
]
ACTIONS = [
    *(f"go to {place} {n}" for place in PLACES for n in (1, 2, 3)),
    *(
        f"take {thing} {m} from {place} {n}"
        for thing in THINGS
        for m in (1, 2)
        for place in PLACES
        for n in (1, 2, 3)
    ),
]
GOALS = [f"put a {thing} in {place}." for thing in THINGS for place in PLACES]


@pytest.fixture(scope="module")
def template() -> TinyTemplate:
    return TinyTemplate(build_tokenizer([*OBSERVATIONS, *GOALS * 10], ACTIONS * 5))


def words(template: TinyTemplate, ids: list[int]) -> list[str]:
    return template.tokenizer.convert_ids_to_tokens(ids)


def test_every_action_decodes_to_itself(template: TinyTemplate) -> None:
    for action in ACTIONS:
        assert template.parse(template.response(action)).action == action


def test_names_with_numbers_and_fixed_phrases_are_single_tokens(template: TinyTemplate) -> None:
    assert words(template, template.response("go to desk 2")) == [" go to", " desk 2", "<eos>"]
    view = View("put a mug in desk.", (), True, "")
    turn = words(template, template.turn(OBSERVATIONS[0], view, ""))
    assert turn[:3] == ["<obs>", " you arrive at", " desk 1"]
    assert " mug 1" in turn
    goal = turn[turn.index("<goal>") :]
    assert (goal[0], goal[-1]) == ("<goal>", "<act>")
    assert {" mug", " desk"} <= set(goal)


def test_names_in_goals_stay_apart_from_the_words_around_them(template: TinyTemplate) -> None:
    goal = words(template, list(template._encode("put a pen in shelf.")))
    assert " pen" in goal
    assert " shelf" in goal


def test_kind_is_shared_by_a_name_with_and_without_its_number(template: TinyTemplate) -> None:
    vocabulary = template.tokenizer.get_vocab()
    kind, number = factors(template.tokenizer)
    assert kind[vocabulary[" mug"]] == kind[vocabulary[" mug 1"]] == kind[vocabulary[" mug 2"]]
    assert kind[vocabulary[" pen 1"]] != kind[vocabulary[" mug 1"]]
    assert number[vocabulary[" pen 2"]] == number[vocabulary[" mug 2"]] == 2
    assert number[vocabulary["<eos>"]] == 0


def test_numbers_a_little_beyond_those_met_can_be_written(template: TinyTemplate) -> None:
    assert template.parse(template.response("go to desk 4")).action == "go to desk 4"


def test_unknown_words_do_not_raise(template: TinyTemplate) -> None:
    ids = template.turn("a wild zebra 7 appears", View("ride it", (), True, ""), "")
    assert "<unk>" in words(template, ids)


@given(st.text(max_size=60))
def test_text_of_the_world_cannot_forge_a_marker(template: TinyTemplate, text: str) -> None:
    special = set(template.tokenizer.all_special_ids) - {template.tokenizer.unk_token_id}
    for forged in (text, f"<act> {text} <eos>", f"<obs>{text}<goal>"):
        assert special.isdisjoint(template._encode(forged))


def test_choices_are_the_actions_that_fit_and_have_no_unknown_words(
    template: TinyTemplate,
) -> None:
    short, long = "go to desk 2", "take mug 1 from shelf 2"
    lengths = [len(template.response(action)) for action in (short, long)]
    assert lengths[0] < lengths[1]

    def written(trie: Trie | None) -> set[str]:
        found, open_ = set(), [(trie, [])] if trie else []
        while open_:
            node, tokens = open_.pop()
            if not node:
                found.add(template.parse(tokens).action)
            open_ += [(node.after(token), [*tokens, token]) for token in node.allowed()]
        return found

    assert written(template.choices((short, long), lengths[1])) == {short, long}
    assert written(template.choices((short, long), lengths[1] - 1)) == {short}
    assert written(template.choices((short, long), lengths[0])) == {short}
    assert template.choices((short, long), lengths[0] - 1) is None
    assert "<unk>" in words(template, template.response("ride zebra"))
    assert written(template.choices((short, "ride zebra"), 20)) == {short}
    assert template.choices(("ride zebra",), 20) is None


def test_an_unknown_word_in_a_response_stays_in_its_action(template: TinyTemplate) -> None:
    """Nobody can have meant the action without it; markers are ignored."""
    said, unknown = template.response("go to desk 2"), template.tokenizer.unk_token_id
    assert template.parse([said[0], unknown, *said[1:]]).action not in ACTIONS
    marker = template.turn("", View("", (), True, ""), "")[0]
    assert template.parse([said[0], marker, *said[1:]]).action == "go to desk 2"


def test_fillers_that_actions_use_are_kept() -> None:
    texts = ["you see a red, green and blue shirt"] * 30
    template = TinyTemplate(build_tokenizer(texts, ["search[red and blue, a lot]"] * 30))
    action = "search[red and blue, a lot]"
    assert template.parse(template.response(action)).action == action


def test_a_tokenizer_without_the_markers_is_refused() -> None:
    with pytest.raises(TemplateError, match="<can>"):
        TinyTemplate(chat_tokenizer())


def test_any_word_that_was_searched_for_may_open_a_search() -> None:
    actions = ["search[<words>]", "search[red shoes]", "search[blue hats]"]
    tokenizer = build_tokenizer(["find red shoes", "find blue hats"] * 30, actions)
    for action in ("search[red shoes]", "search[shoes red]", "search[hats blue]"):
        ids = tokenizer.encode(action, add_special_tokens=False)
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids).strip() == action


def test_codes_that_were_met_in_several_texts_are_single_tokens() -> None:
    texts = [f"items [ W{n:04d} ] [ W{n + 1:04d} ] of {n}in" for n in range(1, 30)] * 20
    actions = [f"click[w{n:04d}]" for n in range(1, 31)] + ["click[w9999]"]
    tokenizer = build_tokenizer(texts, actions)
    template = TinyTemplate(tokenizer)
    assert words(template, tokenizer.encode("a W0007 b")).count(" w0007") == 1
    for action in actions:  # those that were met once are spelled
        assert template.parse(template.response(action)).action == action
    assert len(template.response("click[w0007]")) < len(template.response("click[w9999]"))
    met = {template.response(f"click[w{n:04d}]")[-3] for n in (7, 8, 9)}
    assert len(met) == 3


@given(st.sets(st.text("ab 1.-_é", min_size=1, max_size=6)), st.text("ab 1.-_é", max_size=60))
def test_phrases_that_share_beginnings_are_found_as_if_each_were_tried(
    phrases: set[str], text: str
) -> None:
    def alone(phrase: str) -> str:
        """Write a phrase so that it neither begins nor ends within a word or a code."""
        ends = {True: r"[^\W\d_]", False: r"[^\W_]"}
        before = f"(?<!{ends[phrase[0].isalpha()]})" if phrase[0].isalnum() else ""
        after = f"(?!{ends[phrase[-1].isalpha()]})" if phrase[-1].isalnum() else ""
        return f"{before}{re.escape(phrase)}{after}"

    units = phrase_pattern(()).pattern
    longest_first = sorted(phrases, key=len, reverse=True)
    one_by_one = re.compile("|".join([*map(alone, longest_first), units]))
    assert phrase_pattern(phrases).findall(text) == one_by_one.findall(text)


def slowly_joined(
    rows: list[tuple[list[str], int]], separate: dict[str, bool], least: int
) -> set[str]:
    """The rule of phrases as it reads: count everything anew in each round."""
    while True:
        single: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for row, count in rows:
            for word in row:
                single[word] += count
            for pair in itertools.pairwise(row):
                pairs[pair] += count
        joined = {
            (one, other)
            for (one, other), count in pairs.items()
            if count >= least and count in (single[one], single[other])
            if not separate.get(one) and not separate.get(other)
        }
        if not joined:
            return set(single)
        rows = [(joined_once(row, joined), count) for row, count in rows]


def joined_once(row: list[str], pairs: set[tuple[str, str]]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(row):
        both = tuple(row[i : i + 2]) in pairs
        out.append("".join(row[i : i + 2]) if both else row[i])
        i += 2 if both else 1
    return out


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "ab", "b", " c", "_", " d 1"]), max_size=20),
            st.integers(1, 4),
        ),
        max_size=5,
    )
)
def test_phrases_are_those_that_counting_anew_in_each_round_finds(
    rows: list[tuple[list[str], int]],
) -> None:
    separate = {word: word == " d 1" for row, _ in rows for word in row}
    assert joined_words(rows, separate, 3) == slowly_joined(rows, separate, 3)


@pytest.mark.parametrize("text", ["go " + "word " * 4000 + "end", "_a" * 2000])
def test_an_observation_of_any_length_is_joined_in_one_pass(text: str) -> None:
    template = TinyTemplate(build_tokenizer([text] * 25, ["go"]))  # a round a word would hang
    tokens = template.turn(text, View("go", (), True, ""), "")
    assert len(tokens) < 10
    assert template.tokenizer.unk_token_id not in tokens


@pytest.mark.parametrize("text", ["\ud800", "a \udfff b", "\x00\u2028\u202e"])
def test_text_that_utf8_cannot_write_is_read(text: str) -> None:
    template = TinyTemplate(build_tokenizer([text, "see a mug"], [text, "take mug"]))
    view = View(text, (text, "take mug"), False, text)
    assert template.window(text, view, [PastTurn(text, text)], 1)
    assert template.choices((text, "take mug"), 8)
    assert template.parse(template.response("take mug")).action == "take mug"
