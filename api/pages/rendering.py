"""Templates -> pages: what every page needs is given here, once."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.access import Caller, session_of
from api.pages import typography
from api.pages.head import head_of
from api.server import server_of
from pipeline.french import join_french, no_break, typeset

SAID = "memoire_dit"
"""The cookie that carries one sentence over a redirect."""
TABS = (
    ("vue", "Vue d’ensemble", ""),
    ("acheteur", "Ce que l’acheteur impose", "/acheteur"),
    ("plan", "Plan et rédaction", "/plan"),
    ("conformite", "Conformité", "/conformite"),
    ("relecture", "Relecture", "/relecture"),
    ("evaluation", "Évaluation", "/evaluation"),
    ("documents", "Documents", "/documents"),
    ("bibliotheque", "Bibliothèque", "/bibliotheque"),
)
"""The screens of a dossier: name, label, end of the address."""

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=[typography.FrenchTypography, "jinja2.ext.do"],
)
_ENVIRONMENT.filters |= {
    "number": typography.number,
    "percent": typography.percent,
    "size": typography.size,
    "moment": typography.moment,
    "instant": typography.instant,
    "in_days": typography.in_days,
    "plural": typography.plural,
    "fr": typeset,
    "no_break": no_break,
    "sentence": typography.sentence,
    "join_french": join_french,
    "address": lambda text: quote(str(text), safe=""),
}
_ENVIRONMENT.globals["tabs"] = TABS


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page. Templates have ``caller``, ``csrf``, ``said``, ``here`` and ``today`` besides what is given; with
    ``asked``, ``dossier`` too (id, title, role, may)."""
    whole = not is_fragment(request)
    session = session_of(server_of(request).identity, request)
    said = unquote(request.cookies.get(SAID, "")) if whole else ""
    shared: dict[str, Any] = {
        "caller": Caller(session.user.name, session.user.admin) if session else None,
        "csrf": session.csrf if session else "",
        "said": said[:300],
        "here": request.url.path,
        "today": dt.date.today(),
    }
    if "asked" in context:
        shared["dossier"] = head_of(context["asked"])
    response = HTMLResponse(_ENVIRONMENT.get_template(template).render(shared | context), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "HX-Request"
    if said:
        response.delete_cookie(SAID)
    return response


def go(request: Request, address: str, said: str = "") -> Response:
    """On to another page after a form was taken; ``said`` is told there once."""
    response: Response = (
        Response(headers={"HX-Redirect": address}) if is_fragment(request) else RedirectResponse(address, 303)
    )
    if said:
        response.set_cookie(SAID, quote(typeset(said)), max_age=60, httponly=True, samesite="lax")
    return response
