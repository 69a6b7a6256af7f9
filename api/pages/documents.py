"""What is handed in: exports, the buyer's frames, the pack, and the files made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from api.access import Asked, csrf, page_dossier
from api.pages.jobs import after
from api.pages.reading import tender_of
from api.pages.rendering import go, render
from api.pages.working import asked_for, shown
from api.problems import NotFound
from api.server import Server, server_of
from pipeline import run
from pipeline.records import Tender
from pipeline.workspace import Dossier, read_draft

router = APIRouter(include_in_schema=False, prefix="/dossiers/{dossier}/documents")
Reader = Annotated[Asked, Depends(page_dossier("read"))]
Writer = Annotated[Asked, Depends(page_dossier("write"))]
AtServer = Annotated[Server, Depends(server_of)]
REPORTS = ("evaluation.json", "couverture.html")
"""Shown by their own screen."""


@dataclass(frozen=True)
class Made:
    """A file under export/."""

    name: str
    """Its path there, « / » between folders."""
    size: int
    """Bytes."""
    when: str
    """ISO 8601, in UTC."""


def made(dossier: Dossier) -> list[Made]:
    """The files of export/, newest first; hidden ones and links left out."""
    found = []
    for path in sorted(dossier.export.rglob("*")):
        inside = path.relative_to(dossier.export)
        hidden = any(part.startswith((".", "~")) for part in inside.parts) or inside.as_posix() in REPORTS
        if hidden or path.is_symlink() or not path.is_file():
            continue
        told = path.stat()
        when = dt.datetime.fromtimestamp(told.st_mtime, dt.UTC).isoformat(timespec="seconds")
        found.append(Made(inside.as_posix(), told.st_size, when))
    return sorted(found, key=lambda item: item.when, reverse=True)


@router.get("")
def documents(request: Request, asked: Reader, server: AtServer) -> Response:
    """The screen."""
    dossier = asked.dossier
    tender = tender_of(dossier) or Tender()
    done = [job for job in server.jobs.listed(dossier.root.name) if job.state == "done"]
    return render(
        request,
        "documents.html.jinja",
        asked=asked,
        choices=choices(dossier, tender),
        files=made(dossier),
        frames=[path.name for path in run.frames_of(dossier)] if dossier.consultation.is_file() else [],
        pack=next((job.result for job in done if job.kind == "pack"), None),
        filling=next((job.result for job in done if job.kind == "frames"), None),
        after=after,
        jobs=shown(server, dossier, "export", "frames", "pack"),
    )


def choices(dossier: Dossier, tender: Tender) -> list[tuple[str, str]]:
    """(value, label) of what may be exported: the mémoire, a chapter with something drafted, a deliverable."""
    found = [("memoire", "Le mémoire technique entier")] if tender.plan else []
    drafted = [node.name for node in tender.plan if read_draft(dossier, node.name)]
    for node in tender.plan:
        if node.level == 1 and any(name == node.name or name.startswith(f"{node.name}.") for name in drafted):
            found.append((f"chapitre:{node.name}", f"Chapitre {node.name} – {node.title}"))
    return found + [(f"livrable:{item.code}", f"{item.code} – {item.title}") for item in tender.deliverables]


@router.post("/export", dependencies=[Depends(csrf)])
def export(
    request: Request,
    asked: Reader,
    server: AtServer,
    what: Annotated[str, Form(max_length=200)] = "memoire",
    form: Annotated[Literal["docx", "pdf", "md", "html"], Form()] = "docx",
) -> Response:
    """Ask for a document."""
    if what not in dict(choices(asked.dossier, (tender_of(asked.dossier) or Tender()))):
        raise NotFound("Ce document n’est pas de ce dossier", where=what)
    kind, _, name = what.partition(":")
    params = {
        "format": form,
        "chapter": name if kind == "chapitre" else None,
        "deliverable": name if kind == "livrable" else None,
    }
    asked_for(server, asked, "export", params)
    return go(request, f"/dossiers/{asked.dossier.root.name}/documents#travaux")


@router.post("/cadres", dependencies=[Depends(csrf)])
def frames(request: Request, asked: Writer, server: AtServer) -> Response:
    """Ask for the buyer's frames to be filled."""
    asked_for(server, asked, "frames", {})
    return go(request, f"/dossiers/{asked.dossier.root.name}/documents#travaux")


@router.post("/pli", dependencies=[Depends(csrf)])
def pack(
    request: Request,
    asked: Writer,
    server: AtServer,
    candidate: Annotated[str, Form(max_length=200)] = "",
    lot: Annotated[str, Form(max_length=20)] = "",
    pdf: Annotated[bool, Form()] = False,
) -> Response:
    """Ask for the pack."""
    asked_for(server, asked, "pack", {"candidate": candidate.strip(), "lot": lot.strip(), "pdf": pdf})
    return go(request, f"/dossiers/{asked.dossier.root.name}/documents#travaux")


@router.get("/fichiers/{name:path}")
def download(name: str, asked: Reader) -> Response:
    """A file that is listed, always to be saved and never shown by the browser."""
    if name not in {item.name for item in made(asked.dossier)}:
        raise NotFound("Ce fichier n’existe pas", where=Path(name).name)
    path = asked.dossier.export / name
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=path.name,
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
    )
