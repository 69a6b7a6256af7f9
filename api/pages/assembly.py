"""The pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from api.pages import (
    buyer,
    compliance,
    documents,
    dossier,
    evaluation,
    home,
    jobs,
    library,
    plan,
    reviews,
    sections,
    signin,
    sources,
    system,
)

SCREENS = (
    signin,
    home,
    dossier,
    buyer,
    plan,
    sections,
    compliance,
    reviews,
    evaluation,
    documents,
    library,
    sources,
    jobs,
    system,
)
router = APIRouter(include_in_schema=False)
for screen in SCREENS:
    router.include_router(screen.router)
