"""`python -m skreg`: the same as the command `skreg`."""

from __future__ import annotations

import sys

from skreg.cli import main

if __name__ == "__main__":
    sys.exit(main())
