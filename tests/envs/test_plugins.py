"""Objects of a user's own modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from anchorgym.envs.plugins import PluginError, is_reference, load_object

MODULE = """
import json

class Judge:
    class Inner:
        pass

class Jury(Judge):
    pass

seven = 7
"""


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_court.py").write_text(MODULE)
    (tmp_path / "my_broken_court.py").write_text("verdict = 1 / 0\n")
    (tmp_path / "my_needy_court.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_what_a_module_defines_is_found() -> None:
    judge = load_object("my_court:Judge", "a judge")
    assert judge.__name__ == "Judge"
    assert load_object("my_court:Jury", "a judge", judge).__name__ == "Jury"
    assert load_object("my_court:Judge.Inner", "a judge").__name__ == "Inner"
    assert load_object("my_court:seven", "a number") == 7


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("my_court", "a judge of your own is named as module:Name"),
        ("my_court:", "module:Name"),
        (":Judge", "module:Name"),
        ("no_such_court:Judge", "no module 'no_such_court' in the current directory"),
        ("my_court.deeper:Judge", "cannot import 'my_court.deeper' for a judge"),
        ("my_court:Jude", "Did you mean 'Judge'"),
        ("my_court:Zzz", "It defines: Judge, Jury"),
        ("my_court:Judge.Zzz", "defines no 'Zzz'"),
        ("my_court.py:Judge", "not its file, as in 'my_court:Name'"),
        ("folder/my_court.py:Judge", "as in 'my_court:Name'"),
        ("my-court:Judge", "no name of a module"),
        ("my_broken_court:Judge", "it raised ZeroDivisionError: division by zero"),
        ("my_needy_court:Judge", "it needs 'no_such_library', which is missing"),
    ],
)
def test_what_cannot_be_found_is_said_with_a_remedy(reference: str, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_object(reference, "a judge")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reference", ["my_court:seven", "my_court:Judge"])
def test_what_is_no_subclass_is_refused(reference: str) -> None:
    jury = load_object("my_court:Jury", "a jury")
    with pytest.raises(PluginError, match=r"must be a subclass of my_court\.Jury"):
        load_object(reference, "a jury", jury)


def test_an_error_of_the_module_is_kept_as_the_cause() -> None:
    with pytest.raises(PluginError) as caught:
        load_object("my_broken_court:Judge", "a judge")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("name", "yes"),
    [("a:B", True), ("a.b:C.D", True), ("a.py:B", True), ("runs/a:b", False), ("a", False)],
)
def test_references_are_told_from_names_and_folders(name: str, yes: bool) -> None:
    assert is_reference(name) == yes
