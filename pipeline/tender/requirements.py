"""Requirements of the CCTP or programme fonctionnel, one atomic statement each, with the buyer's number where given.

A statement with its own number (« EX-012 – … ») is taken as it stands. Elsewhere, a sentence that obliges (« doit »,
« devra », « est tenu de », « est imposé ») in a CCTP, a programme fonctionnel or an article on minimum requirements is
one; where it lists several things, each is a statement of its own, with the words that introduce the list before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pipeline.french import fold, fold_spaces, sentences
from pipeline.records import Document, Requirement
from pipeline.tender.classify import piece

_NUMBERED = re.compile(
    r"^(?P<id>(?:EX|EXI|EXG|EF|ENF|REQ|RQ|R|E|EM|F)[\s\-_.]?\d{1,4}(?:[.\-]\d{1,3})*)\s*[–—\-:.]\s+(?P<text>\S.+)$"
)
_MUST = re.compile(
    r"\b(?:doi(?:t|vent)|devra(?:it|ient)?|devront|est tenue? de|sont tenue?s de|impose(?:e?s?|nt)?"
    r"|est exigee?|sont exigee?s"
    r"|obligatoire(?:ment)?|imperativement|s.engagent? a|aucune?\b.{3,80}\bautorise"
    r"|ne (?:seront?|pourra|pourront|peut|peuvent) (?:pas|en aucun)|exigences minimales)\b"
)
_MAY = re.compile(
    r"\b(?:pourra|pourront|peut|peuvent|est souhaitee?|sont souhaitee?s|souhaitable|optionnel(?:le)?|facultati(?:f|ve)"
    r"|n.est pas exigee?)\b"
)
_MINIMUM = re.compile(r"exigences? minimales?|caracteristiques minimales")
_HEAD = re.compile(
    r"^(?P<subject>.*?)\b"
    r"(?P<modal>(?:doi(?:t|vent)|devra(?:it|ient)?|devront|est tenue? de|sont tenue?s de|impose(?:nt)?)\b)"
    r"(?P<adverb>(?:\s+(?:notamment|également|obligatoirement|impérativement|en outre))*)\s*"
    r"(?P<verb>(?:s['’]|se\s|être\s|en\s)?(?:être\s+)?[\w\-]+)?\s*(?P<tail>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_LEAD = re.compile(
    r"\b(?:incluant|comprenant|couvrant|intégrant|notamment|avec(?!\s+la possibilité)|tels? que|telles? que)\b|\s:\s"
)
_DETERMINER = re.compile(
    r"^(?:l['’]|d['’]|une?\b|l[ae]s?\b|des?\b|du\b|aux?\b|à\b|son\b|sa\b|ses\b|leurs?\b)", re.IGNORECASE
)
_INFINITIVE = re.compile(r"^(?:s['’]|se\s|être\s|ne\s)?\w+(?:er|ir|re|oir)\b")
_SUBJECTS = re.compile(r"^(?P<list>.{5,200}?)\s+(?P<rest>(?:sont|font partie|constituent)\s.+)$", re.DOTALL)
_PRICES = ("BPU", "DPGF", "DQE")
MAX_ATOMS = 16
"""A sentence that splits into more is prose with many commas, not a list."""


def read_requirements(documents: Sequence[Document]) -> tuple[Requirement, ...]:
    """Numbered statements first; where a document has none, its obliging sentences, one statement each."""
    found: list[Requirement] = []
    for document in documents:
        if piece(document) not in _PRICES:  # their numbered lines are units to price
            found.extend(_numbered(document) or _obliging(document))
    return tuple(found)


def _numbered(document: Document) -> list[Requirement]:
    found: list[Requirement] = []
    article: str | None = None
    for block in document.blocks:
        if block.kind == "heading":
            article = block.text
        rows = [" – ".join(fold_spaces(cell) for cell in row if cell) for row in block.rows]
        for line in rows if block.kind == "table" else [block.text]:
            match = _NUMBERED.match(line)
            if match:
                found.append(
                    Requirement(
                        id=match["id"],
                        text=match["text"].strip(),
                        mandatory=_mandatory(match["text"]),
                        document=document.name,
                        page=block.page,
                        article=article,
                    )
                )
    return found if len(found) >= 3 else []


def _obliging(document: Document) -> list[Requirement]:
    whole = piece(document) == "CCTP"
    found: list[Requirement] = []
    article: str | None = None
    inside = whole
    count = 0
    subject = ""
    for block in document.blocks:
        if block.kind == "heading":
            article = block.text
            inside = whole or bool(_MINIMUM.search(fold(block.text)))
        elif inside and block.kind in ("paragraph", "item"):
            for sentence in sentences(block.text):
                if len(sentence) <= 25 or not (_MUST.search(fold(sentence)) or "pas exig" in fold(sentence)):
                    continue
                count += 1
                head = _HEAD.match(sentence)
                if subject and re.match(r"^(?:Ils?|Elles?)\s", sentence):
                    # « Il doit … » alone names nobody: say who, in brackets, after the buyer's pronoun
                    sentence = re.sub(r"^(\w+)", rf"\1 [{subject}]", sentence)
                elif head and 3 < len(head["subject"].strip()) < 60:
                    subject = head["subject"].strip()
                atoms = list(dict.fromkeys(atomise(sentence)))
                for number, text in enumerate(atoms, start=1):
                    found.append(
                        Requirement(
                            id=f"E{count:03d}" + (f".{number}" if len(atoms) > 1 else ""),
                            text=text,
                            mandatory=_mandatory(text),
                            document=document.name,
                            page=block.page,
                            article=article,
                        )
                    )
    return found


def _mandatory(text: str) -> bool:
    folded = fold(text)
    if re.search(r"\boptionnel|\bfacultati|pas exig", folded):
        return False
    return bool(_MUST.search(folded)) or not _MAY.search(folded)


def atomise(sentence: str) -> list[str]:
    """A sentence's atomic statements: one a thing listed after « doit … », else the sentence itself.

    Every word comes from the sentence; only the introducing words are repeated.
    """
    sentence = sentence.strip()
    subjects = _SUBJECTS.match(sentence)
    if subjects and not re.search(r"\bdoi|\bdevr", subjects["list"]):
        members = _members(subjects["list"])
        if len(members) >= 3:
            return [f"{member} – {subjects['rest']}" for member in members]
    match = _HEAD.match(sentence)
    if match is None:
        return _listed(sentence)
    before = sentence[: match.start("verb") if match["verb"] else match.start("tail")].rstrip()
    verb, tail = match["verb"] or "", match["tail"]
    if re.match(r"être\s", verb) and tail.startswith(","):  # « doivent être X, Y et Z »: X is listed too
        verb, tail = "être", verb.removeprefix("être").strip() + tail
    head = f"{before} {verb}".strip()
    preposition = re.match(r"^(sur|dans|par|avec|selon|pour)\s", tail)
    if preposition:
        head, tail = f"{head} {preposition[1]}", tail[preposition.end() :]
    return _whole_or(sentence, list(_expand(before, head, _members(tail))))


def _listed(sentence: str) -> list[str]:
    """A sentence without « doit » that lists after « avec », « incluant »…"""
    lead = _LEAD.search(sentence)
    members = _members(sentence[lead.end() :]) if lead else []
    if lead is None or len(members) < 2:
        return [sentence]
    head = sentence[: lead.end()].rstrip()
    return _whole_or(sentence, [sentence[: lead.start()].rstrip(" ,"), *_expand(head, head, members)])


def _whole_or(sentence: str, atoms: list[str]) -> list[str]:
    return atoms if 2 <= len(atoms) <= MAX_ATOMS else [sentence]


def _expand(before: str, head: str, members: Sequence[str]) -> Iterator[str]:
    """Each member after the words that introduce it; a list inside a member introduces the members that follow."""
    lead = head
    for position, member in enumerate(members):
        following = members[position + 1] if position + 1 < len(members) else ""
        infinitive = _INFINITIVE.match(member) if position else None
        if infinitive:
            lead = before
        nested = _LEAD.search(member)
        participle = re.match(r"^\w{3,}ant\s", member)
        if nested and following and not _INFINITIVE.match(following):
            inner = member[nested.end() :].strip()
            if nested.start() > 2:
                yield f"{lead} {member[: nested.start()].rstrip(' ,')}"
            yield f"{lead} {member}"
            lead = f"{lead} {member[: nested.end()]}{_shared(inner, following)}".rstrip()
            continue
        yield f"{lead} {member}"
        if infinitive:
            lead = f"{before} {infinitive.group(0)}"
        elif participle:
            lead = f"{lead} {participle.group(0).strip()}"
        elif not position and _LEAD.search(head[-14:]):
            lead = f"{lead}{_shared(member, following)}"
        elif (named := re.match(r"^((?:aux?|des|les|de la|de)\s+[\w\-]+)\s+[A-Z]", member)) and following[:1].isupper():
            lead = f"{lead} {named[1]}"
        inside = re.match(r"^(.*)\(([^()]+(?:,[^()]+){3,})\)$", member)
        for item in inside[2].split(",") if inside else ():
            yield f"{lead} {inside[1].strip()} {item.strip()}"  # type: ignore[index]


def _shared(first: str, following: str) -> str:
    """« des indicateurs techniques » before a bare « sécurité »: « des indicateurs » introduces it too."""
    match = re.match(r"^((?:des|les|de)\s+[\w\-]+)\s+[\w\-]+$", first)
    return f" {match[1]}" if match and not _DETERMINER.match(following) else ""


def _members(text: str) -> list[str]:
    """The things a list names: cut at commas and at « et », « ainsi que » outside parentheses."""
    pieces: list[str] = []
    depth, start = 0, 0
    for match in re.finditer(r"[()«»]|,\s+|\s+et\s+|\s+ainsi qu(?:e\s+|['’])|\s*;\s+", text):
        token = match.group(0)
        if token in "(«":
            depth += 1
        elif token in ")»":
            depth = max(0, depth - 1)
        elif depth == 0:
            pieces.append(text[start : match.start()])
            start = match.end()
    pieces.append(text[start:])
    cleaned = [piece.strip(" ,;.") for piece in pieces]
    cleaned = [re.sub(r"^(?:et\s+|ou\s+|ainsi qu(?:e\s+|['’]))", "", piece) for piece in cleaned if piece]
    return _rejoined(cleaned)


def _rejoined(pieces: Sequence[str]) -> list[str]:
    """Put back together what « et » joined inside one thing (« conçu et testé », « de migration et de formation »)."""
    kept: list[str] = []
    for piece_ in pieces:
        if kept and re.match(r"^(?:qui|que|dont|afin|pour|sans|si|selon|déjà|en cours|lorsqu)\b", piece_):
            kept[-1] = f"{kept[-1]}, {piece_}"
        elif kept and re.match(r"^[a-zé]+s$", piece_) and re.search(r"\w+\s\S+\s\w+s$", kept[-1]):
            kept[-1] = f"{kept[-1]} et {piece_}"  # two adjectives of one noun
        elif kept and re.match(r"^de\s", piece_) and (base := re.match(r"^(.*\b[\w\-]+)\s+de\s+[\w\-]+$", kept[-1])):
            kept.append(f"{base[1]} {piece_}")
        else:
            kept.append(piece_)
    return kept
