"""The evaluation: coverage against the criteria, as the last job « evaluate » left it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from api.access import Asked, api_dossier
from api.problems import NotFound
from pipeline import run
from pipeline.records import AcceptanceRate, CoverageReport
from pipeline.workspace import Dossier

router = APIRouter(prefix="/v1/dossiers/{dossier}/evaluation", tags=["évaluation"])
Reader = Annotated[Asked, Depends(api_dossier("read"))]
FILE = "evaluation.json"


class TrendPoint(BaseModel):
    """An evaluation kept in the journal."""

    when: str
    coverage: float = Field(ge=0, le=1)
    """Weighted by the criteria where they have weights."""


@router.get("")
def evaluation(asked: Reader) -> CoverageReport:
    """The last evaluation (a job « evaluate » makes it anew). It measures coverage, not the jury's taste."""
    found = last_evaluation(asked.dossier)
    if found is None:
        raise NotFound("Ce dossier n’a pas encore été évalué", remedy="Demandez un travail « evaluate ».")
    return found


@router.get("/trend")
def trend(asked: Reader) -> list[TrendPoint]:
    """Coverage at each state of the drafts that was evaluated, oldest first."""
    return [TrendPoint(when=when, coverage=value) for when, value in run.trend(asked.dossier)]


@router.get("/acceptance")
def acceptance(asked: Reader) -> list[AcceptanceRate]:
    """How much people kept of what each model wrote with each prompt."""
    return list(run.acceptance(asked.dossier))


def last_evaluation(dossier: Dossier) -> CoverageReport | None:
    """As the last job left it; ``None`` before the first."""
    path = dossier.export / FILE
    return CoverageReport.model_validate_json(path.read_bytes()) if path.is_file() else None
