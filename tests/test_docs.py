"""The code is documented, and the documentation is true."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml

from chatkeep import errors
from chatkeep.agent.assistants import VARIABLES, parse_assistant
from chatkeep.api.app import create_api
from chatkeep.chat.events import Event
from chatkeep.chat.types import TRANSITIONS, CallState, Message, Run, Session, ToolCallPart, Value
from chatkeep.cli.main import main
from chatkeep.errors import CannotStart
from chatkeep.evals.suite import Constraint, parse_suite
from chatkeep.settings import Settings
from chatkeep.settings.models_file import ModelEntry, ModelParams, OmittedField, Price, ProviderEntry, parse_models
from tests.cli.test_main import command, environment
from tests.pages import (
    EVENTS,
    EXTEND,
    FUNCTIONS,
    GLOSSARY,
    HTTP_API,
    MODELS,
    PROMPTS,
    ROOT,
    SETTINGS,
    blocks,
    functions_of_extend,
    paragraphs,
    rows,
    without_code,
)

OTHERS = {name: name.upper() for name in Settings.model_fields if name.startswith(("openai_", "aws_"))}
EXAMPLE_SETTINGS = re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
MAX_PARAGRAPH_WORDS = 60
CORE_WORDS = (
    "session", "message", "part", "branch", "head", "run", "turn", "step", "owner", "assistant",
    "function", "kind", "reply", "action", "client function", "tool call", "output", "deadline",
    "event", "delta", "log", "position", "fold", "claim", "worker", "lease", "fence", "drain",
    "journal", "flush", "gap", "stream", "reader", "provider", "model", "prompt", "practice model",
)  # fmt: skip
PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    *(ROOT / name / "README.md" for name in (".", "clients/typescript", "examples/use-chat")),
]
PLAIN_PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if page.name != "performance.md"]


def subclasses(base: type) -> set[type]:
    return {base, *(each for child in base.__subclasses__() for each in subclasses(child))}


def errors_with_a_code(base: type) -> list[type]:
    return sorted((each for each in subclasses(base) if "code" in each.__dict__), key=lambda each: each.__name__)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_has_one_row(field: str) -> None:
    assert len(rows(SETTINGS, OTHERS.get(field, f"CHATKEEP_{field.upper()}"))) == 1


@pytest.mark.parametrize(("name", "value"), EXAMPLE_SETTINGS)
def test_every_setting_of_the_example_is_documented(name: str, value: str) -> None:
    (row,) = rows(SETTINGS, name)
    if value:
        assert row.split("|")[2].strip(" `") == value


@pytest.mark.parametrize("error", errors_with_a_code(errors.Refused))
def test_every_refusal_is_documented_with_its_status(error: type[errors.Refused]) -> None:
    assert any(str(error.status) in row for row in rows(HTTP_API, error.code))


@pytest.mark.parametrize("error", errors_with_a_code(errors.TurnFailed))
def test_every_failure_of_a_run_is_documented(error: type[errors.TurnFailed]) -> None:
    retryable = "yes" if error.retryable else "no"
    assert any(row.startswith(f"| `{error.code}` | {retryable} |") for row in rows(HTTP_API, error.code))


@pytest.mark.parametrize("event", Event.__args__, ids=lambda event: event.__struct_config__.tag)
def test_every_event_and_its_fields_are_documented(event: type) -> None:
    (row,) = rows(EVENTS, event.__struct_config__.tag)  # type: ignore[attr-defined]  # events are structs
    for field in event.__struct_encode_fields__:  # type: ignore[attr-defined]  # events are structs
        assert field == "position" or f"`{field}`" in row


@pytest.mark.parametrize(
    ("heading", "value"), [("Session", Session), ("Message", Message), ("Part", ToolCallPart), ("Run", Run)]
)
def test_every_field_of_a_noun_is_documented(heading: str, value: type[Value]) -> None:
    section = HTTP_API.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    for field in value.__struct_fields__:
        assert len(rows(section, field)) == 1, field


@pytest.mark.parametrize("status", TRANSITIONS)
def test_every_status_is_documented(status: str) -> None:
    assert rows(HTTP_API, status)


@pytest.mark.parametrize("state", get_args(CallState))
def test_every_state_of_a_call_is_documented(state: str) -> None:
    assert rows(FUNCTIONS, state)


@pytest.mark.parametrize("name", [*ProviderEntry.model_fields, *ModelEntry.model_fields, *ModelParams.model_fields])
def test_every_key_of_the_models_file_has_one_row(name: str) -> None:
    assert len(rows(MODELS, name)) == 1


@pytest.mark.parametrize("name", [*get_args(OmittedField), *Price.model_fields])
def test_every_word_of_the_models_file_is_documented(name: str) -> None:
    assert f"`{name}`" in MODELS


@pytest.mark.parametrize("text", blocks(MODELS, "toml"), ids=lambda text: text.partition("]")[0][1:])
def test_the_models_in_the_page_are_valid(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in re.findall(r'"env:(\w+)"', text):
        monkeypatch.setenv(variable, "k")
    assert parse_models("models.toml", text).models


def test_faults_of_models_are_reported_as_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    shown = next(each for each in MODELS.split("```\n") if each.startswith("models.toml:")).splitlines()
    for line, old, new in zip(shown, ('= "openai"', "reasoning_effort"), ('= "opnai"', "efort"), strict=True):
        with pytest.raises(CannotStart) as refused:
            parse_models("models.toml", blocks(MODELS, "toml")[0].replace(old, new))
        assert str(refused.value) == line


def test_every_route_is_documented() -> None:
    paths = create_api(Settings.model_construct()).openapi()["paths"]
    documented = re.sub(r"\{[^}]*\}", "{}", HTTP_API)
    for path, methods in paths.items():
        for method in methods:
            assert f"| `{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}` |" in documented


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_of_a_prompt_is_documented(name: str) -> None:
    assert f"`{name}`" in EXTEND
    assert f"`{name}`" in PROMPTS


def test_the_suite_in_the_page_is_one_and_shows_every_field() -> None:
    (text,) = blocks(PROMPTS, "yaml")
    suite = parse_suite("prompts.md", text, functions_of_extend())
    (case,) = suite.cases
    (exchange,) = case.exchanges
    for part in (suite, case, exchange):
        assert part.model_fields_set == set(type(part).model_fields)
    assert all(rule in text for rule in Constraint.model_fields)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("serve", SETTINGS),
        ("health", SETTINGS),
        ("ask", SETTINGS),
        ("eval", SETTINGS),
        ("eval", PROMPTS),
        ("check", SETTINGS),
        ("usage", SETTINGS),
        ("backup", SETTINGS),
        ("restore", SETTINGS),
        ("copy", SETTINGS),
        ("migrate", SETTINGS),
    ],
)
def test_every_option_of_a_command_is_documented(name: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert f"`chatkeep {name}" in page
    for option in set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}:
        assert option in page


STARTERS = yaml.safe_load(blocks(EXTEND, "markdown")[0].split("---\n")[1])["starters"]
TOOLS, FOLDER = "my_functions", "assistants"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A directory with the first example of docs/extend.md, as it stands there."""
    (tmp_path / "my_functions.py").write_text(blocks(EXTEND, "python")[0])
    (tmp_path / "assistants").mkdir()
    (tmp_path / "assistants" / "street.md").write_text(blocks(EXTEND, "markdown")[0])
    return tmp_path


