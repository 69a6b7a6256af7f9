"""How many pages the buyer allows: rules of form -> a number."""

from __future__ import annotations

import re

from pipeline.french import NUMBER_WORDS, fold
from pipeline.records import Tender

_ANSWER = re.compile(r"\bmemoire|\boffre technique|\breponse")
_OTHER = re.compile(
    r"\b(?:cv|curriculum|fiches?|annexes?|notes?|notices?|references?|lettre|planning|resumes?|syntheses?)\b"
)
_BESIDES = re.compile(r"\b(?:hors|sans compter|non compris|y compris|exclu\w*|excepte)\b[^,;.]*")
_WORDS = "|".join(("une", "vingts", "cents", "et", *NUMBER_WORDS))
_NUMBER = rf"(?<![\d/.,-])(?P<n>\d{{1,3}}|(?:{_WORDS})(?:[ -](?:{_WORDS}))*)(?: ?\( ?[\w -]+ ?\))?"
_AFTER = r"\bpages\b[^.;\d]{0,60}?(?<![\d.,])(?P<after>\d{1,3})(?![\d.,]*(?: ?%| ?p(?:oin)?ts))\b"
_PAGES = re.compile(rf"{_NUMBER} ?(?:pages?\b|faces\b|p\.)|{_AFTER}")
_AT_MOST = re.compile(
    r"maxim|\bmaxi?\b|\blimit|\bplafon|\bau plus\b|\bplus de\b(?=.*\bne\b)|\bpas\b.{0,12}\bplus de\b"
    r"|\bdepass|\bexced|\bau[- ]dela de\b|\bautoris|\badmis"
)
_AT_LEAST = re.compile(r"\bminim|\bau moins\b")
_EACH = re.compile(r"^[^,;.]{0,20}\b(?:chacune?s?|par (?:cv|fiche|personne|profil|reference|intervenant|annexe))\b")
REACH = 60
"""Characters before a number of pages where what makes it a limit may stand; half as many after it."""


def page_limit(tender: Tender) -> int | None:
    """Most pages the mémoire may have, where a rule of form says so. The rule that names the mémoire is preferred; one
    that is about something else (a CV, a note, an annex) is not the mémoire's."""
    named = [rule for rule in tender.format_rules if _ANSWER.search(fold(rule))]
    others = [
        rule for rule in tender.format_rules if rule not in named and not _OTHER.search(_BESIDES.sub("", fold(rule)))
    ]
    return next((pages for rule in [*named, *others] if (pages := pages_said(rule))), None)


def pages_said(text: str) -> int | None:
    """The most pages a text allows: « 20 pages au plus » and « vingt (20) pages maximum » give 20. Of several, the
    largest: the others are of parts; what is allowed to each of several things is not a limit of the whole."""
    found = []
    for clause in re.split(r"(?<!max)(?<!\bp)[.;](?!\d)", fold(text)):
        last = 0
        for match in _PAGES.finditer(clause):
            told = clause[max(last, match.start() - REACH) : match.end() + REACH // 2]
            last = match.end()
            each = _EACH.search(clause[match.end() :])
            if _AT_MOST.search(told) and not _AT_LEAST.search(told) and not each:
                found.append(_number(match["n"] or match["after"]))
    return max(filter(None, found), default=None)


def _number(said: str) -> int:
    """« 25 », « vingt-cinq » and « quatre-vingt-dix » as a number; 0 where the words make none."""
    if said.isdigit():
        return int(said)
    total = 0
    for word in re.split(r"[ -]", said.replace("vingts", "vingt").replace("cents", "cent")):
        value = {"une": 1, "et": 0}.get(word, NUMBER_WORDS.get(word, 0))
        total = total * value if total and value in (20, 100) and total < value else total + value
    return total
