"""Which piece of the tender is which: by what the first page says, then by the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.french import fold
from pipeline.records import Document, Piece

_TITLES: tuple[tuple[Piece, str], ...] = (
    ("RC", r"reglement (?:de |particulier de )?(?:la )?consultation|reglement de l.(?:appel|accord)"),
    ("CCAP", r"cahier (?:des|de) clauses administratives|clauses administratives (?:particulieres|generales)"),
    ("CCTP", r"cahier (?:des|de) clauses techniques|programme fonctionnel|cahier des charges|clauses techniques"),
    ("AE", r"acte d.engagement"),
    ("BPU", r"bordereau (?:des|de) prix|cadre (?:des?|financier des?) prix"),
    ("DPGF", r"decomposition (?:du|des|de) prix"),
    ("DQE", r"detail (?:quantitatif|estimatif)"),
    ("CADRE", r"cadre (?:de|du) (?:reponse|memoire)|trame (?:de|du) (?:reponse|memoire)"),
    ("LETTRE", r"lettre (?:de|d.)"),
    ("NOTICE", r"^notice\b"),
    ("ANNEXE", r"^annexe"),
)
_NAMES: tuple[tuple[Piece, str], ...] = (
    ("RC", r"(?:^|[^a-z])rc(?:[^a-z]|$)|reglement"),
    ("CCAP", r"ccap|ccp(?:[^a-z]|$)"),
    ("CCTP", r"cctp|(?:^|[^a-z])pf(?:[^a-z]|$)|programme"),
    ("AE", r"(?:^|[^a-z])ae(?:[^a-z]|$)|acte"),
    ("BPU", r"bpu"),
    ("DPGF", r"dpgf"),
    ("DQE", r"dqe"),
    ("CADRE", r"cadre|trame|crt"),
    ("LETTRE", r"lettre"),
    ("NOTICE", r"notice"),
    ("ANNEXE", r"annexe"),
)
OPENING = 14
"""Blocks of a first page: title, buyer, object, often a date."""


def piece(document: Document) -> Piece:
    """The piece a document is: as a person said, else by its content, where a title alone on its line wins over a
    mention and a mention over the file's name."""
    if document.piece is not None:
        return document.piece
    opening = [fold(block.text) for block in document.blocks[:OPENING] if block.kind != "toc"]
    for texts in ([text for text in opening if len(text) < 90], opening):
        for text in texts:
            for kind, pattern in _TITLES:
                if re.search(pattern, text):
                    return kind
    name = fold(document.name)
    return next((kind for kind, pattern in _NAMES if re.search(pattern, name)), "AUTRE")


def of_kind(documents: Sequence[Document], *kinds: Piece) -> list[Document]:
    """The documents of these kinds; all of them where none is, so that a single unnamed file is still read."""
    return [document for document in documents if piece(document) in kinds] or list(documents)
