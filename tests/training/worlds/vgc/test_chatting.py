"""Chat models that choose from the menus of battles."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chat_models import chat_model as saved_model
from chat_models import chat_tokenizer

from anchorgym.training.worlds.vgc import chatting


def test_an_answer_comes_without_the_thoughts_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number that a thought mentions is not the one that is chosen."""
    folder, write = saved_model(tmp_path / "model"), chat_tokenizer().encode

    def answered(engine: Any, asked: Any, user: str) -> list[Any]:
        texts = ["<think>7, or rather</think>2", "<think>7, or"]
        return [SimpleNamespace(tokens=write(text)) for text in texts[: len(asked)]]

    monkeypatch.setattr(chatting, "answer_apart", answered)
    ask = chatting.chat_model(folder, longest=64)
    assert ask(["1. a move", "1. a move"]) == ["2", ""]


def test_a_message_that_leaves_no_room_for_an_answer_gets_none(tmp_path: Path) -> None:
    ask = chatting.chat_model(saved_model(tmp_path / "model", positions=128), longest=16)
    short, long = ask(["1. a move", "1. a move " * 40])
    assert short
    assert long == ""
