"""Tender -> one page a bid manager reads: what is asked, what pays, what eliminates, how many days are left."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence

from pipeline.export.text import template
from pipeline.french import fold
from pipeline.records import Change, Conflict, Criterion, Tender
from pipeline.tender.links import chapter_for
from pipeline.tender.versions import origin_of, stale_sections

TOPICS = {
    "lots": "Lots",
    "variantes": "Variantes",
    "options": "Options et tranches",
    "penalites": "Pénalités",
    "assurances": "Assurances",
    "certificats": "Certificats demandés",
    "visite": "Visite",
}
FIELDS = {
    "object": "Objet",
    "buyer": "Acheteur",
    "reference": "Référence",
    "criteria": "Critère",
    "selection_criteria": "Critère de sélection",
    "plan": "Plan",
    "plan_rules": "Règle du plan",
    "distinctions": "Distinction",
    "deliverables": "Livrable",
    "deadlines": "Date",
    "requirements": "Exigence",
    "pieces": "Pièce",
    "format_rules": "Forme",
    "conditions": "Condition",
    "documents": "Nature de la pièce",
    "links": "Lien",
    "inconsistencies": "Incohérence",
}
ORIGINS = {"rules": "", "model": "  (proposé par le modèle : à vérifier)", "person": "  (corrigé)"}
MOST_CHANGES = 40
"""Lines shown on a terminal; the rest are in consultation.yaml."""
_QUESTIONS = re.compile(r"\b(?:questions?|renseignements? complementaires?|demandes? d.informations?)\b")
_DEADLY = re.compile(
    r"\b(?:irreguli|irregular|irrecevab|elimin|rejete|sous peine|exclue?s?\b|inapproprie|obligatoire sous)"
)


def lines(tender: Tender, today: dt.date) -> Iterator[tuple[str, str]]:
    """``(style, line)`` for a terminal; style « bold » for a title, else empty."""
    for field in ("object", "buyer", "reference"):
        name, value = FIELDS[field], getattr(tender, field)
        yield "", f"{name} : {value or 'non trouvé'}{ORIGINS[origin_of(tender, field, value)]}"
    if tender.deadlines:
        yield "bold", "\nDates"
        for date, left, label in dates(tender, today):
            yield "", f"  {date:<17} {left:<14} {label}"
    for field, title in (
        ("criteria", "Ce qui paie : critères d'attribution"),
        ("selection_criteria", "Sélection des candidatures"),
    ):
        criteria = getattr(tender, field)
        if criteria:
            yield "bold", f"\n{title}"
            for criterion in criteria:
                by = ORIGINS[origin_of(tender, field, criterion)]
                yield (
                    "",
                    f"  {weight(criterion):>9}  {criterion.label}{_page(criterion.page)}{_pays(tender, criterion)}{by}",
                )
                for child in criterion.subcriteria:
                    yield "", f"             {weight(child)}  {child.label}"
    yield "bold", f"\nPlan imposé{'' if tender.plan else ' : aucun'}"
    for node in tender.plan:
        points = len(node.points) + sum(len(part.points) for part in node.parts)
        detail = f" ({points} point{'s' if points > 1 else ''})" if points else ""
        by = ORIGINS[origin_of(tender, "plan", node)]
        yield "", f"  {'  ' * (node.level - 1)}{node.heading}{detail}{_page(node.page)}{by}"
    for title, items in (
        ("Règles du plan", tender.plan_rules),
        ("Ce qui élimine", deadly(tender)),
        ("Pièces à remettre", tender.pieces),
        ("Livrables", tuple(f"{item.code}  {item.title}" for item in tender.deliverables)),
    ):
        if items:
            yield "bold", f"\n{title}"
            yield from (("", f"  {item}") for item in items)
    for topic in dict.fromkeys(condition.topic for condition in tender.conditions):
        yield "bold", f"\n{TOPICS[topic]}"
        for condition in tender.conditions:
            if condition.topic == topic:
                yield "", f"  {condition.text}{_page(condition.page)}"
    if tender.inconsistencies:
        yield "bold", f"\nIncohérences et questions à poser ({len(tender.inconsistencies)}){last_day(tender, today)}"
        for found in tender.inconsistencies:
            places = ", ".join(f"{place.document}{_page(place.page).strip(' ')}" for place in found.places)
            yield "", f"  {found.message} ({places})"
            yield "", f"    → {found.question}"
    empty = [
        FIELDS[field].lower() for field in ("object", "buyer", "reference", "criteria") if not getattr(tender, field)
    ]
    if empty:
        yield "", f"\nNon trouvé : {', '.join(empty)}. « memoire read … --propose » le demande au modèle local."
    mandatory = sum(item.mandatory for item in tender.requirements)
    yield "", f"\nExigences : {len(tender.requirements)}, dont {mandatory} obligatoires"


def last_day(tender: Tender, today: dt.date) -> str:
    """« , avant le 12/01/2027 (9 jours) »: when questions close; empty where the buyer does not say."""
    asked = [item for item in tender.deadlines if item.date and _QUESTIONS.search(fold(f"{item.label} {item.text}"))]
    closing = dates(tender.model_copy(update={"deadlines": tuple(asked)}), today)
    return f", jusqu'au {closing[0][0]} ({closing[0][1]})" if closing else ""


def conflicting(conflicts: Sequence[Conflict]) -> Iterator[str]:
    """One line a correction that the buyer's new version contradicts."""
    for item in conflicts:
        yield (
            f"Conflit, {FIELDS[item.field]} : votre correction « {item.kept or 'retiré'} » est gardée ; la nouvelle "
            f"version dit « {item.read or 'plus rien'} ». Corrigez consultation.yaml si elle a raison."
        )


