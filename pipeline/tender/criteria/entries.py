"""What a criterion is before it has a place in the tree, and how a weight is written.

A weight is a number with its unit (« 40 % », « 12 points », « coefficient 3 », « sur 20 »), or a bare number where a
column's header says that it is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from pipeline.french import fold, fold_spaces

Unit = Literal["%", "points"]

_NUMBER = r"\d{1,3}(?:[.,]\d{1,2})?"
MENTION = re.compile(
    rf"(?:coefficient|coeff?\.?)\s*(?:de|:|=|\()?\s*(?P<coefficient>{_NUMBER})(?!\d|\s*[x×*/])"
    rf"|(?P<value>{_NUMBER})\s*(?P<unit>%|points?\b|pts?\b\.?)(?:\s*(?:sur|/)\s*\d{{1,3}}\b(?:\s*points?\b)?)?"
    rf"|(?P<scored>{_NUMBER})\s*/\s*(?:20|100)\b(?!/)"
    rf"|(?:\bsur|(?<!\w)/)\s*(?P<out>{_NUMBER})(?=\s*(?:points?\b|pts\b|[.,;:)]|$|\s(?:et|dont|pour)\b))(?:\s*(?:points?|pts)\b)?",
    re.IGNORECASE,
)
_SCALE_TOO = re.compile(
    r"^\s*(?:de la note (?:finale|globale|totale))?[\s,]*(?:et|puis)?\s*(?:est |sera )?not[ée]e?s?\s*$", re.IGNORECASE
)
CELL = re.compile(
    rf"^(?:pond[ée]ration|poids|coefficient|coeff?\.?|note)?\s*(?:sur|de|:)?\s*(?P<value>{_NUMBER})\s*"
    rf"(?P<unit>%|points?|pts?\.?)?(?:\s*(?:sur|/)\s*\d{{1,3}})?\s*(?:points?)?\s*(?P<of_which>dont)?\s*[.:]?$",
    re.IGNORECASE,
)
"""A cell that holds a weight and nothing else."""

_CODE = re.compile(
    r"^(?:(?i:(?:sous[\s\-]*)?crit[èe]res?|[ée]l[ée]ment|item)\s*(?:n\s?°\s*)?)?"
    r"(?P<code>[A-Z]{0,2}\s?\d{1,2}(?:\.\d{1,2})*(?=\s*[°.):–—\-]|\s+[A-ZÀ-Þ«])|[A-Z](?=\s?[.)–—]|\s-\s)"
    r"|[a-z](?=\s?[.)])|[IVX]{1,4}(?=\s?[.)–—]|\s-\s)|[ivx]{1,4}(?=\s?[.)]))"
    r"\s*[°.):–—\-]*\s*(?=\S)",
)
_WORD = re.compile(r"^(?:sous[\s\-]*)?crit[èe]res?\s*(?:n\s?°\s*)?(?:\d+\s*)?[:–—\-]\s*", re.IGNORECASE)
_SUB = re.compile(r"^(?:sous[\s\-]*crit[èe]re|[ée]l[ée]ment)\b", re.IGNORECASE)
_HEAD = re.compile(
    r"^(?:[\s,;:.)\]»–—\-]+|(?:et|dont|ainsi que|puis|enfin|avec|soit|à savoir)(?:[\s,]+|$)"
    r"|(?:le|les|ce|un|du|des|l['’]un des)\s+(?:sous[\s\-]*)?crit[èe]res?\s+(?:de l['’]|(?:de la|du|de|des)\s)?"
    r"|celui\s+(?:de la|de l['’]|des|du|d['’])\s*|(?:une? |la )?part\s+(?=«)|(?:du|de la|des)\s+|de l['’]"
    r"|(?:les?|la|une?)\s+|l['’])+",
    re.IGNORECASE,
)
"""Words of the sentence before a label: connectives and articles."""
_TIES = (
    r"est|sont|sera|seront|étant|lui-même|affectée?s? (?:du|d['’]un|de)|dotée?s? (?:de|d['’]un)",
    r"pond[ée]r(?:ée?s?|ation)|not(?:ée?s?|ation|e)|apprécié?e?s?|jugée?s?|évaluée?s?",
    r"compt(?:e|ent|era|ant)|pris(?:e|es)? en compte|représent(?:e|ent|era|ant)|vaut|valent|valant",
    r"intervien(?:t|nent|dra)|entre(?:nt)?|quant à (?:lui|elle|eux)|enfin|ensuite|également|aussi|respectivement",
    r"pour|à hauteur de|à raison de|à|de|du|d['’]une?|sur|par|au|une?|maximum|total|poids|valeur|coefficient|coeff?\.?",
)
_TAIL = re.compile(rf"(?:[\s,:;=(–—\-/.]|(?<![\w’'])(?:{'|'.join(_TIES)}))+$", re.IGNORECASE)
"""Words that tie a label to the weight after it."""
_ASIDE = re.compile(
    r",\s+(?:tel|qui\b|dont\b|appréci|jugé|calcul|établi|évalu|analys|noté).*$"
    r"|\s(?:décrit|mentionné|défini|énoncé|visé|présenté|exposé)e?s?\s(?:à|aux?|dans|en|ci)\b.*$",
    re.IGNORECASE,
)
_DEGREES = (
    "repondu|renseigne|insuffisant|moyen|bon(?:ne)?|satisfaisant|excellent|mediocre|passable|correct|acceptable|traite",
    "absen(?:ce(?: de .{0,30})?|t)|suffisant|partielle?|neant|adaptee?|inadaptee?|complete|incomplete?",
    "conforme|faible|parfait",
)
_SCALE = re.compile(
    r"^(?:tres |assez |non |pas |peu |reponse |partiellement |insuffisamment )*"
    rf"(?:{'|'.join(_DEGREES)})e?s?(?:\s*[:(,].{{0,60}})?$"
)
"""Degrees of a scale of marks."""
_WHOLES = (
    "offres?|notes? (?:finale|globale|totale|maximale|des? |du )|notes?$|notations?$",
    "sans|neant|candidats?|candidatures?|capacites?$|soumissionnaires?",
    "totaux|total|classements?|formules?|exemples?|baremes?|avances?|tva|retenues?|penalites?|seuils?|maximums?",
    "(?:chaque )?sous-criteres?|chaque critere|criteres?$|points?|ponderations?|poids|coefficients?",
    r"lots?\b.{0,12}$|suivants?|ci-dessous|ci-apres|p0|nmax|n|article|taux (?:inferieur|superieur)|les?$",
)
_CLAUSES = (
    "dans|dont|pour|selon|avec|en|aux?|soit|qui|que|chacun|appreciee?s?|jugee?s?|evaluee?s?|tel(?:le)?s?|est|sont|sera"
)
_FATES = "elimine|ecarte|declare|rejete|verse|classe|examine|etabli"
_NOT_LABEL = re.compile(
    rf"^(?:les |chaque |la |le |une |toute |cette |l.)?(?:{'|'.join(_WHOLES)}|{_CLAUSES})\b"
    rf"|autres offres|offre la (?:plus|moins)|montant de l.offre|\b(?:est|sera|sont|seront) (?:{_FATES})|\bx p|p0"
)
"""What such words weigh is the whole, a threshold or an example, not a criterion."""


@dataclass
class Entry:
    """A label with its weight, as read in one place."""

    label: str
    weight: float | None
    unit: Unit | None
    page: int | None
    note: str = ""
    depth: int | None = None
    """0 for a criterion, 1 for a part of one; ``None`` where only the sums can tell."""
    code: str = ""
    """The buyer's number for it: « 1.1 », « C1 »."""
    of_which: bool = False
    """Whether what follows is said to be its parts (« dont », « décomposé »)."""
    last_page: int | None = None
    """The page its text ends on, where a page break cuts it."""
    lot: str = ""
    under: str = ""
    """Label of the criterion it is said to be part of, where the sentence names it."""
    level: int = 0
    """Depth of the list item it was read in; 0 elsewhere."""
    mark: str = ""
    """The kind of that item's mark: the bullet itself, or « 1 » for any number or letter."""
    in_sentence: bool = False
    """Whether it was read within a sentence, where weights of other things stand too."""