def test_the_first_example_does_what_the_page_says(street: Path) -> None:
    (script,) = (each for each in blocks(EXTEND, "sh") if "CHATKEEP_TOOLS=" in each)
    ask, serve = script.removesuffix("\n").rsplit("\n", 1)
    assert serve == "chatkeep serve"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", ask],
        cwd=street,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for shown in ('"shop": "baker"', "opening_hours is running", "opening_hours returned", '"open": "7 to 15"'):
        assert shown in done.stdout
    assert "error" not in done.stdout


@pytest.mark.parametrize("starter", STARTERS)
def test_the_starters_of_the_first_example_work(street: Path, starter: str) -> None:
    done = command(
        "ask", "--assistant", "street", starter, cwd=street, CHATKEEP_TOOLS=TOOLS, CHATKEEP_ASSISTANTS_DIR=FOLDER
    )
    assert "opening_hours returned" in done.stdout
    assert "error" not in done.stdout


def test_the_suite_in_the_page_passes_with_the_first_example(street: Path) -> None:
    (street / "street.yaml").write_text(blocks(PROMPTS, "yaml")[0])
    done = command(
        "eval",
        "street.yaml",
        "--min-rate",
        "1",
        cwd=street,
        COLUMNS="200",
        CHATKEEP_TOOLS=TOOLS,
        CHATKEEP_ASSISTANTS_DIR=FOLDER,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "3 of 3 samples passed: 100%" in done.stdout


def test_faults_are_reported_as_the_page_shows(street: Path) -> None:
    """The faults of a changed assistant in docs/extend.md."""
    file = street / "assistants" / "street.md"
    text, tools = file.read_text(), functions_of_extend()
    shown = next(each for each in EXTEND.split("```\n") if each.startswith("street.md:")).splitlines()
    for line, old, new in zip(shown, ("opening_hours,", "{{ date }}"), ("opening_hour,", "{{ weekday }}"), strict=True):
        with pytest.raises(CannotStart) as refused:
            parse_assistant("street.md", text.replace(old, new), tools)
        assert str(refused.value).startswith(line.removesuffix(" …")), str(refused.value)


def test_the_quick_start_has_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    quick_start = readme.partition("## Quick start")[2].partition("## ")[0]
    assert re.findall(r"```sh\n(.*?)```", quick_start, re.DOTALL) == ["make serve\nmake test\n"]


def test_make_serve_uses_the_documented_port() -> None:
    """PORT in the environment does not count: it may be meant for something else."""
    with_port = "make serve PORT=8001"
    assert f"`{with_port}`" in (ROOT / "README.md").read_text("utf-8")
    for command_line, port in ((with_port, "8001"), ("make serve", "8000")):
        done = subprocess.run(
            [*command_line.split(), "--dry-run", "--no-print-directory"],
            cwd=ROOT,
            env=environment(PORT="9", MAKEFLAGS="", MAKELEVEL="0"),  # perhaps set by the `make test` that runs this
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.rstrip().endswith(f"chatkeep serve --port {port}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text("utf-8")):
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PLAIN_PAGES, ids=lambda page: page.name)
def test_no_paragraph_is_a_wall(page: Path) -> None:
    long = [text for text in paragraphs(page.read_text("utf-8")) if len(text.split()) > MAX_PARAGRAPH_WORDS]
    assert long == []


@pytest.mark.parametrize("word", CORE_WORDS)
def test_the_glossary_explains_every_core_word(word: str) -> None:
    cells = [line.split("|") for line in GLOSSARY.splitlines() if line.startswith("| ")]
    meanings = [row[2].strip() for row in cells if word in row[1].strip().split(", ")]
    assert len(meanings) == 1
    assert meanings[0]


def test_the_tests_that_a_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text("utf-8")))
    written = {
        name for file in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    assert named - written == set()


LIMITS = [
    *[("Settings", "max_connections"), ("Settings", "max_body_bytes"), ("Settings", "max_runs")],
    *[("Settings", "max_answer_bytes"), ("Settings", "max_dialect_bytes")],
    *[("api.http_protocol", "MAX_HEAD_BYTES"), ("api.connections", "HEAD_SECONDS")],
    *[("api.connections", "BODY_SECONDS"), ("api.responses", "MAX_LISTED_ERRORS")],
    *[("runs.content", "MAX_CONTENT_BYTES"), ("runs.content", "MAX_FILES"), ("runs.request", "MAX_CLIENT_TOOLS")],
    *[("agent.turn", "MAX_STEPS"), ("llm.streamed_call", "MAX_CALLS"), ("llm.sse_parser", "MAX_FRAME_BYTES")],
    *[("llm.http.connection", "MAX_HEAD_BYTES"), ("llm.http.bounds", "MAX_ERROR_BODY_BYTES")],
    ("llm.http.tls", "MAX_ANSWER_BYTES"),
    *[("llm.provider_state", "MAX_STATE_BYTES"), ("tools.json_schema", "MAX_SCHEMA_BYTES")],
    *[("tools.json_schema", "MAX_SCHEMA_WEIGHT"), ("tools.json_schema", "MAX_VISITS")],
    *[("tools.execution", "MAX_OUTPUT_BYTES"), ("mcp.stdio", "MAX_MESSAGE_BYTES")],
    *[("mcp.server_messages", "MAX_MESSAGES_PER_SECOND"), ("mcp.connection", "MAX_TOOLS")],
    ("mcp.connection", "MAX_PAGES"),
    *[
        ("Settings", "max_file_bytes"),
        ("Settings", "max_import_bytes"),
        ("archives.foreign.splitting", "MAX_VALUE_BYTES"),
        ("files.child", "JOB_MEMORY_BYTES"),
        ("files.child", "JOB_SECONDS"),
    ],
    *[
        ("files.child", "JOB_CPU_SECONDS"),
        ("files.jobs", "MAX_PICTURE_PIXELS"),
        ("files.reader", "MAX_PROCESSES"),
        ("files.jobs", "MAX_PAGES"),
    ],
    ("runs.prompt_files", "MAX_PROMPT_PICTURES"),
    *[("api.uploads", "MAX_FORM_BYTES"), ("api.uploads", "MAX_PARTS")],
]
"""Modules and constants whose values docs/security.md states."""


@pytest.mark.parametrize(("module", "name"), LIMITS)
def test_limits_of_the_security_page_are_those_of_the_code(module: str, name: str) -> None:
    if module == "Settings":
        value: float = Settings.model_fields[name].default
    else:
        value = getattr(importlib.import_module(f"chatkeep.{module}"), name)
    page = (ROOT / "docs/security.md").read_text("utf-8")
    assert re.search(rf"(?<![\d,]){value:,.0f}(?!,?\d)", page), f"{name} is {value:,.0f}"
