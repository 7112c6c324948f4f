"""The search engine beside Lucene, and what its index promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorgym.envs.webshop import Product, SearchIndex
from anchorgym.envs.webshop.analysis import analyse
from anchorgym.envs.webshop.search import IndexFileError, _kept_length
from anchorgym.envs.webshop.store import generated_index

from .conftest import Read

TEXTS = ("a red shirt", "a blue shirt, a shirt", "the red shoe", "shoes and shirts")
WORDS = st.lists(st.sampled_from(["red", "blue", "shirt", "shoe", "the", "green"]), max_size=8)


@pytest.fixture(scope="module")
def small(read: Read) -> tuple[SearchIndex, list[str]]:
    products = [Product.from_listing(product) for product in read("products_1000")]
    index = SearchIndex.build(product.indexed_text for product in products)
    return index, [product.asin for product in products]


def test_it_ranks_as_lucene_does(small: tuple[SearchIndex, list[str]], read: Read) -> None:
    index, asins = small
    overlap, same_top, rankings = 0.0, 0, read("lucene_rankings")
    for ranking in rankings:
        ours = [asins[row] for row in index.rank(ranking["query"])]
        theirs = [asin for asin, _ in ranking["lucene_top"]]
        overlap += len(set(ours[:10]) & set(theirs[:10])) / min(10, len(theirs))
        same_top += ours[0] == theirs[0]
    assert overlap / len(rankings) >= 0.975
    assert same_top / len(rankings) >= 0.955


def test_it_scores_as_lucene_does(small: tuple[SearchIndex, list[str]], read: Read) -> None:
    index, asins = small
    rows = {asin: row for row, asin in enumerate(asins)}
    near = []
    for ranking in read("lucene_rankings")[:100]:
        for asin, score in ranking["lucene_top"][:10]:
            near.append(index.scores_of(ranking["query"])[rows[asin]] == pytest.approx(score, 0.03))
    assert np.mean(near) > 0.9


def test_a_saved_index_is_mapped_and_ranks_the_same(tmp_path: Path) -> None:
    built = SearchIndex.build(TEXTS)
    built.save(tmp_path)
    loaded = SearchIndex.load(tmp_path)
    assert isinstance(loaded.scores.base, np.memmap)
    for query in ("red", "shirts", "the", "", "blue shoe"):
        assert loaded.rank(query) == built.rank(query)


def test_files_that_are_no_index_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="no search index"):
        SearchIndex.load(tmp_path)
    SearchIndex.build(TEXTS).save(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"format": 99, "documents": 4}))
    with pytest.raises(IndexFileError, match="another version"):
        SearchIndex.load(tmp_path)


@given(words=WORDS)
def test_results_hold_a_word_and_do_not_depend_on_the_order(words: list[str]) -> None:
    index = SearchIndex.build(TEXTS)
    found = index.rank(" ".join(words))
    assert set(found) == {
        row for row, text in enumerate(TEXTS) if set(analyse(text)) & set(analyse(" ".join(words)))
    }
    assert index.rank(" ".join(reversed(words))) == found


@given(st.text(max_size=60))
def test_any_text_can_be_searched_for(text: str) -> None:
    assert set(SearchIndex.build(TEXTS).rank(text)) <= set(range(len(TEXTS)))


def test_an_empty_catalogue_finds_nothing() -> None:
    assert SearchIndex.build(()).rank("red") == ()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The women's running shoes", ["women", "run", "shoe"]),
        ("9.5 oz, 1,000 pcs", ["9.5", "oz", "1,000", "pc"]),
        ("wi-fi e.g. don\u2019t", ["wi", "fi", "e.g", "don\u2019t"]),
        ("茶 tea", ["茶", "tea"]),
        ("___ a_b", ["a_b"]),
    ],
)
def test_text_is_read_as_lucene_reads_it(text: str, terms: list[str]) -> None:
    assert analyse(text) == terms


@pytest.mark.slow
def test_a_large_index_is_kept_and_shared_between_processes(tmp_path: Path) -> None:
    os.environ["ANCHORGYM_CACHE"] = str(tmp_path)
    first = generated_index(5000, 3)
    code = (
        "import json; from anchorgym.envs.webshop.store import generated_index;"
        "print(json.dumps(generated_index(5000, 3).rank('red cotton shirt')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(json.loads(ran.stdout)) == first.rank("red cotton shirt")
    (folder,) = (tmp_path / "webshop").iterdir()
    assert not folder.name.endswith(".tmp")


def test_lengths_are_kept_as_lucene_keeps_them_in_a_byte() -> None:
    """Exactly below 40, then to four binary digits of what is beyond 24: `SmallFloat`."""
    assert [_kept_length(length) for length in range(41)] == list(range(41))
    rounded = {41: 40, 42: 42, 55: 54, 56: 56, 59: 56, 60: 60, 87: 84, 88: 88, 95: 88, 100: 96}
    assert {length: _kept_length(length) for length in rounded} == rounded
