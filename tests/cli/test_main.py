"""The commands, as processes of their own, the way a person starts them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.office import docx, paragraph
from tests.samples import picture

ROOT = Path(__file__).parent.parent.parent


def command(
    *arguments: str, cwd: Path, program: tuple[str, ...] = ("-m", "chatkeep"), **env: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def environment(**more: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("CHATKEEP_", "OPENAI_", "AWS_"))
    }
    return {**inherited, **more}


def test_help_imports_neither_the_sdk_nor_the_framework(tmp_path: Path) -> None:
    done = command("--help", cwd=tmp_path, program=("-X", "importtime", "-m", "chatkeep"))
    assert "serve" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "chatkeep.cli.main" in imported
    assert imported.isdisjoint({"openai", "fastapi", "pydantic", "uvicorn", "rich", "apsw"})


@pytest.mark.parametrize("program", [("-m", "chatkeep"), (str(ROOT / "llm.py"),)])
def test_ask_prints_a_function_as_indented_json(tmp_path: Path, program: tuple[str, ...]) -> None:
    text = "please explain the joke: why did the chicken cross the road?"
    words = ("ask", text) if program[0] == "-m" else (text,)
    done = command(*words, cwd=tmp_path, program=program)
    assert (done.returncode, done.stderr) == (0, "")
    name, _, arguments = done.stdout.partition("\n")
    assert name == "explain_joke"
    assert '\n  "setup": ' in arguments
    assert json.loads(arguments).keys() == {"setup", "premise", "punchline"}
    assert list(tmp_path.iterdir()) == []  # kept in no database


def test_ask_streams_text_plainly_into_a_pipe(tmp_path: Path) -> None:
    done = command("ask", "count to 5", cwd=tmp_path)
    assert done.stdout == "1 2 3 4 5 \n"


def test_ask_shows_rejected_arguments_unchanged(tmp_path: Path) -> None:
    done = command("ask", 'detect_sarcasm {"quote":  "[b]", "score": 12}', cwd=tmp_path)
    name, sent, error, reply_text, name_again, *rest = done.stdout.splitlines()
    assert (name, sent) == ("detect_sarcasm", '{"quote":  "[b]", "score": 12}')
    assert error == "detect_sarcasm: invalid_arguments: score: Input should be less than or equal to 9"
    assert reply_text == "You are right, the highest score is 9. "
    assert name_again == name
    assert json.loads("".join(rest)) == {"quote": "[b]", "score": 9}


def test_ask_shows_arguments_that_are_no_json(tmp_path: Path) -> None:
    done = command("ask", "tell_joke {not json", cwd=tmp_path)
    name, sent, error, *_ = done.stdout.splitlines()
    assert (name, sent) == ("tell_joke", "{not json")
    assert error.startswith("tell_joke: invalid_arguments: the arguments are not valid JSON: ")


def test_a_function_in_ask_runs_for_the_local_owner(tmp_path: Path) -> None:
    (tmp_path / "whose.py").write_text(
        "from chatkeep.tools import Caller, tool\n\n@tool\ndef whose_turn(caller: Caller) -> list[str]:\n"
        "    'Say whose.'\n    return [caller.owner, caller.session_id, caller.run_id]\n"
    )
    (tmp_path / "asking.md").write_text("---\nname: asking\ndescription: Asks.\nfunctions: [whose_turn]\n---\nYou ask.")
    words = ("ask", "--json", "--assistant", "asking", "whose_turn")
    done = command(*words, cwd=tmp_path, CHATKEEP_TOOLS="whose", CHATKEEP_ASSISTANTS_DIR=".")
    (output,) = (each["output"] for each in map(json.loads, done.stdout.splitlines()) if "output" in each)
    assert output == ["local", "", ""]


def test_ask_json_prints_the_events(tmp_path: Path) -> None:
    done = command("ask", "--json", "count to 3", cwd=tmp_path)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in events] == ["text.delta"] * 3
    assert [event["position"] for event in events] == [2, 4, 6]


def test_ask_says_how_a_turn_failed(tmp_path: Path) -> None:
    done = command("ask", "fail with model_auth", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("I will say a few words")
    assert done.stderr.startswith("chatkeep: model_auth: ")


def test_ask_says_that_an_answer_is_incomplete(tmp_path: Path) -> None:
    ended = command("ask", "stop early", cwd=tmp_path)
    assert ended.returncode == 0
    assert ended.stdout.strip()
    assert "incomplete (length)" in ended.stderr


def test_ask_shows_files_to_the_model(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Bees\n\nThey dance.")
    (tmp_path / "photo").write_bytes(picture())
    (tmp_path / "a.docx").write_bytes(docx(paragraph("A letter")))
    files = [word for name in ("notes.md", "photo", "a.docx") for word in ("--file", name)]
    done = command("ask", "count to 2", *files, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    notes, photo, letter = done.stdout.split("You gave me ")[1:]
    assert notes == "notes.md, text/markdown, 19 bytes. It begins: “# Bees They dance.”. "
    assert photo == "photo, image/png, 40 x 30 pixels. "
    assert letter.endswith(" bytes. It begins: “A letter”. I was shown 1 picture, which I cannot see. 1 2 \n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "--file: cannot read a.bin: No such file or directory"),
        (b"", "--file: a.bin is empty"),
        (b"text " * 9, "--file: a.bin is larger than 40 bytes"),
        (b"\x00", "a.bin: a file of the type application/octet-stream cannot be read. The model"),
    ],
)
def test_ask_refuses_a_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    done = command("ask", "hello", "--file", "a.bin", cwd=tmp_path, CHATKEEP_MAX_FILE_BYTES="40")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"chatkeep: {message}")


def test_ask_refuses_an_unknown_assistant(tmp_path: Path) -> None:
    done = command("ask", "hello", "--assistant", "nobody", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "chatkeep: there is no assistant 'nobody'; known: counsel, default, plain, scribe\n"


def test_ctrl_c_stops_an_answer_without_a_traceback(tmp_path: Path) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-m", "chatkeep", "ask", "count to 9999"],
        cwd=tmp_path,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # ignored in a job of `sh`
    )
    assert asking.stdout is not None
    assert asking.stdout.read(2) == b"1 "
    asking.send_signal(signal.SIGINT)
    _, errors = asking.communicate(timeout=30)
    assert (asking.returncode, errors) == (130, b"")


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    shell = f"{sys.executable} -m chatkeep ask --json 'count to 300' | head -n 1"
    done = subprocess.run(
        shell, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_migrate_creates_the_database_and_prints_its_version(tmp_path: Path) -> None:
    done = command("migrate", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "chatkeep.db is at migration 0012\n")
    assert (tmp_path / "chatkeep.db").exists()
    assert command("migrate", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("migrate",)])
def test_a_failed_start_is_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "letter.db").write_text("Dear Sir or Madam, " * 300)
    done = command(*words, cwd=tmp_path, CHATKEEP_DATABASE_URL="sqlite:///letter.db")
    assert done.returncode == 1
    assert done.stderr.startswith("chatkeep: cannot open the database letter.db")
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = command("serve", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"chatkeep: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "--port", "abc"), "argument --port: a port is 0 to 65535"),
        (("serve", "--workers", "-1"), "argument --workers: a number, at least 1"),
        (("eval", "--min-rate", "nan"), "argument --min-rate: a rate is 0 to 1"),
        (("eval", "--json", "no/where.json"), "argument --json: a file in a folder that is there, not 'no/where.json'"),
    ],
)
def test_a_wrong_option_is_explained(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"chatkeep {words[0]}: error: {message}")


def test_an_unknown_setting_stops_the_start_in_one_line(tmp_path: Path) -> None:
    done = command("serve", cwd=tmp_path, CHATKEEP_MODLE="x")
    assert (done.returncode, done.stderr) == (1, "chatkeep: unknown setting CHATKEEP_MODLE; .env.example lists all\n")


def test_eval_measures_prints_and_saves(tmp_path: Path) -> None:
    words = ("eval", "scribe", "--only", "writes a document at once", "--samples", "2", "--json", "figures.json")
    done = command(*words, "--min-rate", "1", cwd=tmp_path, COLUMNS="200")
    assert (done.returncode, done.stderr) == (0, "")
    assert "scribe: scribe with practice, prompt " in done.stdout
    assert "2 of 2 samples passed: 100%" in done.stdout
    saved = json.loads((tmp_path / "figures.json").read_text())
    assert saved["suites"][0]["results"][0]["passed"] == 2
    assert [file.name for file in tmp_path.iterdir()] == ["figures.json"]  # and no database


def test_eval_exits_with_1_below_the_required_rate(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "assistant: default\ndate: 2026-03-02\ncases:\n"
        "  - {name: never, practice: true, exchanges: [{says: count to 3, must_say: ['4']}]}\n"
    )
    assert command("eval", "mine.yaml", cwd=tmp_path).returncode == 0
    assert command("eval", "mine.yaml", "--min-rate", "0.5", cwd=tmp_path).returncode == 1


def test_eval_refuses_a_wrong_suite_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("assistant: default\ndate: 2026-03-02\ncases: []\n")
    done = command("eval", "mine.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("chatkeep: mine.yaml:3: cases: ")
    assert done.stderr.count("\n") == 1
