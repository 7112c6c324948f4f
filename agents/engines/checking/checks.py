"""The checks of `check_engine`; the first line of each docstring is the promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from anchorgym.agents.engines.checking.trial import GREEDY, Fault, SkippedError, Trial
from anchorgym.agents.engines.contract import (
    Capabilities,
    EngineError,
    Sampling,
    StaleWeightsError,
    Stop,
    UnsupportedRequestError,
    WeightsError,
)
from anchorgym.agents.engines.temperature import AdaptiveTemperature
from anchorgym.agents.engines.trie import Trie

SAMPLED: Final = Sampling(6)

Check = Callable[[Trial], Iterator[Fault]]


def beginning(trial: Trial) -> Iterator[Fault]:
    """a new engine says what it can do, has version 0 and nothing open"""
    engine = trial.engine
    if not isinstance(engine.capabilities, Capabilities):
        yield Fault(f"capabilities is {engine.capabilities!r}", "return a Capabilities")
    if engine.version != 0 or engine.waiting != 0:
        seen = f"version {engine.version}, {engine.waiting} open requests"
        yield Fault(seen, "begin with version 0 and without requests")
    if engine.poll(0.0) != [] or engine.poll() != []:
        yield Fault("poll answered what nobody asked", "return [] where no request is open")


def responses(trial: Trial) -> Iterator[Fault]:
    """each request is answered once, with tokens, a reason to stop and a version"""
    engine = trial.engine
    keys = {trial.key(): tokens for tokens in trial.subject.prompts}
    for key, tokens in keys.items():
        engine.submit(key, tokens, SAMPLED)
    if engine.waiting != len(keys):
        yield Fault(f"waiting is {engine.waiting} after {len(keys)} requests", "count open ones")
    answers = trial.collect()
    if set(answers) != set(keys):
        yield Fault(f"{len(answers)} of {len(keys)} requests were answered", "answer each once")
    for generation in answers.values():
        closed = bool(generation.tokens) and generation.tokens[-1] in trial.subject.eos_ids
        short = len(generation.tokens) < SAMPLED.max_tokens
        if not 1 <= len(generation.tokens) <= SAMPLED.max_tokens:
            yield Fault(f"{len(generation.tokens)} tokens", "write 1 to max_tokens tokens")
        elif trial.subject.eos_ids and closed != (generation.stop == Stop.EOS):
            yield Fault(f"stop {generation.stop!r} after {generation.tokens}", "say why it ended")
        elif trial.subject.eos_ids and short and not closed:
            yield Fault("a response ended early without a closing token", "keep the closing token")
        if generation.version != engine.version:
            yield Fault(f"version {generation.version}", f"say {engine.version}, as the engine")
        if generation.versions and not engine.capabilities.in_flight_updates:
            yield Fault("a version for each token", "claim in_flight_updates, or leave it empty")


def logprobs(trial: Trial) -> Iterator[Fault]:
    """log-probabilities are those of the distribution that was sampled from"""
    for temperature in (1.0, 0.6, 0.0):
        asked = {trial.key(): tokens for tokens in trial.subject.prompts}
        for key, tokens in asked.items():
            trial.engine.submit(key, tokens, Sampling(6, temperature))
        for key, generation in trial.collect().items():
            wrong = trial.wrong(asked[key], generation, temperature)
            if wrong:
                yield Fault(f"temperature {temperature}: {wrong}", "score what was sampled from")


def greedy(trial: Trial) -> Iterator[Fault]:
    """at temperature 0 the most likely token is taken"""
    for tokens in trial.subject.prompts:
        table = trial.subject.distribution(trial.weights, tokens, 1.0)
        token = trial.ask(tokens).tokens[0]
        if table[token] < max(table) - trial.tolerance:
            yield Fault(f"token {token} is not the most likely one", "take the most likely token")


def frequencies(trial: Trial) -> Iterator[Fault]:
    """tokens are as frequent as their probabilities say"""
    tokens, n = trial.subject.prompts[0], 512
    table = trial.subject.distribution(trial.weights, tokens, 1.0)
    keys = [trial.key() for _ in range(n)]
    for number, key in enumerate(keys):
        trial.engine.submit(key, tokens, Sampling(1).derived(number))
    answers = trial.collect()
    mean = math.fsum(table[answers[key].tokens[0]] for key in keys) / n
    chances = [(math.exp(logprob), logprob) for logprob in table if logprob > -math.inf]
    expected = math.fsum(p * logprob for p, logprob in chances)
    spread = math.sqrt(math.fsum(p * (logprob - expected) ** 2 for p, logprob in chances) / n)
    if abs(mean - expected) > 5 * spread + trial.tolerance:
        yield Fault(
            f"log-probabilities of {n} first tokens have the mean {mean:.3f}, not {expected:.3f}",
            "draw every token by its probability",
        )


def seeds(trial: Trial) -> Iterator[Fault]:
    """a response follows from its seed and prompt, whatever is sampled before or beside it"""
    if not trial.engine.capabilities.seeded:
        raise SkippedError("this engine does not claim that its responses follow from seeds")
    tokens, *others = trial.subject.prompts
    alone = [trial.ask(tokens, replace(SAMPLED, seed=seed)).tokens for seed in range(8)]
    if len(set(alone)) == 1:
        yield Fault("eight seeds gave one response", "draw by Sampling.seed")
    keys = {trial.key(): seed for seed in range(8)}
    for key, seed in keys.items():
        trial.engine.submit(trial.key(), others[seed % len(others)], SAMPLED)
        trial.engine.submit(key, tokens, replace(SAMPLED, seed=seed))
    answers = trial.collect()
    if [answers[key].tokens for key in keys] != alone:
        yield Fault(
            "equal seeds gave other responses beside other requests",
            "derive the noise of a token from Sampling.seed and the token's position alone",
        )


def transcripts(trial: Trial) -> Iterator[Fault]:
    """a session goes on from all that it was given and has written"""
    if not trial.subject.remembers:
        raise SkippedError("what a session has read before changes nothing here")
    engine, (first, second, third) = trial.engine, trial.subject.prompts[:3]
    key = trial.key()
    engine.append(key, first)
    engine.submit(key, second, GREEDY)
    one = trial.collect()[key]
    if one.tokens != trial.ask((*first, *second)).tokens:
        yield Fault("tokens that were appended changed nothing", "read them before the next ones")
    engine.submit(key, third, GREEDY)
    wrong = trial.wrong((*first, *second, *one.tokens, *third), trial.collect()[key], 0.0)
    if wrong:
        yield Fault(f"in the second turn: {wrong}", "keep the response in the session, as written")


def forks(trial: Trial) -> Iterator[Fault]:
    """a fork goes on from the first tokens of a session, which goes on by itself"""
    engine, (first, second, third) = trial.engine, trial.subject.prompts[:3]
    key, twin, part = trial.key(), trial.key(), trial.key()
    engine.submit(key, first, GREEDY)
    own = trial.collect()[key].tokens
    engine.fork(key, twin)
    for session, tokens in ((key, second), (twin, third)):
        engine.submit(session, tokens, GREEDY)
    engine.shelve(trial.key())  # an unknown session
    for session, generation in trial.collect().items():
        asked = second if session == key else third
        read = (*first, *own, *asked) if trial.subject.remembers else asked
        wrong = trial.wrong(read, generation, 0.0)
        if wrong:
            yield Fault(wrong, "let a fork and its session go on apart, from the same beginning")
    if trial.subject.remembers:
        engine.shelve(key)
        engine.fork(key, part, len(first))
        engine.submit(part, third, GREEDY)
        wrong = trial.wrong((*first, *third), trial.collect()[part], 0.0)
        if wrong:
            yield Fault(f"of a shelved session's beginning: {wrong}", "fork at any length")


def refusals(trial: Trial) -> Iterator[Fault]:
    """requests that cannot be answered are refused with an EngineError"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    key, open_key = trial.key(), trial.key()
    with trial.refusal(EngineError, "a new session without tokens") as faults:
        engine.submit(trial.key(), (), GREEDY)
    yield from faults
    engine.submit(key, tokens, GREEDY)
    with trial.refusal(EngineError, "a second request of a session") as faults:
        engine.submit(key, tokens, GREEDY)
    yield from faults
    with trial.refusal(EngineError, "appending to a session with an open request") as faults:
        engine.append(key, tokens)
    yield from faults
    with trial.refusal(EngineError, "a fork of a session with an open request") as faults:
        engine.fork(key, trial.key())
    yield from faults
    trial.collect()
    with trial.refusal(EngineError, "a fork of an unknown session") as faults:
        engine.fork(trial.key(), trial.key())
    yield from faults
    engine.append(open_key, tokens)
    with trial.refusal(EngineError, "a fork into a session that exists") as faults:
        engine.fork(key, open_key)
    yield from faults


