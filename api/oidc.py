"""Sign-in with the firm's identity provider (OpenID Connect), by Authlib: the code flow with PKCE, state and nonce.

It says who someone is, never what they may: only users made with « memoire users add » come in. The claim that names
them (``serve.oidc_claim``) must be one that people cannot change by themselves at the provider (OpenID Connect Core,
§ 5.7): with the firm's own provider ``preferred_username`` is such; ``sub`` always is.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from api.pages.signin import HERE, begin, local_path, sign_in_page
from api.server import Server
from pipeline.errors import SettingsError

PATH = f"{HERE}/oidc"
"""Where :func:`application` is mounted: people leave by ``/aller`` and come back by ``/retour``, which the provider
must know as ``https://…/connexion/oidc/retour``."""
_COOKIE = "memoire-oidc"
_MINUTES = 10
"""For signing in at the provider."""
_SECONDS = 10.0
"""Longest wait for the provider."""


def application(server: Server) -> ASGIApp:
    """What answers under ``PATH``. Raises SettingsError where a setting or the package is missing."""
    serve = server.settings.serve
    try:
        import httpx2
        from authlib.common.errors import AuthlibBaseError
        from authlib.integrations.starlette_client import OAuth
        from joserfc.errors import JoseError
        from starlette.middleware.sessions import SessionMiddleware
    except ImportError as error:
        raise SettingsError(
            "La connexion par OpenID Connect demande des paquets absents",
            where=error.name,
            remedy="Installez-les : pip install 'memoire[oidc]'.",
        ) from error
    issuer = urlsplit(serve.oidc_issuer)
    if issuer.scheme != "https" and issuer.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise SettingsError(
            "Le fournisseur d’identité doit être en https",
            where=serve.oidc_issuer,
            remedy="Corrigez serve.oidc_issuer.",
        )
    if not serve.oidc_client_id:
        raise SettingsError("Il manque le réglage serve.oidc_client_id", remedy="Le fournisseur d’identité le donne.")
    provider: Any = OAuth().register(
        "provider",
        client_id=serve.oidc_client_id,
        client_secret=serve.oidc_client_secret.get_secret_value() or None,
        server_metadata_url=f"{serve.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "timeout": _SECONDS},
    )
    # RuntimeError: Authlib's, for metadata without an address it needs; ValueError: what is no JSON.
    failures = (AuthlibBaseError, JoseError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, RuntimeError)

    async def start(request: Request) -> Response:
        suite = local_path(request.query_params.get("suite", "/"))
        try:
            await _same_issuer(provider, serve.oidc_issuer)
            answer: Response = await provider.authorize_redirect(request, f"{request.base_url}{PATH[1:]}/retour")
        except failures:
            return await _refused(server, request, "unreachable", "Le fournisseur d’identité ne répond pas bien.")
        request.session["suite"] = suite
        return answer

    async def back(request: Request) -> Response:
        suite = local_path(request.session.pop("suite", "/"))
        try:
            await _same_issuer(provider, serve.oidc_issuer)
            token = await provider.authorize_access_token(request)
        except failures:
            return await _refused(server, request, "failed", "Le fournisseur d’identité n’a pas confirmé la connexion.")
        claims = token.get("userinfo") or {}
        name = claims.get(serve.oidc_claim)
        unsure = serve.oidc_claim == "email" and claims.get("email_verified") is not True
        user = await run_sync(server.identity.user, name) if isinstance(name, str) and not unsure else None
        if user is None or not user.enabled:
            told = "Votre compte est connu de l’entreprise, mais pas de ce serveur : demandez à qui l’administre."
            return await _refused(server, request, "unknown-user", told)
        return await run_sync(partial(begin, server, request, user.name, suite, how="oidc"))

    def kept(https: bool) -> ASGIApp:
        """The state, nonce and PKCE verifier go into a signed cookie, for as long as this process lives. Lax: it must
        come back with the provider's redirection."""
        routes = Router([Route("/aller", start), Route("/retour", back)])
        return SessionMiddleware(
            routes, secret, _COOKIE, max_age=_MINUTES * 60, path=PATH, same_site="lax", https_only=https
        )

    secret = secrets.token_urlsafe(32)
    by_scheme = {https: kept(https) for https in (False, True)}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await by_scheme[scope.get("scheme") == "https"](scope, receive, send)

    return answer


async def _same_issuer(provider: Any, issuer: str) -> None:
    """The metadata must be those of the issuer they were asked from (OpenID Connect Discovery, § 4.3)."""
    metadata = await provider.load_server_metadata()
    if metadata.get("issuer") != issuer:
        raise ValueError("issuer")


async def _refused(server: Server, request: Request, why: str, told: str) -> Response:
    address = request.client.host if request.client else ""
    await run_sync(partial(server.journal.note, "", "sign-in-refused", how="oidc", why=why, address=address))
    return sign_in_page(server, request, "/", told)
