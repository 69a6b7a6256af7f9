"""What the buyer imposes, as read and as people corrected it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.access import Asked, api_dossier
from api.schemas import CorrectionsSent
from api.server import Server, server_of
from api.typed import TypedRoute
from pipeline import run
from pipeline.records import Compliance, Correction, Tender
from pipeline.workspace import read_consultation

router = APIRouter(prefix="/v1/dossiers/{dossier}", tags=["acheteur"], route_class=TypedRoute)


@router.get("/tender")
def tender(asked: Annotated[Asked, Depends(api_dossier("read"))]) -> Tender:
    """What is believed: the reading, with people's corrections (« origins » says whose each value is)."""
    return read_consultation(asked.dossier)


@router.patch("/tender")
def correct(
    sent: CorrectionsSent,
    server: Annotated[Server, Depends(server_of)],
    asked: Annotated[Asked, Depends(api_dossier("write"))],
) -> Tender:
    """Correct values of the reading, all or none; they are believed from then on, and kept by the next reading."""
    told = [Correction(op=item.op, pointer=item.pointer, value=item.value) for item in sent.corrections]
    believed = run.correct_tender(asked.dossier, told, asked.caller.user)
    pointers = [item.pointer for item in told]
    server.journal.note(asked.caller.user, "correct", dossier=asked.dossier.root.name, fields=pointers)
    return believed


@router.get("/compliance")
def compliance(asked: Annotated[Asked, Depends(api_dossier("read"))]) -> list[Compliance]:
    """Every requirement, the section that answers it, and its answer; empty while nothing is drafted."""
    return list(run.memoire_of(asked.dossier).compliance)
