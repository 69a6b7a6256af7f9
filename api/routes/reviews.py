"""Reviews: the Word document people corrected, against ours, and back into the dossier."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Depends, File, Path, Response, UploadFile
from starlette.responses import FileResponse

from api.access import Asked, api_dossier
from api.asking import ask
from api.jobs import Job
from api.problems import NotFound
from api.received import Received, keep_word, received_reviews, review_of, word_of
from api.routes.sections import taken_info
from api.schemas import AcceptSent, ReviewInfo, TakenInfo
from api.server import Server, server_of
from api.typed import TypedRoute
from api.uploads import received_word
from pipeline import run
from pipeline.records import Review
from pipeline.settings import load as load_settings

router = APIRouter(prefix="/v1/dossiers/{dossier}/reviews", tags=["relecture"], route_class=TypedRoute)
Reader = Annotated[Asked, Depends(api_dossier("read"))]
Reviewer = Annotated[Asked, Depends(api_dossier("review"))]
Shared = Annotated[Server, Depends(server_of)]
Name = Annotated[str, Path(max_length=300, description="As « id » in the list")]


@router.get("")
def reviews(asked: Reader) -> list[ReviewInfo]:
    """The comparisons made so far, newest first."""
    return [ReviewInfo(**dataclasses.asdict(item)) for item in received_reviews(asked.dossier)]


@router.post("", status_code=202)
def review(
    response: Response,
    server: Shared,
    asked: Reviewer,
    file: Annotated[UploadFile, File(description="The Word document that people corrected")],
) -> Job:
    """Compare a corrected document with the dossier's own: a job, whose result names the review."""
    with received_word(server, file) as path:
        job = ask(server, asked, "review", {"file": keep_word(asked.dossier, path)})
    response.headers["Location"] = f"/v1/dossiers/{job.dossier}/jobs/{job.id}"
    return job


@router.get("/{review}")
def one(asked: Reader, review: Name) -> Review:
    """What became of each paragraph, section by section."""
    return review_of(asked.dossier, _listed(asked, review).id)


@router.get("/{review}/tracked.docx", response_class=FileResponse)
def tracked(asked: Reader, review: Name) -> FileResponse:
    """The corrected document with tracked changes: accepting all gives it, rejecting all gives ours."""
    path = asked.dossier.root / "reviews" / f"{_listed(asked, review).id}.suivi.docx"
    if not path.is_file():
        raise NotFound("Ce suivi des modifications n’existe pas", where=review)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


@router.post("/{review}/accept")
def accept(sent: AcceptSent, server: Shared, asked: Reviewer, review: Name) -> TakenInfo:
    """Take the sections named back into the dossier: nothing drafts over them any more."""
    dossier = asked.dossier
    document = word_of(dossier, _listed(asked, review))
    if document is None:
        raise NotFound("Le document de cette relecture n’a pas été gardé", where=review)
    taken = run.accept_dossier(
        dossier,
        document,
        sent.sections,
        by=asked.caller.user,
        validate=sent.validates,
        keep=sent.keep_answers,
        settings=load_settings(dossier.root),
    )
    numbers = [section.number for section in taken.sections]
    server.journal.note(asked.caller.user, "accept", dossier=dossier.root.name, review=review, sections=numbers)
    return taken_info(taken)


def _listed(asked: Asked, review: str) -> Received:
    """The comparison of this name: only what is listed is ever opened. Raises NotFound."""
    found = next((item for item in received_reviews(asked.dossier) if item.id == review), None)
    if found is None:
        raise NotFound("Cette relecture n’existe pas", where=review)
    return found
