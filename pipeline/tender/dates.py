"""Dates of a tender -> the one when offers close."""

from __future__ import annotations

import re

from pipeline.french import fold
from pipeline.records import Tender

_CLOSING = re.compile(
    r"\b(?:remise|reception|depot|transmission|envoi)\b.{0,40}\b(?:offre|pli|proposition|reponse)s?\b"
)
_LIMIT = re.compile(r"\b(?:limite|cloture)\b")
_FIRST = re.compile(r"\b(?:remise|reception|depot|retour)\b.{0,40}\bcandidatures?\b")
"""Where candidates are chosen first, theirs is the date that counts."""
_OTHER = re.compile(r"\b(?:question|renseignement|validite|visite|candidature)s?\b")


def closing(tender: Tender) -> str | None:
    """When offers close, ``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM``; ``None`` where no date of the reading says so. The
    last one, where several do: buyers postpone."""
    said = [(fold(item.label), fold(item.text), item.date) for item in tender.deadlines if item.date]
    for found in (
        [date for label, _, date in said if _CLOSING.search(label) and not _OTHER.search(label)],
        [date for label, text, date in said if _LIMIT.search(label) and _CLOSING.search(text)],
        [date for label, _, date in said if _FIRST.search(label)],
    ):
        if found:
            return max(found)
    return None
