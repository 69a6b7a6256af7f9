"""Tender -> the briefs of the sections to draft, in the buyer's order."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import MemoireError, PlanMissingError
from pipeline.records import PlanNode, Point, SectionBrief


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
