"""The pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from api.pages import buyer, dossier, home, library, sources, system

router = APIRouter(include_in_schema=False)
for screen in (home, dossier, buyer, sources, library, system):
    router.include_router(screen.router)
