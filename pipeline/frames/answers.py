"""What the dossier answers to what a frame asks: a requirement by its number or wording, a heading of the plan, a fact
about the firm. Nothing is written on a mere likeness.

Likeness alone does not tell two requirements apart: among the 529 requirements of three real tenders and the sample
dossier, different ones reach a ratio of 98.5 (one acronym for another) and 96.2. So the words that carry meaning, the
figures and the negations must be the same; the ratio then only guards their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rapidfuzz import fuzz

from pipeline.export import CONFORMITY
from pipeline.frames import words
from pipeline.french import fold, fold_spaces, stems, typeset
from pipeline.records import Compliance, FramePlace, Memoire, PlanNode, Section

SAME = 75.0
"""Least ratio of two texts that have the same words of meaning: under it their order differs."""
SAME_NUMBER = 50.0
"""Least ratio under one identifier: two wordings further apart are two requirements that happen to share a number."""
_NEGATION = re.compile(r"\b(?:ne|n|pas|non|sans|aucune?|ni|sauf|hors|jamais)\b")
_COMMON = frozenset(
    stem
    for word in [
        "titulaire",
        "candidat",
        "soumissionnaire",
        "prestataire",
        "solution",
        "doit",
        "devra",
        "doivent",
        "devront",
        "doive",
        "être",
        "obligatoirement",
        "impérativement",
        "exigence",
        "répondre",
        "proposer",
        "proposé",
    ]
    for stem in stems(word)
)
"""Stems that frames add or leave out without changing what is asked."""

_IDENTITY: tuple[tuple[str, str], ...] = (
    ("tva", r"\btva intra|\btva$"),
    ("siret", r"\bsiret\b"),
    ("siren", r"\bsiren\b"),
    ("ape", r"\b(?:ape|naf)\b"),
    ("rcs", r"\brcs\b|registre du commerce"),
    ("forme_juridique", r"forme juridique|statut juridique"),
    ("courriel", r"courriel|e-?mail|\bmel\b|(?:adresse|messagerie) electronique"),
    ("telephone", r"telephone|^tel\b"),
    ("telecopie", r"telecopie|^fax\b"),
    ("site_internet", r"site (?:internet|web)|adresse internet"),
    ("adresse_siege", r"(?:adresse (?:du )?)?siege social|adresse du siege"),
    ("code_postal", r"code postal"),
    ("ville", r"^(?:ville|commune)\b"),
    ("adresse", r"adresse(?! electronique| internet| du siege)"),
    (
        "raison_sociale",
        r"raison sociale|denomination|nom commercial|^nom (?:de |du |de l.|de la )?(?:candidat|soumissionnaire|societe"
        r"|entreprise)|^(?:candidat|soumissionnaire|societe|entreprise)$",
    ),
)
"""Field of the firm's identity record, and how buyers call it."""
IDENTITY_WORDS = 8
"""Words of a label of a form, what stands in parentheses apart; a sentence that speaks of telephones has more."""
IDENTITY = "raison_sociale"
"""The field by which a record of the library is the firm's identity."""


@dataclass(frozen=True)
class Answer:
    """What the dossier has for a question."""

    paragraphs: tuple[str, ...]
    source: str
    """In French, for the report."""
    score: float
    section: str = ""
    """Name of the section as the frame refers to it; empty where the plan has no place for it."""
    conformity: str = ""
    """« yes », « confirm », « open », or empty where no requirement is concerned."""


