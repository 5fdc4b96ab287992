"""The page and its assets over HTTP, and the client's build."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from chatkeep.api.routes import pages
from tests.needs import needs
from tests.service import Service, serving, settings
from tests.sign_in.test_ways_in import PROXY

ROOT = Path(__file__).parent.parent.parent
WEB = ROOT / "web"
SHARED = ROOT / "clients" / "typescript" / "src"
SOURCES = sorted({*WEB.glob("src/**/*.ts*"), *SHARED.glob("*.ts")} - {SHARED / "schema.ts"})
MAX_FIRST_LOAD_BYTES = 200_000

pytestmark = pytest.mark.anyio


async def test_the_page_may_run_and_reach_only_its_own_origin(service: Service) -> None:
    answer = await service.client.get("/")
    assert answer.status_code == 200
    parts = [part.partition(" ") for part in answer.headers["content-security-policy"].split("; ")]
    policy = {name: value for name, _, value in parts}
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "font-src", "connect-src")} == {"'self'"}
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_knows_if_the_service_asks_who_one_is(service: Service, tmp_path: Path) -> None:
    needs("built" if pages.load_bundle().is_built else None, "the web client is not built: make web")
    async with serving(settings(f"sqlite:///{tmp_path}/people.db", **PROXY)) as other:
        for each, word in ((service, "off"), (other, "on"), (service, "off")):
            for encoding in ("identity", "gzip"):
                page = await each.client.get("/", headers={"accept-encoding": encoding})
                assert re.findall('<meta name="sign-in" content="([^"]*)"', page.text) == [word]


async def test_every_asset_of_the_page_exists(service: Service) -> None:
    page = (await service.client.get("/")).text
    named = re.findall(r'(?:src|href)="(?:\./)?(assets/[^"]+)"', page)
    assert len(named) >= 2
    for address in named:
        answer = await service.client.get(f"/{address}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] in {
            "text/javascript",
            "text/css",
            "image/svg+xml",
            "image/png",
        }
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await service.client.get("/assets/none.js")).json()["code"] == "not_found"


async def test_the_manifest_names_icons_that_exist(service: Service) -> None:
    needs("built" if pages.load_bundle().is_built else None, "the web client is not built: make web")
    assert 'href="./manifest.webmanifest"' in (await service.client.get("/")).text
    answer = await service.client.get("/manifest.webmanifest")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert (manifest["start_url"], manifest["display"]) == ("./", "standalone")
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    for icon in manifest["icons"]:
        assert (await service.client.get(f"/{icon['src']}")).headers["content-type"] == "image/png"


async def test_assets_are_compressed_for_clients_that_accept_it(service: Service) -> None:
    name = next(name for name in pages.load_bundle().assets if name.endswith(".js"))
    plain = await service.client.get(f"/assets/{name}", headers={"accept-encoding": "identity"})
    packed = await service.client.get(f"/assets/{name}", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "accept-encoding"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content)


def test_assets_with_a_hash_in_their_name_are_cached_for_good() -> None:
    needs("built" if pages.load_bundle().is_built else None, "the web client is not built: make web")
    assert all(re.search(r"-[\w-]{8}\.\w+$", name) for name in pages.load_bundle().assets)


async def test_without_the_client_a_page_says_how_to_build_it(service: Service, tmp_path: Path) -> None:
    small = pages.read_bundle(tmp_path)
    assert not small.is_built
    service.app.dependency_overrides[pages.get_bundle] = lambda: small
    page = await service.client.get("/")
    assert "<code>make web</code>" in page.text
    script = await service.client.get("/assets/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "no-cache"
    assert (await service.client.get("/diagram")).json()["code"] == "not_found"


async def test_the_frame_of_a_diagram_has_no_origin(service: Service) -> None:
    needs("built" if pages.load_bundle().is_built else None, "the web client is not built: make web")
    answer = await service.client.get("/diagram")
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "sandbox allow-scripts", "frame-ancestors 'self'"} <= set(policy)
    for name in pages.load_bundle().assets:
        shared = (await service.client.head(f"/assets/{name}")).headers.get("access-control-allow-origin")
        assert shared == ("*" if name.startswith(("diagram-", "mermaid.")) else None)


async def test_an_asset_removed_since_the_start_is_not_found(service: Service, tmp_path: Path) -> None:
    small = pages.read_bundle(tmp_path)
    removed = small._replace(assets={"gone.js": tmp_path / "gone.js"}, is_built=True)
    service.app.dependency_overrides[pages.get_bundle] = lambda: removed
    assert (await service.client.get("/assets/gone.js")).json()["code"] == "not_found"


async def test_the_first_load_is_at_most_200_kb(browser: Browser, service: Service) -> None:
    """Transferred bytes of the page, its scripts, styles and fonts, until the first message can be written."""
    page = await browser.new_page()
    await page.goto(service.url)
    await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    await page.wait_for_function("document.fonts.status === 'loaded'")
    sizes: list[int] = await page.evaluate(
        "['navigation', 'resource'].flatMap(type => performance.getEntriesByType(type)).map(each => each.transferSize)"
    )
    await page.close()
    assert 0 < sum(sizes) <= MAX_FIRST_LOAD_BYTES


def test_the_generated_types_are_current() -> None:
    schema = runpy.run_path(str(WEB / "schema.py"))
    assert schema["TARGET"].read_text("utf-8") == schema["render_typescript"](), "run: python web/schema.py"


def test_the_unit_tests_of_the_client_pass() -> None:
    """They include the fold, on the same streams as `tests/chat/test_event_log.py`."""
    tests = subprocess.run(
        [sys.executable, WEB / "client.py", "test"], capture_output=True, text=True, check=False, timeout=110
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_a_file_of_the_client_is_one_idea_long(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("folder", [WEB, ROOT / "tests" / "npm"], ids=lambda folder: folder.name)
def test_the_lock_names_no_registry(folder: Path) -> None:
    assert '"resolved"' not in (folder / "package-lock.json").read_text("utf-8")
