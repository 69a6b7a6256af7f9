"""The plan the buyer imposes: where each section stands, and drafting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access import Asked, csrf, page_dossier
from api.pages.jobs import after
from api.pages.reading import tender_of
from api.pages.rendering import go, is_fragment, render
from api.pages.working import asked_for, shown, stamp
from api.problems import NotFound
from api.server import Server, server_of
from pipeline import run
from pipeline.records import PlanNode, SectionState, Tender

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Row:
    """A heading of the plan as the table shows it."""

    node: PlanNode
    state: SectionState | None
    """``None`` for a heading that carries no text."""
    covered: int
    """Points covered, of itself or of all that stands under it."""
    points: int
    gaps: int
    findings: int
    words: int
    weight: float | None
    """Share of the award criteria, in [0, 1]."""
    written: int
    """Sections drafted under it."""
    sections: int


def rows_of(plan: Sequence[PlanNode], states: Iterable[SectionState]) -> list[Row]:
    """The plan in the buyer's order, chapters with the sums of their sections."""
    known = {state.number: state for state in states}
    rows = []
    for at, node in enumerate(plan):
        below = [node]
        for other in plan[at + 1 :]:
            if other.level <= node.level:
                break
            below.append(other)
        found = [known[n.name] for n in below if n.name in known and known[n.name].points]
        own = known.get(node.name)
        rows.append(
            Row(
                node=node,
                state=own if own and own.points else None,
                covered=sum(state.covered for state in found),
                points=sum(state.points for state in found),
                gaps=sum(state.gaps for state in found),
                findings=sum(state.findings for state in found),
                words=sum(state.words for state in found),
                weight=own.weight if own else None,
                written=sum(state.status != "empty" for state in found),
                sections=len(found),
            )
        )
    return rows


@router.get("/dossiers/{dossier}/plan")
def plan(
    request: Request,
    asked: Annotated[Asked, Depends(page_dossier("read"))],
    server: Annotated[Server, Depends(server_of)],
    seen: Annotated[str, Query(max_length=12)] = "",
) -> Response:
    """The plan as a tree; to a page that holds it already, its rows once they are no longer those of ``seen``."""
    now = stamp(asked.dossier)
    drafting = any(job.kind == "draft" for job in server.jobs.active(asked.dossier.root.name))
    if is_fragment(request) and seen == now and drafting:
        return Response(status_code=204)
    tender = tender_of(asked.dossier) or Tender()
    return render(
        request,
        "plan_rows.html.jinja" if is_fragment(request) else "plan.html.jinja",
        asked=asked,
        tender=tender,
        rows=rows_of(tender.plan, run.section_states(asked.dossier)) if tender.plan else [],
        jobs=shown(server, asked.dossier, "draft", "prepare"),
        after=after,
        drafting=drafting,
        stamp=now,
    )


@router.post("/dossiers/{dossier}/plan/rediger", dependencies=[Depends(csrf)])
def draft(
    request: Request,
    asked: Annotated[Asked, Depends(page_dossier("write"))],
    server: Annotated[Server, Depends(server_of)],
    section: Annotated[str, Form(max_length=60)] = "",
    instruction: Annotated[str, Form(max_length=2000)] = "",
    force: Annotated[bool, Form()] = False,
) -> Response:
    """Ask for a section, a chapter, or all."""
    if section and section not in {node.name for node in (tender_of(asked.dossier) or Tender()).plan}:
        raise NotFound("Cette section n’est pas dans le plan", where=section)
    params = {"sections": [section] if section else [], "force": force, "instruction": instruction.strip()}
    asked_for(server, asked, "draft", params)
    return go(request, f"/dossiers/{asked.dossier.root.name}/plan#travaux")
