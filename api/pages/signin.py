"""Signing in and out: name and key against a session."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.access import COOKIE, CSRF_FIELD, SignInNeeded, csrf, from_here, same_word, session_of
from api.pages.rendering import render
from api.problems import Forbidden
from api.server import Server, server_of

router = APIRouter(include_in_schema=False)
HERE = "/connexion"
FORM_COOKIE = "memoire-connexion"
"""Holds the word that the sign-in form carries too, so that nobody is signed in as someone else by another site."""
REFUSED = "Ce nom et cette clé ne vont pas ensemble, ou la clé n’est plus valable."


@router.get(HERE)
def form(request: Request, suite: str = "/") -> Response:
    """The form; whoever is signed in goes on to the page wanted."""
    server = server_of(request)
    if session_of(server.identity, request):
        return RedirectResponse(local_path(suite), 303)
    return sign_in_page(server, request, suite)


@router.post(HERE)
def sign_in(
    request: Request,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    suite: Annotated[str, Form(max_length=2000)] = "/",
    word: Annotated[str, Form(alias=CSRF_FIELD, max_length=200)] = "",
) -> Response:
    """Open a session. A wrong name, a wrong key and another's key are told alike and cost the same."""
    server = server_of(request)
    try:
        from_here(request)
    except Forbidden as error:
        return sign_in_page(server, request, suite, str(error), username)
    kept = request.cookies.get(FORM_COOKIE, "")
    if not kept or not same_word(word, kept):
        return sign_in_page(server, request, suite, "Cette page avait expiré : recommencez.", username)
    name = username.strip()
    known = server.identity.user(name)
    key = server.identity.key_of(password.strip())
    if not same_word(name.lower(), key.user.lower() if key else "") or key is None:
        who = known.name if known else ""  # what is typed as a name may be anything, a key too
        server.journal.note(who, "sign-in-refused", address=_address(request))
        return sign_in_page(server, request, suite, REFUSED, username)
    return begin(server, request, key.user, suite, how="key", key=key.id)


@router.post("/deconnexion", dependencies=[Depends(csrf)])
def sign_out(request: Request) -> Response:
    """End the session."""
    server = server_of(request)
    token = request.cookies.get(COOKIE, "")
    session = server.identity.session(token)
    server.identity.close_session(token)
    server.journal.note(session.user.name if session else "", "sign-out")
    answer = RedirectResponse(HERE, 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def begin(
    server: Server, request: Request, user: str, suite: str, *, how: str, key: str | None = None
) -> RedirectResponse:
    """Open a session of a new token, whatever the browser brought (a token planted there is worth nothing), and go on
    to ``suite``."""
    server.identity.close_session(request.cookies.get(COOKIE, ""))
    token, _ = server.identity.open_session(user, key)
    server.journal.note(user, "sign-in", how=how, address=_address(request))
    answer = RedirectResponse(local_path(suite), 303)
    # Lax, not Strict: a link to a page in a mail, and the way back from the identity provider, come from another site
    # and must find the person signed in. Other sites' forms are sent without it all the same.
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="lax", secure=_secure(request))
    answer.delete_cookie(FORM_COOKIE, path=HERE)
    return answer


def sign_in_page(server: Server, request: Request, suite: str, error: str = "", username: str = "") -> HTMLResponse:
    """The form, with a new word; 403 where there is an ``error`` to tell."""
    word = secrets.token_urlsafe(32)
    answer = render(
        request,
        "connexion.html.jinja",
        403 if error else 200,
        suite=local_path(suite),
        error=error,
        username=username[:64],
        csrf=word,
        csrf_field=CSRF_FIELD,
        oidc=bool(server.settings.serve.oidc_issuer),
    )
    answer.set_cookie(FORM_COOKIE, word, path=HERE, httponly=True, samesite="strict", secure=_secure(request))
    return answer


def to_sign_in(request: Request, error: Exception) -> Response:
    """The answer to :class:`api.access.SignInNeeded`: the form, then the page that was wanted."""
    if not isinstance(error, SignInNeeded):
        raise error
    if request.headers.get("hx-request"):
        wanted = urlsplit(request.headers.get("hx-current-url", "/"))
        return Response(status_code=204, headers={"HX-Redirect": _address_of_form(wanted.path, wanted.query)})
    if request.method != "GET":
        return RedirectResponse(HERE, 303)
    return RedirectResponse(_address_of_form(request.url.path, request.url.query), 303)


def local_path(wanted: str) -> str:
    """``wanted`` if it is a path of this server, else « / »: browsers take //host, /\\host and control characters for
    other things than they look."""
    parts = urlsplit(wanted) if wanted.isprintable() and "\\" not in wanted else None
    local = parts and wanted.startswith("/") and not wanted.startswith("//") and not parts.scheme and not parts.netloc
    return wanted if local else "/"


def _address_of_form(path: str, query: str) -> str:
    return f"{HERE}?suite={quote(f'{path}?{query}' if query else path)}"


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
