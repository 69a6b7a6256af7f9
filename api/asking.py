"""A request for work -> a job: who may ask it, and what it must not run beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.access import Asked, Permission
from api.jobs import Job
from api.params import Kind
from api.server import Server
from pipeline.settings import load as load_settings
from pipeline.workspace import Dossier

WANTS: Mapping[Kind, Permission] = {
    "prepare": "write",
    "draft": "write",
    "frames": "write",
    "pack": "write",
    "export": "read",
    "evaluate": "read",
    "review": "review",
}
"""What the caller must be allowed."""


def ask(server: Server, asked: Asked, kind: Kind, params: Mapping[str, Any], key: str | None = None) -> Job:
    """Queue the work and note who asked. Raises Forbidden, or Conflict where ``key`` was another request's."""
    asked.must(WANTS[kind])
    name = asked.dossier.root.name
    job = server.jobs.submit(name, kind, params, lane=lane_of(asked.dossier, kind), by=asked.caller.user, key=key)
    server.journal.note(asked.caller.user, "job", dossier=name, kind=kind, job=job.id)
    return job


def lane_of(dossier: Dossier, kind: Kind) -> str:
    """Drafts with one model go one at a time, and so do indexings; the rest only waits for its own like."""
    if kind == "draft":
        llm = load_settings(dossier.root).llm
        return f"llm:{llm.url or llm.model}"
    return "embedder" if kind == "prepare" else f"{dossier.root.name}:{kind}"
