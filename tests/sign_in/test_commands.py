"""`chatkeep user …`, `chatkeep token …`, and the start of a service that others could reach."""

import sqlite3
from pathlib import Path

import pytest

from chatkeep.cli.listening import check_openness
from chatkeep.errors import CannotStart
from chatkeep.settings import load_settings
from chatkeep.settings.peers import parse_peers
from tests.cli.test_main import command
from tests.service import settings

JWT = ("CHATKEEP_JWT_ISSUER=https://app.example", "CHATKEEP_JWT_AUDIENCE=chatkeep")


def said(folder: Path, *words: str) -> str:
    done = command(*words, cwd=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def refused(folder: Path, *words: str) -> str:
    done = command(*words, cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_users_and_tokens_by_command(tmp_path: Path) -> None:
    ada = said(tmp_path, "user", "add", "proxy", "ada", "--name", "Ada\x1b[2J").split()[0]
    assert said(tmp_path, "user", "add", "proxy", "ada").split()[0] == ada  # there is one already
    assert said(tmp_path, "user", "role", ada, "admin").split()[1] == "admin"
    users = said(tmp_path, "user", "list").splitlines()
    assert [line.split()[:2] for line in users] == [[ada, "admin"], ["local", "admin"]]
    assert "\x1b" not in users[0]
    token = said(tmp_path, "token", "create", "nightly", "--user", ada, "--scope", "read", "--days", "9")
    assert token.startswith("ck_")
    line = said(tmp_path, "token", "list", "--user", ada)
    assert line.endswith("nightly")
    token_id = line.split()[0]
    assert "revoked" in said(tmp_path, "token", "revoke", token_id)
    assert "no token" in refused(tmp_path, "token", "revoke", token_id)
    assert "no user" in refused(tmp_path, "user", "disable", "eve")
    assert "disabled" in said(tmp_path, "user", "disable", ada)
    with sqlite3.connect(tmp_path / "chatkeep.db") as db:
        actions = [action for (action,) in db.execute("SELECT action FROM audit ORDER BY id")]
        assert token not in str(list(db.execute("SELECT * FROM tokens, audit")))
    db.close()
    assert actions == ["user.added", "user.role", "token.created", "token.revoked", "user.disabled"]


def test_a_user_is_joined_to_another(tmp_path: Path) -> None:
    ada, same = (said(tmp_path, "user", "add", issuer, "ada").split()[0] for issuer in ("proxy", "https://app.example"))
    with sqlite3.connect(tmp_path / "chatkeep.db") as db:
        db.execute(
            "INSERT INTO facts VALUES ('local', '1', 'a', 't'), (?, '2', 'b', 't'), (?, '3', 'b', 't')", (ada, same)
        )
    assert said(tmp_path, "user", "adopt", "local", ada) == f"0 sessions of local are {ada}'s"
    said(tmp_path, "user", "adopt", same, ada)
    assert said(tmp_path, "user", "add", "https://app.example", "ada").split()[0] == ada
    assert "same user" in refused(tmp_path, "user", "adopt", ada, ada)
    assert "itself" in refused(tmp_path, "user", "adopt", ada, same)
    facts = list(db.execute("SELECT owner, text FROM facts ORDER BY text"))
    db.close()
    assert facts == [(ada, "a"), (ada, "b")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_an_open_service_is_for_this_machine(tmp_path: Path, host: str) -> None:
    with pytest.raises(CannotStart, match="CHATKEEP_OPEN=yes"):
        check_openness(settings(tmp_path), host)
    check_openness(settings(tmp_path, open=True), host)
    check_openness(settings(tmp_path, proxy_user_header="X-User", trusted_proxies=parse_peers("unix")), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "unix:/run/x.sock"])
def test_loopback_needs_no_sign_in(tmp_path: Path, host: str) -> None:
    check_openness(settings(tmp_path), host)


def test_serve_says_what_to_choose(tmp_path: Path) -> None:
    assert "set up sign-in" in refused(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["CHATKEEP_PROXY_USER_HEADER=X-User"], "needs CHATKEEP_TRUSTED_PROXIES"),
        (["CHATKEEP_PROXY_USER_HEADER=X User"], "CHATKEEP_PROXY_USER_HEADER"),
        (["CHATKEEP_TRUSTED_PROXIES=proxy.example"], "is no address"),
        (["CHATKEEP_JWT_KEYS=https://app.example/jwks"], "CHATKEEP_JWT_ISSUER: the three settings"),
        ([*JWT, "CHATKEEP_JWT_KEYS=nothing.json"], "no such file"),
        ([*JWT, "CHATKEEP_JWT_KEYS=ftp://app.example"], "https://"),
        (["CHATKEEP_OPEN=maybe"], "yes or no"),
    ],
)
def test_wrong_settings_of_sign_in_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("\n".join(lines))
    with pytest.raises(CannotStart, match=fault):
        load_settings(tmp_path / ".env")


def test_a_file_without_keys_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}')
    (tmp_path / ".env").write_text("\n".join([*JWT, "CHATKEEP_JWT_KEYS=keys.json"]))
    assert "none of its keys" in refused(tmp_path, "serve", "--port", "0")


def test_a_user_is_limited_by_command(tmp_path: Path) -> None:
    ada = said(tmp_path, "user", "add", "proxy", "ada").split()[0]
    shown = said(tmp_path, "user", "limit", ada, "--tokens-day", "5000", "--cost-day", "0.25")
    assert [line.split() for line in shown.splitlines()] == [
        ["open_runs", "default"],
        ["messages_hour", "default"],
        ["tokens_day", "5000"],
        ["cost_day", "0.25"],
    ]
    assert said(tmp_path, "user", "limit", ada) == shown
    assert "cost_day       default" in said(tmp_path, "user", "limit", ada, "--cost-day", "default")
    assert "no user" in refused(tmp_path, "user", "limit", "eve")
    for wrong in ("-1", "a lot", "1e9"):
        assert command("user", "limit", ada, f"--cost-day={wrong}", cwd=tmp_path).returncode == 2
