"""Who asks, and may they: what the routes depend on.

The API (/v1) takes keys only and the pages take sessions only. A browser sends its cookie by itself, so that every form
proves it was ours (:func:`csrf`); it never sends a key by itself, so that the API needs no such proof.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.identity import Identity, Role, Session
from api.problems import Forbidden, NotFound, Refusal, Unauthorized
from api.server import Server, server_of
from pipeline.workspace import Dossier

COOKIE = "memoire"
"""Holds the session's token."""
CSRF_FIELD, CSRF_HEADER = "_csrf", "x-csrf-token"

Permission = Literal["read", "review", "write", "manage"]
"""read: see, search, download, ask for an export or an evaluation. review: upload a corrected Word, compare, accept it,
validate, lock. write: drafts, text, answers, corrections, DCE files, frames, pack, unlock. manage: members."""

_MAY: dict[Role, tuple[Permission, ...]] = {
    "reviewer": ("read", "review"),
    "writer": ("read", "review", "write"),
    "admin": ("read", "review", "write", "manage"),
}
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    user: str
    admin: bool
    """Of the server."""


@dataclass(frozen=True)
class Asked:
    """A dossier, and who asks what of it."""

    dossier: Dossier
    caller: Caller
    role: Role
    """An administrator of the server is « admin » in every dossier."""

    def may(self, permission: Permission) -> bool:
        """Whether the caller's role allows it: what a page shows or hides."""
        return permission in _MAY[self.role]

    def must(self, permission: Permission) -> None:
        """Raises Forbidden where it does not."""
        if not self.may(permission):
            raise Forbidden("Votre rôle dans ce dossier ne le permet pas", remedy="Voyez avec qui l’administre.")


class SignInNeeded(Refusal):
    """Nobody is signed in: the page to do it comes first."""

    status, code = 303, "connexion-requise"


# --- who asks


def key_sent(request: Request) -> str:
    """The key a request carries, ``Authorization: Bearer`` or ``X-API-Key``; empty where it has none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def caller_by_key(identity: Identity, request: Request) -> Caller | None:
    secret = key_sent(request)
    user = identity.by_secret(secret) if secret else None
    return Caller(user.name, user.admin) if user else None


def session_of(identity: Identity, request: Request) -> Session | None:
    token = request.cookies.get(COOKIE)
    return identity.session(token) if token else None


def by_key(
    request: Request,
    _bearer: Annotated[Any, Security(HTTPBearer(auto_error=False, scheme_name="key"))] = None,
    _header: Annotated[Any, Security(APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="header"))] = None,
) -> Caller:
    """The caller of the API (the two other parameters only describe it). Raises Unauthorized."""
    caller = caller_by_key(server_of(request).identity, request)
    if caller is None:
        raise Unauthorized(
            "Clé refusée" if key_sent(request) else "Clé absente",
            remedy="Envoyez une clé valable dans l’en-tête « Authorization: Bearer mk_… ».",
        )
    return caller


def signed_in(request: Request) -> Session:
    """The session of a page; its ``csrf`` goes into the page's forms. Raises SignInNeeded."""
    session = session_of(server_of(request).identity, request)
    if session is None:
        raise SignInNeeded("Connectez-vous d’abord")
    return session


def by_session(session: Annotated[Session, Depends(signed_in)]) -> Caller:
    """Who looks at a page."""
    return Caller(session.user.name, session.user.admin)


# --- may they


def api_dossier(permission: Permission) -> Callable[..., Asked]:
    """The dossier that the path names as ``{dossier}``, for a caller with a key and this permission in it.

    Raises NotFound in the same words where there is none and where it is another's, Forbidden where the role does not
    allow it.
    """

    def asked(
        request: Request,
        dossier: Annotated[str, Path(description="Identifier of the dossier", examples=["gestion-des-actes"])],
        caller: Annotated[Caller, Depends(by_key)],
    ) -> Asked:
        return _asked(server_of(request), dossier, caller, permission)

    return asked


def page_dossier(permission: Permission) -> Callable[..., Asked]:
    """The same for a page, by session."""

    def asked(request: Request, dossier: str, caller: Annotated[Caller, Depends(by_session)]) -> Asked:
        return _asked(server_of(request), dossier, caller, permission)

    return asked


def visible(server: Server, caller: Caller) -> list[Asked]:
    """The dossiers a caller may see, by identifier."""
    found = sorted(path.parent.name for path in server.root.glob("*/dossier.yaml"))
    roles = server.identity.dossiers_of(caller.user)
    return [
        Asked(Dossier(server.root / name), caller, "admin" if caller.admin else roles[name])
        for name in found
        if _ID.fullmatch(name) and (caller.admin or name in roles)
    ]


def is_dossier(server: Server, name: str) -> bool:
    """Whether there is a dossier of this identifier; one that is no identifier never reaches the disk."""
    return bool(_ID.fullmatch(name)) and (server.root / name / "dossier.yaml").is_file()


def server_admin(caller: Annotated[Caller, Depends(by_key)]) -> Caller:
    """An administrator of the server, with a key. Raises Forbidden."""
    if not caller.admin:
        raise Forbidden("Cela est réservé aux administrateurs du serveur")
    return caller


def _asked(server: Server, name: str, caller: Caller, permission: Permission) -> Asked:
    granted = "admin" if caller.admin else server.identity.role(name, caller.user)
    if granted is None or not is_dossier(server, name):
        raise NotFound("Ce dossier n’existe pas, ou ne vous est pas ouvert")
    asked = Asked(Dossier(server.root / name), caller, granted)
    asked.must(permission)
    return asked


# --- forms


async def csrf(request: Request, session: Annotated[Session, Depends(signed_in)]) -> None:
    """Holds an unsafe request of a page to its session: the field ``_csrf`` or the header ``X-CSRF-Token`` carries the
    session's word, and the browser does not say that another site asked. Raises Forbidden."""
    from_here(request)
    sent = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
    if not same_word(sent, session.csrf):
        raise _forged()


def same_word(sent: object, kept: str) -> bool:
    """Compared in constant time."""
    return isinstance(sent, str) and hmac.compare_digest(sent.encode(), kept.encode())


def from_here(request: Request) -> None:
    """Refuse what the browser says another site asked for. Raises Forbidden.

    ``Sec-Fetch-Site`` decides where it is sent. Elsewhere (plain HTTP on a network) ``Origin`` does; it is « null » for
    our own forms too, because our pages send no referrer: then the word in the form is what protects.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    if site is None:
        foreign = origin != "null" and urlsplit(origin).netloc != request.headers.get("host", "")
    else:
        foreign = site not in ("same-origin", "none")
    if foreign:
        raise _forged()


def _forged() -> Forbidden:
    return Forbidden("Cette demande ne vient pas de la page ouverte", remedy="Rechargez la page et recommencez.")
