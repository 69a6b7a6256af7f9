"""The files made in a dossier: exports, filled frames, packs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import FileResponse

from api.access import Asked, api_dossier
from api.routes.dossiers import download, listed
from api.schemas import FileInfo
from pipeline.workspace import Dossier

router = APIRouter(prefix="/v1/dossiers/{dossier}/exports", tags=["documents"])
Reader = Annotated[Asked, Depends(api_dossier("read"))]


@router.get("")
def exports(asked: Reader) -> list[FileInfo]:
    """Every file made: ask for more with a job « export », « frames » or « pack »."""
    return [listed(path, asked.dossier.export) for path in exported(asked.dossier)]


@router.get("/content", response_class=FileResponse)
def content(asked: Reader, name: Annotated[str, Query(max_length=500)]) -> FileResponse:
    """One of them."""
    return download(asked.dossier.export, exported(asked.dossier), name)


def exported(dossier: Dossier) -> list[Path]:
    """Files under export/, hidden ones left out."""
    return sorted(path for path in dossier.export.rglob("*") if path.is_file() and not path.name.startswith("."))
