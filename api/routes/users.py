"""Users, keys, members of a dossier, and the journal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field

from api.access import Asked, Caller, api_dossier, by_key, server_admin, visible
from api.identity import Grant, Key, Role, User
from api.journal import Entry
from api.problems import NotFound
from api.server import Server, server_of
from api.typed import TypedRoute

router = APIRouter(prefix="/v1", tags=["utilisateurs"], route_class=TypedRoute)

Shared = Annotated[Server, Depends(server_of)]
Known = Annotated[Caller, Depends(by_key)]
Admin = Annotated[Caller, Depends(server_admin)]
Managed = Annotated[Asked, Depends(api_dossier("manage"))]
UserName = Annotated[str, PathParameter(max_length=64, description="A user's name", examples=["paul"])]
KeyId = Annotated[str, PathParameter(max_length=20, description="A key's identifier", examples=["3f9a1c0b7d2e"])]
Last = Annotated[int, Query(ge=1, le=1000, description="How many lines, the most recent")]


class _Sent(BaseModel):
    """What a client sends: a field nobody knows is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")


class Me(BaseModel):
    """Who the key belongs to."""

    user: str = Field(examples=["jeanne"])
    admin: bool
    """Of the server."""
    dossiers: dict[str, Role] = Field(examples=[{"gestion-des-actes": "writer"}])
    """Those the user may see, and as what."""


class UserSent(_Sent):
    """A new user."""

    name: str = Field(min_length=1, max_length=64, examples=["paul"])
    admin: bool = False


class KeySent(_Sent):
    """A key wanted."""

    label: str = Field(default="", max_length=100, examples=["script du lundi"])
    days: int | None = Field(default=365, ge=1, le=3650)
    """Until it expires; ``null``: it does not."""


class KeyMade(BaseModel):
    """A new key with its secret, which is never shown again."""

    key: Key
    secret: str = Field(examples=["mk_3f9a1c0b7d2e_" + "x" * 43])


class RoleSent(_Sent):
    """What a member may do."""

    role: Role = Field(examples=["writer"])


@router.get("/me")
def me(server: Shared, caller: Known) -> Me:
    """Who I am, and the dossiers I may see."""
    roles = {asked.dossier.root.name: asked.role for asked in visible(server, caller)}
    return Me(user=caller.user, admin=caller.admin, dossiers=roles)


@router.get("/me/keys")
def my_keys(server: Shared, caller: Known) -> list[Key]:
    """My keys, without their secrets."""
    return server.identity.keys(caller.user)


@router.post("/me/keys", status_code=201)
def make_my_key(server: Shared, caller: Known, wanted: KeySent) -> KeyMade:
    """A new key of mine; its secret is shown this once."""
    return _make_key(server, caller, caller.user, wanted)


@router.delete("/me/keys/{key}", status_code=204)
def revoke_my_key(server: Shared, caller: Known, key: KeyId) -> None:
    """End a key of mine, at once."""
    _revoke(server, caller, caller.user, key)


@router.get("/users")
def users(server: Shared, _: Admin) -> list[User]:
    """All users."""
    return server.identity.users()


@router.post("/users", status_code=201)
def make_user(server: Shared, caller: Admin, wanted: UserSent) -> User:
    """A new user, who has no key yet."""
    made = server.identity.add_user(wanted.name, admin=wanted.admin)
    server.journal.note(caller.user, "user", user=made.name, admin=made.admin)
    return made


@router.post("/users/{user}/disable")
def disable_user(server: Shared, caller: Admin, user: UserName) -> User:
    """Shut a user out: keys and sessions end at once."""
    disabled = server.identity.disable(user)
    server.journal.note(caller.user, "disable", user=disabled.name)
    return disabled


@router.post("/users/{user}/enable")
def enable_user(server: Shared, caller: Admin, user: UserName) -> User:
    """Let a user in again, with a new key."""
    enabled = server.identity.enable(user)
    server.journal.note(caller.user, "enable", user=enabled.name)
    return enabled


@router.get("/users/{user}/keys")
def keys(server: Shared, _: Admin, user: UserName) -> list[Key]:
    """A user's keys, without their secrets."""
    return server.identity.keys(_user(server, user).name)


@router.post("/users/{user}/keys", status_code=201)
def make_key(server: Shared, caller: Admin, user: UserName, wanted: KeySent) -> KeyMade:
    """A new key for a user; its secret is shown this once."""
    return _make_key(server, caller, user, wanted)


@router.delete("/users/{user}/keys/{key}", status_code=204)
def revoke_key(server: Shared, caller: Admin, user: UserName, key: KeyId) -> None:
    """End a user's key, at once."""
    _revoke(server, caller, user, key)


@router.get("/dossiers/{dossier}/members")
def members(server: Shared, asked: Managed) -> list[Grant]:
    """Who may do what in a dossier; administrators of the server may everything and are not among them."""
    return server.identity.grants(asked.dossier.root.name)


@router.put("/dossiers/{dossier}/members/{user}")
def set_member(server: Shared, asked: Managed, user: UserName, wanted: RoleSent) -> Grant:
    """Give a user a role in a dossier, instead of any other."""
    name, member = asked.dossier.root.name, _user(server, user).name
    server.identity.grant(name, member, wanted.role)
    server.journal.note(asked.caller.user, "grant", dossier=name, user=member, role=wanted.role)
    return Grant(dossier=name, user=member, role=wanted.role)


@router.delete("/dossiers/{dossier}/members/{user}", status_code=204)
def remove_member(server: Shared, asked: Managed, user: UserName) -> None:
    """Take a user's role in a dossier away."""
    name, member = asked.dossier.root.name, _user(server, user).name
    server.identity.ungrant(name, member)
    server.journal.note(asked.caller.user, "ungrant", dossier=name, user=member)


@router.get("/journal")
def journal(server: Shared, _: Admin, last: Last = 200) -> list[Entry]:
    """Who did what on the server, oldest first."""
    return server.journal.read(last=last)


@router.get("/dossiers/{dossier}/journal")
def dossier_journal(server: Shared, asked: Managed, last: Last = 200) -> list[Entry]:
    """Who did what in a dossier, oldest first."""
    return server.journal.read(asked.dossier.root.name, last)


def _user(server: Server, name: str) -> User:
    user = server.identity.user(name)
    if user is None:
        raise NotFound("Cet utilisateur n’existe pas", where=name)
    return user


def _make_key(server: Server, caller: Caller, user: str, wanted: KeySent) -> KeyMade:
    key, secret = server.identity.add_key(user, wanted.label, wanted.days)
    server.journal.note(caller.user, "key", user=key.user, key=key.id, expires=key.expires)
    return KeyMade(key=key, secret=secret)


def _revoke(server: Server, caller: Caller, user: str, key_id: str) -> None:
    """Raises NotFound for a key that is another user's, as for none."""
    key = server.identity.key(key_id)
    if key is None or key.user != _user(server, user).name:
        raise NotFound("Cette clé n’existe pas", where=key_id)
    server.identity.revoke(key_id)
    server.journal.note(caller.user, "revoke", user=key.user, key=key.id)
