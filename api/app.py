"""The HTTP application: what was read, what was drafted, the document. Read-only: drafting goes through the command
line until there are users, keys and jobs."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from starlette.requests import Request

from api.schemas import DossierSummary, Health, Problem
from api.server import Server
from pipeline import run
from pipeline.errors import DossierError, MemoireError
from pipeline.export.word import to_docx
from pipeline.records import CoverageReport, Section, Tender
from pipeline.workspace import Dossier, open_dossier, read_consultation, read_draft

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def create_app(server: Server) -> FastAPI:
    """The application over the server's dossiers."""
    root = server.root
    app = FastAPI(title="memoire", version="1", openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None)

    def dossier(name: str) -> Dossier:
        if Path(name).name != name or not (root / name / "dossier.yaml").is_file():
            raise _NotFoundError("Ce dossier n'existe pas", where=name)
        return open_dossier(root / name)

    @app.exception_handler(MemoireError)
    def refused(request: Request, error: MemoireError) -> JSONResponse:
        status = 404 if isinstance(error, _NotFoundError) else 409
        problem = Problem(title=error.what, status=status, detail=str(error), code=type(error).__name__)
        return JSONResponse(problem.model_dump(), status, media_type="application/problem+json")

    @app.get("/health")
    def health() -> Health:
        return Health(status="ok")

    @app.get("/v1/dossiers")
    def dossiers() -> list[DossierSummary]:
        found = sorted(path.parent.name for path in root.glob("*/dossier.yaml"))
        return [DossierSummary(name=name, drafted=len(list((root / name / "drafts").glob("*.json")))) for name in found]

    @app.get("/v1/dossiers/{name}/tender")
    def tender(name: str) -> Tender:
        return read_consultation(dossier(name))

    @app.get("/v1/dossiers/{name}/sections/{number}")
    def section(name: str, number: str) -> Section:
        found = read_draft(dossier(name), number)
        if found is None:
            raise _NotFoundError("Cette section n'est pas rédigée", where=number)
        return found

    @app.get("/v1/dossiers/{name}/coverage")
    def coverage(name: str) -> CoverageReport:
        return run.evaluate_dossier(dossier(name))

    @app.get("/v1/dossiers/{name}/export.docx", response_class=Response)
    def export(name: str) -> Response:
        headers = {"Content-Disposition": 'attachment; filename="memoire.docx"'}
        return Response(to_docx(run.memoire_of(dossier(name))), media_type=WORD, headers=headers)

    return app


class _NotFoundError(DossierError):
    """The address names nothing."""
