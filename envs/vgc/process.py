"""A Node.js process that answers lines with lines, within a deadline."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
import weakref
from collections.abc import Sequence
from typing import IO

_CHUNK = 1 << 16


class ProcessLostError(Exception):
    """The process ended, or did not answer in time; it is not there any more."""


class LineProcess:
    """A child process that is asked one line at a time.

    It is killed when this object is collected, when Python ends, and when it misses a deadline.

    Args:
        command: what to run.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the child)
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._stdin, self._stdout = stdin.fileno(), stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._finalizer = weakref.finalize(self, _end, self._process, os.getpid())

    @property
    def pid(self) -> int:
        """The process id of the child."""
        return self._process.pid

    def ask(self, line: bytes, deadline: float) -> bytes:
        """Write a line, and return the line that answers it.

        Args:
            line: without its end.
            deadline: seconds that both together may take.

        Raises:
            ProcessLostError: the process ended or was too slow; in both cases it is gone.
        """
        until = time.monotonic() + deadline
        try:
            self._write(line + b"\n", until)
            return self._read(until)
        except TimeoutError as error:
            self.kill()
            raise ProcessLostError(f"did not answer within {deadline:g} seconds") from error
        except (BrokenPipeError, EOFError) as error:
            self.kill()
            raise ProcessLostError(f"ended{self._last_words()}") from error
        except BaseException:  # an interrupt leaves half an answer in the pipe
            self.kill()
            raise

    def kill(self) -> None:
        """End the process at once."""
        self._finalizer()

    def _write(self, data: bytes, until: float) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._stdin, rest[:_CHUNK]) :]
            except BlockingIOError:
                _wait(self._stdin, selectors.EVENT_WRITE, until)

    def _read(self, until: float) -> bytes:
        parts: list[bytes] = []
        while not (parts and parts[-1].endswith(b"\n")):
            try:
                part = os.read(self._stdout, _CHUNK)
            except BlockingIOError:
                _wait(self._stdout, selectors.EVENT_READ, until)
                continue
            if not part:
                raise EOFError
            parts.append(part)
        return b"".join(parts)

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        said = [line for line in lines if "Error" in line] or lines[-1:]
        return f" ({said[0][:300]})" if said else f" (status {self._process.returncode})"


def _wait(descriptor: int, event: int, until: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        if not selector.select(max(0.0, until - time.monotonic())):
            raise TimeoutError


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a child; in a fork of the process that started it, leave it to that one."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
