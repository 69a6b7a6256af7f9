"""Tender -> what the page shows of it: entries by group, each with its fields to correct and where it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from api.pages import typography
from api.pages.reading import Documents, Found, locate
from pipeline.records import Criterion, Piece, Record, Tender
from pipeline.tender.versions import origin_of

PIECES: dict[Piece, str] = {
    "RC": "Règlement de la consultation",
    "CCAP": "Clauses administratives (CCAP)",
    "CCTP": "Clauses techniques (CCTP, programme)",
    "AE": "Acte d’engagement",
    "BPU": "Bordereau des prix",
    "DPGF": "Décomposition du prix",
    "DQE": "Détail quantitatif estimatif",
    "CADRE": "Cadre de réponse",
    "LETTRE": "Lettre de consultation",
    "NOTICE": "Notice",
    "ANNEXE": "Annexe",
    "AUTRE": "Autre",
}
Group = Literal[
    "identity",
    "deadlines",
    "criteria",
    "selection_criteria",
    "plan",
    "deliverables",
    "pieces",
    "format_rules",
    "distinctions",
    "documents",
]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Input:
    """One value that a person may correct."""

    pointer: str
    """RFC 6901, in the tender."""
    label: str
    value: str
    """As the form shows it."""
    type: Literal["text", "textarea", "number", "date", "datetime-local", "lines", "select"] = "text"
    options: tuple[tuple[str, str], ...] = ()

    def parsed(self, text: str) -> Any:
        """What the form's text is in the tender. Raises ValueError for what is no number."""
        text = text.strip()
        if self.type == "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        if not text:
            return None
        return float(text.replace(",", ".").replace("\u202f", "").replace(" ", "")) if self.type == "number" else text


@dataclass(frozen=True)
class Entry:
    """One thing the buyer imposes."""

    group: Group
    pointer: str
    title: str
    value: str
    """Beside the title: a weight, a date; empty where there is none."""
    details: tuple[str, ...]
    inputs: tuple[Input, ...]
    found: Found | None
    quote: str
    by: str
    """« rules », « model » or « person »."""
    state: str
    """Changes whenever the entry does: two people do not correct over each other."""
    sub: bool = False
    removable: bool = True

    @property
    def anchor(self) -> str:
        return "v" + self.pointer.replace("/", "-")


Locator = Callable[[str, int | None], Found | None]


def entries(tender: Tender, documents: Documents, group: Group) -> list[Entry]:
    """The group's entries, in the buyer's order."""

    def place(words: str, page: int | None = None) -> Found | None:
        return locate(documents, words, page)

    if group in ("criteria", "selection_criteria"):
        return list(_criteria(tender, getattr(tender, group), group, place))
    return list(_MAKERS[group](tender, place))


def entry_at(tender: Tender, documents: Documents, pointer: str) -> Entry | None:
    """The entry at a pointer; ``None`` where there is none."""
    first = pointer.split("/")[1] if pointer.startswith("/") else ""
    group = "identity" if first in ("object", "buyer", "reference") else first
    found = next((name for name in GROUPS if name == group), None)
    if found is None:
        return None
    return next((entry for entry in entries(tender, documents, found) if entry.pointer == pointer), None)


def weights_total(criteria: tuple[Criterion, ...]) -> tuple[float, bool]:
    """The sum of the weights, and whether it is what it must be: 100, where they are percentages of one lot."""
    weighted = [criterion for criterion in criteria if criterion.weight is not None]
    total = sum(criterion.weight or 0 for criterion in weighted)
    one_list = len({criterion.lot for criterion in weighted}) < 2
    percents = all(criterion.unit == "%" for criterion in weighted)
    return total, not (weighted and one_list and percents and abs(total - 100) > 0.01)


def _state(item: object) -> str:
    text = item.model_dump_json() if isinstance(item, Record) else repr(item)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(tender: Tender, place: Locator) -> Iterator[Entry]:
    for name, label in (("object", "Objet"), ("buyer", "Acheteur"), ("reference", "Référence")):
        value = getattr(tender, name) or ""
        kind: Literal["text", "textarea"] = "textarea" if name == "object" else "text"
        yield Entry(
            group="identity",
            pointer=f"/{name}",
            title=label,
            value=value or "non trouvé",
            details=(),
            inputs=(Input(f"/{name}", label, value, kind),),
            found=place(value, None),
            quote=value,
            by=origin_of(tender, name, value),
            state=_state(value),
            removable=False,
        )


def _deadlines(tender: Tender, place: Locator) -> Iterator[Entry]:
    for number, item in enumerate(tender.deadlines):
        pointer = f"/deadlines/{number}"
        kind: Literal["date", "datetime-local"] = "date" if item.date and "T" not in item.date else "datetime-local"
        yield Entry(
            group="deadlines",
            pointer=pointer,
            title=item.label,
            value=typography.moment(item.date) if item.date else "date incomplète",
            details=() if item.date else (item.text,),
            inputs=(
                Input(f"{pointer}/label", "Ce que la date ferme", item.label),
                Input(f"{pointer}/date", "Date", item.date or "", kind),
            ),
            found=place(item.text, None),
            quote=item.text,
            by=origin_of(tender, "deadlines", item),
            state=_state(item),
        )


