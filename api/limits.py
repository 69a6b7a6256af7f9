"""What stands before every route: the host's name, the size of bodies, the rate of requests, the headers of answers.

Kept in this process's memory: right for one server process, which is what « memoire serve » starts.
"""

from __future__ import annotations

import html
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from anyio.to_thread import run_sync
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import caller_by_key, key_sent, session_of
from api.problems import MEDIA_TYPE, Problem, Refusal, TooLarge, TooMany, problem_of
from api.server import Server

BODY = 1024 * 1024
"""Bytes of a request's body, other than an upload: the longest section a person writes is a tenth of it."""
TRIES, TRIES_SECONDS = 10, 60
"""Sign-ins and wrong keys from one address, and the seconds in which as many more are allowed: a person mistypes twice
or thrice, and 2^256 keys are not tried by ten a minute."""
RETURN = "/connexion/oidc/retour"
"""Where the identity provider sends people back (api/oidc.py)."""
CALLERS = 10_000
"""Callers remembered; the one heard of least recently is forgotten first, and has rested by then."""

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WrongHost(Refusal):
    """The server is called by a name that is not its own."""

    status, code = 400, "hote-refuse"


def guarded(app: FastAPI, server: Server, clock: Callable[[], float] = time.monotonic) -> None:
    """Put all of it before the application's routes. ``clock`` counts seconds."""
    app.add_exception_handler(Exception, _broken)
    app.add_middleware(_Sizes, server=server)  # the last added is asked first
    app.add_middleware(_Rates, server=server, clock=clock)
    app.add_middleware(_Hosts, server=server)
    app.add_middleware(_Headers)


def security_headers(path: str) -> dict[str, str]:
    """What every answer carries. Only the style sheet, scripts and fonts may be kept by a browser."""
    return _HEADERS if path.startswith("/static/") else {**_HEADERS, "Cache-Control": "no-store"}


def refusal(path: str, error: Refusal) -> Response:
    """A refusal from before the routes: problem details for the API, a page for people."""
    problem = problem_of(error)
    if path.startswith("/v1"):
        return JSONResponse(problem.model_dump(), problem.status, error.headers, media_type=MEDIA_TYPE)
    page = (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>{0}</title>'
        '<link rel="stylesheet" href="/static/memoire.css"></head>'
        "<body><main><h1>{0}</h1><p>{1}</p></main></body></html>"
    )
    text = page.format(html.escape(problem.title), html.escape(problem.detail))
    return HTMLResponse(text, problem.status, error.headers)


def _broken(request: Request, error: Exception) -> Response:
    """What is told of a fault of ours, which the server's log holds: nothing of its text, which may quote a tender."""
    title = "Le serveur a rencontré une erreur"
    problem = Problem(
        type="urn:memoire:probleme:erreur-interne",
        title=title,
        status=500,
        detail=f"{title}. Recommencez ; si elle revient, prévenez qui l’administre.",
        code="erreur-interne",
    )
    path = request.url.path
    return JSONResponse(problem.model_dump(), 500, security_headers(path), media_type=MEDIA_TYPE)


class _Headers:
    """Security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(security_headers(scope["path"]))
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


class _Hosts:
    """Refuse to be called by any name but ours.

    A page elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding) and then read what answers there. Listening
    beyond loopback without ``serve.hosts``, the names are not known and none is refused.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        serve = server.settings.serve
        self._app = app
        self._known = {*_LOOPBACK, *(name.lower() for name in serve.hosts)}
        self._any = serve.host.strip("[]") not in _LOOPBACK and not serve.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._any and _host(scope) not in self._known:
            error = WrongHost(
                "Ce serveur ne s’appelle pas ainsi", remedy="Ajoutez ce nom au réglage serve.hosts s’il est le sien."
            )
            await refusal(scope["path"], error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(scope: Scope) -> str:
    """The name in the header ``Host``, without port and brackets; empty where there is none."""
    given = Headers(scope=scope).get("host", "").lower()
    name = given[: given.index("]") + 1] if given.startswith("[") and "]" in given else given.partition(":")[0]
    return name.strip("[]")


class _Buckets:
    """Token buckets: each caller's fills at ``rate`` a second up to ``burst``, and a request takes one out."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Caller -> tokens left, and when that was counted."""

    def take(self, caller: str) -> float:
        """Take one; the seconds to wait where there is none, 0 where there was."""
        now = self._clock()
        left, since = self._left.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._rate)
        taken = left >= 1
        self._left[caller] = (left - taken, now)
        self._left.move_to_end(caller)
        if len(self._left) > CALLERS:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate


