"""MCP's own conformance suite, its scenarios for clients (docs/functions.md, "What of MCP is supported")."""

import asyncio
import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.needs import npm_program

pytestmark = pytest.mark.anyio

SUITE = ("@modelcontextprotocol", "conformance", "dist", "index.js")
CLIENT = shlex.join([sys.executable, str(Path(__file__).with_name("conformance_client.py"))])
SCENARIOS = (
    ("initialize", "2025-06-18"),
    ("tools_call", "2025-06-18"),
    ("tools_call", "2025-11-25"),
    ("tools_call", "2026-07-28"),
    ("sse-retry", "2025-11-25"),
    ("request-metadata", "2026-07-28"),
    ("http-standard-headers", "2026-07-28"),
    ("http-custom-headers", "2026-07-28"),
    ("http-invalid-tool-headers", "2026-07-28"),
    ("json-schema-ref-no-deref", "2026-07-28"),
    ("json-schema-2020-12-preservation", "2026-07-28"),
)
"""The scenarios that apply, each with the protocol version that its server speaks."""
NOT_APPLYING = re.compile(
    r"auth/.*"  # OAuth: headers are sent as they are configured
    r"|elicitation-.*|sep-2322-client-request-state"  # servers that ask the user something
    r"|sep-2640-.*"  # skills, an extension
)


async def conformance(*arguments: str) -> tuple[int | None, str]:
    """Run the suite's command line. Returns its exit status and what it printed."""
    suite = await asyncio.create_subprocess_exec(
        *npm_program(*SUITE), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await suite.communicate()
    return suite.returncode, output.decode()


def read_statuses(folder: Path) -> Counter[str]:
    """Return how many checks of the only scenario in `folder` ended in each way."""
    (checks,) = folder.rglob("checks.json")
    return Counter(check["status"] for check in json.loads(checks.read_text("utf-8")))


@pytest.mark.parametrize(("scenario", "version"), SCENARIOS)
async def test_a_scenario_for_clients_passes(tmp_path: Path, scenario: str, version: str) -> None:
    words = ("client", "--command", CLIENT, "--scenario", scenario, "--spec-version", version, "-o", str(tmp_path))
    status, output = await conformance(*words)
    assert status == 0, output
    statuses = read_statuses(tmp_path)
    assert statuses["SUCCESS"] > 0, output
    assert statuses["FAILURE"] + statuses["WARNING"] == 0, output


async def test_each_other_scenario_is_one_that_cannot_apply() -> None:
    _, output = await conformance("list", "--client")
    listed = set(re.findall(r"^  - (\S+)", output, re.MULTILINE))
    applying = {scenario for scenario, _ in SCENARIOS}
    assert applying <= listed
    assert [name for name in listed - applying if not NOT_APPLYING.fullmatch(name)] == []
