"""The routes of all dialects (`docs/dialects.md`)."""

from fastapi import APIRouter

from chatkeep.api.routes import agui, ai_sdk

router = APIRouter()
for _each in (ai_sdk, agui):
    router.include_router(_each.router)