@dataclass(frozen=True)
class Answers:
    """All that may be written in a frame."""

    memoire: Memoire
    identity: Mapping[str, str] = field(default_factory=dict)
    """Fields of the firm's identity record; empty where the library has none."""

    def find(self, place: FramePlace) -> Answer | str:
        """The answer to a place, or why there is none, in French."""
        key = identity_field(place.label)
        if key:
            return self._fact(key)
        reference = place.reference or words.reference(place.label)
        rows = [row for row in self.memoire.compliance if _one(row.requirement.id, reference)] if reference else []
        asked = words.without_reference(place.label)
        if rows:
            score = max(likeness(asked, row.requirement.text) for row in rows)
            if len(stems(asked)) > 2 and score < SAME_NUMBER:
                return f"{reference} n'a pas le même énoncé dans les pièces lues : à vérifier."
            return self._requirement(rows, 100.0)
        if not stems(asked):
            return "Rien ne dit ce qui est demandé ici."
        scored = [(same(asked, row.requirement.text), row) for row in self.memoire.compliance]
        best = max((score for score, _ in scored), default=0.0)
        if best:
            return self._requirement([row for score, row in scored if score == best], best)
        return self._section(place.label)

    def _fact(self, key: str) -> Answer | str:
        value = self.identity.get(key)
        if not value:
            return f"La bibliothèque ne donne pas « {key} » dans la fiche d'identité de l'entreprise."
        return Answer((value,), f"bibliothèque, fiche d'identité, « {key} »", 100.0)

    def _requirement(self, rows: Sequence[Compliance], score: float) -> Answer | str:
        """The answer to rows that ask one and the same thing."""
        row = rows[0]
        name = row.requirement.id
        if len({(item.section, item.answer) for item in rows}) > 1:
            return f"Plusieurs exigences ont cet énoncé ({', '.join(r.requirement.id for r in rows)}) : à choisir."
        if row.answer is None:
            return f"{name} : {CONFORMITY[row.conformity].lower()}, le mémoire n'y répond pas encore."
        where = self._place(row.section)
        source = f"{name}, {where}" if where else name
        return Answer((row.answer.text,), source, score, where, row.conformity)

    def _section(self, label: str) -> Answer | str:
        """What the mémoire says under the heading, or on the point, that a frame repeats."""
        number, title = words.numbered(label)
        heads = [(_heading(node, number, title), node) for node in self.memoire.plan]
        best = max((score for score, _ in heads), default=0.0)
        if best:
            nodes = [node for score, node in heads if score == best]
            if len(nodes) > 1:
                return "Plusieurs sections du plan ont ce titre : à choisir."
            return self._said(nodes[0], best, None)
        points = [
            (score, section, at)
            for section in self.memoire.sections
            for at, point in enumerate(section.brief.points)
            if (score := same(title, point.text))
        ]
        if not points:
            return "Ni une exigence ni une section du mémoire n'a cet énoncé."
        score, section, at = max(points, key=lambda item: item[0])
        if sum(item[0] == score for item in points) > 1:
            return "Plusieurs sections du mémoire traitent ce point : à choisir."
        node = next(node for node in self.memoire.plan if node.name == section.number)
        return self._said(node, score, at)

    def _said(self, node: PlanNode, score: float, point: int | None) -> Answer | str:
        sections = [s for s in self.memoire.sections if s.number == node.name or s.number.startswith(f"{node.name}.")]
        texts = tuple(text for section in sections for text in _texts(section, point))
        where = self._place(node.name)
        if not texts:
            return f"{where} : pas encore rédigée."
        gaps = sum(p.gap is not None for s in sections for p in s.paragraphs if point is None or p.point == point)
        rest = f" ; {gaps} {'points restent' if gaps > 1 else 'point reste'} à compléter" if gaps else ""
        return Answer(texts, f"{where}{rest}", score, where)

    def _place(self, name: str) -> str:
        """« Mémoire technique, section 4.3 », or its title where the buyer numbers nothing."""
        node = next((node for node in self.memoire.plan if node.name == name), None)
        if node is None:
            return ""
        called = node.number or f"« {fold_spaces(node.title)} »"
        return typeset(f"{self.memoire.kind}, section {called}")


def _texts(section: Section, point: int | None) -> list[str]:
    """Its paragraphs that say something, each after the distinction it falls under; gaps stay out of a frame."""
    return [
        f"{f'{p.distinction}. ' if p.distinction else ''}{' '.join(sentence.text for sentence in p.sentences)}"
        for p in section.paragraphs
        if p.sentences and (point is None or p.point == point)
    ]


def _heading(node: PlanNode, number: str, title: str) -> float:
    """Likeness of a heading of the frame with one of the plan; a number that contradicts the plan's counts against."""
    score = same(title, node.title)
    return 0.0 if score and number and node.number and fold(number) != fold(node.number) else score


def _one(identifier: str, reference: str) -> bool:
    return words.reference_key(identifier) == words.reference_key(reference)


def same(first: str, second: str) -> float:
    """Likeness in [0, 100] of two wordings of one thing; 0 where a word of meaning, a figure or a negation differs."""
    if _core(first) != _core(second):
        return 0.0
    score = likeness(first, second)
    return score if score >= SAME else 0.0


def likeness(first: str, second: str) -> float:
    """Normalised edit similarity of two texts, in [0, 100], case and accents aside."""
    return float(fuzz.ratio(fold(first).rstrip(" .:;?"), fold(second).rstrip(" .:;?")))


@cache
def _core(text: str) -> tuple[frozenset[str], tuple[str, ...], bool]:
    """Words of meaning, figures, and whether something is denied."""
    folded = fold(text)
    found = frozenset(stems(text)) - _COMMON
    return found or frozenset(stems(text)), tuple(sorted(re.findall(r"\d+", folded))), bool(_NEGATION.search(folded))


def identity_field(label: str) -> str:
    """The one field of the identity record that a label names; empty where it names none, or several at once."""
    text = re.sub(r"\([^)]*\)", "", fold(label))
    text = re.sub(r"^[\W\d]*(?:votre |n° ?|numero |code |adresse (?=e-?mail|mel\b))?(?:de |du |d\W)?", "", text).strip(
        " :.…"
    )
    found = [name for name, pattern in _IDENTITY if re.search(pattern, text)]
    if "adresse_siege" in found and "adresse" in found and text.count("adresse") == 1:
        found.remove("adresse")
    if len(found) != 1 or len(text.split()) > IDENTITY_WORDS:
        return ""
    return found[0] if re.match(dict(_IDENTITY)[found[0]], text) else ""


def identity_of(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Fields of the firm's identity record; nothing where there is none, or more than one firm."""
    firms = [record for record in records if record.get(IDENTITY)]
    if len(firms) != 1:
        return {}
    return {str(key): fold_spaces(str(value)) for key, value in firms[0].items() if value not in (None, "")}
