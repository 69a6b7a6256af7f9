"""Models and machine, one's own keys, and the users of the server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from api.access import Caller, by_session, csrf
from api.pages.rendering import go, render
from api.problems import Forbidden, NotFound
from api.server import Server, server_of
from pipeline import machine, weights
from pipeline.weights import Manifest, Model

router = APIRouter(include_in_schema=False)
Shared = Annotated[Server, Depends(server_of)]
Signed = Annotated[Caller, Depends(by_session)]
LONGEST = 3650
"""Days a key may last at most."""


def server_admin(caller: Signed) -> Caller:
    """Whoever manages the server. Raises NotFound for others: they need not know the page."""
    if not caller.admin:
        raise NotFound("Cette page n’existe pas")
    return caller


Admin = Annotated[Caller, Depends(server_admin)]


@router.get("/modeles")
def models(request: Request, server: Shared, caller: Signed) -> Response:
    """The models known and present, the machine, the queue."""
    manifest = weights.load_manifest(server.settings.models.folder)
    llm = server.settings.llm
    return render(
        request,
        "modeles.html.jinja",
        models=[(model, manifest.path(model).exists(), _checked(manifest, model)) for model in manifest.models],
        used={llm.model if not llm.url else "", server.settings.embed.model},
        remote=llm.model if llm.url else "",
        machine={
            "cores": machine.cores(),
            "total": machine.memory_total(),
            "free": machine.memory_available(),
            "sets": machine.instruction_sets(),
        },
        counts=server.jobs.counts(),
        jobs=server.jobs.listed(limit=20) if caller.admin else [],
    )


def _checked(manifest: Manifest, model: Model) -> bool:
    path = manifest.path(model)
    return path.with_name(path.name + ".verified.json").is_file()


@router.get("/compte")
def account(request: Request, server: Shared, caller: Signed) -> Response:
    """One's own keys."""
    return _account(request, server, caller)


@router.post("/compte/cles", dependencies=[Depends(csrf)])
def make_key(
    request: Request,
    server: Shared,
    caller: Signed,
    label: Annotated[str, Form(min_length=1, max_length=100)],
    days: Annotated[int, Form(ge=1, le=LONGEST)] = 365,
) -> Response:
    """Make a key. It is shown in this answer, and never again."""
    key, secret = server.identity.add_key(caller.user, label.strip(), days)
    server.journal.note(caller.user, "key", key=key.id)
    return _account(request, server, caller, secret)


@router.post("/compte/cles/{key}/revoquer", dependencies=[Depends(csrf)])
def revoke_key(request: Request, server: Shared, caller: Signed, key: str) -> Response:
    """Revoke one of one's own keys."""
    if key not in {item.id for item in server.identity.keys(caller.user)}:
        raise NotFound("Cette clé n’existe pas")
    server.identity.revoke(key)
    server.journal.note(caller.user, "revoke", key=key)
    return go(request, "/compte", "La clé est révoquée : elle ne sert plus à rien.")


def _account(request: Request, server: Server, caller: Caller, secret: str = "") -> Response:
    return render(
        request,
        "compte.html.jinja",
        keys=server.identity.keys(caller.user),
        granted=server.identity.dossiers_of(caller.user),
        secret=secret,
    )


@router.get("/utilisateurs")
def users(request: Request, server: Shared, caller: Admin) -> Response:
    """Who may sign in."""
    return _users(request, server)


@router.post("/utilisateurs", dependencies=[Depends(csrf)])
def add_user(
    request: Request,
    server: Shared,
    caller: Admin,
    name: Annotated[str, Form(min_length=1, max_length=64)],
    admin: Annotated[bool, Form()] = False,
    days: Annotated[int, Form(ge=1, le=LONGEST)] = 365,
) -> Response:
    """Add someone, with a first key that is shown once."""
    user = server.identity.add_user(name.strip(), admin=admin)
    _, secret = server.identity.add_key(user.name, "première clé", days)
    server.journal.note(caller.user, "user", user=user.name, admin=admin)
    return _users(request, server, user.name, secret)


@router.post("/utilisateurs/{name}/cle", dependencies=[Depends(csrf)])
def give_key(request: Request, server: Shared, caller: Admin, name: str) -> Response:
    """Give someone who lost theirs a new key, shown once."""
    _known(server, name)
    _, secret = server.identity.add_key(name, f"donnée par {caller.user}", 365)
    server.journal.note(caller.user, "key", user=name)
    return _users(request, server, name, secret)


@router.post("/utilisateurs/{name}/desactiver", dependencies=[Depends(csrf)])
def disable_user(request: Request, server: Shared, caller: Admin, name: str) -> Response:
    """Keep someone out from now on."""
    _known(server, name)
    if name == caller.user:
        raise Forbidden("On ne se désactive pas soi-même", remedy="Demandez-le à un autre administrateur.")
    server.identity.disable(name)
    server.journal.note(caller.user, "disable", user=name)
    return go(request, "/utilisateurs", f"{name} ne peut plus se connecter.")


def _known(server: Server, name: str) -> None:
    if name not in {user.name for user in server.identity.users()}:
        raise NotFound("Cette personne n’existe pas", where=name)


def _users(request: Request, server: Server, made: str = "", secret: str = "") -> Response:
    people = [
        (
            user,
            sum(key.revoked is None for key in server.identity.keys(user.name)),
            server.identity.dossiers_of(user.name),
        )
        for user in server.identity.users()
    ]
    return render(request, "utilisateurs.html.jinja", people=people, made=made, secret=secret)
