"""What is there is documented, and what is documented is there."""

import re
from pathlib import Path

import pytest

from chatkeep import errors
from chatkeep.api.app import create_app
from chatkeep.assistants import VARIABLES
from chatkeep.cli import main
from chatkeep.config import Settings
from chatkeep.evals.suite import Constraint, parse
from chatkeep.events import Event
from chatkeep.types import TRANSITIONS

ROOT = Path(__file__).parent.parent
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text("utf-8")
PROMPTS = (ROOT / "docs" / "prompts.md").read_text("utf-8")
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
    paths = create_app(Settings.model_construct()).openapi()["paths"]
    documented = re.sub(r"\{[^}]*\}", "{}", PROTOCOL)
    for path in paths:
        assert re.sub(r"\{[^}]*\}", "{}", path) in documented


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_of_a_prompt_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs" / "extend.md").read_text("utf-8")
    assert f"`{name}`" in PROMPTS


def test_the_suite_in_the_page_is_one_and_shows_every_field() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PROMPTS, re.DOTALL)
    suite = parse("prompts.md", text, ["opening_hours", "suggest_replies"])
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


def test_the_quick_start_has_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    quick_start = readme.partition("## Quick start")[2].partition("## ")[0]
    assert re.findall(r"```sh\n(.*?)```", quick_start, re.DOTALL) == ["make serve\nmake test\n"]


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
