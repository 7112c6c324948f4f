"""The page of a run, as a browser shows it; skipped where there is no Chromium."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from injecting_world import ATTACK
from small_runs import write_run

from anchorgym.training import TrainConfig, train
from anchorgym.training.inspect.trajectories import read_trajectories
from anchorgym.training.inspect.viewing import write_page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "rooms & <co>")


@pytest.fixture(scope="module")
def page(run: Path) -> Path:
    return write_page(run).path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(
        write_run(tmp_path_factory.mktemp("runs") / "hostile", "test/Injecting-v0")
    ).path


def texts(browser: Browser, selector: str) -> list[str]:
    script = f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)"
    return list(browser.run(script))


def click(browser: Browser, selector: str, n: int = 0) -> None:
    browser.run(f"document.querySelectorAll({json.dumps(selector)})[{n}].click()")


@pytest.fixture
def at(browser: Browser, page: Path) -> Browser:
    """The page of the run, opened at the first iteration's first group."""
    browser.look()
    browser.open(page, "#train-00001/0/0")
    return browser


def episodes_of(run: Path, name: str, group: int = 0) -> list[dict[str, Any]]:
    _, episodes = read_trajectories(run / "episodes" / f"{name}.jsonl")
    return [dict(episode) for episode in episodes if episode["group"] == group]


def test_it_loads_without_complaint_and_asks_for_nothing(at: Browser, page: Path) -> None:
    assert at.complaints == []
    assert [url.partition("#")[0] for url in at.requests] == [page.resolve().as_uri()]
    assert at.run("document.title") == "rooms & <co>: gigpo on test/Rooms-v0"


def test_curves_are_drawn_and_say_their_values(at: Browser) -> None:
    titles = texts(at, ".chart figcaption b")
    assert titles[:2] == ["Success, %", "Cloning: loss per token"]
    assert {"Entropy, nats a token", "Gradient norm", "Valid turns, %"} <= set(titles)
    drawn = at.run(
        "[...document.querySelectorAll('.chart')].map(c => "
        "Math.max(...[...c.querySelectorAll('.series path')].map(p => p.getTotalLength())))"
    )
    assert all(length > 100 for length in drawn)
    assert len(texts(at, ".chart circle")) == 4, "two points of the curve, and both ends"
    box = at.run(
        "(() => { document.querySelector('.chart').scrollIntoView();"
        "const b = document.querySelector('.chart svg').getBoundingClientRect();"
        "return [b.left + b.width * 0.72, b.top + b.height / 2] })()"
    )
    at.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    assert "iteration 2" in texts(at, ".readout")[0]
    assert "40.0" in texts(at, ".readout")[0]


