"""Help pages: what a reader finds in each, and what none of them has."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from anchorgym.envs.plugins import load_object
from anchorgym.training.cli import main
from anchorgym.training.commands import COMMANDS
from anchorgym.training.commands.command import Command
from anchorgym.training.config.fields import Heading, Setting, describe
from anchorgym.training.worlds.registry import worlds

GENERAL = {
    name: load_object(f"anchorgym.training.commands.{name}:COMMAND", "a command")
    for name in COMMANDS
}
OF_WORLDS = {
    f"{world.name} {name}": load_object(reference, "a command")
    for world in worlds().values()
    for name, reference in world.commands.items()
}
ALL: dict[str, Command] = {**GENERAL, **OF_WORLDS}


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


def meanings(command: Command) -> list[str]:
    """Every text that explains something in the page of a command."""
    settings = describe(command.model) if command.model is not None else ()
    texts = [item.meaning for item in settings]
    return [command.summary, *(argument.help for argument in command.arguments), *texts]


def test_all_commands_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    said = page(capsys)
    for name, command in GENERAL.items():
        assert re.search(rf"^  {name} +{command.summary.split()[0]}", said, re.M)
    for world in ("overcooked train|clone|crossplay", "vgc clone|train|league"):
        assert world in said
    assert main([]) == 0
    assert capsys.readouterr().out == said


def test_a_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for name in worlds():
        assert main([name]) == 0
        said = capsys.readouterr().out
        assert said == page(capsys, name)
        assert all(command in said for command in worlds()[name].commands)


@pytest.mark.parametrize("name", ALL)
def test_a_page_fits_a_terminal_and_says_how_to_use_the_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = page(capsys, *name.split())
    lines = said.splitlines()
    examples = {f"  {example}" for example in ALL[name].examples}
    assert [line for line in lines if len(line) > 80 and line not in examples] == []
    assert lines[0].startswith(f"usage: anchorgym {name}")
    assert ALL[name].summary.split(":")[0].split()[0] in said
    assert f"  anchorgym {name}" in said or "  anchorgym replay" in said
    for argument in ALL[name].arguments:
        assert argument.name in said or argument.metavar in said


@pytest.mark.parametrize("name", ALL)
def test_everything_is_explained_in_sentences_that_stand_alone(name: str) -> None:
    texts = meanings(ALL[name])
    assert texts
    for text in texts:
        assert re.match(r"[A-Z`]", text), text
        assert text.endswith("."), text
        assert len(text.split()) >= 4, text
        assert not re.match(r"(Of|That|How|Whom?|What) ", text), text
        assert not re.search(r"\banchorgym\.\w|\w+\.py\b", text), f"speaks of modules: {text}"


@pytest.mark.parametrize("name", [name for name, command in ALL.items() if command.settings])
def test_settings_are_listed_by_section_with_their_defaults(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said, command = page(capsys, *name.split()), ALL[name]
    assert command.model is not None
    for item in describe(command.model):
        if isinstance(item, Setting):
            assert f"  {item.flag}" in said
        elif item.path:
            assert f"\n{item.path}: " in said
    assert any(isinstance(item, Heading) for item in describe(command.model))


def test_the_settings_of_train_show_choices_and_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = page(capsys, "train")
    assert '--policy.form transcript | window  (default: "transcript")' in said
    assert "--rollout.group-size INTEGER >= 2  (default: 8)" in said
    assert "Weight decay of AdamW and Muon;" in said


@pytest.mark.parametrize("name", ["", *ALL])
def test_help_loads_no_model_library(name: str) -> None:
    script = (
        "import sys\n"
        "from anchorgym.training.cli import main\n"
        f"main({[*name.split(), '--help']!r})\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'scipy', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "evaluation.measurement",
        "run.trainer",
        "selfplay.coevolution",
        "worlds.overcooked.crossplay",
        "worlds.vgc.contenders",
    ],
)
def test_who_plays_without_a_language_model_does_not_wait_for_its_library(module: str) -> None:
    """Its import takes seconds; scripts, tables and small networks do without."""
    script = f"import sys, anchorgym.training.{module}\nsys.exit('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_algorithms_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["algorithms"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 20
    for line in lines:
        name, _, about = line.partition(" ")
        assert name.islower()
        assert len(about.split()) >= 6
        assert about.endswith(".")
    assert main(["algorithms", "gigpo"]) == 0
    said = capsys.readouterr().out
    assert "A(t) = A_E(i) + step_weight * A_S(t)" in said
    assert "--algorithm.step-weight  (default: 1.0)" in said


def test_an_algorithm_is_described_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    assert main(["algorithms", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert main(["algorithms", "gigpo", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found in listed
    assert found["options"]["gamma"] == 0.95