def weights_in(text: str, start: int = 0) -> list[re.Match[str]]:
    """The weights a text mentions; the scale of marks said after one (« 65 % et notée sur 100 ») is none."""
    found: list[re.Match[str]] = []
    for match in MENTION.finditer(text, start):
        if not (match["out"] and found and _SCALE_TOO.match(text[found[-1].end() : match.start()])):
            found.append(match)
    return found


def value_of(match: re.Match[str]) -> tuple[float, Unit | None]:
    """The weight a MENTION gives."""
    number = next(match[name] for name in ("coefficient", "value", "scored", "out") if match[name])
    unit: Unit | None = None if match["coefficient"] else "%" if match["unit"] == "%" else "points"
    return float(number.replace(",", ".")), unit


def is_label(text: str) -> bool:
    """Whether words can name a criterion: neither a degree of a scale, nor a total, nor a formula."""
    folded = fold(text)
    letters = sum(c.isalpha() for c in text)
    plain = letters >= 3 and letters * 2 >= len(text.replace(" ", "")) and len(text) <= 400
    return plain and not _SCALE.match(folded) and not _NOT_LABEL.search(folded)


def split_code(text: str) -> tuple[str, str, int | None]:
    """``(code, rest, depth)`` of « Critère n° 1 : Prix », « 1.2 Délai », « Sous-critère 3 – Équipe », « Prix »."""
    text = fold_spaces(text)
    depth = 1 if _SUB.match(text) else 0 if re.match(r"^crit[èe]re\b", text, re.IGNORECASE) else None
    match = _CODE.match(text)
    if match and re.match(r"crit[èe]re\s*n", text[match.end() :], re.IGNORECASE):
        return split_code(text[match.end() :])  # the number of an article before that of the criterion
    if match and len(text) > match.end():
        code = match["code"].replace(" ", "")
        if depth is None and re.fullmatch(r"[A-Z]{0,2}\d+(?:\.\d+)+", code):
            depth = 1
        return code, text[match.end() :], depth
    return "", _WORD.sub("", text), depth


