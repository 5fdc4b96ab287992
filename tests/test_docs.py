"""What is there is documented, and what is documented is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chatkeep import errors
from chatkeep.agent.assistants import VARIABLES
from chatkeep.agent.assistants import parse as parse_assistant
from chatkeep.api.app import create_api
from chatkeep.chat.events import Event
from chatkeep.chat.types import TRANSITIONS
from chatkeep.cli.main import main
from chatkeep.errors import CannotStart
from chatkeep.evals.suite import Constraint, parse
from chatkeep.settings import Settings
from tests.cli.test_main import command, environment
from tests.pages import EXTEND, PROMPTS, PROTOCOL, ROOT, blocks, functions_of_extend

OPENAI = {"openai_api_key": "OPENAI_API_KEY", "openai_base_url": "OPENAI_BASE_URL"}


def subclasses(base: type) -> set[type]:
    return {base, *(each for child in base.__subclasses__() for each in subclasses(child))}


CODES = {error.__dict__["code"] for error in subclasses(errors.ChatkeepError) if "code" in error.__dict__}


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    assert f"`{OPENAI.get(field, f'CHATKEEP_{field.upper()}')}`" in PROTOCOL


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in PROTOCOL


@pytest.mark.parametrize("event", Event.__args__, ids=lambda event: event.__struct_config__.tag)
def test_every_event_and_its_fields_are_documented(event: type) -> None:
    tag = event.__struct_config__.tag  # type: ignore[attr-defined]  # events are structs
    row = next(
        (line for line in PROTOCOL.splitlines() if line.startswith("|") and f"`{tag}`" in line.split("|")[1]), None
    )
    assert row is not None
    for field in event.__struct_fields__:  # type: ignore[attr-defined]  # events are structs
        assert field == "position" or f"`{field}`" in row


@pytest.mark.parametrize("status", TRANSITIONS)
def test_every_status_is_documented(status: str) -> None:
    assert f"| `{status}` |" in PROTOCOL


def test_every_route_is_documented() -> None:
    paths = create_api(Settings.model_construct()).openapi()["paths"]
    documented = re.sub(r"\{[^}]*\}", "{}", PROTOCOL)
    for path in paths:
        assert re.sub(r"\{[^}]*\}", "{}", path) in documented


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_of_a_prompt_is_documented(name: str) -> None:
    assert f"`{name}`" in EXTEND
    assert f"`{name}`" in PROMPTS


def test_the_suite_in_the_page_is_one_and_shows_every_field() -> None:
    (text,) = blocks(PROMPTS, "yaml")
    suite = parse("prompts.md", text, functions_of_extend())
    (case,) = suite.cases
    (exchange,) = case.exchanges
    for part in (suite, case, exchange):
        assert part.model_fields_set == set(type(part).model_fields)
    assert all(rule in text for rule in Constraint.model_fields)


@pytest.mark.parametrize("page", ["prompts.md", "protocol.md"])
def test_every_option_of_eval_is_documented(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "--help"])
    text = (ROOT / "docs" / page).read_text("utf-8")
    for option in set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}:
        assert option in text


STARTERS = yaml.safe_load(blocks(EXTEND, "markdown")[0].split("---\n")[1])["starters"]
TOOLS, FOLDER = "my_functions", "assistants"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A directory with the first example of docs/extend.md, as it stands there."""
    (tmp_path / "my_functions.py").write_text(blocks(EXTEND, "python")[0])
    (tmp_path / "assistants").mkdir()
    (tmp_path / "assistants" / "street.md").write_text(blocks(EXTEND, "markdown")[0])
    return tmp_path


def test_the_first_example_of_extending_does_what_the_page_says(street: Path) -> None:
    (script,) = (each for each in blocks(EXTEND, "sh") if "CHATKEEP_TOOLS=" in each)
    asked, serve = script.removesuffix("\n").rsplit("\n", 1)
    assert serve == "chatkeep serve"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e", "-c", asked],
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
def test_what_the_first_example_offers_to_begin_with_works(street: Path, starter: str) -> None:
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


def test_the_faults_that_a_page_shows_are_told_so(street: Path) -> None:
    """Those of a changed assistant in docs/extend.md."""
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


def test_the_port_of_make_serve_is_the_one_that_is_said() -> None:
    """Whatever PORT is in the environment: it may be meant for something else."""
    said = "make serve PORT=8001"
    assert f"`{said}`" in (ROOT / "README.md").read_text("utf-8")
    for command_line, port in ((said, "8001"), ("make serve", "8000")):
        done = subprocess.run(
            [*command_line.split(), "--dry-run", "--no-print-directory"],
            cwd=ROOT,
            env=environment(PORT="9", MAKEFLAGS="", MAKELEVEL="0"),  # of the `make test` that has begun this, perhaps
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.rstrip().endswith(f"chatkeep serve --port {port}")


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_tests_that_a_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text("utf-8")))
    written = {
        name for file in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    assert named - written == set()
