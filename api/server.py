"""What the routes share: where the dossiers are, who may do what, the jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from api.identity import Identity
from api.jobs import Jobs
from api.journal import Journal
from pipeline.french import fold
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
    """The user's; a dossier's own ``settings.toml`` comes over them for its work."""
    identity: Identity
    jobs: Jobs
    journal: Journal

    @property
    def uploads(self) -> Path:
        return self.state / "uploads"


def create_server(root: Path, library: Sequence[Path], settings: Settings) -> Server:
    """The server over the dossiers in ``root``, made where it is absent; only its owner may read its state."""
    state = root / STATE
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)
    (state / "uploads").mkdir(exist_ok=True)
    server = Server(
        root=root,
        state=state,
        library=tuple(path.resolve() for path in library),
        settings=settings,
        identity=Identity(state / "memoire.db", session_hours=settings.serve.session_hours),
        jobs=Jobs(state, settings.serve.queue),
        journal=Journal(state / "journal.jsonl"),
    )
    for path in state.iterdir():
        path.chmod(0o700 if path.is_dir() else 0o600)
    return server


def server_of(request: Request) -> Server:
    """A route's server."""
    server: Server = request.app.state.server
    return server


def slug(name: str) -> str:
    """A dossier's identifier from its name: lower-case letters without accents, digits and hyphens, 60 at most."""
    return re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:60].strip("-")
