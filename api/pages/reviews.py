"""Review: the corrected Word uploaded, compared, read side by side, and taken back into the dossier."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.pages.jobs import after
from api.pages.reading import tender_of
from api.pages.rendering import go, render
from api.pages.working import asked_for, line, shown
from api.problems import NotFound, Refusal
from api.received import Received, keep_word, received_reviews, review_of, word_of
from api.server import Server, server_of
from api.uploads import received_word
from pipeline import run
from pipeline.errors import MemoireError
from pipeline.export.text import VERDICTS, review_notes, review_totals
from pipeline.french import fold
from pipeline.records import ReviewedSection, Tender
from pipeline.settings import load as load_settings
from pipeline.workspace import read_draft

router = APIRouter(include_in_schema=False, prefix="/dossiers/{dossier}/relecture")
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
Reader = Annotated[Asked, Depends(page_dossier("read"))]
Reviewer = Annotated[Asked, Depends(page_dossier("review"))]
AtServer = Annotated[Server, Depends(server_of)]


@router.get("")
def reviews(request: Request, asked: Reader, server: AtServer) -> Response:
    """Uploading, the comparisons made, and what people kept."""
    return _list(request, asked, server)


def _list(request: Request, asked: Asked, server: Server, error: str = "", status: int = 200) -> Response:
    dossier = asked.dossier
    tender = tender_of(dossier) or Tender()
    drafts = [section for node in tender.plan if (section := read_draft(dossier, node.name))]
    return render(
        request,
        "reviews.html.jinja",
        status,
        asked=asked,
        reviews=received_reviews(dossier),
        drafted=bool(drafts),
        accepted=[section for section in drafts if section.accepted],
        rates=run.acceptance(dossier),
        after=after,
        jobs=shown(server, dossier, "review"),
        error=error,
    )


@router.post("", dependencies=[Depends(csrf)])
def upload(request: Request, asked: Reviewer, server: AtServer, file: UploadFile) -> Response:
    """Take a Word document in, and have it compared."""
    try:
        with received_word(server, file) as path:
            name = keep_word(asked.dossier, path)
    except Refusal as error:
        return _list(request, asked, server, line(error), error.status)
    asked_for(server, asked, "review", {"file": name})
    return go(request, f"/dossiers/{asked.dossier.root.name}/relecture#travaux")


@router.get("/{review}")
def review(request: Request, review: str, asked: Reader) -> Response:
    """One comparison, side by side."""
    return _review(request, asked, _found(asked, review))


def _found(asked: Asked, review: str) -> Received:
    found = next((item for item in received_reviews(asked.dossier) if item.id == review), None)
    if found is None:
        raise NotFound("Cette relecture n’existe pas", where=review)
    return found


def _review(request: Request, asked: Asked, item: Received, status: int = 200, **more: Any) -> Response:
    found = review_of(asked.dossier, item.id)
    return render(
        request,
        "review.html.jinja",
        status,
        asked=asked,
        item=item,
        review=found,
        verdicts=VERDICTS,
        totals=review_totals(found),
        notes=review_notes,
        renamed=_renamed,
        word=word_of(asked.dossier, item) is not None,
        **{"error": "", "taken": None, "chosen": (), **more},
    )


def _renamed(section: ReviewedSection) -> bool:
    return bool(section.human_title) and fold(section.human_title or "") != fold(section.title)


@router.post("/{review}/reprendre", dependencies=[Depends(csrf)])
def accept(
    request: Request,
    review: str,
    asked: Reviewer,
    server: AtServer,
    scope: Annotated[str, Form()] = "chosen",
    section: Annotated[list[str] | None, Form()] = None,
    validated: Annotated[bool, Form()] = False,
    keep: Annotated[bool, Form()] = False,
) -> Response:
    """Take the sections chosen, or all, back into the dossier, and tell what was taken."""
    item = _found(asked, review)
    path = word_of(asked.dossier, item)
    if path is None:
        raise NotFound("Le document Word de cette relecture n’est plus là", where=item.human)
    chosen = tuple(section or ()) if scope == "chosen" else ()
    if scope == "chosen" and not chosen:
        return _review(request, asked, item, 422, error="Cochez au moins une section, ou reprenez-les toutes.")
    settings = load_settings(asked.dossier.root)
    try:
        taken = run.accept_dossier(
            asked.dossier, path, chosen, by=asked.caller.user, validate=validated, keep=keep, settings=settings
        )
    except MemoireError as error:
        return _review(request, asked, item, 409, error=line(error), chosen=chosen)
    name = asked.dossier.root.name
    server.journal.note(asked.caller.user, "accept", dossier=name, sections=[s.number for s in taken.sections])
    return render(request, "review_taken.html.jinja", asked=asked, item=item, taken=taken)


@router.get("/{review}/suivi.docx")
def tracked(review: str, asked: Reader) -> Response:
    """The same document with each change as a Word revision."""
    item = _found(asked, review)
    path = word_of(asked.dossier, item)
    if path is None:
        raise NotFound("Le document Word de cette relecture n’est plus là", where=item.human)
    with tempfile.TemporaryDirectory() as folder:
        target = asked.dossier.root / "reviews" / f"{item.id}.suivi.docx"
        if not target.is_file():
            target = Path(folder) / "suivi.docx"
            run.track_changes(asked.dossier, path, target, load_settings(asked.dossier.root))
        body = target.read_bytes()
    name = f"{path.stem}-suivi.docx"
    ascii_name = re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=WORD, headers=headers)
