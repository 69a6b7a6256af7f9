"""What the buyer asks for, one by one, and which files answer it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.french import fold, stems
from pipeline.pack import Given
from pipeline.pack.kinds import TO_FILL, Kind, file_words, kinds, kinds_in
from pipeline.records import Side, Tender

MEMOIRE, CERTIFICATES = "Memoire", "Certificats"
"""Names in prompts/lists/pieces.txt: the kind of the mémoire technique, and certificates of no particular kind."""
_TAIL = re.compile(
    r"[:,]?\s(?:avec|comprenant|contenant|dont|portant|précisant|valant|notamment|conformément|au sens|qui)\b|:|\s-\s"
)
_OPTIONAL = re.compile(
    r"le cas echeant|facultati|non obligatoire|optionnel|\ben cas de\b|\bsi (?:le candidat|l.offre|necessaire|besoin)"
    r"|eventuel|s.il y a lieu|est en redressement"
)
_NO_REFERENCE = re.compile(
    r"\b(?:en référence à|par référence à|références? d[eu]s? (?:la |l['’])?(?:consultation|marché))"
)
"""« Référence » that is no reference of the firm."""
_OPTION = re.compile(r"\ble cas échéant\b|\béventuellement\b", re.IGNORECASE)
_CHOICE = re.compile(r"\bou\b(?! (?:leurs? )?equivalent)")
_RANGE = re.compile(r"\b([A-Z]{1,2})(\d{1,2})\s+à\s+(?:[A-Z]{1,2})?(\d{1,2})\b")
_BY_DUME = {"DC1", "DC2", "Honneur"}
_TEXT_HEAD = 300
"""Characters of a file's own text that say what it is, where its name does not."""
_LIKE = 0.5
"""Share of the words of a file's name that must be the piece's, where no known kind tells."""


@dataclass(frozen=True)
class Wanted:
    """A piece asked for."""

    label: str
    kinds: tuple[Kind, ...]
    """What it is made of; empty where its words are of no known kind."""
    choice: bool
    """One of the kinds is enough."""
    codes: tuple[str, ...]
    """Of the deliverables it is, or is made of."""
    mandatory: bool
    side: Side
    own: bool
    """It is a deliverable of the list, not a line of the pieces."""

    @property
    def to_fill(self) -> bool:
        return any(kind.note == TO_FILL for kind in self.kinds)


def wanted_of(tender: Tender) -> list[Wanted]:
    """The pieces as the buyer lists them, then the deliverables; the mémoire where nothing names it."""
    found: list[Wanted] = []
    side: Side = "candidature"
    for label in tender.pieces:
        if " " not in label.strip() or (len(label.split()) < 3 and label.endswith(")")):
            continue  # a template of a name, or the end of a cut line, read among the pieces
        item = _line(label, side, [deliverable.code for deliverable in tender.deliverables])
        side = item.side
        found.append(item)
    for deliverable in tender.deliverables:
        own = tuple(kind for kind in kinds_in(deliverable.title) if kind.folder != "acheteur")
        label = f"{deliverable.code} – {deliverable.title}"
        found.append(Wanted(label, own[:1], True, (deliverable.code,), True, "offre", True))
    if tender.plan and not any(kind.name == MEMOIRE for item in found for kind in item.kinds):
        memoire = tuple(kind for kind in kinds() if kind.name == MEMOIRE)
        found.append(Wanted("Mémoire technique", memoire, True, (), True, "offre", False))
    return found


def _line(label: str, side: Side, codes: Sequence[str]) -> Wanted:
    """A line of the buyer's list; of unknown kind, it lies where the line before does."""
    text = _NO_REFERENCE.sub("", label)
    option = _OPTION.search(text)
    sure = text[: option.start()] if option and option.start() > 10 else text
    tail = _TAIL.search(sure)
    head = sure[: tail.start()] if tail and kinds_in(sure[: tail.start()]) else sure
    found = kinds_in(head)
    precise = tuple(kind for kind in found if kind.name != CERTIFICATES)
    found = precise or found
    ranged = _RANGE.search(label)
    named = [f"{ranged[1]}{n}" for n in range(int(ranged[2]), int(ranged[3]) + 1)] if ranged else []
    named += re.findall(r"\b[A-Z]{1,2}\d{1,2}\b", label)
    buyers = bool(found) and found[0].folder == "acheteur"
    own: Side = side if not found or buyers else "candidature" if found[0].folder == "candidature" else "offre"
    return Wanted(
        label=label,
        kinds=found,
        choice=bool(_CHOICE.search(fold(head))) or buyers,
        codes=tuple(dict.fromkeys(code for code in named if code in codes)),
        mandatory=not (_OPTIONAL.search(fold(head)) or buyers),
        side=own,
        own=False,
    )


def kinds_of(file: Given) -> tuple[Kind, ...]:
    """What a file is: by its name, else by the head of its text."""
    named = kinds_in(file_words(file.stem), sigles=False)
    if not named and file.origin != "export":
        named = kinds_in((file.text or "")[:_TEXT_HEAD])[:1]
    return tuple(kind for kind in named if kind.name != CERTIFICATES) or named


def answers(file: Given, item: Wanted, codes: Sequence[str]) -> bool:
    """Whether a file is the piece, or part of it. ``codes`` are those of all deliverables: a file that bears one is
    that deliverable and nothing else of the list."""
    code = file.code if file.code in codes else _code_in(file, codes)
    if code:
        return code in item.codes
    own = {kind.name for kind in kinds_of(file)}
    asked = {kind.name for kind in item.kinds}
    if own & asked or ("DUME" in own and asked & _BY_DUME):
        return True
    if asked == {CERTIFICATES} and any(kind.note == "certificat" for kind in kinds_of(file)):
        return True
    return not file.code and not own and not asked and _alike(file, item)


def _code_in(file: Given, codes: Sequence[str]) -> str:
    """The deliverable's code that a file's name bears: « L6_pca.docx »."""
    words = [word.upper() for word in re.split(r"[\W_]+", file.stem)]
    return next((code for code in codes if code.upper() in words), "")


def _alike(file: Given, item: Wanted) -> bool:
    """Whether most words of the file's name are the piece's, two at least, or all of a single one."""
    words = {stem for stem in stems(file_words(file.stem)) if not stem.isdigit() and len(stem) > 2}
    shared = words & set(stems(item.label))
    return bool(words) and len(shared) / len(words) >= _LIKE and (len(shared) > 1 or len(words) == 1)
