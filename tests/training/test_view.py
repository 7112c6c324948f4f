"""The page of a run: what is in it, and how it behaves in a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worlds
from browser import Browser, find_chromium
from small_runs import write_run

from anchorgym.envs import Outcome, register
from anchorgym.training.cli import main
from anchorgym.training.trajectories import read_trajectories
from anchorgym.training.viewing import pack_files, write_page

ATTACK = '</script><script>window.harmed = 1</script><img src=x onerror="harmed = 1">'


@register("test/Injecting-v0", max_turns=8)
class Injecting(worlds.Rooms):
    """Rooms whose texts are markup that would do harm."""

    def start(self, task: str) -> str:
        super().start(task)
        self.goal = f"{ATTACK} {self.goal}"
        return f"{ATTACK} \u2028 {{{{DATA}}}} &lt;b&gt;"

    def act(self, action: str) -> Outcome:
        return super().act(action)._replace(observation=f"{ATTACK}<!-- {self.at}")


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


def embedded(page: Path) -> dict[str, Any]:
    """Return the data of a page as a browser would read it."""
    (block,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S
    )
    return dict(json.loads(block))


# What is in it ------------------------------------------------------------------------------


def test_the_command_writes_a_page_and_prints_its_path(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "view.html")
    assert main(["view", str(run), "--out", str(tmp_path / "new" / "page.html")]) == 0
    assert (tmp_path / "new" / "page.html").read_text() == (run / "view.html").read_text()


def test_a_page_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert "default-src 'none'" in text
    outside = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert outside <= {"http://www.w3.org/2000/svg"}, "a name, never an address that is asked"


def test_every_turn_is_in_the_page_as_it_was_recorded(run: Path, page: Path) -> None:
    data = embedded(page)
    assert [file["name"] for file in data["files"]] == [
        "before-greedy",
        "train-00001",
        "train-00003",
        "after-greedy",
    ]
    for file in data["files"]:
        _, episodes = read_trajectories(run / "episodes" / f"{file['name']}.jsonl")
        packed = [e for group in file["groups"] for e in group["episodes"]]
        for episode, seen in zip(episodes, packed, strict=True):
            assert seen["won"] == episode["won"]
            assert file["texts"][seen["end"]] == episode["final_observation"]
            for turn, row in zip(episode["turns"], seen["turns"], strict=True):
                assert file["texts"][row[0]] == turn["observation"]
                assert file["texts"][row[2]] == turn["action"]
                assert row[6] == turn.get("advantage")
                assert row[7] == turn.get("step_group", row[7])


def test_settings_that_differ_from_the_defaults_come_first(page: Path) -> None:
    settings = embedded(page)["settings"]
    changed = {row["key"]: row["value"] for row in settings if row["changed"]}
    expected = {"env.id": "test/Rooms-v0", "seed": 5, "rollout.iterations": 3}
    assert changed == {**expected, "algorithm.gamma": 0.9}
    assert [row["changed"] for row in settings] == sorted(
        (row["changed"] for row in settings), reverse=True
    )
    assert embedded(page)["gamma"] == 0.9


def test_no_text_of_the_world_is_markup(hostile: Path) -> None:
    text = hostile.read_text()
    assert ATTACK not in text
    assert text.count("<script") == 2
    assert text.count("</script") == 2
    goals = {group["goal"] for file in embedded(hostile)["files"] for group in file["groups"]}
    assert all(goal.startswith(ATTACK) for goal in goals)


def test_what_does_not_fit_is_left_out_in_whole_groups_and_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_page(run, tmp_path / "whole.html")
    cut = write_page(run, tmp_path / "cut.html", budget=9000)
    assert whole.left_out == 0
    assert cut.left_out > 0
    assert cut.episodes + cut.left_out == whole.episodes
    assert cut.size < whole.size - 10_000
    files = {file["name"]: file for file in embedded(cut.path)["files"]}
    assert (
        files["train-00001"]["shown"] >= files["train-00003"]["shown"] > 0
        or files["train-00001"]["shown"] > 0
    )
    assert all(len(g["episodes"]) == 6 for g in files["train-00001"]["groups"])
    monkeypatch.setattr("anchorgym.training.viewing.write_page", lambda *_: cut)
    assert main(["view", str(run)]) == 0
    assert f"{cut.left_out} of {whole.episodes} recorded episodes are left out" in (
        capsys.readouterr().err
    )


def test_a_budget_is_spent_on_the_whole_course_of_a_run(run: Path, tmp_path: Path) -> None:
    original = run / "episodes" / "train-00001.jsonl"
    paths = [tmp_path / f"train-{n:05}.jsonl" for n in range(1, 18)]
    for path in paths:
        path.write_text(original.read_text())
    (whole,), _ = pack_files(paths[:1], 10**9)
    size = len(json.dumps([whole["groups"], whole["texts"]]))
    files, _ = pack_files(paths, 5 * size)
    kept = [i for i, file in enumerate(files) if file["shown"] == file["recorded"]]
    assert {0, 8, 16} <= set(kept), "both ends and the middle"
    assert len(kept) < len(paths)


@pytest.mark.parametrize("kept", ["config.json", "metrics.jsonl", "episodes"])
def test_a_run_that_left_little_has_a_page(run: Path, tmp_path: Path, kept: str) -> None:
    source = run / kept
    if source.is_dir():
        (tmp_path / kept).mkdir()
        (tmp_path / kept / "train-00001.jsonl").write_text(
            (source / "train-00001.jsonl").read_text()
        )
        (tmp_path / kept / "train-00002.jsonl").write_text("cut of")
    else:  # as if the run was killed while it wrote
        (tmp_path / kept).write_text(source.read_text() + '{"phase": "tr')
    if kept == "config.json":
        (tmp_path / kept).write_text(source.read_text())
    written = write_page(tmp_path)
    data = embedded(written.path)
    assert data["finished"] is False
    assert (written.episodes > 0) == (kept == "episodes")
    assert len(written.unreadable) == (kept == "episodes")
    assert len(data["records"].get("train", [])) == (3 if kept == "metrics.jsonl" else 0)


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# How it behaves -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium, or put one on PATH")
    with Browser(program) as browser:
        yield browser


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
