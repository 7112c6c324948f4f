"""A word-level tokenizer built from an environment's own words.

Four things keep sequences short and copying easy, and none of them knows a world:

- a name and its number are one token (`" mug 2"`),
- fixed phrases are one token (`" go to"`, `" you arrive at"`): two words are joined when one of
  them never occurs without the other,
- codes of letters and digits that occur in several texts are one token (`" w0065"`, `" 84in"`),
- articles, "and" and commas are dropped when no action ever uses them.

Tokens include the space before them, so an action decodes to exactly the same text. Words that
were written into the slot of an action such as `search[<words>]` are known without a space too, as
any of them may come first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from anchorgym.agents.prompts.phrases import joined_words
from anchorgym.envs.texts import well_formed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
OBS, CAN, GOAL, ACT = "<obs>", "<can>", "<goal>", "<act>"
SPECIAL = (PAD, EOS, UNK, OBS, CAN, GOAL, ACT)

_FILLERS = ("a", "an", "the", "and", ",")
_UNIT = r" ?[^\W\d_]+ \d+(?!\w)| ?[^\W\d_]+| ?\d| ?[^\w\s]| ?_"
_CODE = re.compile(r" ?\b(?:[^\W\d_]+\d|\d+[^\W\d_])[^\W_]*\b")
_NUMBERED = re.compile(r" ?([^\W\d_]+) (\d+)")
_SLOT = re.compile(r"<[^<>]*>")
_MIN_PHRASE_COUNT = 20
_MIN_CODE_TEXTS = 2
_SPARE_NUMBERS = 2


def build_tokenizer(texts: Iterable[str], actions: Iterable[str]) -> PreTrainedTokenizerFast:
    """Build the tokenizer of an environment from samples of its observations and actions.

    Args:
        texts: observations and goals, repeated as in play: phrases are detected by how often words
            occur together.
        actions: actions that were taken or admissible.

    Returns:
        A word-level tokenizer in Hugging Face format. Unknown words become `<unk>`.
    """
    read, done = Counter(map(well_formed, texts)), Counter(map(well_formed, actions))
    fillers = _unused(_FILLERS, done)
    normalize = normalizers.Sequence(
        [
            *([normalizers.Lowercase()] if _is_lower(done) else []),
            *(normalizers.Replace(Regex(pattern), " ") for pattern in _filler_patterns(fillers)),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Prepend(" "),
        ]
    )
    counts: Counter[str] = Counter()
    for text, count in (read + done).items():
        counts[normalize.normalize_str(text)] += count
    codes = _codes(counts)
    unit = phrase_pattern(codes)
    phrases = _phrases([(unit.findall(text), count) for text, count in counts.items()], codes)
    first = set[str]()
    pattern = phrase_pattern(phrases)
    for slot in _slot_texts(done):
        first.update(word.strip() for word in pattern.findall(normalize.normalize_str(slot)))
    pattern = phrase_pattern([*phrases, *first.difference(phrases)])
    words = {word for text in counts for word in pattern.findall(text)}
    words |= first
    for slot in _slot_texts(done):  # in a slot, the words of a phrase may occur separately
        for word in re.findall(_UNIT, normalize.normalize_str(slot)):
            words |= {word, word.strip()}
    digits = {space + digit for space in ("", " ") for digit in "0123456789"}
    vocabulary = [*SPECIAL, *sorted(words.union(_spare_numbers(words), digits))]
    return _assemble(vocabulary, normalize, pattern.pattern)


def factors(tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[int]]:
    """Split each token into a kind and a number, for embeddings with shared parts.

    Returns:
        (kind, number), one entry a token: `" mug 2"` and `" mug"` are of one kind; the number
        is 0 where the token has none.
    """
    kinds: dict[str, int] = {}
    kind_of, number_of = [], []
    for token in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))):
        match = _NUMBERED.fullmatch(token)
        name, number = (match[1], int(match[2])) if match else (token.strip(), 0)
        kind_of.append(kinds.setdefault(name, len(kinds)))
        number_of.append(number)
    return kind_of, number_of


@dataclass
class _Trie:
    """A prefix tree of phrases, by their letters."""

    following: dict[str, _Trie] = field(default_factory=dict)
    end: str | None = None
    """The expression that must not follow, if a phrase ends at this node; else None."""

    def add(self, phrase: str) -> None:
        node = self
        for letter in phrase:
            node = node.following.setdefault(letter, _Trie())
        after = _continuing(phrase[-1])
        node.end = f"(?!{after})" if after else ""

    def expression(self) -> str:
        """Return the phrases as one regular expression, the longest first."""
        node, chain = self, ""
        while node.end is None and len(node.following) == 1:
            ((letter, node),) = node.following.items()
            chain += re.escape(letter)
        ways = [re.escape(letter) + trie.expression() for letter, trie in node.following.items()]
        ways += [] if node.end is None else [node.end]
        return chain + (ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})")


def phrase_pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of words and phrases, the longest phrases first; none ends inside a word.

    The pattern is a prefix tree: a plain alternation would try thousands of phrases at every word.
    """
    tries: dict[str, _Trie] = {}
    for phrase in sorted(phrases):
        before = _continuing(phrase[0])
        tries.setdefault(f"(?<!{before})" if before else "", _Trie()).add(phrase)
    return re.compile("|".join([*(left + t.expression() for left, t in tries.items()), _UNIT]))


