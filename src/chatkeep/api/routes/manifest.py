"""The web app manifest: by it a phone offers to install the page (W3C, Web Application Manifest).

All addresses in it are relative to its own, so that it works below any path. The icons have names with a hash of
their content, as all assets have.
"""

import re
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from chatkeep.api.routes.pages import BundleDep

router = APIRouter(include_in_schema=False)

_ICON = re.compile(r"icon-(\d+)-[\w-]{8}\.png")


@router.get("/manifest.webmanifest")
async def show_manifest(bundle: BundleDep) -> Response:
    """The web app manifest."""
    manifest = {
        "name": "chatkeep",
        "short_name": "chatkeep",
        "start_url": "./",
        "display": "standalone",
        "background_color": "#fcfbf9",
        "theme_color": "#fcfbf9",
        "icons": [icon for name in sorted(bundle.assets) for icon in _icons(name)],
    }
    headers = {"cache-control": "no-cache"}
    return Response(msgspec.json.encode(manifest), headers=headers, media_type="application/manifest+json")


def _icons(name: str) -> list[dict[str, Any]]:
    """Return the entries for an asset: none if it is no icon. A phone may cut the icon to a shape of its own."""
    if (match := _ICON.fullmatch(name)) is None:
        return []
    icon = {"src": f"assets/{name}", "sizes": f"{match[1]}x{match[1]}", "type": "image/png"}
    return [{**icon, "purpose": purpose} for purpose in ("any", "maskable")]
