"""Rows on one line, whose shared beginnings are there once, give what rows alone give."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_families import SUPPORTED, family_model

from anchorgym.agents.engines.forward import row_states, token_logits
from anchorgym.agents.engines.lines import (
    Span,
    lay_out,
    line_length,
    positions_of,
    shares_beginnings,
)

ROWS = [
    [5, 6, 7, 8, 9, 10, 11, 12],
    [5, 6, 7, 20, 21],
    [5, 6, 7, 8, 9, 30, 31, 32, 33, 34],
    [40, 41, 42],
    [5, 6, 7, 8],  # the beginning of others
    [5, 6, 7, 20, 21],  # a row twice
    [5, 6, 7, 20, 22, 23],
]
EXACT = 1e-4
SHARING = [name for name in SUPPORTED if shares_beginnings(family_model(name).config)]

rows_of_tokens = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1)


@given(rows_of_tokens)
def test_every_beginning_is_on_a_line_once(rows: list[list[int]]) -> None:
    tokens, spans, places = lay_out(rows, sharing=True)
    beginnings = {tuple(row[: n + 1]) for row in rows for n in range(len(row))}
    assert len(tokens) == line_length(rows, sharing=True) == len(beginnings)
    assert len(tokens) == sum(span.length for span in spans)
    positions = positions_of(spans).tolist()
    for row, where in zip(rows, places, strict=True):
        assert [tokens[place] for place in where] == row
        assert [positions[place] for place in where] == list(range(len(row)))


@given(rows_of_tokens)
def test_a_span_names_the_earlier_tokens_of_its_row(rows: list[list[int]]) -> None:
    tokens, spans, _ = lay_out(rows, sharing=True)
    starts = [sum(span.length for span in spans[:n]) for n in range(len(spans))]
    for n, span in enumerate(spans):
        read = [t for of, count in span.before for t in tokens[starts[of] :][:count]]
        assert len(read) == span.begin
        whole = [*read, *tokens[starts[n] :][: span.length]]
        assert whole in rows


def test_rows_that_share_nothing_stay_in_order() -> None:
    tokens, spans, places = lay_out([[7, 8, 9], [7, 8], [1]], sharing=False)
    assert tokens == [7, 8, 9, 7, 8, 1]
    assert spans == [Span(0, 3), Span(0, 2), Span(0, 1)]
    assert places == [[0, 1, 2], [3, 4], [5]]


@pytest.mark.parametrize("name", SHARING)
def test_shared_beginnings_change_neither_logits_nor_gradients(name: str) -> None:
    model = family_model(name)
    tokens, spans, places = lay_out(ROWS, sharing=True)
    assert len(tokens) < sum(map(len, ROWS)) - 15
    line = row_states(model, torch.tensor([tokens]), spans)[0]
    shared = [token_logits(model, line[where]) for where in places]
    alone = [token_logits(model, row_states(model, torch.tensor([row]))[0]) for row in ROWS]
    for ours, truth in zip(shared, alone, strict=True):
        assert (ours - truth).abs().max() < EXACT
    found, expected = (gradient(model, logits) for logits in (shared, alone))
    assert expected.abs().max() > 0.1
    assert (found - expected).abs().max() < EXACT * expected.abs().max()


def gradient(model: torch.nn.Module, logits: list[torch.Tensor]) -> torch.Tensor:
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    loss = sum(torch.log_softmax(of, -1)[:, 3].sum() for of in logits)
    found = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([of.flatten() for of in found])


def test_models_whose_layers_attend_to_windows_do_not_share() -> None:
    assert {"llama", "qwen2", "qwen3"} <= set(SHARING)
    assert not {"mistral", "gemma2", "gemma3", "gpt-oss"} & set(SHARING)
