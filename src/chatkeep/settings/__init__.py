"""The settings, read from the environment and `.env`. A wrong or unknown one stops the start, with one line."""

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chatkeep.errors import CannotStart
from chatkeep.settings.mcp_servers import McpServer, parse_servers

PREFIX = "CHATKEEP_"
"""The beginning of every setting's name, except the two that are the OpenAI SDK's."""


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _read_servers(value: object) -> object:
    return parse_servers(value) if isinstance(value, str) else value


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}; use a name like Europe/Oslo") from error
    return name


Seconds = Annotated[float, Field(gt=0, le=1e9)]
"""Seconds, over 0. The upper bound excludes `inf` and times that no calendar has."""
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
"""Texts, read from one text with `,` between them."""


class Settings(BaseSettings):
    """All settings. A blank value counts as unset.

    `docs/settings.md` has the meaning, unit and range of each, `.env.example` its default.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    openai_api_key: Annotated[SecretStr | None, Field(validation_alias="OPENAI_API_KEY")] = None
    openai_base_url: Annotated[str | None, Field(validation_alias="OPENAI_BASE_URL")] = None
    model: str = "gpt-5-mini"
    database_url: Annotated[str, Field(repr=False)] = "sqlite:///chatkeep.db"  # no repr: it may hold a password
    database_pool: PositiveInt = 10
    assistant: str = "default"
    assistants_dir: Path | None = None
    tools: CommaList = ()
    mcp_servers: Annotated[tuple[McpServer, ...], NoDecode, BeforeValidator(_read_servers), Field(repr=False)] = ()
    titles: Literal["words", "model", "off"] = "words"
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"
    connect_timeout: Seconds = 5
    first_byte_timeout: Seconds = 60
    idle_timeout: Seconds = 60
    model_retries: Annotated[int, Field(ge=0, le=10)] = 2
    flush_interval_ms: Annotated[float, Field(ge=0, le=1000)] = 50
    ping_interval: Seconds = 15
    events_retention: Seconds = 86_400
    max_body_bytes: PositiveInt = 1_048_576
    max_runs: PositiveInt = 2_000
    context_tokens: PositiveInt = 128_000
    max_answer_bytes: PositiveInt = 8_388_608
    lease: Annotated[float, Field(ge=0.1, le=1e6)] = 30
    action_deadline: Seconds = 600
    tool_timeout: Seconds = 30
    shutdown_grace: Annotated[float, Field(ge=0, le=1e9)] = 10
    allowed_hosts: CommaList = ("localhost", "127.0.0.1", "[::1]")
    cors_origins: CommaList = ()

    def database_path(self) -> Path | None:
        """Return the path of the SQLite file that `database_url` names; None if it names a PostgreSQL database.

        `sqlite:///relative.db` is a relative path, `sqlite:////absolute.db` an absolute one.

        Raises:
            CannotStart: the URL names another engine.
        """
        scheme, _, path = self.database_url.partition("://")
        if scheme in ("postgresql", "postgres"):
            return None
        if scheme != "sqlite" or not path.startswith("/") or path[1:2] in ("", ":"):
            raise CannotStart(
                f"CHATKEEP_DATABASE_URL: {scheme}:… is not supported; use sqlite:///PATH or postgresql://HOST/NAME"
            )
        return Path(path[1:])


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """Read the settings of this process; the environment wins over `env_file`, which need not exist.

    Raises:
        CannotStart: a value is wrong, a `CHATKEEP_*` name is unknown (most likely a typing error), or the file is not
            UTF-8.
    """
    try:
        _refuse_unknown({*os.environ, *dotenv_values(env_file)})
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue]  # pydantic-settings' own parameter
    except UnicodeDecodeError as error:
        raise CannotStart(f"{env_file}: not UTF-8") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        name = name if name.startswith("OPENAI_") else PREFIX + name
        raise CannotStart(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error


def _refuse_unknown(names: set[str]) -> None:
    known = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if field.validation_alias is None}
    if unknown := sorted(name for name in names if name.startswith(PREFIX) and name not in known):
        raise CannotStart(f"unknown setting {unknown[0]}; .env.example lists all")
