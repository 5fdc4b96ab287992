"""`CHATKEEP_MCP_SERVERS`: the syntax of the setting."""

import pytest

from chatkeep.settings.mcp_servers import McpServer, parse_servers

AFTER_A_URL = "after the URL of 'a' come headers, 'NAME: VALUE' in quotes, or ';'"


def test_commands_and_urls_may_be_mixed() -> None:
    assert parse_servers("files=npx -y some-server /data; wiki=http://127.0.0.1:9000/mcp?a=1#b") == (
        McpServer("files", command=("npx", "-y", "some-server", "/data")),
        McpServer("wiki", url="http://127.0.0.1:9000/mcp?a=1#b"),
    )


def test_quotes_work_as_in_a_shell() -> None:
    assert parse_servers("""a="/my server/run" --say 'x; y';;b=env TOKEN=t run""") == (
        McpServer("a", command=("/my server/run", "--say", "x; y")),
        McpServer("b", command=("env", "TOKEN=t", "run")),
    )


def test_a_url_is_followed_by_headers() -> None:
    assert parse_servers("""wiki=https://x/mcp 'Authorization: Bearer a;b=' x-team:7; b=http://y""") == (
        McpServer("wiki", url="https://x/mcp", headers=(("Authorization", "Bearer a;b="), ("x-team", "7"))),
        McpServer("b", url="http://y"),
    )


@pytest.mark.parametrize("text", ["", " ; ;"])
def test_an_empty_setting_is_no_server(text: str) -> None:
    assert parse_servers(text) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("npx some-server", "'npx' is not NAME=COMMAND or NAME=URL"),
        ("files=", "'files=' is not NAME=COMMAND or NAME=URL"),
        ("my_files=run", "a server's name has 1 to 32 letters, digits or '-', unlike 'my_files'"),
        ("a=run; a=run", "there are two servers 'a'"),
        ("a=http://x/mcp b=run", AFTER_A_URL),
        ("a=http://x/mcp Authorization: Bearer secret", AFTER_A_URL),
        ("a=http://x/mcp 'x-key: line\nbreak'", AFTER_A_URL),
        ("a=http://x/mcp 'x-key: é'", AFTER_A_URL),
        ('a="run', "No closing quotation"),
        ("a=http://", "the URL has no host"),
        ("a=https://u:secret/x@h/mcp", "the host or port of the URL is wrong"),
    ],
)
def test_an_invalid_setting_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_servers(text)
    assert str(caught.value) == message