def cancelling(trial: Trial) -> Iterator[Fault]:
    """a cancelled request is not answered, and its session can ask again"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    key = trial.key()
    engine.cancel(key)  # an unknown session
    engine.submit(key, tokens, GREEDY)
    engine.cancel(key)
    if engine.waiting or engine.poll(0.0):
        yield Fault("a cancelled request is open or answered", "drop it")
    engine.submit(key, (), GREEDY)
    answers = trial.collect()
    if key not in answers or trial.wrong(tokens, answers[key], 0.0):
        yield Fault(
            "the session has lost what it read",
            "keep the tokens of a cancelled request, and answer a request without new ones",
        )
    engine.cancel(key)  # it has no open request


def freeing(trial: Trial) -> Iterator[Fault]:
    """a freed session is forgotten, with its open request"""
    engine, (first, second) = trial.engine, trial.subject.prompts[:2]
    key = trial.key()
    engine.free(key)  # an unknown session
    engine.submit(key, first, GREEDY)
    engine.free(key)
    if engine.waiting or engine.poll(0.0):
        yield Fault("a request of a freed session is open or answered", "drop it")
    engine.submit(key, second, GREEDY)
    wrong = trial.wrong(second, trial.collect()[key], 0.0)
    if wrong:
        yield Fault(f"a key that was used before: {wrong}", "begin it as a new session")


def constraints(trial: Trial) -> Iterator[Fault]:
    """constrained responses are among those allowed; or such requests are refused"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    close = trial.subject.eos_ids[:1]
    one, other = trial.subject.prompts[1][:2], trial.subject.prompts[2][:1]
    allowed = [(*one, *close), (*other, *close)]
    key, sampling = trial.key(), Sampling(len(one) + 2)
    if not engine.capabilities.constrained_decoding:
        with trial.refusal(UnsupportedRequestError, "a constrained request") as faults:
            engine.submit(key, tokens, sampling, Trie.of(allowed))
        yield from faults
        return
    engine.submit(key, tokens, sampling, Trie.of(allowed))
    generation = trial.collect()[key]
    if generation.tokens not in allowed:
        yield Fault(f"{generation.tokens} was written", "write one of the sequences allowed")
    elif len(generation.allowed) != len(generation.tokens):
        yield Fault("not every token says what it was chosen among", "fill Generation.allowed")
    elif wrong := trial.wrong(tokens, generation, 1.0):
        yield Fault(wrong, "take the log-probability among the tokens allowed")


