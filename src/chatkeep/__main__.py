"""`python -m chatkeep` is the command `chatkeep`."""

from chatkeep.cli import main

raise SystemExit(main())
