"""Runs the command `chatkeep` for `python -m chatkeep`."""

from chatkeep.cli.main import main

raise SystemExit(main())