def temperatures(trial: Trial) -> Iterator[Fault]:
    """a temperature for each token is followed and reported; or such requests are refused"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    key, rule = trial.key(), AdaptiveTemperature(0.5, -1.0, 1.0, 1.0)
    sampling = Sampling(4, adaptive=rule)
    if not engine.capabilities.per_token_temperature:
        with trial.refusal(UnsupportedRequestError, "an adaptive temperature") as faults:
            engine.submit(key, tokens, sampling)
        yield from faults
        return
    engine.submit(key, tokens, sampling)
    generation = trial.collect()[key]
    if len(generation.temperatures) != len(generation.tokens):
        yield Fault("not every token says its temperature", "fill Generation.temperatures")
    elif wrong := trial.wrong(tokens, generation, 1.0):
        yield Fault(wrong, "take the log-probability at the token's own temperature")


def nuclei(trial: Trial) -> Iterator[Fault]:
    """the likeliest tokens alone are drawn, with their probabilities among them; or refused"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    table = trial.subject.distribution(trial.weights, tokens, 1.0)
    order = sorted(range(len(table)), key=lambda token: -table[token])
    top_p = 0.5 * math.exp(table[order[0]])  # of which the likeliest token alone is enough
    key, sampling = trial.key(), Sampling(1, top_p=top_p)
    if not engine.capabilities.nucleus:
        with trial.refusal(UnsupportedRequestError, "top_p below 1") as faults:
            engine.submit(key, tokens, sampling)
        yield from faults
        return
    engine.submit(key, tokens, sampling)
    generation = trial.collect()[key]
    if table[generation.tokens[0]] < table[order[0]] - trial.tolerance:
        yield Fault(f"token {generation.tokens[0]} was drawn beyond top_p", "leave it out")
    elif not abs(generation.logprobs[0]) <= trial.tolerance:
        said = f"{generation.logprobs[0]:.4f} for the only token that is left"
        yield Fault(said, "take the log-probability among the tokens that are left")


