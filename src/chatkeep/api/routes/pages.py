"""The page at `/` and its assets: the web client where it has been built, else a small page that says how to.

A file is read and compressed once, when it is first asked for: most of the many languages of code never are. The
policy lets the page load nothing from another host, and run no script but its own.
"""

import asyncio
import gzip
import mimetypes
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, NamedTuple, TypeAlias

from fastapi import APIRouter, Depends, Request, Response

from chatkeep.api.deps import RuntimeDep
from chatkeep.errors import NotFound

router = APIRouter(include_in_schema=False)

POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "frame-src 'self'",  # the frame of a diagram
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",  # the sanitiser's own; no other code may turn text into HTML
))  # fmt: skip
"""The page's Content-Security-Policy."""

DIAGRAM_POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'unsafe-inline'",  # the library that draws needs it
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
    "sandbox allow-scripts",  # without an origin: it can reach neither the page nor the API
))  # fmt: skip
"""The Content-Security-Policy of the frame in which a diagram is drawn."""

_SIGN_IN_OFF, _SIGN_IN_ON = (f'<meta name="sign-in" content="{word}"'.encode() for word in ("off", "on"))
"""Tells the page if there is an account to show; without sign-in it asks for none."""

_FOR_FRAME = ("diagram-", "mermaid.")
"""How the names of assets begin that the frame of a diagram loads. It has no origin, so they must be for all."""

_HEADERS = {"vary": "accept-encoding"}
_PAGE_HEADERS = {**_HEADERS, "content-security-policy": POLICY, "cross-origin-opener-policy": "same-origin"}
_IMMUTABLE = "public, max-age=31536000, immutable"
"""For assets whose names change with their content."""


class File(NamedTuple):
    """A file, ready to be sent; `gzipped` where that is shorter."""

    content: bytes
    gzipped: bytes | None
    media_type: str


class Bundle(NamedTuple):
    """The page and its assets by name. `is_built`: it is the web client, not the small page in its place."""

    page: Traversable
    diagram: Traversable
    """The page in the frame of a diagram. Its file exists only in the web client."""
    assets: dict[str, Traversable]
    is_built: bool


@cache
def load_bundle() -> Bundle:
    """Find the web client that `make web` built, or that came with the package."""
    return read_bundle(resources.files("chatkeep").joinpath("static"))


async def get_bundle() -> Bundle:
    """Return the web client of this process."""
    return load_bundle()


BundleDep: TypeAlias = Annotated[Bundle, Depends(get_bundle)]


@router.get("/")
async def show_page(request: Request, bundle: BundleDep, runtime: RuntimeDep) -> Response:
    """The web client."""
    headers = {**_PAGE_HEADERS, "cache-control": "no-cache"}
    return await _file_response(request, bundle.page, headers, has_sign_in=runtime.settings.has_sign_in)


@router.get("/diagram")
async def show_diagram(request: Request, bundle: BundleDep) -> Response:
    """The page in the frame of a diagram."""
    headers = {**_HEADERS, "content-security-policy": DIAGRAM_POLICY, "cache-control": "no-cache"}
    return await _file_response(request, bundle.diagram, headers)


@router.get("/assets/{name}")
async def show_asset(request: Request, bundle: BundleDep, name: str) -> Response:
    """A script, style or font of the page."""
    if name not in bundle.assets:
        raise NotFound("no such asset")
    cache_control = _IMMUTABLE if bundle.is_built else "no-cache"
    headers = {**_HEADERS, "cache-control": cache_control}
    if name.startswith(_FOR_FRAME):
        headers["access-control-allow-origin"] = "*"
    return await _file_response(request, bundle.assets[name], headers)


def read_bundle(built: Traversable) -> Bundle:
    """List the files of the web client in the folder `built`; the small page if it is not there."""
    is_built = built.joinpath("index.html").is_file()
    folder = built if is_built else resources.files("chatkeep.api").joinpath("page")
    assets = {file.name: file for file in folder.joinpath("assets").iterdir()}
    return Bundle(folder.joinpath("index.html"), folder.joinpath("diagram.html"), assets, is_built)


@cache
def _read(file: Traversable, has_sign_in: bool) -> File:
    content = file.read_bytes()
    if has_sign_in:
        content = content.replace(_SIGN_IN_OFF, _SIGN_IN_ON)
    gzipped = gzip.compress(content, mtime=0)
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return File(content, gzipped if len(gzipped) < len(content) * 0.9 else None, media_type)


async def _file_response(
    request: Request, path: Traversable, headers: dict[str, str], *, has_sign_in: bool = False
) -> Response:
    try:
        file = await asyncio.to_thread(_read, path, has_sign_in)
    except FileNotFoundError as error:  # another version has been installed since the start, or the client is not built
        raise NotFound("this file is not here") from error
    if file.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.gzipped, headers={**headers, "content-encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)
