"""Where a dossier stands, for lists: what is drafted, what is left to answer, when offers close."""

from __future__ import annotations

import datetime as dt

from api.access import Asked
from api.schemas import DossierInfo
from api.server import Server
from pipeline import run
from pipeline.records import Tender
from pipeline.store import FILE
from pipeline.tender.dates import closing
from pipeline.workspace import read_consultation


def overview(server: Server, asked: Asked, today: dt.date) -> DossierInfo:
    """A dossier as lists show it; one that is not read yet is shown so."""
    dossier = asked.dossier
    read = dossier.consultation.is_file()
    tender = read_consultation(dossier) if read else Tender()
    states = [state for state in run.section_states(dossier) if state.points or state.words] if read else []
    date = closing(tender)
    return DossierInfo(
        id=dossier.root.name,
        object=tender.object,
        buyer=tender.buyer,
        reference=tender.reference,
        closing=date,
        days_left=(dt.date.fromisoformat(date[:10]) - today).days if date else None,
        role=asked.role,
        read=read,
        indexed=(dossier.index / FILE).is_file(),
        sections=len(states),
        drafted=sum(state.status != "empty" for state in states),
        points=sum(state.points for state in states),
        covered=sum(state.covered for state in states),
        gaps=sum(state.gaps for state in states),
        active=server.jobs.active(dossier.root.name),
    )
