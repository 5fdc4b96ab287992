"""The service in a process whose clock is wrong: `python tests/faults/wrong_clock.py SECONDS serve --port 0`."""

import sys
from datetime import timedelta

from chatkeep import clock
from chatkeep.cli.main import main

if __name__ == "__main__":
    ahead = timedelta(seconds=float(sys.argv[1]))
    clock.set_source(lambda: clock.system_time() + ahead)
    sys.exit(main(sys.argv[2:]))
