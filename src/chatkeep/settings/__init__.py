"""The settings, read from the environment and `.env`. A wrong or unknown one stops the start, with one line."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
)

from chatkeep.chat.limits import MAX_LIMIT, Limits
from chatkeep.errors import CannotStart
from chatkeep.settings.bucket_url import BucketUrl, parse_bucket_url
from chatkeep.settings.env_file import read_env_file
from chatkeep.settings.key_reference import read_key
from chatkeep.settings.mcp_servers import McpServer, parse_servers
from chatkeep.settings.peers import NO_PEERS, Peers, parse_peers
from chatkeep.settings.provider import OPENAI_URL, SDK_HEADERS, check_base_url, check_headers, check_key
from chatkeep.settings.proxies import check_proxies
from chatkeep.settings.public_url import PublicUrl, parse_public_url
from chatkeep.settings.secret_files import read_secret_files
from chatkeep.settings.ways_in import check_ways_in
from chatkeep.watch.log_lines import LogForm, LogLevel

PREFIX = "CHATKEEP_"
"""The beginning of every setting's name, except those of the OpenAI SDK and of Amazon's tools."""
_SERVICE_LINK = re.compile(
    r"CHATKEEP_(\w+_)?(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=\d*|PORT=\w+://.*|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=.*)"
)
"""Variables that Kubernetes sets in every container for a service `chatkeep` or `chatkeep-…` (Kubernetes, "Service",
"Environment variables"). A port of ours would be a number there, not a URL."""


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _read_servers(value: object) -> object:
    return parse_servers(value) if isinstance(value, str) else value


def _check_key(value: object) -> object:
    return check_key(value) if isinstance(value, str) else value


def _read_public_url(value: object) -> object:
    return parse_public_url(value) if isinstance(value, str) else value


def _read_bucket_url(value: object) -> object:
    return parse_bucket_url(value) if isinstance(value, str) else value


def _read_yes_no(value: object) -> object:
    if isinstance(value, str) and value not in ("yes", "no"):
        raise ValueError("yes or no")
    return value == "yes" if isinstance(value, str) else value


def _read_peers(value: object) -> object:
    return parse_peers(value) if isinstance(value, str) else value


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}; use a name like Europe/Oslo") from error
    return name


Seconds = Annotated[float, Field(gt=0, le=1e9)]
"""Seconds, over 0. The upper bound excludes `inf` and times that no calendar has."""
CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
"""Texts, read from one text with `,` between them."""
PeerList = Annotated[Peers, BeforeValidator(_read_peers)]
"""Addresses and networks, read from one text with `,` between them."""
LimitNumber = Annotated[int, Field(ge=0, le=MAX_LIMIT)]
"""How much of something a user may have; 0: nothing."""
YesNo = Annotated[bool, BeforeValidator(_read_yes_no)]
"""`yes` or `no`."""


def _variable(field: str) -> str:
    """Return the name of a setting, which is that of its variable."""
    return field.upper() if field.startswith(("openai_", "aws_")) else PREFIX + field.upper()


class Settings(BaseModel):
    """All settings.

    `docs/settings.md` has the meaning, unit and range of each, `.env.example` its default.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=_variable),
        validate_by_name=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    openai_api_key: Annotated[SecretStr | None, BeforeValidator(_check_key)] = None
    openai_api_key_file: Path | None = None
    openai_base_url: Annotated[Annotated[str, AfterValidator(check_base_url)] | None, Field(repr=False)] = None
    model: str = "gpt-5-mini"
    models: Path | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    database_url: Annotated[str, Field(repr=False)] = "sqlite:///chatkeep.db"  # no repr: it may hold a password
    database_url_file: Path | None = None
    database_pool: PositiveInt = 10
    assistant: str = "default"
    assistants_dir: Path | None = None
    tools: CommaList = ()
    mcp_servers: Annotated[tuple[McpServer, ...], BeforeValidator(_read_servers), Field(repr=False)] = ()
    mcp_servers_file: Path | None = None
    titles: Literal["words", "model", "off"] = "words"
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "UTC"
    connect_timeout: Seconds = 5
    first_byte_timeout: Seconds = 60
    idle_timeout: Seconds = 60
    model_retries: Annotated[int, Field(ge=0, le=10)] = 2
    flush_interval_ms: Annotated[float, Field(ge=0, le=1000)] = 50
    ping_interval: Seconds = 15
    events_retention: Seconds = 86_400
    audit_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    temporary_retention: Seconds = 86_400
    max_body_bytes: PositiveInt = 1_048_576
    max_dialect_bytes: PositiveInt = 33_554_432
    max_file_bytes: PositiveInt = 20_971_520
    max_import_bytes: PositiveInt = 1_073_741_824
    files_grace: Seconds = 86_400
    files_url: Annotated[BucketUrl | None, BeforeValidator(_read_bucket_url)] = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_secret_access_key_file: Path | None = None
    max_runs: PositiveInt = 2_000
    user_open_runs: LimitNumber | None = None
    user_messages_hour: LimitNumber | None = None
    user_tokens_day: LimitNumber | None = None
    user_cost_day: Annotated[float, Field(ge=0, le=1e6)] | None = None
    max_connections: PositiveInt = 4_000
    context_tokens: PositiveInt = 128_000
    max_answer_bytes: PositiveInt = 8_388_608
    lease: Annotated[float, Field(ge=0.1, le=1e6)] = 30
    action_deadline: Seconds = 600
    tool_timeout: Seconds = 30
    shutdown_grace: Annotated[float, Field(ge=0, le=1e9)] = 10
    allowed_hosts: CommaList = ("localhost", "127.0.0.1", "[::1]")
    cors_origins: CommaList = ()
    public_url: Annotated[PublicUrl | None, BeforeValidator(_read_public_url)] = None
    trusted_proxies: PeerList = NO_PEERS
    log: LogForm = "text"
    log_level: LogLevel = "info"
    access_log: YesNo = False
    metrics: PeerList = NO_PEERS
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    jwt_keys: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: Path | None = None
    open: YesNo = False

    @property
    def has_sign_in(self) -> bool:
        """True if users sign in; else all requests are those of `local`."""
        return any(each is not None for each in (self.proxy_user_header, self.jwt_keys, self.oidc_issuer))

    @property
    def user_limits(self) -> Limits:
        """The limits of users who have none of their own."""
        cost = None if self.user_cost_day is None else round(self.user_cost_day * 10**9)
        return Limits(self.user_open_runs, self.user_messages_hour, self.user_tokens_day, cost)

    @property
    def has_provider(self) -> bool:
        """True if a provider is set; else the practice model answers."""
        return any(each is not None for each in (self.openai_api_key, self.openai_base_url, self.models))

    def read_key(self) -> str | None:
        """Return the key as it is now: one in a file may have changed since the start. None if there is none.

        Raises:
            ValueError, CannotStart: the file cannot be used.
        """
        if self.openai_api_key_file is not None:
            return read_key(f"file:{self.openai_api_key_file}")
        return self.openai_api_key.get_secret_value() if self.openai_api_key else None

    @property
    def base_url(self) -> str:
        """The base URL of the provider, where no models file names others."""
        return self.openai_base_url or OPENAI_URL

    @property
    def default_input(self) -> Sequence[Literal["text", "image", "audio"]]:
        """The kinds that models take where no models file says so: text, pictures at OpenAI, and all for practice.

        Other servers may have a model of text alone, and would refuse a picture in each later request, too.
        """
        if not self.has_provider:
            return ("text", "image", "audio")
        return ("text", "image") if self.base_url == OPENAI_URL else ("text",)

    def database_path(self) -> Path | None:
        """Return the path of the SQLite file that `database_url` names; None if it names a PostgreSQL database.

        `sqlite:///relative.db` is a relative path, `sqlite:////absolute.db` an absolute one.

        Raises:
            CannotStart: the URL names another engine, or is none. The message has no part of it: it may be a password.
        """
        scheme, _, path = self.database_url.partition("://")
        if scheme in ("postgresql", "postgres"):
            return None
        if scheme != "sqlite" or not path.startswith("/") or path[1:2] in ("", ":"):
            raise CannotStart(
                "the URL of the database (CHATKEEP_DATABASE_URL) is neither sqlite:///PATH"
                " nor postgresql://USER:PASSWORD@HOST/NAME"
            )
        return Path(path[1:])


