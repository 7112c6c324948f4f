"""A league evaluated from the command line, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chat_models import chat_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from anchorgym.agents import PolicyError
from anchorgym.training.cli import main
from anchorgym.training.worlds.vgc.chatting import chat_model

PLAYERS = ("random", "strong=max-power", "heuristic")


def test_a_league_is_played_ranked_and_drawn_once(
    simulator: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["vgc", "league", *PLAYERS, "--games", "16", "--json", "--out", str(tmp_path)]
    assert main([*command, "--only", "unseen", "--record", "2"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["players"] == ["random", "strong", "heuristic"]
    assert result["games"] == 3 * 16
    for i, row in enumerate(result["shares"]):
        for j, cell in enumerate(row):
            if i == j:
                assert cell is None
            else:
                mean, low, high = cell
                assert 0 <= low <= mean <= high <= 1
                assert mean == pytest.approx(1 - result["shares"][j][i][0])
    elos = [one["elo"][0] for one in result["standings"]]
    assert elos == sorted(elos)
    assert sum(one["alpha_rank"] for one in result["standings"]) == pytest.approx(1)
    assert (tmp_path / "evaluation.png").read_bytes().startswith(b"\x89PNG")
    kept = (tmp_path / "unseen" / "games.jsonl").read_text()
    assert main(["replay", "--verify", str(tmp_path / "battles.jsonl")]) == 0
    assert main([*command, "--only", "unseen"]) == 0  # nothing is played twice
    assert (tmp_path / "unseen" / "games.jsonl").read_text() == kept
    assert main(["vgc", "league", "strong=random", "random", "--out", str(tmp_path)]) == 2
    assert "give another folder" in capsys.readouterr().err


def test_players_that_are_none_are_refused(
    simulator: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "league"
    assert main(["vgc", "league", "heuristics", "random", "--out", str(folder)]) == 2
    assert "Did you mean 'heuristic'" in capsys.readouterr().err
    assert not folder.exists()  # nothing of it is left for the next call
    small = ["--games", "2", "--only", "seen", "--out", str(folder)]
    assert main(["vgc", "league", "max-power", "random", *small]) == 0
    assert main(["vgc", "league", "nobody", "random", *small]) == 2
    assert main(["vgc", "league", "other=random", "random", *small]) == 0
    assert json.loads((folder / "players.json").read_text())["players"] == {
        "max-power": "max-power",
        "random": "random",
        "other": "random",
    }
    assert main(["vgc", "league", "a=random", "a=max-power", *small]) == 2
    assert "a is random and max-power" in capsys.readouterr().err


def test_a_chat_model_of_a_folder_answers(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    answer = chat_model(tmp_path / "model", longest=4)
    chosen, taken = answer(["Choose.", "Take one."])
    assert chosen == answer(["Choose."])[0]
    assert taken == answer(["Take one."])[0]
    assert answer(["Choose. " * 2000, "Choose."]) == ["", chosen], "too long to be answered"
    with pytest.raises(PolicyError, match="no Hugging Face model"):
        chat_model(tmp_path)
