"""What the screens of the work share: the jobs a page shows, and asking for one."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from api.access import Asked
from api.asking import ask
from api.jobs import Job, checked
from api.params import Kind
from api.problems import problem_of
from api.server import Server
from pipeline.errors import MemoireError
from pipeline.french import typeset
from pipeline.workspace import Dossier

RECENT = dt.timedelta(minutes=15)
"""How long a page still tells of a job that has ended."""


def shown(server: Server, dossier: Dossier, *kinds: Kind) -> list[Job]:
    """The jobs of these kinds a page shows: those under way, and the last that ended where that was just now."""
    listed = [job for job in server.jobs.listed(dossier.root.name) if job.kind in kinds]
    since = (dt.datetime.now(dt.UTC) - RECENT).isoformat()
    ended = max((job for job in listed if job.finished), key=lambda job: job.finished or "", default=None)
    recent = [ended] if ended and (ended.finished or "") > since else []
    under_way = [job for job in reversed(listed) if job.finished is None]
    return [*sorted(under_way, key=lambda job: job.state != "running"), *recent]


def asked_for(server: Server, asked: Asked, kind: Kind, params: Mapping[str, Any]) -> Job:
    """A job under way for just this, or a new one: a second click asks for nothing more."""
    wanted = checked(kind, params)
    under_way = server.jobs.active(asked.dossier.root.name)
    same = next((job for job in under_way if job.kind == kind and job.params == wanted), None)
    return same or ask(server, asked, kind, wanted)


def stamp(dossier: Dossier) -> str:
    """Changes whenever a section does: a page shows its sections again when it is no longer theirs."""
    folder = dossier.root / "drafts"
    states = sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob("*.json"))
    return hashlib.sha256(repr(states).encode()).hexdigest()[:12]


def line(error: MemoireError) -> str:
    """A refusal as a page says it, without the server's paths."""
    return typeset(problem_of(error).detail)