def test_figures_and_cpu_time_are_shown(at: Browser, run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    row = texts(at, ".headline tbody tr")[0]
    assert f"{100 * result['before']['greedy']['success']['mean']:.1f}" in row
    assert f"{100 * result['after']['greedy']['success']['mean']:.1f}" in row
    assert texts(at, ".time h3") == ["CPU time: 51 s"]
    widths = at.run(
        "[...document.querySelectorAll('.part')].map(p => p.getBoundingClientRect().width)"
    )
    assert widths[0] / sum(widths) == pytest.approx(30.1 / 50.6, rel=0.02)


def test_a_group_shows_its_episodes_turn_by_turn(at: Browser, run: Path) -> None:
    click(at, ".groups button", 1)
    episodes = episodes_of(run, "train-00001", 1)
    won = sum(episode["won"] for episode in episodes)
    assert f"won {won}/6" in texts(at, ".groups [aria-current=true]")[0]
    for n, episode in enumerate(episodes):
        lane = f"[data-episode='{n}']"
        actions = [text.removesuffix("+1") for text in texts(at, f"{lane} .turn .action")]
        assert actions == [turn["action"] for turn in episode["turns"]]
        seen = texts(at, f"{lane} .observation")
        assert seen[:-1] == [turn["observation"] for turn in episode["turns"]]
        assert seen[-1] == episode["final_observation"]
        shown = texts(at, f"{lane} .turn .advantage")
        for text, turn in zip(shown, episode["turns"], strict=True):
            number = float(text.removeprefix("advantage ").replace("−", "-"))
            assert number == pytest.approx(turn["advantage"], abs=0.006)


def test_a_chip_marks_exactly_the_turns_of_its_anchor_group(at: Browser, run: Path) -> None:
    episodes = episodes_of(run, "train-00001")
    places = [
        (turn["step_group"], n, number)
        for n, episode in enumerate(episodes)
        for number, turn in enumerate(episode["turns"], 1)
    ]
    sizes = Counter(group for group, _, _ in places)
    for group in list(sizes)[:3]:
        click(at, f"[data-anchor='{group}'] .anchor")
        marked = at.run(
            "[...document.querySelectorAll('.turn.same')].map(t => "
            "[+t.closest('[data-episode]').dataset.episode, +t.dataset.turn])"
        )
        expected = [[n, number] for g, n, number in places if g == group]
        assert marked == expected
        assert len(texts(at, ".comparison tbody tr")) == sizes[group]
        assert f"#{group}: {sizes[group]} turn" in texts(at, ".comparison h4")[0]
    at.press("Escape")
    assert texts(at, ".turn.same") == []
    assert texts(at, ".comparison") == []


def test_the_comparison_has_returns_and_advantages_beside_each_other(
    at: Browser, run: Path
) -> None:
    episodes = episodes_of(run, "train-00001")
    start = episodes[0]["turns"][0]["step_group"]
    rows = []
    for n, episode in enumerate(episodes, 1):
        last = len(episode["turns"])
        for number, turn in enumerate(episode["turns"], 1):
            if turn["step_group"] == start:
                value = 0.9 ** (last - number) if episode["won"] else 0.0
                rows.append((turn["advantage"], n, number, turn["action"], value))
    click(at, f"[data-anchor='{start}'] .anchor")
    shown = at.run(
        "[...document.querySelectorAll('.comparison tbody tr')].map(r => "
        "[...r.cells].map(c => c.textContent))"
    )
    assert len(shown) == len(rows)
    for (episode, number, action, value, _), row in zip(
        shown, sorted(rows, key=lambda r: -r[0]), strict=True
    ):
        assert int(episode.split()[0]) == row[1]
        assert (int(number), action) == row[2:4]
        assert float(value) == pytest.approx(row[4], abs=6e-4)
    click(at, ".comparison .jump", len(rows) - 1)
    focused = at.run("document.activeElement.dataset.anchor")
    assert focused == str(start)


def test_clicking_a_curve_opens_the_episodes_of_the_iteration(at: Browser) -> None:
    def chosen() -> str:
        return str(at.run("document.querySelector('.stepper select').selectedOptions[0].text"))

    def pick(share: float) -> None:
        at.run(
            "(() => { const svg = document.querySelector('.chart svg');"
            "const b = svg.getBoundingClientRect(); svg.dispatchEvent(new MouseEvent('click',"
            f"{{clientX: b.left + b.width * {share}, clientY: b.top + 9}})) }})()"
        )

    pick(0.97)
    assert chosen() == "iteration 3"
    assert at.run("location.hash").startswith("#train-00003/")
    pick(0.7)  # iteration 2 was not recorded
    assert chosen() in ("iteration 1", "iteration 3")
    assert "No episodes of iteration 2 are here" in texts(at, ".notice")[0]


def test_search_and_outcome_choose_among_the_episodes(at: Browser, run: Path) -> None:
    groups = [episodes_of(run, "train-00001", n) for n in range(3)]
    click(at, "[aria-label=Outcome] button", 2)
    lost = [[e for e in group if not e["won"]] for group in groups]
    assert len(texts(at, ".groups button")) == sum(bool(group) for group in lost)
    assert len(texts(at, ".episode")) == len(next(group for group in lost if group))
    click(at, "[aria-label=Outcome] button", 0)
    at.run("document.querySelector('input').focus()")
    at.send("Input.insertText", text="ROOM 6")
    holds = [[e for e in group if "room 6" in json.dumps(e).lower()] for group in groups]
    assert len(texts(at, ".groups button")) == sum(bool(group) for group in holds)
    assert {text.lower() for text in texts(at, "mark")} == {"room 6"}
    at.run("document.querySelector('input').value = ''")


def test_keys_move_through_groups_episodes_and_files(at: Browser) -> None:
    at.press("j")
    assert at.run("location.hash") == "#train-00001/1/0"
    at.press("s")
    assert len(texts(at, ".episode")) == 1
    at.press("ArrowRight")
    assert at.run("location.hash") == "#train-00001/1/1"
    assert texts(at, ".episode header b") == ["Episode 2"]
    at.press("k")
    at.press("]")
    assert at.run("location.hash").startswith("#train-00003/")
    at.press("s")


def test_injected_markup_stays_text(browser: Browser, hostile: Path) -> None:
    browser.look()
    browser.open(hostile, "#train-00001/0/0")
    assert browser.complaints == []
    assert browser.run("typeof window.harmed") == "undefined"
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert texts(browser, ".turn .observation")[0].startswith(ATTACK)
    assert "{{DATA}} &lt;b&gt;" in texts(browser, ".turn .observation")[0]
    assert texts(browser, ".goal")[0].startswith(ATTACK)
    # Even a script that did get into the page would not run.
    browser.run(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'window.harmed = 1'}))"
    )
    assert browser.run("typeof window.harmed") == "undefined"


