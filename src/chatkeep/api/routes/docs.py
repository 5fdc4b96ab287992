"""`/docs`: the API as a page that tries it, Swagger UI. Its files come with fastapi-offline, and none from elsewhere.

All addresses in it are relative, so that it works below any path. Its policy allows the page's own files, the one
script that stands in it, and Swagger UI's pictures, which are data.
"""

import base64
import hashlib
import re
from importlib import resources

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

FOLDER = "static-offline-docs"
_PAGE = bytes(
    get_swagger_ui_html(
        openapi_url="openapi.json",
        title="chatkeep",
        swagger_js_url=f"{FOLDER}/swagger-ui-bundle.js",
        swagger_css_url=f"{FOLDER}/swagger-ui.css",
        swagger_favicon_url=f"{FOLDER}/favicon.png",
    ).body
)
_SCRIPTS = [hashlib.sha256(script).digest() for script in re.findall(rb"<script>(.*?)</script>", _PAGE, re.DOTALL)]
POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self' " + " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in _SCRIPTS),
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
"""The page's Content-Security-Policy."""


@router.get("/docs")
async def show_docs() -> Response:
    """The API as a page."""
    return Response(_PAGE, headers={"content-security-policy": POLICY}, media_type="text/html")


def files() -> StaticFiles:
    """Return the application that serves what the page loads, to be mounted at `FOLDER`."""
    return StaticFiles(directory=str(resources.files("fastapi_offline") / "static"))
