"""The routes of all dialects (`docs/dialects.md`)."""

from fastapi import APIRouter

from chatkeep.api.routes import (
    agui,
    ai_sdk,
    v1_chat,
    v1_compact,
    v1_conversations,
    v1_files,
    v1_items,
    v1_models,
    v1_responses,
    v1_stored_chat,
)

router = APIRouter()
for _each in (
    ai_sdk,
    agui,
    v1_responses,
    v1_compact,
    v1_conversations,
    v1_items,
    v1_chat,
    v1_stored_chat,
    v1_files,
    v1_models,
):
    router.include_router(_each.router)
