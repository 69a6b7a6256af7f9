"""What the routes share: where the dossiers are, who may do what, the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api.identity import Identity
from api.jobs import Jobs
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
    jobs: Jobs


def create_server(root: Path, library: Sequence[Path], settings: Settings) -> Server:
    """The server over the dossiers in ``root``, made where it is absent; only its owner may read its state."""
    state = root / STATE
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Server(
        root=root,
        state=state,
        library=tuple(path.resolve() for path in library),
        settings=settings,
        identity=Identity(state / "memoire.db"),
        jobs=Jobs(state, settings.serve.queue),
    )
