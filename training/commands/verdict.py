"""The conclusion of a verification: what was found, and the exit status that says so."""

from __future__ import annotations

from anchorgym.training.commands import EXIT_FAILED, EXIT_OK, EXIT_USAGE


def conclude(executed: str, compared: int, differences: str, unreadable: int) -> int:
    """Print the conclusion of a verification, and return its exit status.

    Args:
        executed: what was executed, in words.
        compared: number of episodes that were compared with their record.
        differences: what is not as recorded, in words; empty if nothing is.
        unreadable: number of files that could not be read to their end.
    """
    if differences:
        found = differences
    elif not compared:
        found = "nothing was verified"
    else:
        found = "what could be read is as recorded" if unreadable else "all as recorded"
    missing = f"; {unreadable} files unreadable" if unreadable else ""
    print(f"{executed}; {found}{missing}")
    if unreadable:
        return EXIT_USAGE
    return EXIT_FAILED if differences or not compared else EXIT_OK
