"""Can it be read, and is it of the form that the buyer rules? Case -> items, without Word.

A rule of form is cut into the things it says that a file can show: pages, paper, size and name of the fonts, page
numbers, contents, formats, size of the file, language. Each is an item. One that cannot be told from what is known, and
a rule that says none of them, is unscored: nobody has checked it, so it is not held to be kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.case import Case, Item
from pipeline.french import fold, join_french, looks_english, sentences
from pipeline.pack.limits import limits_said
from pipeline.pages import page_limit, pages_said
from pipeline.records import DocumentForm, Tender

SENTENCE_WORDS = 40
"""Most words of a sentence: at 40 a reader is said to keep three tenths of it (L. Fayard, « Comment nous lisons »), and
guides to plain French ask for 15 to 20 on average; a technical answer is granted the double."""
PARAGRAPH_WORDS = 150
"""Most words of a paragraph: `structure.paragraph-too-long` of the public linter lucid-lint 0.2.5, its technical
profile."""


def readable(case: Case) -> Iterator[Item]:
    """Sentences, the buyer's words that we quote apart, and paragraphs that are no longer than can be read."""
    for one in case.own:
        yield sentence_item(one.key, one.sentence.text, one.section.number, one.paragraph.id)
    for section in case.memoire.sections:
        for paragraph in section.paragraphs:
            text = " ".join(sentence.text for sentence in paragraph.sentences)
            if text:
                yield paragraph_item(text, section.number, paragraph.id)


def sentence_item(key: str, text: str, section: str, paragraph: str) -> Item:
    """A sentence counted; where two stand in one text, the longer."""
    long = max(map(length, sentences(text) or [text]))
    return _counted(key, "Phrase", long, SENTENCE_WORDS, section, paragraph)


def paragraph_item(text: str, section: str, paragraph: str) -> Item:
    """A paragraph counted."""
    return _counted(paragraph, "Paragraphe", length(text), PARAGRAPH_WORDS, section, paragraph)


def _counted(key: str, what: str, words: int, most: int, section: str, paragraph: str) -> Item:
    fault = f"{what} de {words} mots : {most} au plus se lisent bien." if words > most else ""
    return Item(key, float(not fault), section, paragraph, fault)


def length(text: str) -> int:
    """Words: what white space parts and holds a letter or a digit; « l'accès » is one, « : » is none."""
    return sum(any(sign.isalnum() for sign in token) for token in text.split())


# --- the buyer's rules -------------------------------------------------------------------------------------


class Told(NamedTuple):
    """What a file shows of a rule."""

    kept: bool | None
    """``None`` where it cannot be told."""
    seen: str
    """In French, what is seen where the rule is broken."""


Check = Callable[[str, DocumentForm, int | None], Told | None]
"""Of a rule (and folded inside), a form and the mémoire's limit of pages: ``None`` where the rule does not say it."""

_OUTSIDE = re.compile(r"\bhors\b|\bnon compris|\bsans compter|\bdecompte|\bne comp\w+ pas\b|\bnon compt")
_FONTS = (
    "arial", "calibri", "times new roman", "verdana", "helvetica", "cambria", "garamond", "tahoma", "open sans",
    "liberation sans", "marianne", "georgia", "century gothic", "trebuchet ms", "segoe ui", "aptos", "roboto",
)  # fmt: skip
_POINTS = re.compile(
    r"\b(?:polices?|caracteres?|corps|typograph\w+)\b.{0,60}?(?<![\d.,])(\d{1,2}(?:[.,]5)?)\s*(?:points?|pts?)\b"
    r"|\b(?:taille (?:de )?(?:la )?police|police (?:de )?taille|corps)\s*(?::|de|minimale?|mini(?:mum)?|au moins|\s)*"
    r"(\d{1,2}(?:[.,]5)?)\b"
    rf"|\b(?:{'|'.join(_FONTS)})\b,? ?(?:de |en )?(?:taille |corps )?(?:minimale? )?(?:de )?(\d{{1,2}}(?:[.,]5)?)\b"
)
SIZES = range(6, 17)
"""Points that a size of text may have: another number is none."""
_AT_MOST = re.compile(r"\bau plus\b|\bmaxim|\bne .{0,20}(?:depass|exced)")
_OR_LIKE = re.compile(r"\bou (?:equivalent|similaire|autre)|\bequivalente?\b|\bpar exemple\b|\bde type\b|\bex\b")
_NUMBERED = re.compile(r"\bpages? .{0,30}\bnumerote|\bpagines?\b|\bpaginees?\b|\bnumerotation des pages\b")
_CONTENTS = re.compile(
    r"\b(?:comport|conti|compren|dote|pourvu|muni|preced|accompagn)\w* .{0,40}\b(?:sommaire|table des matieres)\b"
    r"|\b(?:sommaire|table des matieres) (?:pagine )?(?:est|doit etre|sera) (?:present|obligatoire|exige|fourni|joint)"
)
_IN_FRENCH = re.compile(
    r"\b(?:documents?|ecrits?|offres?|candidatures?|memoires?|reponses?|plis?|pieces?|dossiers?|notices?|fiches?"
    r"|redige\w*|etabli\w*|exprime\w*)\b.*\b(?<!traduction )en (?:langue )?francais"
    r"|\bfrancais est la (?:seule )?langue|^langue ?: ?francais|\blangue de .{0,40}\bfrancais"
)
_ANSWER = re.compile(r"\bmemoire|\boffres?\b|(?<!cadre de )\breponses?\b(?! au questionnaire)|\bdocuments\b|\bpieces\b")
_OTHER = re.compile(
    r"^(?:elle|il)\b|\bcadre de\b|\bcandidature|\bacte d.engagement|\bcv\b|\bannexes? (?!comp|non)|\bnotes? (?!comp)"
    r"|\bnotice|\bfiche|\bbordereau|\bformulaire|\bquestionnaire|\bplanning|\bplans?\b|\bdevis\b|\bbpu\b|\bdpgf\b"
)
"""Another document than the mémoire; « Elle » is of the sentence before, which is not known here."""