def changed(changes: Sequence[Change], tender: Tender) -> Iterator[str]:
    """One line a change since the last reading, then the sections to draft again."""
    if not changes:
        return
    yield f"Le DCE a changé depuis la dernière lecture ({len(changes)} différences) :"
    for change in changes[:MOST_CHANGES]:
        text = {"added": f"ajouté : {change.after}", "removed": f"retiré : {change.before}"}.get(
            change.kind, f"{change.before} → {change.after}"
        )
        yield f"  {FIELDS[change.field]}, {text}"
    if len(changes) > MOST_CHANGES:
        yield f"  … et {len(changes) - MOST_CHANGES} autres."
    stale = stale_sections(changes, tender.plan)
    if stale:
        yield f"Sections à rédiger de nouveau : {', '.join(stale)}."


def to_html(tender: Tender, today: dt.date) -> str:
    """The same, in full, as one self-contained page."""
    return template("reading.html.jinja").render(
        tender=tender,
        dates=dates(tender, today),
        weight=weight,
        deadly=deadly(tender),
        last_day=last_day(tender, today),
        by=lambda field, item: ORIGINS[origin_of(tender, field, item)],
        chapter=lambda criterion: chapter_for(criterion, tender),
    )


def dates(tender: Tender, today: dt.date) -> list[tuple[str, str, str]]:
    """``(date, days left, what it closes)``, soonest first."""
    found = []
    for deadline in tender.deadlines:
        if deadline.date is None:
            continue
        day = dt.date.fromisoformat(deadline.date[:10])
        shown = f"{day:%d/%m/%Y}" + (f" à {deadline.date[11:].replace(':', ' h ')}" if "T" in deadline.date else "")
        left = (day - today).days
        found.append(
            (
                shown,
                f"{left} jours" if left > 1 else "aujourd'hui" if left == 0 else "demain" if left == 1 else "passée",
                deadline.label,
            )
        )
    return found


def weight(criterion: Criterion) -> str:
    """« 30 % », « 8 points », or « – » where the buyer gives none."""
    if criterion.weight is None:
        return "–"
    return f"{criterion.weight:g} {criterion.unit or ''}".strip().replace(".", ",")


def deadly(tender: Tender) -> tuple[str, ...]:
    """Rules and requirements whose breach eliminates, in the buyer's words."""
    texts: Sequence[str] = (*tender.format_rules, *tender.plan_rules, *(item.text for item in tender.requirements))
    return tuple(dict.fromkeys(text for text in texts if _DEADLY.search(fold(text))))


def _pays(tender: Tender, criterion: Criterion) -> str:
    chapter = chapter_for(criterion, tender)
    return f"  → chapitre {chapter.name}" if chapter else ""


def _page(page: int | None) -> str:
    return f"  [p. {page}]" if page is not None else ""
