"""Document -> list[Passage]: along headings, lists and tables, never across a page.

A numbered requirement is a passage of its own; a table is cut between rows, each piece keeping the header. Only what
is still longer than a passage goes to langchain-text-splitters. Every passage knows the characters of the document it
was made from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from langchain_text_splitters import RecursiveCharacterTextSplitter

from pipeline.french import fold, fold_spaces
from pipeline.records import Block, Document, Passage, SourceKind

_REQUIREMENT = re.compile(r"^(?:EX|EXI|EXG|EF|ENF|REQ|RQ|EM)[\s\-_.]?\d{1,4}\b")
_ARTICLE = re.compile(r"^(?:(?:ARTICLE|CHAPITRE|ANNEXE|PARTIE|TITRE)\s+\S+|\d{1,2}(?:\.\d{1,2})*\.?)\s", re.IGNORECASE)
_LOT = re.compile(r"\blot[\s_\-]*(?:n\s*[°o]?\s*)?0*(\d{1,2})\b")
_LOTS = re.compile(r"\blots\b")

IDENTITY = "structure-2"
"""Changes whenever the way of cutting does: an index made otherwise is refused."""


class _Piece(NamedTuple):
    """A passage to be: what is searched, and the characters of the document it comes from."""

    text: str
    start: int
    end: int
    page: int | None
    until: str | None = None


class _Placed(NamedTuple):
    """A block and where it begins in ``Document.text``."""

    block: Block
    start: int


def split(document: Document, passage_chars: int) -> list[Passage]:
    """Passages of at most ``passage_chars`` characters, in reading order."""
    passages: list[Passage] = []
    for piece, headings in _pieces(document, passage_chars):
        article = next((h for h in reversed(headings) if _ARTICLE.match(h)), headings[-1] if headings else None)
        passages.append(
            Passage(
                id=_identifier(document.sha256, len(passages), piece.text),
                kind=document.kind,
                document=document.name,
                page=piece.page,
                article=article,
                headings=headings,
                text=piece.text,
                start=piece.start,
                end=piece.end,
                lot=_lot((document.name, *headings)) if document.kind == "dce" else None,
                until=piece.until,
                client=document.client,
                client_alias=document.client_alias,
                date=document.date,
            )
        )
    return passages


def _identifier(sha256: str, ordinal: int, text: str) -> str:
    """A passage's name: first 12 hexadecimal digits of SHA-256 over its document's hash, its rank there, its text."""
    return hashlib.sha256(f"{sha256}\0{ordinal}\0{text}".encode()).hexdigest()[:12]


def _lot(titles: Iterable[str]) -> str | None:
    """The one lot that titles name, the innermost first; ``None`` where there is none, or several in one title."""
    for title in reversed(tuple(titles)):
        folded = fold(title)
        found = set(_LOT.findall(folded))
        if found or _LOTS.search(folded):
            return found.pop() if len(found) == 1 and not _LOTS.search(folded) else None
    return None


def _pieces(document: Document, limit: int) -> Iterator[tuple[_Piece, tuple[str, ...]]]:
    path: list[tuple[int, str]] = []
    pending: list[_Placed] = []

    def flush() -> Iterator[tuple[_Piece, tuple[str, ...]]]:
        if pending:
            headings = tuple(text for _, text in path)
            for piece in _grouped(pending, limit):
                yield piece, headings
            pending.clear()

    start = 0
    for block in document.blocks:
        placed = _Placed(block, start)
        start += len(block.text) + 1
        if block.kind == "toc":
            continue
        if block.kind == "heading":
            yield from flush()
            level = block.level or _level(block.text)
            path = [item for item in path if item[0] < level] + [(level, block.text)]
            continue
        alone = block.kind == "table" or bool(_REQUIREMENT.match(block.text)) or document.kind in _SINGLE
        if alone or (
            pending and (pending[0].block.page != block.page or bool(_REQUIREMENT.match(pending[0].block.text)))
        ):
            yield from flush()
        if block.kind == "table":
            headings = tuple(text for _, text in path)
            for piece in _table(placed, limit):
                yield piece, headings
        else:
            pending.append(placed)
            if alone:
                yield from flush()
    yield from flush()


_SINGLE: tuple[SourceKind, ...] = ("firm",)
"""Kinds whose every statement stands alone."""


def _level(text: str) -> int:
    """A heading's depth when the format does not say: by keyword, then by the parts of its number."""
    if re.match(r"^(?:ARTICLE|CHAPITRE|ANNEXE|PARTIE|TITRE)\b", text, re.IGNORECASE):
        return 1
    match = re.match(r"^(\d{1,2}(?:\.\d{1,2})*)", text)
    return 1 + len(match[1].split(".")) if match else 4


