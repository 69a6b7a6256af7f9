"""The evaluation: the simulated mark, what is covered, what would gain most, and how it has changed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.pages.rendering import go, render
from api.pages.working import asked_for, shown
from api.problems import NotFound
from api.server import Server, server_of
from pipeline import run
from pipeline.errors import DossierError
from pipeline.export.text import LABELS, report_to_html, report_to_junit
from pipeline.records import CoverageReport
from pipeline.workspace import Dossier, read_consultation

router = APIRouter(include_in_schema=False)
REPORT = "evaluation.json"


def last_report(dossier: Dossier) -> CoverageReport | None:
    """The last evaluation; ``None`` before the first. Raises DossierError where its file is unreadable."""
    path = dossier.export / REPORT
    if not path.is_file():
        return None
    try:
        return CoverageReport.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DossierError("Évaluation illisible", where=path, remedy="Lancez-la de nouveau.") from error


@router.get("/dossiers/{dossier}/evaluation")
def evaluation(
    request: Request,
    asked: Annotated[Asked, Depends(page_dossier("read"))],
    server: Annotated[Server, Depends(server_of)],
) -> Response:
    """The last evaluation."""
    path = asked.dossier.export / REPORT
    return render(
        request,
        "evaluation.html.jinja",
        asked=asked,
        report=last_report(asked.dossier),
        when=_written(path) if path.is_file() else None,
        trend=run.trend(asked.dossier)[-30:],
        labels=LABELS,
        jobs=shown(server, asked.dossier, "evaluate"),
    )


def _written(path: Path) -> str:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).isoformat(timespec="seconds")


@router.post("/dossiers/{dossier}/evaluation", dependencies=[Depends(csrf)])
def evaluate(
    request: Request,
    asked: Annotated[Asked, Depends(page_dossier("read"))],
    server: Annotated[Server, Depends(server_of)],
) -> Response:
    """Ask for an evaluation."""
    asked_for(server, asked, "evaluate", {})
    return go(request, f"/dossiers/{asked.dossier.root.name}/evaluation#travaux")


@router.get("/dossiers/{dossier}/evaluation/rapport.{form}")
def download(form: Literal["json", "html", "xml"], asked: Annotated[Asked, Depends(page_dossier("read"))]) -> Response:
    """The last evaluation as a file: JSON, one self-contained page, or JUnit for a continuous integration."""
    report = last_report(asked.dossier)
    if report is None:
        raise NotFound("Ce dossier n’a pas encore été évalué", where=asked.dossier.root.name)
    if form == "json":
        body, media = report.model_dump_json(indent=1), "application/json"
    elif form == "html":
        title = read_consultation(asked.dossier).object or asked.dossier.root.name
        body, media = report_to_html(report, title, run.trend(asked.dossier)), "text/html; charset=utf-8"
    else:
        body, media = report_to_junit(report), "application/xml"
    headers = {
        "Content-Disposition": f'attachment; filename="evaluation-{asked.dossier.root.name}.{form}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=media, headers=headers)
