"""Names with every trap: what is left is a name, and a header that says it."""

import pytest

from chatkeep.files.names import MAX_NAME_CHARS, clean_name, content_disposition


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("/", "file"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\scan.png", "scan.png"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ("nul\x00byte.txt", "nul\ufffdbyte.txt"),
        ("half\ud800pair", "half\ufffdpair"),
        ("annex\u202efdp.exe", "annexfdp.exe"),
        ("zero\u200bwidth.txt", "zerowidth.txt"),
        ("  much   room .txt", "much room .txt"),
        (".gitignore", ".gitignore"),
        ("trailing dots...", "trailing dots"),
        ("übung 鸡.md", "übung 鸡.md"),
        ('"quoted".txt', '"quoted".txt'),
        ("folder/", "folder"),
    ],
)
def test_a_name_is_made_harmless(name: str, kept: str) -> None:
    assert clean_name(name) == kept


def test_a_name_that_is_too_long_keeps_its_ending() -> None:
    name = clean_name("x" * 10_000 + ".pdf")
    assert len(name) == MAX_NAME_CHARS
    assert name.endswith("x.pdf")
    assert len(clean_name("." + "y" * 10_000)) == MAX_NAME_CHARS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ('a".txt', "attachment; filename=\"a_.txt\"; filename*=UTF-8''a%22.txt"),
        ("a\\b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%5Cb"),
        ("ü;=.md", "attachment; filename=\"_;=.md\"; filename*=UTF-8''%C3%BC%3B%3D.md"),
    ],
)
def test_a_header_says_the_name(name: str, value: str) -> None:
    assert content_disposition(name, inline=False) == value
    assert content_disposition(name, inline=True) == value.replace("attachment", "inline")