def _grouped(blocks: Sequence[_Placed], limit: int) -> Iterator[_Piece]:
    """Whole blocks together up to the limit; an introducing line stays with its list."""
    group: list[_Placed] = []
    for placed in blocks:
        length = sum(len(_line(other.block)) + 1 for other in group) + len(_line(placed.block))
        if group and length > limit:
            yield _joined(group)
            group = []
        if len(_line(placed.block)) > limit:
            yield from _cut(placed, limit)
        else:
            group.append(placed)
    if group:
        yield _joined(group)


def _line(block: Block) -> str:
    return f"– {block.text}" if block.kind == "item" else block.text


def _joined(group: Sequence[_Placed]) -> _Piece:
    first, last = group[0], group[-1]
    return _Piece(
        "\n".join(_line(placed.block) for placed in group),
        first.start,
        last.start + len(last.block.text),
        first.block.page,
        min((placed.block.until for placed in group if placed.block.until), default=None),
    )


def _cut(placed: _Placed, limit: int) -> Iterator[_Piece]:
    """A block too long for a passage, between lines, sentences, clauses or words."""
    block, at = placed.block, 0
    for text in _splitter(limit - 2).split_text(block.text):
        piece = text.strip()
        if piece:
            at = block.text.index(piece, at)
            start, at = placed.start + at, at + len(piece)
            yield _Piece(piece, start, start + len(piece), block.page, block.until)


def _splitter(limit: int) -> RecursiveCharacterTextSplitter:
    return RecursiveCharacterTextSplitter(
        chunk_size=limit,
        chunk_overlap=0,
        separators=["\n", r"(?<=[.!?]) ", r"(?<=[;:]) ", " ", ""],
        is_separator_regex=True,
        keep_separator="start",
    )


def _table(placed: _Placed, limit: int) -> Iterator[_Piece]:
    """Rows as « header : cell ; header : cell », as many as fit on one page."""
    block = placed.block
    if not block.rows:
        return
    starts, lines = [], block.text.split("\n")
    at = placed.start
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    header, body = block.rows[0], range(1, len(block.rows))
    if not body:
        text = " | ".join(fold_spaces(cell) for cell in header if cell)
        if text:
            yield from _cut(_Placed(block.model_copy(update={"text": text}), placed.start), limit)
        return
    group: list[_Piece] = []
    for row in body:
        cells = [
            f"{name} : {cell}" if name else cell for name, cell in zip(header, block.rows[row], strict=True) if cell
        ]
        text = fold_spaces(" ; ".join(cells))
        page = block.row_pages[row] if block.row_pages else block.page
        piece = _Piece(text, starts[row], starts[row] + len(lines[row]), page)
        if group and (sum(len(other.text) + 1 for other in group) + len(text) > limit or group[0].page != page):
            yield _rows(group)
            group = []
        if len(text) > limit:
            yield from (piece._replace(text=part.strip()) for part in _splitter(limit).split_text(text) if part.strip())
        elif text:
            group.append(piece)
    if group:
        yield _rows(group)


def _rows(group: Sequence[_Piece]) -> _Piece:
    return group[0]._replace(text="\n".join(piece.text for piece in group), end=group[-1].end)
