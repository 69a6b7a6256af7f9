"""A dossier -> where each heading of its plan stands, without writing the document."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pipeline.coverage import answered
from pipeline.outline import briefs_of
from pipeline.records import PlanNode, Section, SectionState, SectionStatus, Tender
from pipeline.tender.links import chapter_for
from pipeline.workspace import Dossier, edited_by_hand, has_proposed, read_consultation, read_draft, section_lock


def section_states(dossier: Dossier) -> list[SectionState]:
    """Every heading of the plan, in its order; none where no plan is imposed. Raises DossierError where the dossier was
    never read."""
    tender = read_consultation(dossier)
    points = _points(tender)
    weights = _weights(tender, points)
    journal = dossier.journal()
    return [_state(dossier, node, points.get(node.name, 0), weights.get(node.name), journal) for node in tender.plan]


def _points(tender: Tender) -> dict[str, int]:
    """How many points each section answers; headings that are only titles are left out."""
    return {brief.number: len(brief.points) for brief in briefs_of(tender)} if tender.plan else {}


def _weights(tender: Tender, points: dict[str, int]) -> dict[str, float]:
    """Share of the criteria that each heading carries, with those under it."""
    total = sum(criterion.weight or 0 for criterion in tender.criteria)
    carried: dict[str, float] = {}
    for criterion in tender.criteria:
        chapter = chapter_for(criterion, tender)
        if chapter is None or not criterion.weight:
            continue
        paid = {name: count for name, count in points.items() if _under(name, chapter.name)}
        for name, count in paid.items():
            carried[name] = carried.get(name, 0.0) + criterion.weight / total * count / sum(paid.values())
    return {
        node.name: sum(below)
        for node in tender.plan
        if (below := [weight for name, weight in carried.items() if _under(name, node.name)])
    }


def _under(name: str, heading: str) -> bool:
    return name == heading or name.startswith(f"{heading}.")


def _state(
    dossier: Dossier, node: PlanNode, points: int, weight: float | None, journal: Sequence[dict[str, Any]]
) -> SectionState:
    section, lock = read_draft(dossier, node.name), section_lock(dossier, node.name)
    state = SectionState(
        number=node.name,
        title=node.title,
        level=node.level,
        points=points,
        covered=0,
        gaps=0,
        findings=0,
        words=0,
        status="empty",
        locked_by=lock.by if lock else None,
        weight=weight,
        proposed=has_proposed(dossier, node.name),
    )
    if section is None:
        return state
    written = dt.datetime.fromtimestamp(dossier.draft(node.name).stat().st_mtime, dt.UTC)
    return state.model_copy(
        update={
            "covered": min(points, answered(section)),
            "gaps": sum(paragraph.gap is not None for paragraph in section.paragraphs),
            "findings": sum(finding.kind != "gap" for finding in section.findings),
            "words": words_of(section),
            "status": _status(section, by_hand=edited_by_hand(dossier, node.name, journal)),
            "accepted_by": section.accepted.by if section.accepted else None,
            "validated_by": section.accepted.validated_by if section.accepted else None,
            "updated": written.isoformat(timespec="seconds"),
        }
    )


def words_of(section: Section) -> int:
    """Words of a section's sentences and tables; its questions are none."""
    texts = [sentence.text for paragraph in section.paragraphs for sentence in paragraph.sentences]
    texts += [cell for paragraph in section.paragraphs for row in paragraph.rows for cell in row]
    return sum(len(text.split()) for text in texts)


def _status(section: Section, *, by_hand: bool) -> SectionStatus:
    if section.accepted and section.accepted.validated_by:
        return "validated"
    return "edited" if section.accepted or by_hand else "drafted"
