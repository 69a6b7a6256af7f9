"""What pages show of a dossier on disk, read once for each of its states: a page is asked for more often than a dossier
changes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from pipeline.french import fold
from pipeline.readers import read_all
from pipeline.records import Block, Document, Tender
from pipeline.store import FILE, Store
from pipeline.workspace import Dossier, read_consultation, stamp

_Stamp = tuple[int, ...]


def tender_of(dossier: Dossier) -> Tender | None:
    """What the buyer imposes; ``None`` before the first reading. Raises DossierError where consultation.yaml is
    wrong."""
    return read_consultation(dossier) if dossier.consultation.is_file() else None


class Documents(dict[str, Document]):
    """The buyer's documents as read, by their path in ``dce/``."""

    @cached_property
    def folded(self) -> dict[str, tuple[str, list[tuple[int | None, str]]]]:
        """Of each, its whole text and its blocks with their pages, folded for comparing; contents lists left out."""
        found = {}
        for name, document in self.items():
            blocks = [(block.page, fold(block.text)) for block in document.blocks if block.kind != "toc"]
            found[name] = ("\n".join(text for _, text in blocks), blocks)
        return found


def documents_of(dossier: Dossier) -> Documents:
    """Every document; from the index where it holds them."""
    index = dossier.index / FILE
    files = tuple((path, stamp(path)) for path in dossier.dce_files())
    return _documents(dossier, files, stamp(index), stamp(index.with_name(f"{FILE}-wal")))


@lru_cache(maxsize=8)
def _documents(dossier: Dossier, files: tuple[tuple[Path, _Stamp], ...], index: _Stamp, log: _Stamp) -> Documents:
    names = {path.relative_to(dossier.root).as_posix(): path for path, _ in files}
    held: dict[str, Document | None] = {}
    if index:
        with contextlib.closing(Store(dossier.index / FILE)) as store:
            known = store.known()
            held = {name: store.document(name) for name in names if name in known}
    missing = [path for name, path in names.items() if name not in held]
    read = {document.name: document for document in read_all(missing, "dce")[0]} if missing else {}
    found = {name: held.get(name) or read.get(path.name) for name, path in names.items()}
    return Documents({name.removeprefix("dce/"): document for name, document in found.items() if document is not None})


@dataclass(frozen=True)
class Found:
    """Where words stand."""

    document: str
    """Its path in ``dce/``."""
    page: int | None


def locate(documents: Documents, words: str, page: int | None = None) -> Found | None:
    """The first place that has these words, a page given coming first; ``None`` where none has them."""
    wanted = fold(words)
    if not wanted:
        return None
    places = [
        Found(name, at)
        for name, (whole, blocks) in documents.folded.items()
        if wanted in whole
        for at, text in blocks
        if wanted in text
    ]
    return next((place for place in places if page is not None and place.page == page), places[0] if places else None)


@dataclass(frozen=True)
class Line:
    """A block of a page, cut where the words looked for begin and end."""

    kind: str
    level: int
    before: str
    marked: str
    after: str
    rows: tuple[tuple[str, ...], ...] = ()


def page_lines(document: Document, page: int | None, words: str = "") -> list[Line]:
    """The blocks of a page (all where it has none), with the words marked where they stand."""
    blocks = [block for block in document.blocks if page is None or block.page is None or _on(block, page)]
    return list(_marked(blocks, words.strip()))


def _on(block: Block, page: int) -> bool:
    return block.page == page or page in block.row_pages or page in block.row_ends


def _marked(blocks: Sequence[Block], words: str) -> Iterator[Line]:
    for block in blocks:
        text = f"{block.marker} {block.text}".strip()
        start = _position(text, words) if words else -1
        if start < 0 and words and len(block.text) > 20 and fold(block.text) in fold(words):
            start, end = 0, len(text)
        else:
            end = start + len(words)
        level = block.level if block.kind == "heading" else 0
        if start < 0:
            yield Line(block.kind, level, text, "", "", block.rows)
        else:
            yield Line(block.kind, level, text[:start], text[start:end], text[end:], block.rows)


def _position(text: str, words: str) -> int:
    """Where the words begin, whatever their case and accents; -1 where they do not stand there. Folding keeps the
    length of what it folds for nearly all text; where it does not, nothing is marked."""
    folded = fold(text)
    return folded.find(fold(words)) if len(folded) == len(text) else text.find(words)


def page_numbers(document: Document) -> list[int]:
    """Pages that have text, in order."""
    return sorted({block.page for block in document.blocks if block.page is not None})
