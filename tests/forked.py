"""Commands in processes of their own that have imported everything already.

A test of what a command does need not wait until a new interpreter has imported torch. Tests of
what starts with an interpreter (imports, modules that hide others, threads) start one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

import anchorgym.training.run.job  # which commands would wait for
from anchorgym.training.cli import main

_TESTS = Path(__file__).resolve().parent


class Forked:
    """A process that does some work in a folder, as a new interpreter would.

    Args:
        folder: current directory of the process.
        work: what it does; returns its exit status.
        variables: environment variables beside those of this process.
    """

    def __init__(self, folder: Path, work: Callable[[], int | None], **variables: str) -> None:
        self._out, self._err = TemporaryFile(), TemporaryFile()  # noqa: SIM115  (`wait` closes)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(folder, work, variables)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Return the exit status and what was printed, at the end of the process."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        said = []
        for file in (self._out, self._err):
            file.seek(0)
            said.append(file.read().decode())
            file.close()
        return subprocess.CompletedProcess([], status, *said)

    def _run(self, folder: Path, work: Callable[[], int | None], variables: dict[str, str]) -> None:
        status = 1
        try:
            for to, file in enumerate((open(os.devnull), self._out, self._err)):  # noqa: SIM115
                os.dup2(file.fileno(), to)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.chdir(folder)
            os.environ.update(variables)
            _forget_the_tests()
            status = work() or 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


def anchorgym(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `anchorgym WORDS` in a folder."""
    return begin_anchorgym(folder, *words, **variables).wait()


def begin_anchorgym(folder: Path, *words: str, **variables: str) -> Forked:
    """Begin to run `anchorgym WORDS` in a folder."""
    return Forked(folder, lambda: main(list(words)), **variables)


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a folder, whose modules it can import."""

    def work() -> None:
        sys.path.insert(0, "")
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})

    return Forked(folder, work).wait()


def _forget_the_tests() -> None:
    """Forget modules of tests, and where they were found."""
    sys.path[:] = [path for path in sys.path if not _is_of_tests(path)]
    for name, module in list(sys.modules.items()):
        if _is_of_tests(getattr(module, "__file__", None)):
            del sys.modules[name]


def _is_of_tests(path: str | None) -> bool:
    return bool(path) and Path(str(path)).resolve().is_relative_to(_TESTS)
