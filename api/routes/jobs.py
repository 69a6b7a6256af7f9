"""Jobs: what takes time is asked for here, and followed. A job outlives the connection, and the server's restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.access import Asked, api_dossier
from api.asking import ask
from api.jobs import Job
from api.problems import NotFound
from api.schemas import JobRequest
from api.server import Server, server_of
from api.typed import TypedRoute

router = APIRouter(prefix="/v1/dossiers/{dossier}/jobs", tags=["travaux"], route_class=TypedRoute)
Reader = Annotated[Asked, Depends(api_dossier("read"))]
Shared = Annotated[Server, Depends(server_of)]


@router.get("")
def jobs(server: Shared, asked: Reader) -> list[Job]:
    """The dossier's last hundred jobs, newest first."""
    return server.jobs.listed(asked.dossier.root.name)


@router.post("", status_code=202)
def submit(
    sent: JobRequest,
    response: Response,
    server: Shared,
    asked: Reader,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="The same key with the same request gives the same job")
    ] = None,
) -> Job:
    """Ask for work: « prepare » reads and indexes, « draft » writes sections (all where none is named), « export »,
    « frames » and « pack » make files, « evaluate » scores."""
    job = ask(server, asked, sent.kind, sent.model_dump(mode="json", exclude={"kind"}), idempotency_key)
    response.headers["Location"] = f"/v1/dossiers/{job.dossier}/jobs/{job.id}"
    return job


@router.get("/{job}")
def job(server: Shared, asked: Reader, job: str) -> Job:
    """Where a job stands."""
    return found_job(server, asked, job)


@router.post("/{job}/cancel")
def cancel(server: Shared, asked: Reader, job: str) -> Job:
    """Stop a job: at once where it waits, within a sentence where it runs. What it finished stays."""
    found = found_job(server, asked, job)
    if found.by != asked.caller.user:
        asked.must("write")
    server.journal.note(asked.caller.user, "cancel", dossier=found.dossier, job=found.id)
    return server.jobs.cancel(found.dossier, found.id)


@router.get(
    "/{job}/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(server: Shared, asked: Reader, job: str) -> EventSourceResponse:
    """The job at each change, as server-sent events (« event: job », its JSON as data), until it ends."""
    found = found_job(server, asked, job)

    async def changes() -> AsyncIterator[ServerSentEvent]:
        async for change in server.jobs.watch(found.dossier, found.id):
            yield ServerSentEvent(event="job", data=change.model_dump_json())

    return EventSourceResponse(changes())


def found_job(server: Server, asked: Asked, name: str) -> Job:
    """The dossier's job of this name. Raises NotFound."""
    found = server.jobs.get(asked.dossier.root.name, name)
    if found is None:
        raise NotFound("Ce travail n’existe pas", where=name)
    return found
