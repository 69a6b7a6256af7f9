"""The library: what it holds, what is no proof any more; and the search over it and the buyer's documents."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, page_dossier
from api.pages.rendering import render
from api.pages.sources import KINDS
from api.searching import found_in, library_in
from api.server import Server, server_of
from pipeline.library import notice
from pipeline.retrieve import ALL, Filters
from pipeline.store import FILE

router = APIRouter(prefix="/dossiers/{dossier}/bibliotheque", include_in_schema=False)
FOUND = 15
"""Passages shown for a question."""


@router.get("")
def library(
    request: Request,
    asked: Annotated[Asked, Depends(page_dossier("read"))],
    server: Annotated[Server, Depends(server_of)],
    q: Annotated[str, Query(max_length=1000)] = "",
    nature: Annotated[str, Query(max_length=20)] = "",
    document: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """The inventory, or what a question finds."""
    indexed = (asked.dossier.index / FILE).is_file()
    kinds = [kind for kind in ALL if nature in ("", kind)]
    hits = []
    if indexed and q.strip():
        found = found_in(server, asked.dossier, q.strip(), FOUND, Filters(kinds or ALL, None, document.strip() or None))
        today, months = dt.date.today(), server.settings.library.stale_months
        hits = [(hit, notice(hit.passage, today, months)) for hit in found]
    held = library_in(server, asked.dossier) if indexed and not q.strip() else None
    notices: dict[str, list[str]] = {}
    for item in held.items if held else ():
        for said in item.notices:
            notices.setdefault(said, []).append(item.document)
    return render(
        request,
        "bibliotheque.html.jinja",
        asked=asked,
        indexed=indexed,
        held=held,
        notices=dict(sorted(notices.items(), key=lambda pair: ("expiré" not in pair[0], -len(pair[1])))),
        hits=hits,
        q=q,
        nature=nature,
        document=document,
        kinds=KINDS,
    )
