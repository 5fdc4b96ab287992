"""`python -m chatkeep` is the command `chatkeep`."""

from chatkeep.cli.main import main

raise SystemExit(main())