def _continuing(end: str) -> str:
    """Return an expression for characters that would continue the word at a phrase's end."""
    if end.isalpha():
        return r"[^\W\d_]"
    return r"[^\W_]" if end.isdigit() else ""


def _slot_texts(actions: Iterable[str]) -> Iterator[str]:
    """Yield the texts that fill the slots of actions such as `search[<words>]`."""
    ends = set()
    for action in actions:
        slot = _SLOT.search(action)
        if slot and action[: slot.start()].strip() and not action[: slot.start()].endswith(" "):
            ends.add((action[: slot.start()], action[slot.end() :]))
    for action in actions:
        for before, after in ends:
            if action.startswith(before) and action.endswith(after) and not _SLOT.search(action):
                yield action[len(before) : len(action) - len(after)]


def _is_lower(actions: Iterable[str]) -> bool:
    """Whether text can be lower-cased, because no action has an upper-case letter."""
    return all(action == action.lower() for action in actions)


def _assemble(
    vocabulary: Sequence[str], normalize: normalizers.Normalizer, pattern: str
) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNK)
    )
    tokenizer.normalizer = normalize
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNK,
        additional_special_tokens=[OBS, CAN, GOAL, ACT],
        clean_up_tokenization_spaces=False,
    )


def _phrases(texts: Sequence[tuple[list[str], int]], codes: Iterable[str]) -> list[str]:
    """Join words that always occur together, but no names or codes.

    Args:
        texts: pairs of (words, number of times the text occurs).
        codes: the words that are codes.
    """
    words = {word for row, _ in texts for word in row}
    names = {match[1] for word in words if (match := _NUMBERED.fullmatch(word))}
    names.update(codes)
    separate = {word: _has_name(word, names) for word in words}
    found = joined_words(texts, separate, _MIN_PHRASE_COUNT)
    return [word for word in found if len(re.findall(_UNIT, word)) > 1]


def _codes(texts: Iterable[str]) -> list[str]:
    """Return codes that occur in several texts, with and without a space before."""
    met = Counter(code.strip() for text in texts for code in set(_CODE.findall(text)))
    codes = sorted(code for code, n in met.items() if n >= _MIN_CODE_TEXTS)
    return [space + code for code in codes for space in ("", " ")]


def _has_name(part: str, names: set[str]) -> bool:
    return any(word in names or word.isdigit() for word in part.split())


def _spare_numbers(words: Iterable[str]) -> list[str]:
    """Fill the gaps in each name's numbers, and add a few above the highest number."""
    highest: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"( ?[^\W\d_]+) (\d+)", word)
        if match:
            highest[match[1]] = max(highest.get(match[1], 0), int(match[2]))
    return [
        f"{name} {n}"
        for name, top in highest.items()
        if top < 1000  # a year or a price is not an index
        for n in range(1, top + _SPARE_NUMBERS + 1)
    ]


def _unused(fillers: Sequence[str], actions: Iterable[str]) -> list[str]:
    used = {word for action in actions for word in re.findall(r"\w+|[^\w\s]", action.lower())}
    return [filler for filler in fillers if filler not in used]


def _filler_patterns(fillers: Sequence[str]) -> list[str]:
    words = [f for f in fillers if f.isalpha()]
    marks = [re.escape(f) for f in fillers if not f.isalpha()]
    return [rf"\b(?:{'|'.join(words)})\b"] * bool(words) + ["|".join(marks)] * bool(marks)
