"""Tender -> the briefs of the sections to draft, in the buyer's order, and of the other documents to hand in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pipeline.errors import MemoireError, PlanMissingError
from pipeline.pages import page_limit
from pipeline.records import Deliverable, PlanNode, Point, SectionBrief, Tender

PAGE_WORDS = 400
"""Words of a full page of text at 10.5 points with headings; tables and figures take the rest of the buyer's limit."""
TEXT_SHARE = 0.6
"""Part of the buyer's pages left to text; tables, figures and headings have the others."""


def outline(plan: Sequence[PlanNode]) -> list[SectionBrief]:
    """One brief a node that has something to answer; a leaf without points answers its own title.

    Raises PlanMissingError where the plan is empty.
    """
    if not plan:
        raise PlanMissingError(
            "L'acheteur n'impose aucun plan dans les pièces lues",
            remedy="Donnez-en un : remplissez « plan » dans consultation.yaml (un exemple y figure).",
        )
    briefs: list[SectionBrief] = []
    chapter = ""
    for node, following in zip(plan, [*plan[1:], None], strict=True):
        if node.level == 1:
            chapter = node.title
        leaf = following is None or following.level <= node.level
        points = [Point(text=text) for text in node.points]
        points += [Point(text=text, part=part.title) for part in node.parts for text in part.points]
        if leaf and not points:
            points = [Point(text=node.title)]
        if points:
            briefs.append(
                SectionBrief(
                    number=node.name,
                    title=node.title,
                    level=node.level,
                    chapter=chapter,
                    points=tuple(points),
                    expected=node.expected,
                    evidence=node.evidence,
                )
            )
    return briefs


def chosen(briefs: Sequence[SectionBrief], numbers: Sequence[str]) -> list[SectionBrief]:
    """The briefs asked for: « 5.3 » is one section, « 5 » the chapter and all it holds; all where none is named."""
    if not numbers:
        return list(briefs)
    kept = [b for b in briefs if any(b.number == n or b.number.startswith(f"{n}.") for n in numbers)]
    for number in numbers:
        if not any(b.number == number or b.number.startswith(f"{number}.") for b in briefs):
            raise MemoireError(
                f"La section « {number} » n'est pas dans le plan",
                remedy=f"Sections : {', '.join(b.number for b in briefs)}.",
            )
    return kept


def branch(plan: Sequence[PlanNode], number: str) -> tuple[PlanNode, ...]:
    """A heading of the plan and all that stands under it. Raises MemoireError where there is none of this number."""
    at = next((n for n, node in enumerate(plan) if node.name == number), None)
    if at is None:
        told = ", ".join(node.name for node in plan if node.level == 1)
        raise MemoireError(f"Le chapitre « {number} » n'est pas dans le plan", remedy=f"Chapitres : {told or 'aucun'}.")
    under = itertools.takewhile(lambda node: node.level > plan[at].level, plan[at + 1 :])
    return (plan[at], *under)


def named(plan: Sequence[PlanNode], numbers: Sequence[str]) -> set[str]:
    """Names of the headings asked for, as :func:`chosen` does; those of the whole plan where none is named."""
    names = [node.name for node in plan]
    for number in numbers:
        if not any(name == number or name.startswith(f"{number}.") for name in names):
            raise MemoireError(
                f"La section « {number} » n'est pas dans le plan", remedy=f"Sections : {', '.join(names)}."
            )
    return {name for name in names if not numbers or any(name == n or name.startswith(f"{n}.") for n in numbers)}


def briefs_of(tender: Tender) -> list[SectionBrief]:
    """The outline with what holds for every section: the distinctions asked for, and a share of the pages in proportion
    to its points."""
    briefs = outline(tender.plan)
    pages = page_limit(tender)
    per_point = pages * TEXT_SHARE * PAGE_WORDS / sum(len(brief.points) for brief in briefs) if pages else 0
    return [
        brief.model_copy(
            update={
                "distinctions": tender.distinctions,
                "words": round(per_point * len(brief.points)) if pages else None,
            }
        )
        for brief in briefs
    ]


def deliverable_plan(item: Deliverable) -> tuple[PlanNode, ...]:
    """A document to hand in as a plan of one section a point, or a single one where it has none."""
    title = PlanNode(number=item.code, title=item.title, level=1, prefix=item.code + " –")
    points = tuple(
        PlanNode(number=f"{item.code}.{n}", title=text, level=2, prefix=str(n))
        for n, text in enumerate(item.points, start=1)
    )
    return (title, *points)
