"""What in the plan answers what is asked: criterion and chapter, requirement and section, deliverable and chapter."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pipeline.french import fold, join_french, stems
from pipeline.records import Criterion, Deliverable, Link, PlanNode, Requirement, Tender

KINSHIP = 0.18
"""Share of a criterion's stems found in a chapter's titles and points under which no chapter is said to answer it."""
SHARED = 0.25
"""Share of a requirement's stems, by weight, that a section must have to be said to answer it."""
LEAST_STEMS = 2
"""Stems in common under which a section is not said to answer a requirement, however rare the one it shares."""
_PRICE = re.compile(r"\b(?:prix|financ|cout|tarif|montant)")


def is_price(criterion: Criterion) -> bool:
    """Whether a criterion is judged on the price documents, not on the mémoire."""
    return bool(_PRICE.search(fold(criterion.label)[:60]))


def find_links(tender: Tender) -> tuple[Link, ...]:
    """The links that names and shared words give, each with its reason."""
    if not tender.plan:
        return ()
    words = _vocabulary(tender.plan)
    found = [link for criterion in tender.criteria for link in _criterion(criterion, tender.plan)]
    found += [link for item in tender.deliverables for link in _deliverable(item, tender.plan, words)]
    found += [link for item in tender.requirements for link in _requirement(item, words)]
    return tuple(found)


def chapter_for(criterion: Criterion, tender: Tender) -> PlanNode | None:
    """The chapter a criterion pays, by the tender's links."""
    target = next((x.target for x in tender.links if x.kind == "criterion" and x.source == criterion.label), None)
    return next((node for node in tender.plan if node.name == target), None)


def _criterion(criterion: Criterion, plan: Sequence[PlanNode]) -> Iterator[Link]:
    """The chapter it names, else the one whose titles and points share most of its words."""
    chapters = [node for node in plan if node.level == 1 and node.number != "ANNEXES"]
    named = re.search(r"\bchapitre\s+(\w+)", fold(criterion.label))
    if named:
        if any(fold(node.number) == named[1] for node in chapters):
            yield Link(kind="criterion", source=criterion.label, target=named[1].upper(), reason="chapitre nommé")
        return
    wanted = set(stems(criterion.label))
    if not wanted or not chapters or is_price(criterion):
        return

    def shared(chapter: PlanNode) -> float:
        title = set(stems(chapter.title))
        rest = {s for node in _own(chapter, plan) for text in (node.title, *node.points) for s in stems(text)}
        return (2 * len(wanted & title) + len(wanted & rest)) / (3 * len(wanted))

    best = max(chapters, key=shared)
    if shared(best) >= KINSHIP:
        own = {s for node in _own(best, plan) for text in (node.title, *node.points) for s in stems(text)}
        yield Link(
            kind="criterion", source=criterion.label, target=best.name, reason=_reason(criterion.label, wanted & own)
        )


def _own(chapter: PlanNode, plan: Sequence[PlanNode]) -> list[PlanNode]:
    start = plan.index(chapter)
    own = [chapter]
    for node in plan[start + 1 :]:
        if node.level <= chapter.level:
            break
        own.append(node)
    return own


def _deliverable(item: Deliverable, plan: Sequence[PlanNode], words: Mapping[str, Counter[str]]) -> Iterator[Link]:
    """The section that names its code, else the one that shares its title's words."""
    code = re.compile(rf"\b{re.escape(fold(item.code))}\b")
    for node in plan:
        if any(
            code.search(fold(text)) for text in (node.title, *node.points, node.expected or "", node.evidence or "")
        ):
            yield Link(kind="deliverable", source=item.code, target=node.name, reason=f"{item.code} y est nommé")
            return
    yield from _by_words("deliverable", item.code, item.title, words)


def _requirement(item: Requirement, words: Mapping[str, Counter[str]]) -> Iterator[Link]:
    yield from _by_words("requirement", item.id, item.text, words)


def _vocabulary(plan: Sequence[PlanNode]) -> dict[str, Counter[str]]:
    """Stems of each section that has something to answer; those of its title count twice, its chapter's once."""
    found: dict[str, Counter[str]] = {}
    chapter = ""
    for node in plan:
        if node.level == 1:
            chapter = node.title
        parts = [text for part in node.parts for text in (part.title, *part.points)]
        texts = (node.title, node.title, chapter, *node.points, *parts, node.expected or "", node.evidence or "")
        found[node.name] = Counter(stem for text in texts for stem in stems(text))
    return found


def _by_words(
    kind: Literal["requirement", "deliverable"], source: str, text: str, words: Mapping[str, Counter[str]]
) -> Iterator[Link]:
    """The section with most of the text's words, rare ones weighing more (inverse document frequency)."""
    wanted = set(stems(text))

    def rarity(stem: str) -> float:
        holding = sum(stem in section for section in words.values())
        return math.log((len(words) + 1) / holding) if holding else 0.0

    weights = {stem: rarity(stem) for stem in wanted}
    known = sum(weights.values()) + 0.5 * sum(not weight for weight in weights.values())
    best, score = "", 0.0
    for number, section in words.items():
        own = sum(weights[stem] * (1.2 if section[stem] > 1 else 1.0) for stem in wanted & section.keys())
        if own > score and len(wanted & section.keys()) >= LEAST_STEMS:
            best, score = number, own
    if best and score >= SHARED * known:
        reason = _reason(text, wanted & words[best].keys())
        yield Link(kind=kind, source=source, target=best, reason=reason)


def _reason(text: str, shared: set[str]) -> str:
    """« mots communs : sauvegarde et restauration », in the words of the text."""
    said = [word for word in re.findall(r"\w{3,}", text) if set(stems(word)) & shared]
    return f"mots communs : {join_french(dict.fromkeys(word.lower() for word in said[:6]))}"
