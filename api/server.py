"""What the routes share: where the dossiers are, who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from api.identity import Identity
from api.journal import Journal
from pipeline.settings import Settings

STATE = ".serveur"
"""The server's own folder among the dossiers."""


@dataclass(frozen=True)
class Server:
    """One a process."""

    root: Path
    """The dossiers lie directly in it."""
    state: Path
    library: tuple[Path, ...]
    """The firm's library, given to new dossiers."""
    settings: Settings
    identity: Identity
    journal: Journal


def create_server(root: Path, library: Sequence[Path], settings: Settings) -> Server:
    """The server over the dossiers in ``root``, made where it is absent; only its owner may read its state."""
    state = root / STATE
    return Server(
        root=root,
        state=state,
        library=tuple(path.resolve() for path in library),
        settings=settings,
        identity=Identity(state / "memoire.db", session_hours=settings.serve.session_hours),
        journal=Journal(state / "journal.jsonl"),
    )


def server_of(request: Request) -> Server:
    """A route's server."""
    server: Server = request.app.state.server
    return server
