"""Results that are kept: read only as they were written, whoever writes beside."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from damaged_caches import check_every_damage, contents

from anchorgym.envs import cache as cache_module
from anchorgym.envs.cache import CheckedCache, cache_folder, kept

N_BUILDERS, N_ROUNDS = 4, 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "caches"))
    cache_module._intact.clear()
    return tmp_path / "caches" / "room" / "kept"


def build(text: str = "17 shirts", source: str = "shirts") -> str:
    """Return a text that is kept in two files and a folder."""

    def save(made: str, into: Path) -> None:
        (into / "inner").mkdir()
        (into / "first.txt").write_text(made[:4])
        (into / "inner" / "rest.txt").write_text(made[4:])
        (into / "link").symlink_to("first.txt")
        (into / "empty").touch()

    def load(stored: Path) -> str:
        return (stored / "first.txt").read_text() + (stored / "inner" / "rest.txt").read_text()

    return kept("room/kept", source, make=lambda: text, save=save, load=load)


def test_what_was_made_once_is_read_from_then_on() -> None:
    assert build("17 shirts") == "17 shirts"
    assert build("never made") == "17 shirts"


def test_another_source_is_made_anew() -> None:
    build("17 shirts")
    assert build("18 shoes", source="shoes") == "18 shoes"
    assert build("17 shirts") == "17 shirts"


def test_whatever_is_damaged_is_made_anew(folder: Path) -> None:
    assert build() == "17 shirts"
    check_every_damage(folder, lambda: build() == "17 shirts")


def test_damage_is_seen_after_the_files_were_found_intact(folder: Path) -> None:
    """Files that look as they did are not read again, but a change shows in their times."""
    build()
    for path in folder.rglob("*.txt"):
        os.utime(path, (1, 1))
    cache = CheckedCache(folder, "shirts")
    assert not cache.fault()
    (folder / "first.txt").write_text("18 s")
    os.utime(folder / "first.txt", (1, 1))
    assert "first.txt is damaged" in cache.fault()


def test_files_are_read_again_until_their_times_would_tell_a_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    cache, read, now = CheckedCache(folder, "shirts"), [], time.time_ns()
    digest = cache_module._digest
    monkeypatch.setattr(cache_module, "_digest", lambda path: read.append(path) or digest(path))
    for seconds, n_read in ((0, 5), (0, 5), (60, 5), (60, 0)):
        monkeypatch.setattr(time, "time_ns", lambda seconds=seconds: now + seconds * 10**9)
        read.clear()
        assert not cache.fault()
        assert len(read) == n_read


def test_where_another_writer_was_quicker_its_files_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, rename = CheckedCache(folder, "shirts"), Path.rename

    def write(text: str) -> None:
        cache.write(lambda into: (into / "first.txt").write_text(text) and None)

    def rename_late(path: Path, target: Path) -> Path:
        if target == folder:
            monkeypatch.setattr(Path, "rename", rename)
            write("the quicker one's")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    write("the later one's")
    assert (folder / "first.txt").read_text() == "the quicker one's"
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANCHORGYM_CACHE", str(tmp_path / "file"))
    assert build() == "17 shirts"
    assert build("made again") == "made again"


def test_a_disk_that_is_full_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", fail)
    assert build() == "17 shirts"
    assert list(folder.parent.iterdir()) == []


def test_what_the_maker_says_is_passed_on() -> None:
    def fail() -> str:
        raise ValueError("no such catalogue")

    with pytest.raises(ValueError, match="no such catalogue"):
        kept("room/kept", "", make=fail, save=lambda *_: None, load=lambda _: "")


@pytest.mark.parametrize("moment", range(6))
def test_a_writer_that_is_killed_harms_nobody(folder: Path, moment: int) -> None:
    def killed() -> None:
        count = 0

        def after(name: str) -> None:
            original = getattr(Path, name)

            def act(*args: object, **kwargs: object) -> object:
                nonlocal count
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                return original(*args, **kwargs)

            setattr(Path, name, act)

        for name in ("write_text", "write_bytes", "symlink_to", "rename"):
            after(name)
        build("17 shirts")

    build("14 socks", source="socks")
    child = multiprocessing.get_context("fork").Process(target=killed)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert build() == "17 shirts"
    assert build("never made") == "17 shirts"
    for left in folder.parent.glob("*.tmp"):
        os.utime(left, (1, 1))
    build("18 shoes", source="shoes")
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


def test_processes_that_build_at_once_do_not_harm_each_other(folder: Path) -> None:
    with multiprocessing.get_context("fork").Pool(N_BUILDERS) as pool:
        pool.map(_build_often, range(N_BUILDERS))
    assert build() == "17 shirts"
    assert contents(folder)["first.txt"] == b"17 s"
    assert [path.name for path in folder.parent.iterdir()] == ["kept"]


def test_what_another_process_puts_there_at_this_moment_is_not_taken_for_ours(folder: Path) -> None:
    def load(stored: Path) -> str:
        build("18 shoes", source="shoes")
        return (stored / "first.txt").read_text()

    build()
    read = kept(
        "room/kept",
        "shirts",
        make=lambda: "17 s",
        save=lambda made, into: (into / "first.txt").write_text(made) and None,
        load=load,
    )
    assert read == "17 s"


def _build_often(number: int) -> None:
    """Build again and again; the first process takes away in between what is there."""
    room = cache_folder() / "room"
    for _ in range(N_ROUNDS):
        cache_module._intact.clear()
        assert build() == "17 shirts"
        if number == 0:
            with contextlib.suppress(FileNotFoundError):
                (room / "kept").rename(room / "gone")
                shutil.rmtree(room / "gone")
