"""`python llm.py "text"`: one turn in the terminal, the same as `chatkeep ask "text"`."""

import sys

from chatkeep.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main(["ask", *sys.argv[1:]]))
