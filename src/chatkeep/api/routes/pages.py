"""The page at `/` and its assets: the web client where it has been built, else a small page that says how to.

All of it is read once. The policy lets the page load nothing from another host, and run no script but its own.
"""

import gzip
import mimetypes
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from chatkeep.errors import NotFound

router = APIRouter(include_in_schema=False)

POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",  # the sanitiser's own; nothing else may turn text into HTML
))  # fmt: skip
"""The page's Content-Security-Policy."""

_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "vary": "accept-encoding"}
_PAGE = {**_HEADERS, "content-security-policy": POLICY, "cross-origin-opener-policy": "same-origin"}
_FOREVER = "public, max-age=31536000, immutable"
"""For assets whose names change with what is in them."""


class File(NamedTuple):
    """A file, ready to be sent; `packed` is its gzip, where that is shorter."""

    content: bytes
    packed: bytes | None
    media_type: str


class Bundle(NamedTuple):
    """The page and its assets by name; `is_built`: it is the web client, not what stands in for it."""

    page: File
    assets: dict[str, File]
    is_built: bool


@router.get("/")
async def show_page(request: Request) -> Response:
    """The web client."""
    return _answer(request, bundle().page, {**_PAGE, "cache-control": "no-cache"})


@router.get("/assets/{name}")
async def show_asset(request: Request, name: str) -> Response:
    """What the page loads."""
    here = bundle()
    if name not in here.assets:
        raise NotFound("no such asset")
    return _answer(request, here.assets[name], {**_HEADERS, "cache-control": _FOREVER if here.is_built else "no-cache"})


@cache
def bundle() -> Bundle:
    """What has been built by `make web`, or with the package."""
    return find(resources.files("chatkeep").joinpath("static"))


def find(built: Traversable) -> Bundle:
    """The web client in the folder `built`; the small page where there is none."""
    is_built = built.joinpath("index.html").is_file()
    folder = built if is_built else resources.files("chatkeep.api").joinpath("page")
    assets = {file.name: _read(file) for file in folder.joinpath("assets").iterdir()}
    return Bundle(_read(folder.joinpath("index.html")), assets, is_built)


def _read(file: Traversable) -> File:
    content = file.read_bytes()
    packed = gzip.compress(content, mtime=0)
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return File(content, packed if len(packed) < len(content) * 0.9 else None, media_type)


def _answer(request: Request, file: File, headers: dict[str, str]) -> Response:
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)
