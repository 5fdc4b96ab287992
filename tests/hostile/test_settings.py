"""A setting that would fail at each request stops the start, in one line that names it and has no secret in it."""

from pathlib import Path

import pytest

from chatkeep.errors import CannotStart
from chatkeep.llm.openai_model import OpenAIModel
from chatkeep.settings import Settings, load_settings
from tests.cli.test_main import command
from tests.llm.asking import receive
from tests.provider import Provider, streams, text_chunks
from tests.service import settings

SECRET = "Swordfish"
PROXY_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("CHATKEEP_", "OPENAI_")) or name.upper() in PROXY_NAMES:
            monkeypatch.delenv(name)


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings(Path("no such file"))


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    with pytest.raises(CannotStart) as refused:
        load(monkeypatch, **environment)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is None, "a traceback would show the cause"
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    return str(refused.value)


KEYS = [f"{SECRET}\n{SECRET}", f"{SECRET} x", f"{SECRET}\x01", f"{SECRET}é", f"{SECRET}\u200b", f"\ufeff{SECRET}"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_cannot_be_sent_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    assert refusal(monkeypatch, OPENAI_API_KEY=key).startswith("OPENAI_API_KEY: a key has no blanks")


@pytest.mark.parametrize("key", [f" {SECRET}", f"{SECRET}\n", f"\t{SECRET}\r\n"])
def test_blanks_around_a_value_do_not_count(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    loaded = load(monkeypatch, OPENAI_API_KEY=key, CHATKEEP_MODEL=" m\n", CHATKEEP_TITLES="  ").openai_api_key
    assert loaded is not None
    assert loaded.get_secret_value() == SECRET


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL", "CHATKEEP_MODEL", "CHATKEEP_DATABASE_URL"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_value_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, quote: str) -> None:
    said = refusal(monkeypatch, **{name: f"{quote}http://{SECRET}/v1{quote}"})
    assert said == f"{name}: there are quotes around the value; leave them out"


URLS = {
    f"{SECRET}:8000/v1": "a URL here begins with http:// or https://",
    f"ftp://{SECRET}/v1": "a URL here begins with http:// or https://",
    "localhost:11434": "a URL here begins with http:// or https://",
    "/v1": "a URL here begins with http:// or https://",
    "http://": "the URL has no host",
    "http:///v1": "the URL has no host",
    "http://:8000/v1": "the URL has no host",
    f"http://u:{SECRET}@/v1": "the URL has no host",
    f"http://u:{SECRET}/x@h/v1": "the host or port of the URL is wrong",
    f"http://u:{SECRET}[@h/v1": "the host or port of the URL is wrong",
    "http://h:99999/v1": "the host or port of the URL is wrong",
    "http://h..example/v1": "the host or port of the URL is wrong",
    f"http://h/v1 {SECRET}": "a URL has no blanks",
    "http://h/\nv1": "a URL has no blanks",
    "http://exämple.org/v1": "a URL has no blanks",
    f"http://h/v1#{SECRET}": "a base URL has no '#'",
    "https://h/v1/chat/completions/?api-version=1": "leave out /chat/completions",
}


@pytest.mark.parametrize("url", URLS)
def test_a_base_url_that_cannot_be_asked_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert refusal(monkeypatch, OPENAI_BASE_URL=url).startswith(f"OPENAI_BASE_URL: {URLS[url]}")


@pytest.mark.parametrize(
    "url",
    ["HTTPS://h", "http://[::1]:8000/v1/", "http://u:p@h_1.example:1/v1", "https://h/a%20b?api-version=2024-10-21"],
)
def test_a_base_url_that_can_be_asked_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    loaded = load(monkeypatch, OPENAI_BASE_URL=url)
    assert loaded.openai_base_url == url
    assert url not in repr(loaded)


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["?api-version=2024-10-21", "?a=%2B1&a=b&c", ""])
async def test_a_query_of_the_base_url_is_kept(query: str) -> None:
    async with Provider([streams(*text_chunks("Hello"))]) as provider:
        model = OpenAIModel(settings(Path(), openai_base_url=f"{provider.url}/{query}"))
        for _ in range(2):  # the second with the head of the first
            assert (await receive(model)).text == "Hello"
        await model.close()
    assert [asked.path for asked in provider.requests] == [f"/v1/chat/completions{query}"] * 2


@pytest.mark.anyio
async def test_a_blank_base_url_in_the_environment_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    model = OpenAIModel(load(monkeypatch, OPENAI_BASE_URL="", OPENAI_API_KEY="k"))
    client = model._client  # pyright: ignore[reportPrivateUsage]  # a request would leave this machine
    assert str(client.base_url) == "https://api.openai.com/v1/"
    await model.close()


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"])
def test_the_sdks_own_headers_are_checked_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    said = refusal(monkeypatch, OPENAI_API_KEY="k", **{name: f"{SECRET}é"})
    assert said.startswith(f"{name}: a header has no control characters")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"ftp://u:{SECRET}@p:1", "a URL here begins with http:// or https:// or socks5:// or socks5h://"),
        ("http://", "the URL has no host"),
        (f"http://u:{SECRET}/@p:1", "the host or port of the URL is wrong"),
        (f"p:1 {SECRET}", "a URL has no blanks"),
        (f'"http://u:{SECRET}@p:1"', "a URL here begins with"),
        (f"socks5://u:{SECRET}@p:1", "a SOCKS proxy needs a package that is not installed: pip install socksio"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str, message: str
) -> None:
    assert refusal(monkeypatch, OPENAI_API_KEY="k", **{name: url}).startswith(f"{name}: {message}")