def endings(trial: Trial) -> Iterator[Fault]:
    """a response ends with the tokens that its request names, too"""
    engine, tokens = trial.engine, trial.subject.prompts[0]
    written = trial.ask(tokens).tokens
    key = trial.key()
    engine.submit(key, tokens, replace(GREEDY, stop_ids=written[:1]))
    generation = trial.collect()[key]
    if generation.tokens != written[:1] or generation.stop != Stop.EOS:
        yield Fault(
            f"{generation.tokens} with stop {generation.stop!r} after stop_ids={written[:1]}",
            "end the response with that token, and keep it",
        )


def weights(trial: Trial) -> Iterator[Fault]:
    """other weights answer from `load_weights` on, in open sessions too"""
    engine, (first, second) = trial.engine, trial.subject.prompts[:2]
    key, before = trial.key(), engine.version
    engine.submit(key, first, GREEDY)
    own = trial.collect()[key].tokens
    with trial.refusal(WeightsError, "a mapping without weights") as faults:
        engine.load_weights({}, before + 1)
    yield from faults
    engine.load_weights(trial.subject.weights[1], before + 3)
    trial.weights = 1
    if engine.version != before + 3:
        yield Fault(f"version {engine.version} after {before + 3}", "take the version given")
    engine.submit(key, second, GREEDY)
    generation = trial.collect()[key]
    read = (*first, *own, *second) if trial.subject.remembers else second
    if wrong := trial.wrong(read, generation, 0.0):
        yield Fault(wrong, "drop what older weights have computed, tied parameters too")
    if generation.version != before + 3:
        yield Fault(f"a response of version {generation.version}", "say which weights wrote it")
    with trial.refusal(StaleWeightsError, "an older version") as faults:
        engine.load_weights(trial.subject.weights[0], before + 2)
    yield from faults
    engine.load_weights(trial.subject.weights[0], before + 3)  # equal versions may be loaded
    trial.weights = 0
    if wrong := trial.wrong(first, trial.ask(first), 0.0):
        yield Fault(f"after an equal version: {wrong}", "take the weights, and drop all caches")


ALL: Final[tuple[Check, ...]] = (
    beginning,
    responses,
    logprobs,
    greedy,
    frequencies,
    seeds,
    transcripts,
    forks,
    refusals,
    cancelling,
    freeing,
    constraints,
    temperatures,
    nuclei,
    endings,
    weights,
)
