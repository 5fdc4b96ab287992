"""URLs of buckets, and what goes with them."""

from pathlib import Path

import pytest

from chatkeep.errors import CannotStart
from chatkeep.settings.bucket_url import BucketUrl, parse_bucket_url
from tests.settings.test_settings import clean_environment, load_with

__all__ = ["clean_environment"]  # a fixture


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://files", BucketUrl("files", "", "", "")),
        ("s3://files/", BucketUrl("files", "", "", "")),
        ("s3://my.files/a//b?region=eu-central-1", BucketUrl("my.files", "a/b/", "", "eu-central-1")),
        (
            "s3://files/a/?endpoint=https://s3.example.org:9000/",
            BucketUrl("files", "a/", "https://s3.example.org:9000", ""),
        ),
    ],
)
def test_a_place_in_a_bucket(text: str, url: BucketUrl) -> None:
    assert parse_bucket_url(text) == url
    assert parse_bucket_url(str(url)) == url._replace(endpoint="", region="")


@pytest.mark.parametrize(
    "text",
    [
        "files", "https://s3.example.org/files", "s3://", "s3:///a", "s3://key:hidden@files", "s3://f i", "s3://files:1",
        "s3://files/../other", "s3://files/a b", "s3://files/ü", "s3://files?endpoint=", "s3://files?endpoint=ftp://x",
        "s3://files?endpoint=http://key:hidden@x", "s3://files?endpoint=http://x?y", "s3://files?secret=hidden",
        "s3://files#x", "s3://files?region=a/b", "s3://[x", "s3://files?endpoint=http://[x",
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotStart, match="CHATKEEP_FILES_URL") as refusal:
        load_with(tmp_path, f"CHATKEEP_FILES_URL={text}")
    assert "hidden" not in str(refusal.value)


def test_half_a_key_is_refused(tmp_path: Path) -> None:
    for line in ("AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s"):
        with pytest.raises(CannotStart, match="is missing"):
            load_with(tmp_path, f"CHATKEEP_FILES_URL=s3://files\n{line}")
        load_with(tmp_path, line)  # of no interest without a bucket


def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden\n")
    lines = f"CHATKEEP_FILES_URL=s3://files\nAWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY_FILE={tmp_path / 'secret'}"
    settings = load_with(tmp_path, lines)
    assert settings.aws_secret_access_key is not None
    assert settings.aws_secret_access_key.get_secret_value() == "hidden"
    assert "hidden" not in repr(settings)
