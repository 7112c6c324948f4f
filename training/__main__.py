"""The program `anchorgym`, which is interrupted in one line from its first import on."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the command line; return its exit status."""
    try:
        from anchorgym.training import cli

        return cli.main()
    except KeyboardInterrupt:  # while the command line itself was imported
        sys.stderr.write("\ninterrupted\n")
        return 130
    finally:  # nothing is left to do but to end, so that an interrupt needs no traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
