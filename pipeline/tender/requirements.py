"""Requirements of the CCTP or programme fonctionnel, one atomic statement each, with the buyer's number where given.

A statement with its own number (« EX-012 – … ») is taken as it stands. Elsewhere, a sentence that obliges (« doit »,
« devra », « est tenu de ») in a CCTP, a programme fonctionnel or an article on minimum requirements is one, and is
numbered by its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import fold, sentences
from pipeline.records import Document, Requirement

_NUMBERED = re.compile(
    r"^(?P<id>(?:EX|EXI|EXG|EF|ENF|REQ|RQ|R|E|EM|F)[\s\-_.]?\d{1,4}(?:[.\-]\d{1,3})*)\s*[–—\-:.]\s+(?P<text>\S.+)$"
)
_MUST = re.compile(
    r"\b(?:doi(?:t|vent)|devra(?:it|ient)?|devront|est tenue? de|sont tenue?s de|il est exige|"
    r"obligatoire(?:ment)?|imperativement|s.engagent? a)\b"
)
_MAY = re.compile(
    r"\b(?:pourra|pourront|peut|est souhaitee?|sont souhaitee?s|souhaitable|optionnel(?:le)?|facultati(?:f|ve))\b"
)
_SPECIFIES = re.compile(r"programme fonctionnel|cahier des clauses techniques|\bcctp\b|specifications? techniques?")
_MINIMUM = re.compile(r"exigences? minimales?|caracteristiques minimales")


def read_requirements(documents: Sequence[Document]) -> tuple[Requirement, ...]:
    """Numbered statements first; where a document has none, its obliging sentences."""
    found: list[Requirement] = []
    for document in documents:
        numbered = _numbered(document)
        found.extend(numbered or _obliging(document))
    return tuple(found)


def _numbered(document: Document) -> list[Requirement]:
    found: list[Requirement] = []
    article: str | None = None
    for block in document.blocks:
        if block.kind == "heading":
            article = block.text
        lines = (
            [" – ".join(cell for cell in row if cell) for row in block.rows] if block.kind == "table" else [block.text]
        )
        for line in lines:
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
    opening = fold(" ".join(block.text for block in document.blocks[:12]))
    whole = bool(_SPECIFIES.search(opening)) and "reglement de la consultation" not in opening
    found: list[Requirement] = []
    article: str | None = None
    inside = whole
    for block in document.blocks:
        if block.kind == "heading":
            article = block.text
            inside = whole or bool(_MINIMUM.search(fold(block.text)))
        elif inside and block.kind in ("paragraph", "item"):
            for sentence in sentences(block.text):
                if _MUST.search(fold(sentence)) and len(sentence) > 25:
                    found.append(
                        Requirement(
                            id=f"E{len(found) + 1:03d}",
                            text=sentence,
                            mandatory=True,
                            document=document.name,
                            page=block.page,
                            article=article,
                        )
                    )
    return found


def _mandatory(text: str) -> bool:
    folded = fold(text)
    return bool(_MUST.search(folded)) or not _MAY.search(folded)