def trim(text: str) -> str:
    """A label without what ties it to the weight after it, a bracket left open closed or dropped."""
    text = _TAIL.sub("", fold_spaces(text))
    if text.count("(") > text.count(")"):
        text = f"{text.rstrip()})" if not text.rstrip().endswith("(") else text.rstrip()[:-1]
    return text.strip(" :–—-,;.")


def clean(text: str) -> str:
    """The label in a clause: quoted words, else without the connectives, the article and the asides around it."""
    text = fold_spaces(text)
    quoted = re.findall(r"«\s*([^»]{3,})\s*»", text)
    if quoted and len(text) - len(quoted[-1]) < 60:
        return str(quoted[-1]).strip()
    return _HEAD.sub("", trim(_ASIDE.sub("", trim(text)))).strip(" :–—-,;.«»")


def split_note(text: str) -> tuple[str, str]:
    """The name of the criterion, and what the buyer adds after it on how it is appreciated."""
    first, _, rest = text.partition("\n")
    head, note = fold_spaces(first), fold_spaces(rest)
    found = [match for pattern in _NOTES if (match := pattern.search(head)) and match.start() >= 3]
    if not found:
        return head.rstrip(" :–—"), note
    match = min(found, key=lambda m: m.start())
    end = match.start() + (1 if head[match.start()] == "." else 0)
    return head[:end].strip(" :"), f"{head[match.end() :]} {note}".strip()


_NOTES = (
    re.compile(r"(?<=[\w’»)][\w’»)])\.\s+(?=[A-ZÀ-Þ])"),
    re.compile(r"\s*:\s+(?=(?:Définition|Ce (?:sous[\s\-]*)?crit|Appréci))"),
    re.compile(r"\s+(?=(?:Ce (?:sous[\s\-]*)?crit[èe]re|Appréciée?s?|Jugée?s?|Note\s*=)\s)"),
)
"""Where what a buyer says on how a criterion is appreciated begins."""
