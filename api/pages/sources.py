"""Where a value or a citation comes from: the page of its document, with the words marked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, page_dossier
from api.pages.reading import documents_of, page_lines, page_numbers
from api.pages.rendering import render
from api.problems import NotFound
from api.searching import passage_in
from pipeline import run

router = APIRouter(prefix="/dossiers/{dossier}", include_in_schema=False)
Reader = Annotated[Asked, Depends(page_dossier("read"))]

KINDS = {
    "dce": "Pièce de l’acheteur",
    "response": "Réponse antérieure",
    "component": "Fiche de composant",
    "firm": "Fait de l’entreprise",
}


@router.get("/source/{passage}")
def source(request: Request, asked: Reader, passage: str) -> Response:
    """A passage in the text around it."""
    found = passage_in(asked.dossier, passage)
    if found is None:
        raise NotFound("Ce passage n’existe pas", where=passage, remedy="Il a pu changer depuis : cherchez ses mots.")
    view = run.source_of(asked.dossier, found)
    documents = documents_of(asked.dossier)
    name = next((name for name, item in documents.items() if item.name == view.document), None)
    return render(request, "source.html.jinja", asked=asked, view=view, piece=name, kinds=KINDS)


@router.get("/piece")
def piece(
    request: Request,
    asked: Reader,
    nom: Annotated[str, Query(max_length=500)],
    page: Annotated[int | None, Query(ge=1)] = None,
    texte: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """A page of a document of the buyer, as it was read."""
    documents = documents_of(asked.dossier)
    name = nom if nom in documents else next((key for key, item in documents.items() if item.name == nom), None)
    if name is None:
        raise NotFound("Cette pièce n’existe pas ou n’a pas pu être lue", where=nom)
    document = documents[name]
    pages = page_numbers(document)
    at = page if page is not None or not pages else pages[0]
    lines = page_lines(document, at, texte)
    if not lines:
        raise NotFound("Cette page n’a pas de texte", where=f"{nom}, p. {at}")
    return render(
        request,
        "piece.html.jinja",
        asked=asked,
        name=name,
        page=at,
        pages=pages,
        lines=lines,
        words=texte,
        scanned=at in document.scanned,
        before=max((number for number in pages if at is not None and number < at), default=None),
        after=min((number for number in pages if at is not None and number > at), default=None),
    )
