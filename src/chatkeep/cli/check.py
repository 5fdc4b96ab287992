"""`chatkeep check`: everything that the service needs, looked at before it is started, or while it runs.

Each check is a line: `ok`, `warning`, or `FAILED`. Nothing is changed: no database is made or migrated.
"""

import asyncio
import shutil
import stat
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

from chatkeep import mcp
from chatkeep.api.ways_in import WaysIn
from chatkeep.cli.file_checks import check_bucket
from chatkeep.cli.findings import Finding
from chatkeep.db.migrate import list_missing, load_migrations
from chatkeep.db.open import connect
from chatkeep.errors import CannotStart, StorageFailed, TurnFailed
from chatkeep.llm import ModelLibrary, Prompt, connect_model
from chatkeep.runs.loading import load_assistants, load_tools
from chatkeep.settings import Settings, load_settings
from chatkeep.sign_in.refusals import SignInUnavailable

PROVIDER_SECONDS = 30.0
"""How long a provider may take to answer."""


def check_all(*, offline: bool) -> Generator[Finding]:
    """Yield the findings, each as soon as it is known. `offline`: no other server is asked."""
    try:
        settings = load_settings()
        models = ModelLibrary(settings)
        assistants = load_assistants(settings, load_tools(settings), models)
        ways_in = WaysIn(settings)
    except CannotStart as error:
        yield Finding("settings", "FAILED", str(error))
        return
    yield Finding("settings", "ok", f"{len(models.all())} models, {len(assistants.all())} assistants")
    yield from _check_modes(settings)
    yield from _check_disk(settings)
    with asyncio.Runner() as runner:
        findings = _check_connections(settings, models, ways_in, offline=offline)
        while finding := runner.run(anext(findings, None)):
            yield finding


def _check_modes(settings: Settings) -> Generator[Finding]:
    secrets = [settings.openai_api_key_file, settings.database_url_file, settings.mcp_servers_file]
    named = [*secrets, settings.oidc_client_secret_file, settings.aws_secret_access_key_file, settings.jwt_keys]
    paths = [Path(".env"), settings.models, settings.database_path(), *(Path(each) for each in named if each)]
    for path in (path for path in paths if path is not None and path.is_file()):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o004:
            yield Finding("files", "warning", f"{path} can be read by every user of this machine (mode {mode:04o})")


def _check_disk(settings: Settings) -> Generator[Finding]:
    path = settings.database_path()
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        yield Finding("disk", "FAILED", f"there is no folder {path.absolute().parent}")
        return
    free = shutil.disk_usage(path.absolute().parent).free
    size = path.stat().st_size if path.is_file() else 0
    needed = 2 * size + 100_000_000
    text = f"{free / 1e9:.1f} GB free, the database has {size / 1e9:.1f} GB"
    yield Finding("disk", "ok" if free >= needed else "warning", text)


async def _check_connections(
    settings: Settings, models: ModelLibrary, ways_in: WaysIn, *, offline: bool
) -> AsyncGenerator[Finding]:
    yield await _check_database(settings)
    if offline:
        return
    async for finding in check_bucket(settings):
        yield finding
    async for finding in _check_providers(settings, models):
        yield finding
    async for finding in _check_sign_in(ways_in):
        yield finding
    async with mcp.offer_tools(settings.mcp_servers, {}) as tools:
        for server in settings.mcp_servers:
            count = sum(name.startswith(f"{server.name}_") for name in tools)
            text = f"{count} functions" if count else "cannot be reached, or offers no function"
            yield Finding("MCP server", "ok" if count else "FAILED", f"{server.name}: {text}")


async def _check_database(settings: Settings) -> Finding:
    path = settings.database_path()
    if path is not None and not path.exists():
        return Finding("database", "ok", f"{path} is made at the start")
    try:
        db = await connect(settings)
        try:
            missing = await list_missing(db, load_migrations(db.engine))
        finally:
            await db.close()
    except (CannotStart, StorageFailed) as error:
        return Finding("database", "FAILED", str(error))
    if missing:
        return Finding("database", "warning", f"{db.name} is migrated at the start, from {missing[0].version:04d} on")
    return Finding("database", "ok", f"{db.name} has this version's schema")


async def _check_providers(settings: Settings, models: ModelLibrary) -> AsyncGenerator[Finding]:
    """Ask one model of each provider for one token."""
    if not settings.has_provider:
        yield Finding("provider", "warning", "none is set: the practice model answers")
        return
    model = connect_model(models, settings)
    first_of = {each.provider: each.name for each in reversed(models.all())}
    if settings.models is None:
        first_of = dict.fromkeys(first_of, settings.model)
    try:
        for provider, name in sorted(first_of.items()):
            prompt = Prompt(name, [{"role": "user", "content": "Say ok."}], [], {"max_output_tokens": 16})
            try:
                async with asyncio.timeout(PROVIDER_SECONDS):
                    async for _ in (answer := model.stream(prompt)):
                        break
                    await answer.aclose()
            except (TurnFailed, TimeoutError) as error:
                yield Finding("provider", "FAILED", f"{provider}, {name}: {error or 'no answer in time'}")
            else:
                yield Finding("provider", "ok", f"{provider}, {name}: has answered")
    finally:
        await model.close()


async def _check_sign_in(ways_in: WaysIn) -> AsyncGenerator[Finding]:
    """Fetch the metadata and the keys of each issuer."""
    for issuer in ways_in.issuers:
        try:
            await issuer.check()
        except SignInUnavailable as error:
            yield Finding("sign-in", "FAILED", f"{issuer.issuer}: {error}")
        else:
            yield Finding("sign-in", "ok", f"{issuer.issuer}: its keys can be read")
