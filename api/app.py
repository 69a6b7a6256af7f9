"""The HTTP application: the JSON API under /v1, the pages, and what both need around them."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api import oidc, openapi
from api.access import SignInNeeded
from api.limits import guarded
from api.metrics import measured
from api.pages.assembly import router as pages
from api.pages.errors import error_page
from api.pages.signin import to_sign_in
from api.problems import MEDIA_TYPE, NotFound, Problem, Refusal, fields_of, invalid, problem_of
from api.routes import documents, dossiers, evaluation, jobs, reviews, search, sections, system, tender, users
from api.server import Server
from pipeline.errors import MemoireError

STATIC = Path(__file__).with_name("static")


def create_app(server: Server) -> FastAPI:
    """The application over the server's dossiers."""
    app = FastAPI(title="memoire", version="1", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.server = server
    for module in (system, users, dossiers, tender, search, sections, jobs, documents, reviews, evaluation):
        app.include_router(module.router)
    app.include_router(pages)
    if server.settings.serve.oidc_issuer:
        app.mount(oidc.PATH, oidc.application(server))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    openapi.describe(app)
    _answer_errors(app)
    measured(app)
    guarded(app, server)
    return app


def _answer_errors(app: FastAPI) -> None:
    """Every refusal as problem details to programs, as a page to people."""
    app.add_exception_handler(SignInNeeded, to_sign_in)

    @app.exception_handler(MemoireError)
    def refused(request: Request, error: MemoireError) -> Response:
        headers = error.headers if isinstance(error, Refusal) else {}
        return _told(request, problem_of(error), headers)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return _told(request, invalid(fields_of(error.errors())), {})

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        titles = {404: "Cette adresse n’existe pas", 405: "Cette méthode n’est pas permise ici"}
        title = titles.get(error.status_code, "La demande est mal formée")
        code = {404: NotFound.code, 405: "methode-refusee"}.get(error.status_code, "demande-invalide")
        problem = Problem(
            type=f"urn:memoire:probleme:{code}", title=title, status=error.status_code, detail=f"{title}.", code=code
        )
        return _told(request, problem, dict(error.headers or {}))

    @app.exception_handler(OSError)
    def unwritable(request: Request, error: OSError) -> Response:
        title = "Écriture ou lecture impossible sur le serveur"
        detail = f"{title} : {error.strerror or 'erreur du système'}. Prévenez qui l’administre."
        code = "disque"
        problem = Problem(type=f"urn:memoire:probleme:{code}", title=title, status=503, detail=detail, code=code)
        return _told(request, problem, {})


def _told(request: Request, problem: Problem, headers: dict[str, str]) -> Response:
    if request.url.path.startswith(("/v1", "/health", "/ready", "/metrics")):
        return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)
    return error_page(request, problem, headers)
