"""How far a long command is: a bar on a terminal, lines elsewhere, and never in the way of its output."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatkeep.cli.progress import show_progress
from tests.api.streams import PATIENCE
from tests.cli.test_main import command, environment

DRAWING = """
import sys
from chatkeep.cli.progress import show_progress
with show_progress("copying [x]") as on_progress:
    on_progress(3, 4)
    print("a line of output", flush=True)
"""


def test_long_work_without_a_terminal_has_two_lines(capfd: pytest.CaptureFixture[str]) -> None:
    printed, until = "", time.monotonic() + PATIENCE
    with show_progress("copying") as on_progress:
        while not printed.endswith("\n") and time.monotonic() < until:
            on_progress(1, 2)
            printed += capfd.readouterr().err
    assert printed == "copying …\n"
    output, said = capfd.readouterr()
    assert output == ""
    assert re.fullmatch(r"copying: done in \d+ s\n", said)


def test_work_that_fails_is_not_done(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="on purpose"), show_progress("copying"):
        raise ValueError("on purpose")
    assert capfd.readouterr() == ("", "")


def test_a_bar_leaves_the_output_where_it_belongs(tmp_path: Path) -> None:
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", DRAWING],
        cwd=tmp_path,
        env=environment(TERM="xterm", COLUMNS="100"),
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    os.close(terminal)
    drawn = b""
    try:
        while piece := os.read(screen, 4096):
            drawn += piece
    except OSError:  # how Linux says that the other side of a terminal is closed
        pass
    finally:
        os.close(screen)
    assert process.returncode == 0
    assert output == b"a line of output\n"
    assert b"copying [x]" in drawn
    assert b"75%" in drawn


def test_short_commands_say_no_more_than_before(tmp_path: Path) -> None:
    assert command("migrate", cwd=tmp_path).stderr == ""
    done = command("backup", "copy.db", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("chatkeep.db is copied to copy.db\n", "")
