"""The search path of `python -m anchorgym.training.cli`, without the current directory.

Python puts the current directory before the standard library and all installed packages there, so
that a file `json.py` in it would be run in place of the real module. The package imports this
module before everything else; only a module that the command line names is looked for in the
current directory, see `anchorgym.envs.plugins`.
"""

from __future__ import annotations

import os
import sys


def is_command_line() -> bool:
    """Whether this process is about to run a module of this package for `python -m`.

    Python sets the first argument to "-m" while it looks for the module.
    """
    modules = (word.removeprefix("-m") for word in sys.orig_argv[1:])
    return sys.argv[:1] == ["-m"] and any(name.startswith("anchorgym.") for name in modules)


def leave_out_current_directory() -> None:
    """Take the current directory from the front of the search path."""
    if sys.path and os.path.realpath(sys.path[0] or ".") == os.path.realpath("."):
        del sys.path[0]


if is_command_line():
    leave_out_current_directory()
