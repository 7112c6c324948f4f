"""Text of a world, made safe for tokenizers, terminals, JSON, HTML and files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs.texts import id_bytes, json_line, one_line, printable, well_formed

ANY = st.text(st.characters(exclude_categories=()))
HOSTILE = "".join(map(chr, [*range(32), *range(127, 160), 0x202E, 0x2066, 0x200F, 0xD800, 0xDFFF]))


@given(ANY)
def test_well_formed_text_can_be_written_and_keeps_everything_else(text: str) -> None:
    found = well_formed(text)
    found.encode()
    assert len(found) == len(text)
    assert all(a == b for a, b in zip(text, found, strict=True) if not 0xD800 <= ord(a) < 0xE000)


@given(ANY)
def test_a_terminal_obeys_nothing_of_printable_text(text: str) -> None:
    assert not set(printable(text + HOSTILE)) & (set(HOSTILE) - {"\n", "\t"})
    assert "\n" not in one_line(text + HOSTILE)


@given(ANY)
def test_json_loses_nothing(text: str) -> None:
    line = json_line({"text": text})
    assert b"\n" not in line
    assert json.loads(line.decode()) == {"text": text}


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Übergröße, 東京 🎉\n\tand a tab"
    assert well_formed(text) == printable(text) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_numbers_that_are_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_line(value)


def test_ids_that_differ_have_different_bytes() -> None:
    assert len({id_bytes(text) for text in ("a", "a\ud800", "a\udfff", "a\ufffd")}) == 4
    assert id_bytes("Größe") == "Größe".encode()
