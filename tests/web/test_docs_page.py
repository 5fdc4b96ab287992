"""`/docs` works under its policy: nothing that Swagger UI does is forbidden, as far as it is needed here."""

import re

import pytest
from playwright.async_api import BrowserContext, expect

from tests.service import Service

pytestmark = pytest.mark.anyio


async def test_docs_try_the_api(context: BrowserContext, service: Service) -> None:
    session_id = await service.session()
    page = await context.new_page()
    await page.goto(f"{service.url}/docs")
    operation = page.locator("#operations-sessions-list_sessions_api_sessions_get")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table .response-col_status").last).to_have_text(re.compile("200"))
    await expect(operation.locator(".live-responses-table")).to_contain_text(session_id)
