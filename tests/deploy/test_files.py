"""Files of deploy/ and around it that no program here runs whole: they fit the service, and each other."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chatkeep.settings import Settings
from tests.pages import ROOT

SETTINGS = {
    name.upper() if name.startswith("openai_") else f"CHATKEEP_{name.upper()}" for name in Settings.model_fields
}
UNITS = ("chatkeep.service", "chatkeep-backup.service", "chatkeep-backup.timer")
FILES = ["Dockerfile", "compose.yaml", *(f"deploy/{path.name}" for path in sorted((ROOT / "deploy").iterdir()))]


def pins(path: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==[^\s\\]+", path.read_text("utf-8"), re.MULTILINE))


def test_the_hashes_are_of_the_pinned_versions() -> None:
    text = (ROOT / "deploy/requirements.txt").read_text("utf-8")
    assert pins(ROOT / "deploy/requirements.txt") == pins(ROOT / "requirements.txt")
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:])
    assert "://" not in text


@pytest.mark.parametrize("name", FILES)
def test_settings_in_a_file_are_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"\b(?:CHATKEEP|OPENAI)_[A-Z_]+", text)) - SETTINGS == set()


def test_the_image_copies_what_is_there_and_not_ignored() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert re.findall(r"^COPY (?!--from|\. )(\S+)", text, re.MULTILINE) == ["deploy/requirements.txt"]
    assert "!deploy/requirements.txt" in ignored
    kept = {line.removeprefix("!").removesuffix("/**") for line in ignored if line.startswith("!")}
    assert all((ROOT / path).exists() for path in kept)


def test_the_container_may_do_little() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    service = compose["services"]["chatkeep"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "USER 10001" in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_dashboard_has_a_title_and_a_figure_in_each_panel() -> None:
    panels = json.loads((ROOT / "deploy/grafana.json").read_text("utf-8"))["panels"]
    assert all(panel["title"] and panel["targets"][0]["expr"] for panel in panels)


@pytest.mark.parametrize(
    "words",
    [
        ("systemd-analyze", "verify", "--man=no", *(f"{{folder}}/{name}" for name in UNITS)),
        ("promtool", "check", "rules", "{folder}/alerts.yml"),
    ],
    ids=lambda words: words[0],
)
def test_a_program_takes_its_file(tmp_path: Path, words: tuple[str, ...]) -> None:
    if shutil.which(words[0]) is None:
        assert os.environ.get("CI") != "true", f"{words[0]} is not installed"
        pytest.skip(f"{words[0]} is not installed")
    for name in (*UNITS, "alerts.yml"):
        text = (ROOT / "deploy" / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/opt/chatkeep/bin/chatkeep", shutil.which("true") or ""))
    command = [word.format(folder=tmp_path) for word in words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(f"{name}:" in done.stderr for name in UNITS), done.stderr