class _Rates:
    """Refuse callers who ask too much: by user where one is known, by address elsewhere. Sign-ins and wrong keys are
    counted apart, by address, so that a colleague's good key is not shut out by a script's wrong one."""

    def __init__(self, app: ASGIApp, server: Server, clock: Callable[[], float]) -> None:
        serve = server.settings.serve
        self._app = app
        self._identity = server.identity
        self._all = _Buckets(serve.rate_per_second, serve.rate_burst, clock)
        self._tries = _Buckets(TRIES / TRIES_SECONDS, TRIES, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        user = await run_sync(self._user, request)
        scope["memoire.known"] = user is not None
        address = _address(scope)
        guess = _is_sign_in(scope) or (user is None and bool(key_sent(request)))
        wait = self._tries.take(address) if guess else 0.0
        wait = wait or self._all.take(f"user {user}" if user else address)
        if wait:
            seconds = math.ceil(wait)
            error = TooMany("Trop de demandes", remedy=f"Recommencez dans {seconds} s.", retry_after=seconds)
            await refusal(scope["path"], error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _user(self, request: Request) -> str | None:
        caller = caller_by_key(self._identity, request)
        if caller:
            return caller.user
        session = session_of(self._identity, request)
        return session.user.name if session else None


def _is_sign_in(scope: Scope) -> bool:
    """Trying a name and key, or going through the identity provider: not merely looking at the form."""
    path: str = scope["path"].rstrip("/")
    return path == RETURN or (path == "/connexion" and scope["method"] == "POST")


def _address(scope: Scope) -> str:
    """The caller's address; of IPv6 the network, because each subscriber has 2^64 addresses."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


class _TooMuch(HTTPException):
    """Ends the reading of a body; of this kind because FastAPI makes a 400 of any other."""

    def __init__(self) -> None:
        super().__init__(413)


class _Sizes:
    """Refuse bodies over the limit: at once where ``Content-Length`` says so, else when the bytes have come.

    Files (multipart) sent to a dossier by someone known may be ``serve.upload_mb`` large; everything else is small.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._upload = server.settings.serve.upload_mb * 1_000_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self._limit(scope, headers)
        declared = headers.get("content-length", "")
        over = declared.isdigit() and int(declared) > limit
        read, started = 0, False

        async def counted() -> Message:
            nonlocal read, over
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                over = True
                raise _TooMuch
            return message

        async def sent(message: Message) -> None:
            nonlocal started
            if started or not over:  # what the application makes of a body cut short is not told
                started = True
                await send(message)

        if not over:
            try:
                await self._app(scope, counted, sent)
            except _TooMuch:
                if started:
                    raise
        if over and not started:
            told = f"{limit // 1_000_000} Mo" if limit > BODY else "1 Mio"
            answer = refusal(scope["path"], TooLarge("Envoi trop volumineux", remedy=f"La limite est de {told}."))
            answer.headers["Connection"] = "close"  # the rest of the body is not read
            await answer(scope, receive, send)

    def _limit(self, scope: Scope, headers: Headers) -> int:
        upload = (
            scope["path"].startswith(("/v1/dossiers", "/dossiers"))
            and headers.get("content-type", "").lower().startswith("multipart/form-data")
            and scope.get("memoire.known", False)
        )
        return max(self._upload, BODY) if upload else BODY