def test_a_run_of_the_trainer_is_shown(browser: Browser, tmp_path: Path) -> None:
    small = {"hidden": 32, "layers": 2, "heads": 2, "kv_heads": 1, "vocabulary_tasks": 30}
    job = {
        "env": "test/Rooms-v0",
        "policy": small,
        "clone": {"updates": 10, "batch": 4},
        "rollout": {"iterations": 2, "tasks": 2, "group_size": 4},
        "evaluation": {"modes": ["greedy", "sampled"]},
    }
    run = train(TrainConfig.parse(job), tmp_path / "run")
    browser.look()
    browser.open(write_page(run.folder).path, "#train-00002/1/0")
    assert browser.complaints == []
    options = texts(browser, ".stepper option")
    assert options[:2] == ["before, greedy", "before, sampled"]
    assert {"iteration 1", "iteration 2", "after, greedy"} <= set(options)
    episodes = episodes_of(run.folder, "train-00002", 1)
    assert len(texts(browser, ".turn")) == sum(len(e["turns"]) for e in episodes)
    assert len(texts(browser, ".turn .advantage")) == len(texts(browser, ".turn"))
    headline = texts(browser, ".headline tbody tr")
    assert f"{100 * run.after['greedy'].success.mean:.1f}" in headline[0]
    assert len(texts(browser, ".chart")) >= 8


@pytest.mark.parametrize("kept", ["config.json", "metrics.jsonl"])
def test_runs_that_left_little_load_too(
    browser: Browser, run: Path, tmp_path: Path, kept: str
) -> None:
    (tmp_path / kept).write_text((run / kept).read_text())
    browser.open(write_page(tmp_path).path)
    assert browser.complaints == []
    assert "This run recorded no episodes." in browser.run("document.body.innerText")
    assert (len(texts(browser, ".chart")) > 3) == (kept == "metrics.jsonl")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.look(width=width)
    browser.open(page)
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.look()


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser: Browser, page: Path, dark: bool) -> None:
    browser.look(dark=dark)
    browser.open(page, "#train-00001/0/0")
    ratios = browser.run(_CONTRAST)
    browser.look()
    assert len(ratios) >= 10
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


_CONTRAST = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour, under) => {
    canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const css = (c) => `rgb(${c.join(',')})`;
  const light = (c) => {
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = c.map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => e === null ? [255, 255, 255]
    : rgb(getComputedStyle(e).backgroundColor, css(ground(e.parentElement)));
  const found = {};
  for (const e of document.querySelectorAll('body *:not(script, svg *)')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length) continue;
    const back = ground(e);
    const fore = rgb(getComputedStyle(e).color, css(back));
    const [a, b] = [light(fore), light(back)].sort((x, y) => y - x);
    const name = `${e.tagName} ${e.className}`;
    found[name] = Math.min(found[name] ?? 99, (a + 0.05) / (b + 0.05));
  }
  return found;
})()
"""
