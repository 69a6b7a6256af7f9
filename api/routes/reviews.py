"""Reviews: the Word document people corrected, against ours, and back into the dossier."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Depends, File, Path, Response, UploadFile
from starlette.responses import FileResponse

from api.access import Asked, api_dossier
from api.asking import ask
from api.jobs import Job
from api.problems import NotFound
from api.routes.sections import taken_info
from api.schemas import AcceptSent, ReviewInfo, TakenInfo
from api.server import Server, server_of
from api.typed import TypedRoute
from api.uploads import received_word
from pipeline import run
from pipeline.records import Review
from pipeline.settings import load as load_settings
from pipeline.workspace import Dossier

router = APIRouter(prefix="/v1/dossiers/{dossier}/reviews", tags=["relecture"], route_class=TypedRoute)
Reader = Annotated[Asked, Depends(api_dossier("read"))]
Reviewer = Annotated[Asked, Depends(api_dossier("review"))]
Shared = Annotated[Server, Depends(server_of)]
Name = Annotated[str, Path(max_length=300, description="As « id » in the list")]


@router.get("")
def reviews(asked: Reader) -> list[ReviewInfo]:
    """The comparisons made so far, newest first."""
    return listed_reviews(asked.dossier)


@router.post("", status_code=202)
def review(
    response: Response,
    server: Shared,
    asked: Reviewer,
    file: Annotated[UploadFile, File(description="The Word document that people corrected")],
) -> Job:
    """Compare a corrected document with the dossier's own: a job, whose result names the review."""
    job = keep_and_compare(server, asked, file)
    response.headers["Location"] = f"/v1/dossiers/{job.dossier}/jobs/{job.id}"
    return job


@router.get("/{review}")
def one(asked: Reader, review: Name) -> Review:
    """What became of each paragraph, section by section."""
    return read_review(asked.dossier, review)


@router.get("/{review}/tracked.docx", response_class=FileResponse)
def tracked(asked: Reader, review: Name) -> FileResponse:
    """The corrected document with tracked changes: accepting all gives it, rejecting all gives ours."""
    path = _folder(asked.dossier) / f"{_known(asked.dossier, review)}.suivi.docx"
    if not path.is_file():
        raise NotFound("Ce suivi des modifications n’existe pas", where=review)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


@router.post("/{review}/accept")
def accept(sent: AcceptSent, server: Shared, asked: Reviewer, review: Name) -> TakenInfo:
    """Take the sections named back into the dossier: nothing drafts over them any more."""
    return taken_info(take_back(server, asked, review, sent))


def keep_and_compare(server: Server, asked: Asked, file: UploadFile) -> Job:
    """Keep a corrected document in the dossier and queue its comparison."""
    folder = _folder(asked.dossier) / "recus"
    folder.mkdir(parents=True, exist_ok=True)
    with received_word(server, file) as sent:
        kept = folder / f"{dt.datetime.now():%Y%m%d-%H%M%S-%f}-{sent.name}"
        shutil.move(sent, kept)
    return ask(server, asked, "review", {"file": kept.name})


def take_back(server: Server, asked: Asked, review: str, sent: AcceptSent) -> run.Taken:
    """Accept the document of a review. Raises NotFound where it was not kept, DossierError where nothing can be taken."""
    name = read_review_source(asked.dossier, review)
    dossier = asked.dossier
    taken = run.accept_dossier(
        dossier,
        name,
        sent.sections,
        by=asked.caller.user,
        validate=sent.validates,
        keep=sent.keep_answers,
        settings=load_settings(dossier.root),
    )
    numbers = [section.number for section in taken.sections]
    server.journal.note(asked.caller.user, "accept", dossier=dossier.root.name, review=review, sections=numbers)
    return taken


def _folder(dossier: Dossier) -> FilePath:
    return dossier.root / "reviews"


def listed_reviews(dossier: Dossier) -> list[ReviewInfo]:
    """The comparisons kept, newest first."""
    told = {line["file"]: line for line in dossier.journal() if line["what"] == "review"}
    found = []
    for path in sorted(_folder(dossier).glob("*.json"), reverse=True):
        line = told.get(path.name, {})
        when = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        found.append(
            ReviewInfo(id=path.stem, human=line.get("human", path.stem), when=when, acceptance=line.get("acceptance"))
        )
    return found


def read_review(dossier: Dossier, review: str) -> Review:
    """A comparison kept. Raises NotFound."""
    return Review.model_validate_json((_folder(dossier) / f"{_known(dossier, review)}.json").read_bytes())


def _known(dossier: Dossier, review: str) -> str:
    """The name of a comparison that is kept: only what the folder lists is ever opened. Raises NotFound."""
    if all(path.stem != review for path in _folder(dossier).glob("*.json")):
        raise NotFound("Cette relecture n’existe pas", where=review)
    return review


def read_review_source(dossier: Dossier, review: str) -> FilePath:
    """The document a comparison was made of. Raises NotFound."""
    _known(dossier, review)
    told = {line["file"]: line["human"] for line in dossier.journal() if line["what"] == "review"}
    path = _folder(dossier) / "recus" / told.get(f"{review}.json", "")
    if not path.is_file():
        raise NotFound("Le document de cette relecture n’a pas été gardé", where=review)
    return path
