"""The URL of a bucket: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

FORM = "s3://BUCKET/PREFIX?endpoint=URL&region=NAME"
"""The form of such a URL. Prefix, endpoint and region may be missing."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)*")


class BucketUrl(NamedTuple):
    """A place in a bucket of an S3-compatible store. Without an endpoint it is Amazon's.

    `prefix` begins the name of each object: empty, or with `/` at its end. `region` is empty if it is not known.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def parse_bucket_url(text: str) -> BucketUrl:
    """Return the place that a URL names.

    Raises:
        ValueError: it is no URL of a bucket. The message has no part of it: it may have a key.
    """
    url = urlsplit(text)
    if url.scheme != "s3" or not _BUCKET.fullmatch(url.netloc):
        raise ValueError(f"not of the form {FORM}; keys stand in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    prefix = "".join(f"{part}/" for part in url.path.split("/") if part)
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("the prefix may have letters, digits, and . _ - between its /")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    if url.fragment or options.keys() - {"endpoint", "region"}:
        raise ValueError("only endpoint and region may follow the ?")
    endpoint, region = options.get("endpoint", ""), options.get("region", "")
    if "endpoint" in options:
        _check_endpoint(endpoint)
    if not re.fullmatch(r"[A-Za-z0-9-]*", region):
        raise ValueError("the region is a name like eu-central-1")
    return BucketUrl(url.netloc, prefix, endpoint.rstrip("/"), region)


def _check_endpoint(text: str) -> None:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        raise ValueError("the endpoint is a URL like https://s3.example.org")
