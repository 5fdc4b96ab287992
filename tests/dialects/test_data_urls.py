"""Files as text (RFC 2397, RFC 4648): decoded piece by piece, whatever their length."""

from base64 import b64encode, encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkeep.api.dialects.data_urls import EncodedFile, parse_data_url


def decoded(url: str) -> bytes:
    file = parse_data_url(url)
    assert file is not None
    return b"".join(file.pieces())


@given(st.binary(max_size=200))
def test_any_bytes_come_back(content: bytes) -> None:
    text = b64encode(content).decode()
    for written in (
        text,
        text.rstrip("="),
        encodebytes(content).decode(),
        text.replace("+", "%2B").replace("=", "%3D"),
    ):
        assert decoded(f"data:image/png;base64,{written}") == content
        assert b"".join(EncodedFile("", written).pieces()) == content


def test_a_long_one_comes_in_pieces() -> None:
    content = bytes(range(256)) * 8_192
    file = EncodedFile("", b64encode(content).decode())
    pieces = list(file.pieces())
    assert len(pieces) > 2
    assert b"".join(pieces) == content
    assert abs(file.size - len(content)) < 3


@pytest.mark.parametrize(
    ("url", "media_type", "content"),
    [
        ("data:,hello%20there", "", b"hello there"),
        ("DATA:text/plain;charset=utf-8,a,b", "text/plain", b"a,b"),
        ("data:image/PNG;name=a.png;BASE64,aGk=", "image/png", b"hi"),
        ("data:;base64,aGk", "", b"hi"),
    ],
)
def test_the_forms_of_data_urls(url: str, media_type: str, content: bytes) -> None:
    file = parse_data_url(url)
    assert file is not None
    assert (file.media_type, b"".join(file.pieces())) == (media_type, content)


@pytest.mark.parametrize(
    "text", ["", "data:", "data:image/png;base64", "https://example.org/a.png", "aGk=", " data:,x"]
)
def test_other_texts_are_none(text: str) -> None:
    assert parse_data_url(text) is None


@pytest.mark.parametrize("text", ["a", "aGk=aGk=", "aGk===", "a*k=", "aGkä", "=aGk", "aGk%ZZ"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|ASCII|ascii"):
        list(EncodedFile("", text).pieces())
