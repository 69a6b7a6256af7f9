"""Dossiers: one a tender. Sending the buyer's files makes one and begins its reading."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Response, UploadFile
from starlette.responses import FileResponse

from api.access import Asked, Caller, api_dossier, by_key, visible
from api.asking import lane_of
from api.overview import overview
from api.problems import Conflict, Invalid, NotFound
from api.schemas import DossierInfo, DossierMade, FileInfo, FilesAdded
from api.server import Server, server_of, slug
from api.typed import TypedRoute
from api.uploads import received
from pipeline import run
from pipeline.workspace import create

router = APIRouter(prefix="/v1/dossiers", tags=["dossiers"], route_class=TypedRoute)
Reader = Annotated[Asked, Depends(api_dossier("read"))]
Writer = Annotated[Asked, Depends(api_dossier("write"))]


@router.get("")
def dossiers(
    server: Annotated[Server, Depends(server_of)], caller: Annotated[Caller, Depends(by_key)]
) -> list[DossierInfo]:
    """The dossiers the caller may see, the soonest closing first."""
    found = [overview(server, asked, dt.date.today()) for asked in visible(server, caller)]
    return sorted(found, key=lambda item: (item.closing is None, item.closing or "", item.id))


@router.post("", status_code=201)
def new_dossier(
    response: Response,
    server: Annotated[Server, Depends(server_of)],
    caller: Annotated[Caller, Depends(by_key)],
    name: Annotated[str, Form(min_length=1, max_length=120, description="What to call it")],
    files: Annotated[list[UploadFile], File(description="The DCE: documents, or a ZIP of them", max_length=500)],
) -> DossierMade:
    """Make a dossier of the buyer's files, and begin to read and index it. The caller becomes its admin."""
    made = make_dossier(server, caller, name, files)
    response.headers["Location"] = f"/v1/dossiers/{made.id}"
    return made


def make_dossier(server: Server, caller: Caller, name: str, files: list[UploadFile]) -> DossierMade:
    """The same for the API and the pages. Raises Invalid, Conflict or DossierError, and then leaves nothing."""
    chosen = slug(name)
    if not chosen:
        raise Invalid("Ce nom n’a ni lettre ni chiffre", remedy="Donnez un autre nom.", field="name")
    if (server.root / chosen).exists():
        raise Conflict("Un dossier de ce nom existe déjà", where=chosen, remedy="Donnez un autre nom.")
    with received(server, files) as paths:
        dossier, left_out = create(server.root / chosen, paths, server.library)
    server.identity.forget(chosen)  # members of a dossier of this name that is no more
    server.identity.grant(chosen, caller.user, "admin")
    server.journal.note(caller.user, "dossier", dossier=chosen, files=len(dossier.dce_files()))
    job = server.jobs.submit(chosen, "prepare", {}, lane=lane_of(dossier, "prepare"), by=caller.user)
    return DossierMade(id=chosen, job=job, left_out=left_out)


@router.get("/{dossier}")
def about(server: Annotated[Server, Depends(server_of)], asked: Reader) -> DossierInfo:
    """Where a dossier stands."""
    return overview(server, asked, dt.date.today())


@router.get("/{dossier}/files")
def files(asked: Reader) -> list[FileInfo]:
    """The buyer's documents."""
    return [listed(path, asked.dossier.dce) for path in asked.dossier.dce_files()]


@router.post("/{dossier}/files", status_code=202)
def add_files(
    server: Annotated[Server, Depends(server_of)],
    asked: Writer,
    files: Annotated[list[UploadFile], File(description="More of the DCE, or new versions", max_length=500)],
) -> FilesAdded:
    """Add documents of the buyer, and read and index again. Corrections people made are kept."""
    with received(server, files) as paths:
        told = run.add_files(asked.dossier, paths)
    name = asked.dossier.root.name
    server.journal.note(asked.caller.user, "files", dossier=name, files=len(files))
    lane = lane_of(asked.dossier, "prepare")
    return FilesAdded(told=told, job=server.jobs.submit(name, "prepare", {}, lane=lane, by=asked.caller.user))


@router.get("/{dossier}/files/content", response_class=FileResponse)
def content(asked: Reader, name: Annotated[str, Query(max_length=500)]) -> FileResponse:
    """One of the buyer's documents, as it was sent."""
    return download(asked.dossier.dce, asked.dossier.dce_files(), name)


def listed(path: Path, folder: Path) -> FileInfo:
    """A file as lists show it."""
    state = path.stat()
    return FileInfo(
        name=path.relative_to(folder).as_posix(),
        bytes=state.st_size,
        modified=dt.datetime.fromtimestamp(state.st_mtime, dt.UTC),
    )


def download(folder: Path, files: list[Path], name: str) -> FileResponse:
    """The file of this name among those of a folder, always as something to save: nothing sent to the server is ever
    shown as a page. Raises NotFound for any other name."""
    found = next((path for path in files if path.relative_to(folder).as_posix() == name), None)
    if found is None:
        raise NotFound("Ce fichier n’existe pas", where=name)
    return FileResponse(found, media_type="application/octet-stream", filename=found.name)
