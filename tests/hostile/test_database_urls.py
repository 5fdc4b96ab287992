"""No part of a database's password is shown, wherever it leaves the URL broken."""

import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from chatkeep.db import open as db_open
from chatkeep.db.notifier import Notifier
from chatkeep.db.postgres_url import parse_url
from chatkeep.errors import CannotStart
from tests.cli.test_main import command
from tests.service import settings

pytestmark = pytest.mark.anyio

FIRST, LAST = "Sword", "Fish"
BETWEEN = ("/", "#", "?", "@", "%", ":", "[", "]", "%zz", "/@", "?a=", "\\", "&", "🐟", "$")
PASSWORDS = [
    *(f"{FIRST}{char}{LAST}" for char in BETWEEN),
    *(f"1{char}{FIRST}{LAST}" for char in "/#?@%:["),
    *(f"{FIRST}{LAST}{char}" for char in "/#?@%:["),
]
SHAPES = [
    "postgresql://user:{}@127.0.0.1:1/name",
    "postgres://user:{}@127.0.0.1:1",
    "postgresql://:{}@127.0.0.1:1/name?x=y",
    "postgresql://user:{}@[::1]:1/name",
    "postgresql://user:{}@127.0.0.1:port/name",
    "postgresql://user:{}@127.0.0.1:1:1/name",
    "postgresql://127.0.0.1:1/name?password={}&user=user",
    "postgresql:/user:{}@127.0.0.1:1/name",
    "postgresql:user:{}@127.0.0.1:1/name",
    "postgresql+asyncpg://user:{}@127.0.0.1:1/name",
    "mysql://user:{}@127.0.0.1:1/name",
    "user:{}@127.0.0.1:1/name",
    "{}",
    "sqlite://user:{}@127.0.0.1:1/name",
    "POSTGRESQL://user:{}@127.0.0.1:1/name",
]


def shown(failure: BaseException) -> str:
    """All that a log could have of it."""
    return "".join(traceback.format_exception(failure)) + repr(failure)


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_password_is_shown(shape: str, tmp_path: Path) -> None:
    for password in (*PASSWORDS, *(quote(password, safe="") for password in PASSWORDS)):
        configured = settings(shape.format(password), database_pool=1)
        with pytest.raises(CannotStart) as connecting:
            await db_open.connect(configured)
        with pytest.raises(CannotStart) as joining:
            async with db_open.join_processes(configured, Notifier()):
                pass
        for failure in (connecting.value, joining.value):
            text = shown(failure).replace(__file__, "")
            assert FIRST not in text, (password, str(failure))
            assert LAST not in text, (password, str(failure))
            assert "\n" not in str(failure)
        assert FIRST not in repr(configured)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:p%40%2F@h:5432/n?sslmode=disable", "postgresql://u@h:5432/n"),
        ("postgres://h/n", "postgres://h/n"),
        ("postgresql://u:a:b%25@[::1]:1/n", "postgresql://u@[::1]:1/n"),
        ("postgresql://u:p@a:1,b:2/n", "postgresql://u@a:1,b:2/n"),
        ("postgresql:///n?host=/run/postgresql&user=u&password=p", "postgresql:/n"),
        ("postgresql://u:p@%2Frun%2Fpostgresql/n", "postgresql://u@%2Frun%2Fpostgresql/n"),
        ("postgresql://u:100%$!*()'~;,=+&@h/n", "postgresql://u@h/n"),
    ],
)
def test_usual_urls_are_read_as_before(url: str, name: str) -> None:
    parsed = parse_url(url)
    assert (parsed.name, parsed.is_proxied) == (name, False)
    assert parse_url(f"{url}{'&' if '?' in url else '?'}pgbouncer=true").is_proxied


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("migrate",), ("backup", "b.db")])
def test_commands_show_no_password(tmp_path: Path, words: tuple[str, ...]) -> None:
    for password in ("Sword/Fish", "Sword@Fish", "SwordFish"):
        done = command(*words, cwd=tmp_path, CHATKEEP_DATABASE_URL=f"postgresql://u:{password}@127.0.0.1:1/n")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert FIRST not in done.stderr
        assert LAST not in done.stderr
    assert command("copy", "sqlite:///a.db", "u:SwordFish@h/n", cwd=tmp_path).stderr.count("Sword") == 0


@pytest.mark.parametrize("url", ["postgresql://u:Sword/Fish@h/n", "Sword:Fish@h/n", "mysql://u:SwordFish@h/n"])
def test_another_server_shows_no_password(tmp_path: Path, url: str) -> None:
    """Uvicorn's own command line, and a worker of `--workers`, print tracebacks."""
    program = ("-m", "uvicorn", "chatkeep.api.app:create_app", "--factory", "--port", "0")
    done = command(cwd=tmp_path, program=program, CHATKEEP_DATABASE_URL=url)
    assert done.returncode != 0
    assert "CannotStart" in done.stderr
    assert FIRST not in done.stderr
    assert LAST not in done.stderr