def test_a_proxy_matters_when_requests_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, ALL_PROXY="socks5://p:1")
    assert refusal(monkeypatch, CHATKEEP_MCP_SERVERS="a=http://h/mcp").startswith("ALL_PROXY: a SOCKS proxy")


def test_a_proxy_in_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_API_KEY=k\nHTTPS_PROXY=http://p:1\n")
    with pytest.raises(CannotStart, match="HTTPS_PROXY: a proxy is set in the environment"):
        load_settings(file)
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    load_settings(file)


@pytest.mark.parametrize("hosts", ["localhost 127.0.0.1", "a,b c", "h,ä", "a;\tb"])
def test_hosts_without_proxy_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    said = refusal(monkeypatch, OPENAI_API_KEY="k", no_proxy=hosts)
    assert said == "no_proxy: not a list of hosts with ',' between them"
    load(monkeypatch, no_proxy=" localhost, 127.0.0.1,,[::1] ,*.x,")


@pytest.mark.anyio
async def test_a_proxy_is_used_except_for_hosts_without(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Provider([streams(*text_chunks("Hello"))]) as proxy, Provider([streams(*text_chunks("Hi"))]) as near:
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://user:word@").removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        for url, text in (("http://far.example/v1?a=b", "Hello"), (near.url, "Hi")):
            model = OpenAIModel(settings(Path(), openai_base_url=url))
            assert (await receive(model)).text == text
            await model.close()
    (asked,) = proxy.requests
    assert asked.path == "http://far.example/v1/chat/completions?a=b"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
    assert "proxy-authorization" not in near.requests[0].headers


FOREIGN = {
    "CHATKEEP_SERVICE_HOST": "10.0.0.1",
    "CHATKEEP_SERVICE_PORT": "8000",
    "CHATKEEP_SERVICE_PORT_HTTP": "8000",
    "CHATKEEP_PORT": "tcp://10.0.0.1:8000",
    "CHATKEEP_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "CHATKEEP_PORT_8000_TCP_PROTO": "tcp",
    "CHATKEEP_PORT_8000_TCP_PORT": "8000",
    "CHATKEEP_PORT_8000_TCP_ADDR": "10.0.0.1",
    "CHATKEEP_DB_SERVICE_HOST": "10.0.0.2",
    "CHATKEEP_DB_PORT": "tcp://10.0.0.2:5432",
}


def test_names_that_kubernetes_sets_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, **FOREIGN) == Settings()


@pytest.mark.parametrize(
    "name", ["CHATKEEP_PORT", "CHATKEEP_DB_PORT", "CHATKEEP_PORTS", "CHATKEEP_PORT_HTTP", "CHATKEEP_HOST", "chatkeep_x"]
)
def test_other_unknown_names_stay_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert refusal(monkeypatch, **{name: "8000"}) == f"unknown setting {name.upper()}; .env.example lists all"


def test_values_of_the_file_are_taken_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "gone")
    file = tmp_path / ".env"
    url = "postgresql://u:a$HOME${HOME}$$b@h/n"
    file.write_text(f'export OPENAI_API_KEY="$HOME"\r\nCHATKEEP_DATABASE_URL={url}\r\nOTHER="${{X}}"\r\n')
    loaded = load_settings(file)
    assert loaded.database_url == url
    assert loaded.openai_api_key is not None
    assert loaded.openai_api_key.get_secret_value() == "$HOME"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"CHATKEEP_MODEL=a\n\n# x\n\n{SECRET}\n", 5),
        (f"OPENAI_API_KEY {SECRET}\n", 1),
        (f'CHATKEEP_MODEL=a\nOPENAI_API_KEY="{SECRET}\nCHATKEEP_TITLES=off\n', 2),
        (f"OPENAI_API_KEY='{SECRET}' {SECRET}\n", 1),
        ("=x\n", 1),
        ("export\n", 1),
    ],
)
def test_a_line_that_is_no_assignment_is_refused(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(CannotStart) as refused:
        load_settings(file)
    assert str(refused.value) == f"{file}, line {line}: not NAME=value, or a quote that is not closed"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"CHATKEEP_MODEL=\xff\n")
    with pytest.raises(CannotStart, match=r"\.env: not UTF-8"):
        load_settings(file)
    (tmp_path / "folder").mkdir()
    assert load_settings(tmp_path / "folder") == Settings()


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("serve", "--workers", "2"), ("ask", "hello")])
def test_a_start_is_refused_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = command(*words, cwd=tmp_path, OPENAI_API_KEY="k", HTTPS_PROXY="socks5://p:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == "chatkeep: HTTPS_PROXY: a SOCKS proxy needs a package that is not installed: pip install socksio\n"
    )
