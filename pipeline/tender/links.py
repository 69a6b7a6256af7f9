"""Which chapter of the plan a criterion pays."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import fold, stems
from pipeline.records import Criterion, PlanNode

KINSHIP = 0.18
"""Share of a criterion's stems found in a chapter's titles and points under which no chapter is said to answer it."""
_PRICE = re.compile(r"\b(?:prix|financ|cout|tarif|montant)")


def is_price(criterion: Criterion) -> bool:
    """Whether a criterion is judged on the price documents, not on the mémoire."""
    return bool(_PRICE.search(fold(criterion.label)[:60]))


def chapter_for(criterion: Criterion, plan: Sequence[PlanNode]) -> PlanNode | None:
    """The chapter a criterion pays: the one it names, else the one whose titles and points share most of its words."""
    chapters = [node for node in plan if node.level == 1 and node.number != "ANNEXES"]
    named = re.search(r"\bchapitre\s+(\w+)", fold(criterion.label))
    if named:
        return next((node for node in chapters if fold(node.number) == named[1]), None)
    wanted = set(stems(criterion.label))
    if not wanted or is_price(criterion):
        return None

    def shared(chapter: PlanNode) -> float:
        start = plan.index(chapter)
        own = [chapter]
        for node in plan[start + 1 :]:
            if node.level <= chapter.level:
                break
            own.append(node)
        title = set(stems(chapter.title))
        rest = {s for n in own for text in (n.title, *n.points) for s in stems(text)}
        return (2 * len(wanted & title) + len(wanted & rest)) / (3 * len(wanted))

    best = max(chapters, key=shared, default=None)
    return best if best is not None and shared(best) >= KINSHIP else None