def load_settings(env_file: Path = Path(".env")) -> Settings:
    """Read the settings of this process; the environment wins over `env_file`, which need not exist.

    Blanks around a value do not count, and a blank value counts as unset.

    Raises:
        CannotStart: a value is wrong, a `CHATKEEP_*` name is unknown (most likely a typing error), or the file cannot
            be read.
    """
    in_file = read_env_file(env_file)
    sources = [(name.upper(), text.strip()) for source in (in_file, os.environ) for name, text in source.items()]
    _refuse_unknown(dict(sources))
    texts = {name: text for name, text in sources if text}
    _refuse_quotes(texts)
    read_secret_files(texts)
    try:
        settings = Settings.model_validate({name: texts[name] for name in _names() if name in texts})
    except ValidationError as error:
        first = error.errors()[0]
        raise CannotStart(f"{first['loc'][0]}: {first['msg'].removeprefix('Value error, ')}") from None
    check_ways_in(settings)
    _check_bucket(settings)
    _check_requests(settings, in_file)
    return settings


def _names() -> set[str]:
    return {_variable(field) for field in Settings.model_fields}


def _refuse_unknown(texts: Mapping[str, str]) -> None:
    for name in sorted(name for name in texts.keys() - _names() if name.startswith(PREFIX)):
        if not _SERVICE_LINK.fullmatch(f"{name}={texts[name]}"):
            raise CannotStart(f"unknown setting {name}; .env.example lists all")


def _refuse_quotes(texts: Mapping[str, str]) -> None:
    for name in sorted(_names() & texts.keys() - {f"{PREFIX}MCP_SERVERS"}):  # a list in which quotes have a meaning
        text = texts[name]
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            raise CannotStart(f"{name}: there are quotes around the value; leave them out")


def _check_bucket(settings: Settings) -> None:
    if settings.files_url is not None and (settings.aws_access_key_id is None) != (
        settings.aws_secret_access_key is None
    ):
        raise CannotStart("CHATKEEP_FILES_URL: one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing")


def _check_requests(settings: Settings, in_file: Mapping[str, str]) -> None:
    """Check what the environment adds to the service's own requests, if it makes any."""
    for name in SDK_HEADERS if settings.has_provider else ():
        try:
            check_headers(os.environ.get(name, ""))
        except ValueError as error:
            raise CannotStart(f"{name}: {error}") from None
    if settings.has_provider or any(server.url for server in settings.mcp_servers):
        check_proxies(in_file)
