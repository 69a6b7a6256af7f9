"""« memoire users »: who may use the server. It works on the server's files, whether it runs or not."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Column, Table

from pipeline.console import err, out, print_json
from pipeline.errors import DossierError, SettingsError

if TYPE_CHECKING:  # most commands do without the server
    from api.server import Server

users_app = typer.Typer(help="Les utilisateurs du serveur, leurs clés et leurs rôles.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NOM", help="Nom de l'utilisateur.")]
DossierId = Annotated[str, typer.Argument(metavar="DOSSIER", help="Nom du dossier sous la racine.")]
Root = Annotated[Path, typer.Option("--root", metavar="RACINE", help="Où sont les dossiers du serveur.")]
Days = Annotated[int, typer.Option("--days", metavar="N", min=0, help="Durée de la clé, en jours ; 0 : sans fin.")]
HERE = Path("dossiers")
YEAR = 365
"""Days a key lasts unless told otherwise: one forgotten somewhere ends by itself."""


@users_app.command("add")
def add(
    name: Name,
    root: Root = HERE,
    admin: Annotated[bool, typer.Option("--admin", help="Administrateur du serveur : tout, partout.")] = False,
    days: Days = YEAR,
) -> None:
    """Ajoute un utilisateur et montre sa clé, une seule fois. Le premier est administrateur du serveur."""
    server = _server(root, make=True)
    made = server.identity.add_user(name, admin=admin or not server.identity.users())
    server.journal.note(_who(), "user", user=made.name, admin=made.admin)
    role = "administrateur du serveur" if made.admin else "sans rôle : donnez-en un avec « memoire users grant »"
    err.print(f"Utilisateur ajouté : {made.name}, {role}.", markup=False)
    _make_key(server, made.name, "première clé", days)


@users_app.command("list")
def listed(root: Root = HERE, form: Annotated[str, typer.Option("--format", help="text ou json.")] = "text") -> None:
    """Liste les utilisateurs, leurs clés et leurs rôles."""
    if form not in ("text", "json"):
        raise SettingsError(f"Format « {form} » inconnu", remedy="Formats : text, json.")
    identity = _server(root).identity
    users = [(user, identity.keys(user.name), identity.dossiers_of(user.name)) for user in identity.users()]
    if form == "json":
        told = [
            {**user.model_dump(), "keys": [key.model_dump() for key in keys], "dossiers": roles}
            for user, keys, roles in users
        ]
        print_json({"users": told})
        return
    table = Table(
        "Utilisateur",
        "État",
        "Rôles",
        Column("Clé", no_wrap=True, min_width=12),
        "Étiquette",
        "Expire",
        "Dernier usage",
    )
    for user, keys, roles in users:
        state = "désactivé" if not user.enabled else "administrateur" if user.admin else "actif"
        first = (user.name, state, ", ".join(f"{dossier} : {role}" for dossier, role in roles.items()))
        for key in keys:
            end = "révoquée" if key.revoked else (key.expires or "jamais")[:10]
            table.add_row(*first, key.id, key.label, end, key.last_used or "jamais")
            first = ("", "", "")
        if not keys:
            table.add_row(*first, "aucune", "", "", "")
    out.print(table)


@users_app.command("key")
def make_key(
    name: Name,
    root: Root = HERE,
    label: Annotated[str, typer.Option("--label", metavar="TEXTE", help="À quoi elle sert.")] = "",
    days: Days = YEAR,
) -> None:
    """Fait une nouvelle clé et la montre, une seule fois."""
    _make_key(_server(root), name, label, days)


@users_app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="CLÉ", help="Identifiant de la clé (voyez « memoire users list »).")],
    root: Root = HERE,
) -> None:
    """Met fin à une clé, et aux sessions qu'elle a ouvertes."""
    server = _server(root)
    ended = server.identity.revoke(key)
    server.journal.note(_who(), "revoke", user=ended.user, key=ended.id)
    out.print(f"Clé révoquée : {ended.id}, de {ended.user}.", markup=False)


@users_app.command("disable")
def disable(name: Name, root: Root = HERE) -> None:
    """Ferme le serveur à un utilisateur : ses clés et ses sessions s'arrêtent aussitôt."""
    server = _server(root)
    user = server.identity.disable(name)
    server.journal.note(_who(), "disable", user=user.name)
    out.print(f"Utilisateur désactivé : {user.name}.", markup=False)


@users_app.command("enable")
def enable(name: Name, root: Root = HERE) -> None:
    """Rouvre le serveur à un utilisateur ; il lui faut une nouvelle clé."""
    server = _server(root)
    user = server.identity.enable(name)
    server.journal.note(_who(), "enable", user=user.name)
    out.print(f"Utilisateur réactivé : {user.name}. Faites-lui une clé : memoire users key {user.name}", markup=False)


@users_app.command("grant")
def grant(
    name: Name,
    dossier: DossierId,
    role: Annotated[
        Literal["reviewer", "writer", "admin"],
        typer.Argument(metavar="RÔLE", help="reviewer (relit), writer (rédige) ou admin (gère aussi les membres)."),
    ],
    root: Root = HERE,
) -> None:
    """Donne à un utilisateur un rôle dans un dossier."""
    from api.access import is_dossier

    server = _server(root)
    if not is_dossier(server, dossier):
        raise DossierError("Ce dossier n'est pas dans la racine du serveur", where=root / dossier, remedy="Vérifiez.")
    server.identity.grant(dossier, name, role)
    server.journal.note(_who(), "grant", dossier=dossier, user=name, role=role)
    out.print(f"{name} est « {role} » dans {dossier}.", markup=False)


@users_app.command("ungrant")
def ungrant(name: Name, dossier: DossierId, root: Root = HERE) -> None:
    """Retire à un utilisateur son rôle dans un dossier."""
    server = _server(root)
    server.identity.ungrant(dossier, name)
    server.journal.note(_who(), "ungrant", dossier=dossier, user=name)
    out.print(f"{name} n'a plus de rôle dans {dossier}.", markup=False)


def _make_key(server: Server, name: str, label: str, days: int) -> None:
    """The key alone on stdout, so that it can be piped into a vault of secrets."""
    key, secret = server.identity.add_key(name, label, days or None)
    server.journal.note(_who(), "key", user=key.user, key=key.id, expires=key.expires)
    end = f"jusqu'au {key.expires[:10]}" if key.expires else "sans fin"
    err.print(f"Sa clé, {end}, gardez-la : elle ne sera plus montrée.", markup=False)
    out.print(secret, markup=False)


def _server(root: Path, *, make: bool = False) -> Server:
    from api.server import STATE, create_server
    from pipeline import settings

    if not make and not (root / STATE).is_dir():
        raise DossierError(
            "Aucun serveur n'a ses dossiers ici",
            where=root,
            remedy="Donnez sa racine avec --root, ou commencez par « memoire users add ».",
        )
    return create_server(root, [], settings.load())


def _who() -> str:
    """The account of the machine, as the journal names it."""
    return f"terminal:{getpass.getuser()}"
