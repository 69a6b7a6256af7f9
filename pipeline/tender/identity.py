"""Object, buyer, reference and dates of the consultation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Block, Deadline, Document

_MONTHS = {
    name: number
    for number, name in enumerate(
        [
            "janvier",
            "fevrier",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "aout",
            "septembre",
            "octobre",
            "novembre",
            "decembre",
        ],
        start=1,
    )
}
_DATE = re.compile(
    r"(?:(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\s+)?(?P<day>\d{1,2}|1er)\s+"
    rf"(?P<month>{'|'.join(_MONTHS)})\s+(?P<year>20\d{{2}})|(?P<d>\d{{1,2}})/(?P<m>\d{{1,2}})/(?P<y>20\d{{2}})"
)
_HOUR = re.compile(r"\b(?P<hour>[01]?\d|2[0-3])\s*(?:h|heures?|:)\s*(?P<minute>[0-5]\d)?(?!\s*sur\b)")
_CLOSES = re.compile(
    r"date limite|au plus tard|retour des|remise des (?:plis|offres|candidatures)|reception des (?:plis|"
    r"offres|candidatures)|"
    r"selection des|questions|notification|visite|demarrage|debut d.execution"
)
_REFERENCE = re.compile(
    r"(?:proc[ée]dure|consultation|march[ée]|r[ée]f[ée]rence|affaire|dossier|accord-cadre)\s*(?:n\s?°|"
    r"num[ée]ro|:|r[ée]f[ée]rence\s*:?)\s*:?\s*"
    r"(?P<ref>(?=[A-Z0-9/_.\-]*\d)[A-Z0-9][A-Z0-9/_.\-]{3,})"
)
_BUYER_LABEL = re.compile(
    r"^(?:acheteur|pouvoir adjudicateur|entit[ée] adjudicatrice|ma[iî]tre d.ouvrage|"
    r"identification (?:du pouvoir adjudicateur|de l.acheteur)|"
    r"nom (?:et adresse )?(?:officiels? )?de l.(?:acheteur|organisme))(?:\s+public)?\s*:?\s*(?P<rest>.*)$",
    re.IGNORECASE,
)
_BUYER_SENTENCE = re.compile(
    r"(?:est (?:passée|lancée|organisée)(?: et pilotée)? par|pouvoir adjudicateur (?:est|:)|"
    r"acheteur (?:est|:))\s*:?\s*(?P<name>(?:l[ea']\s?|les\s)?[A-ZÀ-Þ][^.;,]{5,120})"
)
_OBJECT_TITLE = re.compile(r"\bobjet (?:de la consultation|du marche|de l.accord)")
_OBJECT = re.compile(
    r"(?:pr[ée]sente? (?:consultation|march[ée]|accord-cadre)[^.]{0,60}?|consultation|"
    r"march[ée](?: public)?|accord-cadre) a pour objet\s*:?\s*(?P<object>[^.]{15,400})",
    re.IGNORECASE,
)


def read_object(documents: Sequence[Document]) -> str | None:
    """What the consultation is for: under a heading « Objet », else the sentence that says « a pour objet »."""
    for document in documents:
        for block, following in _pairs(document):
            titled = block.kind == "heading" and _OBJECT_TITLE.search(fold(block.text))
            if titled and following is not None and following.kind == "paragraph":
                match = _OBJECT.search(following.text)
                return fold_spaces(match["object"]) if match else following.text.strip().rstrip(".")
    for document in documents:
        for block in document.blocks:
            match = _OBJECT.search(block.text)
            if match and block.kind != "toc":
                return fold_spaces(match["object"])
    return None


def read_buyer(documents: Sequence[Document]) -> str | None:
    """The contracting authority, as the tender names it."""
    for document in documents:
        for block, following in _pairs(document):
            match = _BUYER_LABEL.match(block.text) if len(block.text) < 200 else None
            if match and match["rest"].strip():
                return _name(match["rest"])
            if match and following is not None and following.kind == "paragraph":
                sentence = _BUYER_SENTENCE.search(following.text)
                return _name(sentence["name"] if sentence else following.text)
    for document in documents:
        for block in document.blocks:
            match = _BUYER_SENTENCE.search(block.text)
            if match and block.kind == "paragraph":
                return _name(match["name"])
    return None


def _name(text: str) -> str:
    text = re.split(r",| dont le siège| situé| représent", fold_spaces(text))[0]
    return re.sub(r"^(?:la |le |les |l['’])", "", text).strip(" .:;")


def read_reference(documents: Sequence[Document]) -> str | None:
    """The consultation's number, from the first pages."""
    for document in documents:
        for block in document.blocks[:60]:
            match = _REFERENCE.search(block.text) if block.kind != "toc" else None
            if match:
                return match["ref"].rstrip(".-/_")
    return None


def read_deadlines(documents: Sequence[Document]) -> tuple[Deadline, ...]:
    """Every full date that closes something, with its hour where the sentence or the next line gives one."""
    found: dict[tuple[str, str], Deadline] = {}
    for document in documents:
        if _is_contract(document):
            continue
        heading = ""
        for block, following in _pairs(document):
            if block.kind == "heading":
                heading = block.text
            if block.kind not in ("paragraph", "item", "table"):
                continue
            for sentence in sentences(block.text):
                folded = fold(sentence)
                dated = _DATE.search(folded)
                context = folded if _CLOSES.search(folded) else fold(heading)
                if not dated or not _CLOSES.search(context):
                    continue
                label = _label(sentence, heading)
                hour = _HOUR.search(folded[dated.end() :])
                if hour is None and following is not None and re.match(r"heures?\s*:", fold(following.text)):
                    hour = _HOUR.search(fold(following.text))
                date = _iso(dated, hour)
                found.setdefault((label, date), Deadline(label=label, date=date, text=fold_spaces(sentence)))
    return tuple(sorted(found.values(), key=lambda deadline: (deadline.date or "", deadline.label)))


def _is_contract(document: Document) -> bool:
    """CCAP and CCTP date the contract's life, not the consultation."""
    opening = fold(" ".join(block.text for block in document.blocks[:10]))
    return "clauses administratives" in opening and "reglement de la consultation" not in opening


def _label(sentence: str, heading: str) -> str:
    """What the date closes: the words before it, else the heading."""
    folded = fold(sentence)
    dated = _DATE.search(folded)
    start = dated.start() if dated else len(sentence)
    words = re.split(r"[:–]", sentence[: min(start, len(sentence))])[0].strip(" ,")
    label = re.sub(
        r"\s+(?:est|sont|a|fixée?s?|au|le|à|au plus tard|avant)(?:\s+(?:fixée?s?|au|le|à|plus tard))*$",
        "",
        words,
    )
    return fold_spaces(label) if len(label) > 8 else fold_spaces(heading)


def _iso(dated: re.Match[str], hour: re.Match[str] | None) -> str:
    if dated["year"]:
        day = 1 if dated["day"] == "1er" else int(dated["day"])
        date = f"{int(dated['year']):04d}-{_MONTHS[dated['month']]:02d}-{day:02d}"
    else:
        date = f"{int(dated['y']):04d}-{int(dated['m']):02d}-{int(dated['d']):02d}"
    return f"{date}T{int(hour['hour']):02d}:{int(hour['minute'] or 0):02d}" if hour else date


def _pairs(document: Document) -> Iterator[tuple[Block, Block | None]]:
    blocks = [block for block in document.blocks if block.kind != "toc"]
    return zip(blocks, [*blocks[1:], None], strict=True)