def _criteria(tender: Tender, items: tuple[Criterion, ...], group: Group, place: Locator) -> Iterator[Entry]:
    for number, item in enumerate(items):
        by = origin_of(tender, group, item)
        yield from _criterion(item, f"/{group}/{number}", group, by, place, sub=False)


def _criterion(item: Criterion, pointer: str, group: Group, by: str, place: Locator, *, sub: bool) -> Iterator[Entry]:
    units = (("", "–"), ("%", "%"), ("points", "points"))
    weight = "sans poids" if item.weight is None else f"{typography.number(item.weight)}\u00a0{item.unit or ''}".strip()
    details = (item.note, f"Lot {item.lot}" if item.lot else "")
    yield Entry(
        group=group,
        pointer=pointer,
        title=f"{item.number} {item.label}".strip(),
        value=weight,
        details=tuple(text for text in details if text),
        inputs=(
            Input(f"{pointer}/label", "Critère", item.label, "textarea"),
            Input(f"{pointer}/weight", "Poids", "" if item.weight is None else f"{item.weight:g}", "number"),
            Input(f"{pointer}/unit", "Unité", item.unit or "", "select", units),
        ),
        found=place(item.label, item.page),
        quote=item.label,
        by=by,
        state=_state(item),
        sub=sub,
    )
    for number, child in enumerate(item.subcriteria):
        yield from _criterion(child, f"{pointer}/subcriteria/{number}", group, by, place, sub=True)


def _plan(tender: Tender, place: Locator) -> Iterator[Entry]:
    for number, node in enumerate(tender.plan):
        pointer = f"/plan/{number}"
        parts = tuple(f"{part.title} : {' ; '.join(part.points)}" for part in node.parts)
        expected = f"Attendu : {node.expected}" if node.expected else ""
        evidence = f"Preuve demandée : {node.evidence}" if node.evidence else ""
        yield Entry(
            group="plan",
            pointer=pointer,
            title=node.heading,
            value="",
            details=tuple(text for text in (*node.points, *parts, expected, evidence) if text),
            inputs=(
                Input(f"{pointer}/title", "Titre", node.title),
                Input(f"{pointer}/points", "Points à traiter, un par ligne", "\n".join(node.points), "lines"),
                Input(f"{pointer}/expected", "Ce qui est attendu", node.expected or "", "textarea"),
                Input(f"{pointer}/evidence", "Preuve demandée", node.evidence or "", "textarea"),
            ),
            found=place(node.title, node.page),
            quote=node.title,
            by=origin_of(tender, "plan", node),
            state=_state(node),
            sub=node.level > 1,
            removable=False,
        )


def _deliverables(tender: Tender, place: Locator) -> Iterator[Entry]:
    for number, item in enumerate(tender.deliverables):
        pointer = f"/deliverables/{number}"
        yield Entry(
            group="deliverables",
            pointer=pointer,
            title=f"{item.code} {item.title}".strip(),
            value="",
            details=item.points,
            inputs=(
                Input(f"{pointer}/code", "Code", item.code),
                Input(f"{pointer}/title", "Titre", item.title),
                Input(f"{pointer}/points", "Contenu demandé, un élément par ligne", "\n".join(item.points), "lines"),
            ),
            found=place(item.title, None),
            quote=item.title,
            by=origin_of(tender, "deliverables", item),
            state=_state(item),
        )


def _texts(group: Group, label: str) -> Callable[[Tender, Locator], Iterator[Entry]]:
    def made(tender: Tender, place: Locator) -> Iterator[Entry]:
        for number, text in enumerate(getattr(tender, group)):
            pointer = f"/{group}/{number}"
            yield Entry(
                group=group,
                pointer=pointer,
                title=text,
                value="",
                details=(),
                inputs=(Input(pointer, label, text, "textarea"),),
                found=place(text.rstrip(" ;.,"), None),
                quote=text.rstrip(" ;.,"),
                by=origin_of(tender, group, text),
                state=_state(text),
            )

    return made


def _documents(tender: Tender, place: Locator) -> Iterator[Entry]:
    for number, item in enumerate(tender.documents):
        pointer = f"/documents/{number}/piece"
        yield Entry(
            group="documents",
            pointer=f"/documents/{number}",
            title=item.name,
            value=PIECES[item.piece],
            details=(),
            inputs=(Input(pointer, "Nature de la pièce", item.piece, "select", tuple(PIECES.items())),),
            found=Found(item.name, None),
            quote="",
            by=origin_of(tender, "documents", item),
            state=_state(item),
            removable=False,
        )


_MAKERS: dict[str, Callable[[Tender, Locator], Iterator[Entry]]] = {
    "identity": _identity,
    "deadlines": _deadlines,
    "plan": _plan,
    "deliverables": _deliverables,
    "pieces": _texts("pieces", "Pièce à remettre"),
    "format_rules": _texts("format_rules", "Règle de forme"),
    "distinctions": _texts("distinctions", "Distinction à faire"),
    "documents": _documents,
}
