"""What a model or a provider says gives the terminal no orders."""

import json
import subprocess
import sys

import pytest

from chatkeep.chat.events import (
    Event,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallFinished,
    ToolCallReady,
    ToolCallRunning,
    ToolCallStarted,
)
from chatkeep.chat.types import CallError
from chatkeep.cli.output import TerminalPrinter
from chatkeep.text import printable

ORDERS = [
    "\x1b]0;title\x07",
    "\x1b]52;c;Y2xpcA==\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J",
    "\x9b2J",
    "\x7f\x08\r",
    "\x00\x0b\x0c",
]


def has_orders(text: str) -> bool:
    return any((char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f" for char in text)


@pytest.mark.parametrize("order", ORDERS)
def test_everything_printed_is_printable(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = f"be{order}fore [b]\t1\n[/b]"
    printer = TerminalPrinter()
    events: list[Event] = [
        TextDelta(index=0, text=said),
        ReasoningDelta(index=1, text=said),
        ToolCallStarted(index=2, call_id="a", name=said, kind="action"),
        ToolCallDelta(index=2, arguments_text=said),
        ToolCallReady(index=2, arguments={said: said}),
        ToolCallRunning(index=2),
        ToolCallFinished(index=2, state="succeeded", output=[said]),
        ToolCallStarted(index=3, call_id="b", name=said, kind="action"),
        ToolCallDelta(index=3, arguments_text=said),
        ToolCallFinished(index=3, state="failed", error=CallError("tool_error", said)),
    ]
    for event in events:
        printer.show(event)
    printer.end()
    printed = capsys.readouterr().out
    assert not has_orders(printed)
    assert "fore [b]" in printed, "nothing is markup"


@pytest.mark.parametrize("order", ORDERS)
def test_a_question_is_printable(order: str) -> None:
    question = f"Which [link=http://evil.example]way[/b]{order}?"
    code = "import json, sys; from chatkeep.cli.output import choose; print(repr(choose(json.loads(sys.argv[1]))))"
    arguments = json.dumps({"question": question, "choices": [order, f"b{order}"]})
    ran = subprocess.run(
        [sys.executable, "-c", code, arguments], input="2\n", text=True, capture_output=True, check=True
    )
    assert ran.stdout.endswith(f"{f'b{order}'!r}\n")
    assert not has_orders(ran.stdout)
    assert "Which [link=http://evil.example]way[/b]" in ran.stdout


def test_usual_text_is_unchanged() -> None:
    text = "Grüße,\n\t世界 👩‍🚀 \u00a0\u2028 [b]"
    assert printable(text) == text
