"""The OpenAPI description: every operation says what it refuses, as problem details, and how one is let in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE, Problem

_OPEN = ("/health", "/ready")
"""Answered without a key."""
_REFUSALS = {
    "401": "Clé absente, expirée, révoquée ou fausse",
    "403": "Interdit à ce rôle",
    "404": "Introuvable, ou à quelqu’un d’autre",
    "409": "Le dossier ne s’y prête pas",
    "413": "Envoi trop volumineux",
    "415": "Type de contenu refusé",
    "422": "Demande mal formée, champ par champ",
    "429": "Trop de demandes",
    "503": "À réessayer",
}
_ABOUT = (
    "Rédaction du mémoire technique d’un marché public, sur vos machines. Toute adresse veut une clé "
    "(« Authorization: Bearer mk_… »), sauf /health et /ready. Les refus suivent la RFC 9457, avec un code stable."
)


def describe(app: FastAPI) -> None:
    """Give the application its description, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    told = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    told["paths"] = {path: methods for path, methods in told["paths"].items() if path.startswith(("/v1", *_OPEN))}
    components = told.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    body = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, methods in told["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            answers.pop("422", None)
            if path in _OPEN:
                continue
            operation["security"] = [{"key": []}]
            for status, description in _REFUSALS.items():
                answers[status] = {"description": description, "content": body}
    return told
