"""Search in the DCE and the library, the library's state, and the place a citation leads to."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.access import Asked, api_dossier
from api.problems import NotFound
from api.schemas import HitInfo, Hits
from api.searching import found_in, library_in, passage_in
from api.server import Server, server_of
from pipeline import run
from pipeline.library import notice
from pipeline.records import SourceKind, SourceView
from pipeline.retrieve import ALL, Filters

router = APIRouter(prefix="/v1/dossiers/{dossier}", tags=["sources"])
Reader = Annotated[Asked, Depends(api_dossier("read"))]


@router.get("/search")
def search(
    server: Annotated[Server, Depends(server_of)],
    asked: Reader,
    q: Annotated[str, Query(min_length=1, max_length=1000, description="A question, or words")],
    k: Annotated[int, Query(ge=1, le=100)] = 5,
    kind: Annotated[list[SourceKind] | None, Query(description="Only passages of these kinds")] = None,
    document: Annotated[str | None, Query(max_length=300, description="Only files whose name holds this")] = None,
    lot: Annotated[str | None, Query(max_length=50)] = None,
) -> Hits:
    """The best passages for a question; none where nothing is about it."""
    filters = Filters([name for name in ALL if not kind or name in kind], lot, document)
    today, months = dt.date.today(), server.settings.library.stale_months
    return Hits(
        hits=[
            HitInfo(
                passage=hit.passage.id,
                score=hit.score,
                confidential=hit.passage.client_alias is not None,
                notice=notice(hit.passage, today, months) or None,
                **hit.passage.model_dump(include={"kind", "document", "page", "article", "text", "lot", "client"}),
            )
            for hit in found_in(server, asked.dossier, q, k, filters)
        ]
    )


@router.get("/library")
def library(server: Annotated[Server, Depends(server_of)], asked: Reader) -> dict[str, Any]:
    """What the library holds, what has expired or is to be checked, what no draft of this dossier uses, what is said
    twice."""
    found = library_in(server, asked.dossier)
    return {
        "documents": [dataclasses.asdict(item) for item in found.items],
        "alike": [
            {"share": pair.share, "passages": [p.model_dump() for p in (pair.first, pair.second)]}
            for pair in found.alike
        ],
    }


@router.get("/passages/{passage}", response_model_exclude={"file"})  # a path of the server's disk
def source(asked: Reader, passage: str) -> SourceView:
    """A passage in the text around it, with its document and page: what a citation opens."""
    found = passage_in(asked.dossier, passage)
    if found is None:
        raise NotFound("Ce passage n’existe pas", where=passage)
    return run.source_of(asked.dossier, found)
