"""A person's corrections -> the tender with them, checked whole.

A place is a JSON pointer (RFC 6901) into what ``read --format json`` prints: « /criteria/0/weight »; « /-» after a list
is its end.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.errors import DossierError
from pipeline.french import printable, typeset
from pipeline.records import Correction, Tender

_FIELDS = {
    "object": "objet",
    "buyer": "acheteur",
    "reference": "référence",
    "criteria": "critères",
    "selection_criteria": "critères de sélection",
    "subcriteria": "sous-critères",
    "plan": "plan",
    "plan_rules": "règles du plan",
    "distinctions": "distinctions",
    "deliverables": "livrables",
    "requirements": "exigences",
    "deadlines": "dates",
    "pieces": "pièces",
    "format_rules": "règles de forme",
    "inconsistencies": "incohérences",
    "documents": "documents",
    "conditions": "conditions",
    "links": "liens",
    "label": "intitulé",
    "weight": "poids",
    "unit": "unité",
    "page": "page",
    "note": "remarque",
    "number": "numéro",
    "lot": "lot",
    "title": "titre",
    "level": "niveau",
    "points": "points",
    "parts": "parties",
    "expected": "attendu",
    "evidence": "preuve",
    "text": "texte",
    "mandatory": "obligatoire",
    "document": "document",
    "article": "article",
    "date": "date",
    "code": "code",
    "piece": "nature",
    "question": "question",
}
_EXPECTED = {
    "float": "un nombre est attendu",
    "int": "un nombre entier est attendu",
    "string": "un texte est attendu",
    "bool": "oui ou non (true, false) est attendu",
    "tuple": "une liste est attendue",
    "model": "un ensemble de champs est attendu",
    "missing": "ce champ manque",
    "extra": "ce champ n'existe pas",
}
"""By how the type of pydantic's error begins."""


def corrected(tender: Tender, corrections: Sequence[Correction]) -> tuple[Tender, tuple[tuple[Any, Any], ...]]:
    """The tender with the corrections, made in order, and the value before and after each. Raises DossierError, naming
    the field in French, where a place does not exist or the whole is no tender any more; then nothing is changed."""
    whole = tender.model_dump(mode="json", exclude={"origins"})
    changes = tuple(_made(whole, item) for item in corrections)
    try:
        made = Tender.model_validate({**whole, "origins": tender.origins})
    except ValidationError as error:
        first = error.errors()[0]
        raise _refused([str(part) for part in first["loc"]], _expected(first)) from error
    _check_numbers(whole, [])
    for n, deadline in enumerate(made.deadlines):
        if deadline.date is not None and not _is_date(deadline.date):
            raise _refused(["deadlines", str(n), "date"], "AAAA-MM-JJ ou AAAA-MM-JJTHH:MM est attendu")
    return _relinked(tender, made), changes


def _made(whole: dict[str, Any], item: Correction) -> tuple[Any, Any]:
    """Make one correction in place: the value before and after."""
    value = _clean(item.value)
    names = [part.replace("~1", "/").replace("~0", "~") for part in item.pointer.split("/")[1:]]
    if not item.pointer.startswith("/") or not names:
        raise _refused([item.pointer], "une place comme « /criteria/0/weight » est attendue")
    place: Any = whole
    for depth, name in enumerate(names[:-1], start=1):
        place = _at(place, name, names[:depth])
    last = names[-1]
    if isinstance(place, list) and last == "-" and item.op == "set":
        place.append(value)
        return None, value
    before = _at(place, last, names)
    if item.op == "remove":
        if not isinstance(place, list):
            raise _refused(names, "seul un élément d'une liste se retire ; donnez une valeur vide")
        place.pop(int(last))
        return before, None
    place[int(last) if isinstance(place, list) else last] = value
    return before, value


def _at(place: Any, name: str, names: Sequence[str]) -> Any:
    """What stands under a name of a record or at a position of a list."""
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name in map(str, range(len(place))):  # so that « 01 » is none, as RFC 6901 wants
        return place[int(name)]
    raise _refused(names, "cette place n'existe pas dans ce que l'acheteur impose")


def _clean(value: Any) -> Any:
    """The value without characters that no document can hold."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return {key: _clean(item) for key, item in value.items()} if isinstance(value, dict) else value


def _check_numbers(value: Any, names: list[str]) -> None:
    """Refuse what JSON cannot write, and weights and pages under zero."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        if isinstance(item, float) and not math.isfinite(item):
            raise _refused([*names, str(name)], "un nombre est attendu")
        if name in ("weight", "page", "level") and isinstance(item, int | float) and item < 0:
            raise _refused([*names, str(name)], "un nombre positif est attendu")
        _check_numbers(item, [*names, str(name)])


def _is_date(text: str) -> bool:
    forms = ("%Y-%m-%d", "%Y-%m-%dT%H:%M")
    for form in forms:
        try:
            if dt.datetime.strptime(text, form).strftime(form) == text:
                return True
        except ValueError:
            continue
    return False


def _relinked(before: Tender, after: Tender) -> Tender:
    """The links of criteria that were renamed follow their new label."""
    if len(before.criteria) != len(after.criteria):
        return after
    renamed = {old.label: new.label for old, new in zip(before.criteria, after.criteria, strict=True)}
    links = tuple(
        link.model_copy(update={"source": renamed.get(link.source, link.source)}) if link.kind == "criterion" else link
        for link in after.links
    )
    return after.model_copy(update={"links": links})


def _expected(error: Any) -> str:
    kind = str(error["type"])
    if kind == "literal_error":
        return f"une de ces valeurs est attendue : {error['ctx']['expected'].replace(' or ', ', ')}"
    return next((text for start, text in _EXPECTED.items() if kind.startswith(start)), "cette valeur est refusée")


def _refused(names: Sequence[str], why: str) -> DossierError:
    place = " → ".join(str(int(name) + 1) if name.isdigit() else _FIELDS.get(name, name) for name in names)
    return DossierError(typeset(f"« {place} » : {why}"), remedy="Rien n'a été changé.")
