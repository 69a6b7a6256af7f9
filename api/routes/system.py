"""Is it alive, can it work, what does it run on. Only the first two need no key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request
from starlette.responses import JSONResponse

from api import metrics
from api.access import Caller, by_key
from api.schemas import Health, MachineInfo, ModelInfo, Readiness
from api.server import Server, server_of
from api.worker import at_work
from pipeline import machine, weights
from pipeline.errors import MemoireError

router = APIRouter(tags=["serveur"])


@router.get("/health")
def health() -> Health:
    """The server answers."""
    return Health()


@router.get("/ready", responses={503: {"model": Readiness}})
def ready(server: Annotated[Server, Depends(server_of)]) -> JSONResponse:
    """Whether jobs can be done now: models present, worker alive. What is missing is only counted here, as anyone may
    ask; ``/v1/models`` names it."""
    missing = len(_missing(server))
    status = Readiness(status="incomplete" if missing else "ok", missing=[f"{missing} conditions"] if missing else [])
    return JSONResponse(status.model_dump(), 503 if missing else 200)


def _missing(server: Server) -> list[str]:
    found = []
    manifest = weights.load_manifest(server.settings.models.folder)
    names = [] if server.settings.llm.url else [server.settings.llm.model]
    for name in [*names, server.settings.embed.model]:
        try:
            if "/" not in name and not manifest.path(manifest.find(name)).exists():
                found.append(f"Le modèle {name} n’est pas sur cette machine.")
        except MemoireError as error:
            found.append(str(error))
    if not at_work(server.state):
        found.append("Aucun exécutant ne prend les travaux.")
    return found


@router.get("/metrics", response_class=Response, include_in_schema=False)
def prometheus(request: Request, caller: Annotated[Caller, Depends(by_key)]) -> Response:
    """Metrics in Prometheus' text format."""
    return metrics.page(request.app)


@router.get("/v1/openapi.json", include_in_schema=False)
def description(request: Request, caller: Annotated[Caller, Depends(by_key)]) -> dict[str, Any]:
    """This API's OpenAPI document."""
    told: dict[str, Any] = request.app.openapi()
    return told


@router.get("/v1/models")
def models(
    server: Annotated[Server, Depends(server_of)], caller: Annotated[Caller, Depends(by_key)]
) -> list[ModelInfo]:
    """The models this server knows, and which it uses."""
    manifest = weights.load_manifest(server.settings.models.folder)
    used = {server.settings.llm.model, server.settings.embed.model}
    return [
        ModelInfo(
            **model.model_dump(include={"name", "role", "licence", "publisher", "country", "bytes", "sha256"}),
            present=manifest.path(model).exists(),
            used=model.name in used,
        )
        for model in manifest.models
    ]


@router.get("/v1/machine")
def about_machine(
    server: Annotated[Server, Depends(server_of)], caller: Annotated[Caller, Depends(by_key)]
) -> MachineInfo:
    """The machine, and the jobs it has."""
    return MachineInfo(
        cores=machine.cores(),
        memory_total=machine.memory_total(),
        memory_available=machine.memory_available(),
        instruction_sets=list(machine.instruction_sets()),
        jobs=server.jobs.counts(),
    )