def _pages(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    said = pages_said(rule)
    if said is None or said != limit:  # another document's
        return None
    if form.pages is None or (form.pages > said and _OUTSIDE.search(fold(rule))):
        return Told(None, "")  # what the buyer leaves out of the count is in ours
    return Told(form.pages <= said, f"{form.pages} pages")


def _paper(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    if not re.search(r"\ba4\b", fold(rule)):
        return None
    others = [paper for paper in form.papers if max(abs(paper[0] - 210), abs(paper[1] - 297)) > 1]
    if (0, 0) in others or (others and re.search(r"\ba3\b", fold(rule))):
        return Told(None, "")
    return Told(not others, f"pages de {join_french(f'{a} × {b} mm' for a, b in others)}")


def least_points(tender: Tender) -> float | None:
    """The smallest text that the buyer allows in the mémoire, in points; ``None`` where no rule of form says so."""
    found = [least for rule in tender.format_rules if not _elsewhere(rule) and (least := _least(rule))]
    return max(found, default=None)


def _least(rule: str) -> float | None:
    match = _POINTS.search(fold(rule))
    least = float(next(filter(None, match.groups())).replace(",", ".")) if match else 0.0
    return None if int(least) not in SIZES or _AT_MOST.search(fold(rule)) else least


def _elsewhere(rule: str) -> bool:
    """Whether a rule is about another document than the mémoire."""
    return bool(_OTHER.search(fold(rule)) and not _ANSWER.search(fold(rule)))


def _points(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    least = _least(rule)
    if least is None:
        return None
    if form.smallest is None:
        return Told(None, "")
    style = f" (style « {form.smallest_style} »)" if form.smallest_style else ""
    return Told(form.smallest >= least, f"texte de {form.smallest:g} points{style}".replace(".", ","))


def _fonts(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    folded = fold(rule)
    wanted = [font for font in _FONTS if re.search(rf"\b{font}\b", folded)]
    if not wanted:
        return None
    if _OR_LIKE.search(folded) or "" in form.fonts or not form.fonts:
        return Told(None, "")
    others = [font for font in form.fonts if fold(font) not in wanted]
    return Told(not others, f"police {join_french(others)}")


def _numbered(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    return Told(form.numbered, "pages sans numéro") if _NUMBERED.search(fold(rule)) else None


def _contents(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    return Told(form.contents, "aucun sommaire") if _CONTENTS.search(fold(rule)) else None


def _formats(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    admitted = dict(limits_said(rule)).get("formats")
    if not isinstance(admitted, tuple):
        return None
    if "pdf" in admitted and form.format not in admitted:
        return Told(None, "")  # any document may be handed in as PDF
    return Told(form.format in admitted, f"fichier {form.format}")


def _megabytes(rule: str, form: DocumentForm, limit: int | None) -> Told | None:
    most = dict(limits_said(rule)).get("max_file_mb")
    if not isinstance(most, float):
        return None
    return Told(form.megabytes <= most, f"fichier de {form.megabytes:.1f} Mo".replace(".", ","))


CHECKS: dict[str, Check] = {
    "pages": _pages,
    "papier": _paper,
    "taille": _points,
    "police": _fonts,
    "numéros": _numbered,
    "sommaire": _contents,
    "format": _formats,
    "poids": _megabytes,
}


class Place(NamedTuple):
    """Where something stands in the document."""

    section: str
    paragraph: str | None


def formed(case: Case) -> Iterator[Item]:
    """What the buyer's rules of form say that the document shows."""
    foreign = (one for one in case.said if looks_english(one.sentence.text))
    first = next(foreign, None)
    yield from rule_items(case.tender, case.form, Place(first.section.number, first.paragraph.id) if first else None)


def rule_items(tender: Tender, form: DocumentForm | None, foreign: Place | None) -> Iterator[Item]:
    """An item for each thing that a rule of form says, and one without value for a rule that says none of them.
    ``foreign``: the first sentence in another language."""
    limit = page_limit(tender)
    unread = form or DocumentForm(
        format="", megabytes=0, papers=((0, 0),), smallest=None, smallest_style="", fonts=(), numbered=False,
        contents=False,
    )  # fmt: skip
    for n, rule in enumerate(tender.format_rules):
        quoted = f" : l'acheteur demande « {rule.rstrip(' ;.')} »."
        told = {name: found for name, check in CHECKS.items() if (found := check(rule, unread, limit)) is not None}
        for name, (kept, seen) in told.items():
            known = None if kept is None or form is None or _elsewhere(rule) else float(kept)
            fault = seen[:1].upper() + seen[1:] + quoted if known == 0 else ""
            yield Item(f"{name}#{n}", known, "", None, fault)
        if _IN_FRENCH.search(fold(rule)):
            place = foreign or Place("", None)
            fault = f"Phrase dans une autre langue{quoted}" if foreign else ""
            yield Item(f"langue#{n}", float(not foreign), place.section, place.paragraph, fault)
        elif not told:
            yield Item(f"règle#{n}", None)
