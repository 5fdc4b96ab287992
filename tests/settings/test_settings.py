"""Settings: from the environment and `.env`, loud when wrong."""

from pathlib import Path

import pytest

from chatkeep.errors import CannotStart
from chatkeep.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(("CHATKEEP_", "OPENAI_", "AWS_"))]:
        monkeypatch.delenv(name)


def load_with(tmp_path: Path, text: str) -> Settings:
    (tmp_path / ".env").write_text(text)
    return load_settings(tmp_path / ".env")


def test_defaults_equal_the_example_file(tmp_path: Path) -> None:
    example = (Path(__file__).parent.parent.parent / ".env.example").read_text("utf-8")
    assert load_with(tmp_path, example) == load_settings(tmp_path / "none")


def test_the_example_file_lists_every_setting() -> None:
    example = (Path(__file__).parent.parent.parent / ".env.example").read_text("utf-8")
    named = {line.partition("=")[0] for line in example.splitlines() if "=" in line and not line.startswith("#")}
    fields = {
        name.upper() if name.startswith(("openai_", "aws_")) else f"CHATKEEP_{name.upper()}"
        for name in Settings.model_fields
    }
    assert named == fields


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKEEP_MODEL", "from-environment")
    settings = load_with(tmp_path, "CHATKEEP_MODEL=from-file\nCHATKEEP_MAX_RUNS=7\nOPENAI_API_KEY=sk-x\n")
    assert (settings.model, settings.max_runs) == ("from-environment", 7)
    assert settings.openai_api_key is not None
    assert "sk-x" not in repr(settings)


def test_blank_counts_as_unset(tmp_path: Path) -> None:
    settings = load_with(tmp_path, "OPENAI_API_KEY=\nCHATKEEP_MODEL=\nCHATKEEP_TOOLS=\n")
    assert (settings.openai_api_key, settings.model, settings.tools) == (None, "gpt-5-mini", ())


def test_lists_are_separated_by_commas(tmp_path: Path) -> None:
    assert load_with(tmp_path, "CHATKEEP_TOOLS= one, two,").tools == ("one", "two")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("CHATKEEP_MAX_RUNS=many", "CHATKEEP_MAX_RUNS: Input should be a valid integer"),
        ("CHATKEEP_PING_INTERVAL=0", "CHATKEEP_PING_INTERVAL: Input should be greater than 0"),
        ("CHATKEEP_LEASE=inf", "CHATKEEP_LEASE: Input should be less than or equal to 1000000"),
        ("CHATKEEP_LEASE=0.000001", "CHATKEEP_LEASE: Input should be greater than or equal to 0.1"),
        ("CHATKEEP_EVENTS_RETENTION=nan", "CHATKEEP_EVENTS_RETENTION: Input should be"),
        ("CHATKEEP_TIME_ZONE=Mars", "CHATKEEP_TIME_ZONE: there is no time zone 'Mars'"),
        ("CHATKEEP_OPENAI_API_KEY=sk-x", "unknown setting CHATKEEP_OPENAI_API_KEY"),
        ("CHATKEEP_MODLE=x", "unknown setting CHATKEEP_MODLE"),
    ],
)
def test_a_wrong_or_unknown_setting_is_refused_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(CannotStart) as refused:
        load_with(tmp_path, line)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_an_unknown_setting_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHATKEEP_MAX_RUN", "3")
    with pytest.raises(CannotStart, match="CHATKEEP_MAX_RUN"):
        load_settings(tmp_path / "none")


def test_the_database_url_names_a_file() -> None:
    assert Settings.model_construct(database_url="sqlite:///a/b.db").database_path() == Path("a/b.db")
    assert Settings.model_construct(database_url="sqlite:////a/b.db").database_path() == Path("/a/b.db")
    assert Settings.model_construct(database_url="postgresql://host/name").database_path() is None
    for wrong in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql:///x", "chat.db"):
        with pytest.raises(CannotStart):
            Settings.model_construct(database_url=wrong).database_path()


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" sk-secret\n")
    (tmp_path / "url").write_text("sqlite:///secret.db\n")
    settings = load_with(tmp_path, f"OPENAI_API_KEY_FILE={tmp_path}/key\nCHATKEEP_DATABASE_URL_FILE={tmp_path}/url\n")
    assert settings.database_url == "sqlite:///secret.db"
    assert settings.has_provider
    assert settings.read_key() == "sk-secret"
    (tmp_path / "key").write_text("sk-another")
    assert settings.read_key() == "sk-another"
    assert "sk-" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (b"k", "OPENAI_API_KEY=k", "OPENAI_API_KEY and OPENAI_API_KEY_FILE are set; one of them is enough"),
        (b" \n", "", "OPENAI_API_KEY_FILE: {path} is empty"),
        (b"\xff", "", "OPENAI_API_KEY_FILE: {path} is not UTF-8"),
        (None, "", "OPENAI_API_KEY_FILE: cannot read {path}: No such file or directory"),
        (b"two words", "", "OPENAI_API_KEY: a key has no blanks"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes | None, more: str, message: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotStart) as refused:
        load_with(tmp_path, f"OPENAI_API_KEY_FILE={path}\n{more}\n")
    assert str(refused.value).startswith(message.format(path=path))
