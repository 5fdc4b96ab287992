"""Models files for tests, with providers on loopback."""

import os
from pathlib import Path

from tests.provider import Provider

PLAIN = 'provider = "one"\nmodel = "upstream"\n'
"""The lines of a model."""


def write_models(folder: Path, models: dict[str, str], **providers: Provider | str) -> Path:
    """Write a models file, and return its path. `models` and `providers`: the lines of each, or where it listens."""
    tables = [f"[models.{name}]\n{lines}\n" for name, lines in models.items()]
    for name, each in providers.items():
        lines = each if isinstance(each, str) else f'base_url = "{each.url}"'
        tables.append(f"[providers.{name}]\n{lines}\n")
    path = folder / "models.toml"
    changed_at = path.stat().st_mtime_ns + 1_000_000 if path.exists() else None
    path.write_text("\n".join(tables))
    if changed_at is not None:
        os.utime(path, ns=(changed_at, changed_at))  # a file system's clock may be coarse
    return path
