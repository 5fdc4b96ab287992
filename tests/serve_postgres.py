"""`make serve-postgres`: the service on a PostgreSQL of its own, both until Ctrl-C. The data is deleted then."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.postgres import Keeper, missing


def main() -> int:
    """Serve, and return the exit status. The arguments are those of `chatkeep serve`."""
    if why := missing():
        print(f"chatkeep: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as directory:
        keeper = Keeper(Path(directory) / "postgres")
        try:
            url = keeper.server.url()
            print(f"PostgreSQL is ready: {url}", flush=True)
            command = [sys.executable, "-m", "chatkeep", "serve", *sys.argv[1:]]
            service = subprocess.Popen(command, env={**os.environ, "CHATKEEP_DATABASE_URL": url})
            try:
                return service.wait()
            except KeyboardInterrupt:  # the terminal interrupts the service, too, and it ends its runs first
                return service.wait()
        finally:
            keeper.close()


if __name__ == "__main__":
    sys.exit(main())
